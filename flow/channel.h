// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: channel.h
//
// Buffered reading (lines, exact sizes, a look ahead) and buffered writing on
// any flow. A channel is itself a flow, so a protocol can read a header and
// hand the rest to Copy() without losing a byte:
//
//   auto channel = flow::MakeChannel(std::move(connection));
//   absl::StatusOr<std::string> line =
//       flow::NotAtEnd(channel->ReadLine(/*max_bytes=*/8192));  // status.h
//   if (!line.ok()) return line.status();
//   if (*line == "SEND") return flow::Copy(*channel, *sink).status;
//
// A function that speaks a protocol takes a `Channel&`. Whoever owns the flow
// makes the channel, once, because what is buffered belongs to the stream.
//
// framing.h adds integers and blocks with their length before them.
//
// When not to use it: to pass data on, for which Read() and Writev() are
// enough; for code that wants a std::istream or a std::ostream, which
// iostream.h feeds; to write from several threads, which frame_writer.h does.
//
// Thread safety: that of `flow::Flow`. All the functions that read are Reads,
// and all that write are writes, of which there may be one at a time.

#ifndef FLOW_CHANNEL_H_
#define FLOW_CHANNEL_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/internal/attempts.h"
#include "flow/operation.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {

// ChannelOptions
struct ChannelOptions {
  // How far ReadLine(), ReadUntil(), ReadExactly() and Peek() may read ahead,
  // in bytes. A channel never buffers more than that, or than one of them was
  // asked for if that is more. At 0 and 1 they read no more than they need,
  // which for ReadLine() and ReadUntil() is byte by byte.
  size_t max_buffered_read = size_t{64} << 10;

  // How many bytes WriteBuffered() collects before it hands them on. At 0 and 1
  // it is a Write().
  size_t max_buffered_write = size_t{64} << 10;
};

// Whether the last line of a stream must end in a '\n', too. If it must, a
// stream that was cut off in a line does not look whole.
enum class LastLine { kNeedsNewline, kNeedsNoNewline };

// Channel
//
// What was written is guaranteed to be handed on only if Close() returns Ok:
// Abort() and destruction drop what is still buffered.
//
// Read() returns what is buffered first, and otherwise reads the flow
// underneath directly. Write(), Writev() and WriteFrom() hand on what is
// buffered together with their own bytes, in one gathering write, so Copy() and
// relays work unbuffered. Nothing that passes is copied, except what
// WriteBuffered() borrows, small pieces, and what would keep a much larger
// buffer in memory (docs/semantics.md, "Read").
//
// What differs from other flows:
//
//  * Shutdown(kWrite) hands on what is buffered, so it can wait, up to the
//    write deadline. If that passes or the flush fails, the direction is
//    broken. Call Flush() first if you want to go on after a deadline.
//  * Close() flushes, too. If it has to wait for that, it does so up to its own
//    deadline or the write deadline, whichever comes first. If its own passes,
//    that is a Close() past its deadline; otherwise the direction is broken
//    (kAborted), and it goes on.
//  * For the remote, bytes that are buffered here have been read. If this
//    channel is then destroyed, the remote's Close() does not fail.
class Channel final : public Flow {
 public:
  ~Channel() override;

  // Channel::ReadExactly()
  //
  // Waits for `n` bytes and returns them. Buffers up to `n` bytes, so `n` must
  // be limited if it comes from the remote. Outcomes:
  //
  //  * `n` bytes, and never fewer. `n` of 0 is an empty Cord at once.
  //  * kOutOfRange: the stream has ended before there were `n`. Those that came
  //    stay buffered, and every other way to read still returns them. Where
  //    the stream may end, look first: Peek(1) is empty at end-of-file.
  //  * kDeadlineExceeded: nothing was lost, the next call goes on.
  //  * Any other error, as from Read(). What came before it stays buffered, and
  //    the error is returned again after that.
  //
  // bytes_read() counts only what was returned.
  absl::StatusOr<absl::Cord> ReadExactly(size_t n);

  // Channel::ReadLine()
  //
  // Waits for a whole line and returns it without the '\n' or "\r\n" at its
  // end. Any other '\r' is a byte of the line. Outcomes:
  //
  //  * A line. It may be empty. With its end it has at most `max_bytes` bytes.
  //  * std::nullopt: end-of-file, after a whole line or at the beginning. Where
  //    the stream may not end there, NotAtEnd() (status.h) makes it an error.
  //  * kOutOfRange: the stream has ended in the middle of a line. What came of
  //    that stays buffered, and every other way to read still returns it. With
  //    LastLine::kNeedsNoNewline it is a line like any other instead.
  //  * kResourceExhausted: `max_bytes` bytes came without a '\n'. They stay
  //    buffered. A call with a larger limit, or any other way to read, goes on.
  //  * Errors, as with ReadExactly(). `max_bytes` of 0 is kInvalidArgument.
  //
  // A tool for text files reads all lines, and no command, like this:
  //
  //     while (true) {
  //       absl::StatusOr<std::optional<std::string>> line = channel->ReadLine(
  //           /*max_bytes=*/4096, flow::LastLine::kNeedsNoNewline);
  //       if (!line.ok()) return line.status();
  //       if (!line->has_value()) break;  // end-of-file
  //       Show(**line);
  //     }
  //
  // Each byte is looked at once, in however many pieces the line comes.
  // bytes_read() counts the end of the line, too.
  absl::StatusOr<std::optional<std::string>> ReadLine(
      size_t max_bytes, LastLine last_line = LastLine::kNeedsNewline);

