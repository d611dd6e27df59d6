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
//   absl::StatusOr<std::string> line = channel->ReadLine(/*max_bytes=*/8192);
//   if (!line.ok()) return line.status();
//   if (*line == "SEND\n") return flow::Copy(*channel, *sink).status;
//
// A function that speaks a protocol takes a `Channel&`. Whoever owns the flow
// makes the channel, once, because what is buffered belongs to the stream.
//
// When not to use it: to pass data on, for which Read() and Writev() are
// enough; for code that wants a std::istream or a std::ostream, which
// iostream.h feeds.
//
// Thread safety: that of `flow::Flow`. All the functions that read are Reads,
// and all that write are writes, of which there may be one at a time.

#ifndef FLOW_CHANNEL_H_
#define FLOW_CHANNEL_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {

// ChannelOptions
struct ChannelOptions {
  // How far ReadLine(), ReadExactly() and Peek() may read ahead, in bytes. A
  // channel never buffers more than that, or than one of them was asked for if
  // that is more. At 0 and 1 they read no more than they need, which for
  // ReadLine() is byte by byte.
  size_t max_buffered_read = size_t{64} << 10;

  // How many bytes WriteBuffered() collects before it hands them on. At 0 and 1
  // it is a Write().
  size_t max_buffered_write = size_t{64} << 10;
};

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
//  * Close() flushes, too, up to its own deadline or the write deadline,
//    whichever comes first. If its own passes, that is a Close() past its
//    deadline; otherwise the direction is broken (kAborted), and it goes on.
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
  // Waits for a whole line and returns it with its '\n'. A '\r' before that is
  // left to the caller. Outcomes:
  //
  //  * A line that ends in '\n', of at most `max_bytes` bytes with it.
  //  * Bytes without a '\n' at their end: the stream ended there.
  //  * An empty string: end-of-file.
  //
  //      // BUG: if the stream ended in `DELETE /tmp/x`, that may be only the
  //      // beginning of a name. Look for the '\n' first.
  //      if (line->rfind("DELETE ", 0) == 0) Delete(line->substr(7));
  //
  //  * kResourceExhausted: `max_bytes` bytes came without a '\n'. They stay
  //    buffered. A call with a larger limit, or any other way to read, goes on.
  //  * Errors, as with ReadExactly(). `max_bytes` of 0 is kInvalidArgument.
  //
  // Each byte is looked at once, in however many pieces the line comes.
  absl::StatusOr<std::string> ReadLine(size_t max_bytes);

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

 private:
  friend std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> flow,
                                              ChannelOptions options);

  // The transport of a channel, which has the buffers.
  class Buffers;

  // `*buffers` is what `decorate` makes.
  Channel(std::unique_ptr<Flow> flow, TransportDecorator decorate,
          Buffers* const* buffers);

  Buffers& buffers_;
};

// MakeChannel()
//
// Makes a channel of `flow`, which keeps its state, counters and deadlines.
// What another channel has buffered is not lost.
//
// Precondition: `flow` is not null, and no call on it is under way.
std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> flow,
                                     ChannelOptions options = {});

}  // namespace flow

#endif  // FLOW_CHANNEL_H_
