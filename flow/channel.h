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
// A function that speaks a protocol takes a `Channel&`; whoever owns the flow
// makes it, once, as what is buffered belongs to the stream.
//
// When not to use it: for data that is only passed on, which Read() and
// Writev() do without it. To feed code that wants a std::istream or a
// std::ostream: iostream.h.
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
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"
#include "flow/internal/byte_queue.h"

namespace flow {

// ChannelOptions
struct ChannelOptions {
  // How far ReadLine(), ReadExactly() and Peek() may read ahead, in bytes. More
  // than that, or than what one of them was asked for if that is more, is never
  // buffered. At 0 and 1 they take no byte off the inner flow that they need
  // not; ReadLine() then reads byte by byte.
  size_t max_buffered_read = size_t{64} << 10;

  // How many bytes WriteBuffered() collects before it hands them on. At 0 and 1
  // it is a Write().
  size_t max_buffered_write = size_t{64} << 10;
};

// Channel
//
// Must be closed, and Close() must return Ok, for what was written to be
// guaranteed to have been handed on: Abort() and destruction drop what is still
// buffered.
//
// Read() returns what is buffered first, and otherwise reads the inner flow
// directly. Write(), Writev() and WriteFrom() hand on what is buffered together
// with their own bytes, in one gathering write, so Copy() and relays work
// unbuffered. Nothing that passes is copied, except what WriteBuffered()
// borrows, small pieces, and what would keep a much larger buffer in memory
// (docs/semantics.md, "Read").
//
// What differs from other flows, besides what forwarding_flow.h says:
//
//  * Shutdown(kWrite) hands on what is buffered, so it can wait, up to the
//    write deadline. When that passes, or the flush fails, the direction is
//    broken; call Flush() before to be able to go on.
//  * Close() does, too, up to its own deadline or the write deadline, whichever
//    comes first. If it is its own, that is a Close() past its deadline;
//    otherwise it goes on with a direction that is broken (kAborted).
//  * For the remote, bytes that are buffered here have been read. Its Close()
//    does not hear that they were lost if this channel is then destroyed.
class Channel final : public ForwardingFlow {
 public:
  ~Channel() override;

  // Channel::ReadExactly()
  //
  // Waits for `n` bytes and returns them. Buffers up to `n` bytes, so `n` must
  // be limited if it comes from the remote. Outcomes:
  //
  //  * `n` bytes, and never fewer. `n` of 0 is an empty Cord at once.
  //  * kOutOfRange: the stream has ended before there were `n`. Those that came
  //    stay buffered, and every further way to read still returns them. Where
  //    the stream may end, look first: Peek(1) is empty at end-of-file.
  //  * kDeadlineExceeded: nothing was lost, the next call goes on.
  //  * Any other error, as from Read(). What came before it stays buffered; the
  //    error is returned again after that.
  //
  // Only what was returned counts in bytes_read().
  absl::StatusOr<absl::Cord> ReadExactly(size_t n);

  // Channel::ReadLine()
  //
  // Waits for a whole line and returns it with its '\n' (and what was before
  // that; a '\r' is left to the caller). Outcomes:
  //
  //  * A line that ends in '\n', of at most `max_bytes` bytes with it.
  //  * Bytes without a '\n' at their end: the stream ended in them.
  //  * An empty string: end-of-file.
  //
  //      // BUG: if the stream ended in `DELETE /tmp/x`, that may have been the
  //      // beginning of another name. Look for the '\n' first.
  //      if (line->rfind("DELETE ", 0) == 0) Delete(line->substr(7));
  //
  //  * kResourceExhausted: `max_bytes` bytes came without a '\n'. They stay
  //    buffered; a call with a larger limit, or any other way to read, goes on.
  //  * Errors, as with ReadExactly(). `max_bytes` of 0 is kInvalidArgument.
  //
  // Each byte is looked at once, in however many pieces it comes.
  absl::StatusOr<std::string> ReadLine(size_t max_bytes);

  // Channel::Peek()
  //
  // Waits for `n` bytes and returns them, but leaves them to be read. Fewer
  // only if the stream ends in them. Buffers up to `n` bytes. Errors are as
  // with ReadExactly(). `n` of 0 is an empty Cord at once.
  absl::StatusOr<absl::Cord> Peek(size_t n);

  // Channel::WriteBuffered()
  //
  // Accepts the bytes of `buffer`, and hands them on together with later ones:
  // when they are `max_buffered_write` bytes, or by any other way to write. A
  // string_view is copied, a Cord shared. Outcomes are those of Write(); where
  // all had to be handed on and this failed, what counts as accepted of
  // `buffer` is what the inner flow has accepted of it.
  absl::Status WriteBuffered(absl::string_view buffer);
  absl::Status WriteBuffered(const absl::Cord& buffer);

  // Channel::Flush()
  //
  // Hands on what is buffered. An error is that of a write: kDeadlineExceeded
  // loses nothing, and the next call goes on; any other one breaks the
  // direction. Once the direction has ended: Closed, as an empty write.
  absl::Status Flush();

 private:
  friend std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> inner,
                                              ChannelOptions options);

  Channel(std::unique_ptr<Flow> inner, const ChannelOptions& options);

  // Reads more, so that up to `limit` bytes are buffered, or as many as may be
  // ahead. Returns whether there was more. An error passes, in `*passes`, if
  // something is buffered that comes before it.
  absl::StatusOr<bool> Fill(size_t limit, bool* passes);
  // Removes the first `n` bytes from what is buffered and returns them.
  absl::Cord Take(size_t n);

  bool Fits(size_t size) const;
  absl::Status FlushPending();

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override;
  absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted) override;
  absl::Status DoEndWrite(const absl::Status& outcome) override;
  absl::Status DoFree() override;
  std::string DoDescribe() const override;

  const size_t max_buffered_read_;
  const size_t max_buffered_write_;

  // Touched by the read under way.
  internal::ByteQueue buffered_;
  size_t scanned_ = 0;  // so many bytes of it are known not to be '\n'

  // Accepted and not handed on. Touched by the write under way, and by the end.
  internal::ByteQueue pending_;
};

// MakeChannel()
//
// Returns a channel on top of `inner`, which it owns.
//
// Precondition: `inner` is not null.
std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> inner,
                                     ChannelOptions options = {});

}  // namespace flow

#endif  // FLOW_CHANNEL_H_