  // Channel::ReadUntil()
  //
  // Waits for `delimiter`, removes it, and returns what came before it. The
  // delimiter may be any bytes, even absl::string_view("\0", 1), and is found
  // wherever it was cut into pieces. Outcomes:
  //
  //  * The bytes before the delimiter. There may be none. Together with it they
  //    are at most `max_bytes` bytes.
  //  * std::nullopt: end-of-file, with nothing after the last delimiter.
  //  * kOutOfRange: the stream has ended after some bytes without a delimiter.
  //  * kResourceExhausted: `max_bytes` bytes came without it.
  //  * Errors, as with ReadExactly(). An empty delimiter and `max_bytes` of 0
  //    are kInvalidArgument.
  //
  // As with ReadLine(), an error leaves the bytes buffered, each byte is looked
  // at once, and bytes_read() counts the delimiter, too.
  absl::StatusOr<std::optional<absl::Cord>> ReadUntil(
      absl::string_view delimiter, size_t max_bytes);

  // Channel::Peek()
  //
  // Waits for `n` bytes and returns them, but leaves them to be read. Returns
  // fewer only if the stream ends there. Buffers up to `n` bytes. Errors are as
  // with ReadExactly(). `n` of 0 is an empty Cord at once.
  absl::StatusOr<absl::Cord> Peek(size_t n);

  // Channel::WriteBuffered()
  //
  // Accepts the bytes of `buffer`, and hands them on together with later ones:
  // when there are `max_buffered_write` bytes, or with any other write. Copies
  // borrowed bytes, and shares a Cord. Outcomes are those of Write(). If all
  // had to be handed on and that failed, those bytes of `buffer` count as
  // accepted that the flow underneath has accepted.
  absl::Status WriteBuffered(Buffer buffer);

  // Channel::Flush()
  //
  // Hands on what is buffered. Errors are those of a write: kDeadlineExceeded
  // loses nothing, and the next call goes on; any other error breaks the
  // direction. Once the direction has ended, this is Closed, as an empty write.
  absl::Status Flush();

  // --- Started calls (docs/started.md)
  //
  // StartReadExactly() and so on are ReadExactly() and so on as started calls:
  // they return true if the call is over, with its outcome in `*operation`.
  // Otherwise operation->Done() tells, once. Besides those of the call that
  // waits they have the outcomes of StartRead() (flow.h). A channel has the
  // engine of the flow that it was made of.
  //
  //   struct Line final : flow::Channel::LineOperation {
  //     void Done() override { Use(line); }
  //   };

  // What a started ReadExactly() or Peek() gives.
  class BytesOperation : public internal::ReadAttempt {
   public:
    absl::StatusOr<absl::Cord> bytes;

   protected:
    ~BytesOperation() = default;

   private:
    friend class Channel;
    std::optional<absl::StatusOr<absl::Cord>> Try(Retry* retry,
                                                  bool* passes) final;
    void Finish() final;
    Channel* channel_ = nullptr;
    size_t size_ = 0;
    bool removes_ = false;  // what it reads
  };
  [[nodiscard]] bool StartReadExactly(BytesOperation* operation, size_t n);
  [[nodiscard]] bool StartPeek(BytesOperation* operation, size_t n);

  // What a started ReadLine() gives.
  class LineOperation : public internal::ReadAttempt {
   public:
    absl::StatusOr<std::optional<std::string>> line;

   protected:
    ~LineOperation() = default;

   private:
    friend class Channel;
    std::optional<absl::StatusOr<absl::Cord>> Try(Retry* retry,
                                                  bool* passes) final;
    void Finish() final;
    Channel* channel_ = nullptr;
    size_t max_bytes_ = 0;
    LastLine last_line_ = LastLine::kNeedsNewline;
  };
  [[nodiscard]] bool StartReadLine(
      LineOperation* operation, size_t max_bytes,
      LastLine last_line = LastLine::kNeedsNewline);

  // What a started ReadUntil() gives.
  class PartOperation : public internal::ReadAttempt {
   public:
    absl::StatusOr<std::optional<absl::Cord>> part;

   protected:
    ~PartOperation() = default;

   private:
    friend class Channel;
    std::optional<absl::StatusOr<absl::Cord>> Try(Retry* retry,
                                                  bool* passes) final;
    void Finish() final;
    Channel* channel_ = nullptr;
    std::string delimiter_;
    size_t max_bytes_ = 0;
  };
  [[nodiscard]] bool StartReadUntil(PartOperation* operation,
                                    absl::string_view delimiter,
                                    size_t max_bytes);

  // WriteBuffered() of `operation->rest`, and Flush(). StartFlush() hands on
  // what is buffered and then `operation->rest`, which may be empty.
  [[nodiscard]] bool StartWriteBuffered(WriteOperation* operation);
  [[nodiscard]] bool StartFlush(WriteOperation* operation);

 private:
  friend std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> flow,
                                              ChannelOptions options);

  // The transport of a channel, which has the buffers.
  class Buffers;

  bool StartBytes(absl::string_view what, BytesOperation& operation, size_t n);

  // `*buffers` is what `decorate` makes.
  Channel(std::unique_ptr<Flow> flow, TransportDecorator decorate,
          Buffers* const* buffers);

  Buffers& buffers_;
};

// MakeChannel()
//
// Makes a channel of `flow`, which keeps its state, counters, deadlines and
// engine. What another channel has buffered is not lost.
//
// Precondition: `flow` is not null, and no call on it is under way.
std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> flow,
                                     ChannelOptions options = {});

}  // namespace flow

#endif  // FLOW_CHANNEL_H_
