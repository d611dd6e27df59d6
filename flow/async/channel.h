// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/channel.h
//
// What a channel reads and writes, to await in a coroutine of any type. Needs
// C++20.
//
//   absl::StatusOr<std::optional<std::string>> line =
//       co_await flow::async::ReadLine(*channel, /*max_bytes=*/4096);
//   if (!line.ok() || !line->has_value()) co_return line.status();
//
// All that async/operations.h says holds for these, and what channel.h says of
// the functions with the same names.
//
// Thread safety: as of Channel::StartReadLine() and its kin.

#ifndef FLOW_ASYNC_CHANNEL_H_
#define FLOW_ASYNC_CHANNEL_H_

#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/async/operations.h"
#include "flow/channel.h"
#include "flow/operation.h"

namespace flow::async {

// LineAwaitable
class [[nodiscard]] LineAwaitable final
    : public internal::Awaitable<Channel::LineOperation> {
 public:
  LineAwaitable(Channel& channel, size_t max_bytes, LastLine last_line)
      : channel_(channel), max_bytes_(max_bytes), last_line_(last_line) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] {
      return channel_.StartReadLine(this, max_bytes_, last_line_);
    });
  }
  absl::StatusOr<std::optional<std::string>> await_resume() {
    return std::move(line);
  }

 private:
  Channel& channel_;
  const size_t max_bytes_;
  const LastLine last_line_;
};

// PartAwaitable
class [[nodiscard]] PartAwaitable final
    : public internal::Awaitable<Channel::PartOperation> {
 public:
  PartAwaitable(Channel& channel, absl::string_view delimiter, size_t max_bytes)
      : channel_(channel), delimiter_(delimiter), max_bytes_(max_bytes) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] {
      return channel_.StartReadUntil(this, delimiter_, max_bytes_);
    });
  }
  absl::StatusOr<std::optional<absl::Cord>> await_resume() {
    return std::move(part);
  }

 private:
  Channel& channel_;
  const absl::string_view delimiter_;
  const size_t max_bytes_;
};

// BytesAwaitable
class [[nodiscard]] BytesAwaitable final
    : public internal::Awaitable<Channel::BytesOperation> {
 public:
  using Start = bool (Channel::*)(BytesOperation*, size_t);
  BytesAwaitable(Channel& channel, Start start, size_t n)
      : channel_(channel), start_(start), n_(n) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] { return (channel_.*start_)(this, n_); });
  }
  absl::StatusOr<absl::Cord> await_resume() { return std::move(bytes); }

 private:
  Channel& channel_;
  const Start start_;
  const size_t n_;
};

// ChannelWriteAwaitable
class [[nodiscard]] ChannelWriteAwaitable final
    : public internal::Awaitable<WriteOperation> {
 public:
  using Start = bool (Channel::*)(WriteOperation*);
  ChannelWriteAwaitable(Channel& channel, Start start, absl::Cord data)
      : channel_(channel), start_(start) {
    rest = std::move(data);
  }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] { return (channel_.*start_)(this); });
  }
  absl::Status await_resume() { return std::move(status); }

 private:
  Channel& channel_;
  const Start start_;
};

// ReadLine(), ReadUntil(), ReadExactly(), Peek(), WriteBuffered(), Flush()
//
// What the functions of Channel with these names do, for a coroutine. Await
// their results at once. `channel` must live until the call is over. What
// WriteBuffered() had not accepted at kDeadlineExceeded is lost: Abort() then.
inline LineAwaitable ReadLine(Channel& channel, size_t max_bytes,
                              LastLine last_line = LastLine::kNeedsNewline) {
  return LineAwaitable(channel, max_bytes, last_line);
}
inline PartAwaitable ReadUntil(Channel& channel, absl::string_view delimiter,
                               size_t max_bytes) {
  return PartAwaitable(channel, delimiter, max_bytes);
}
inline BytesAwaitable ReadExactly(Channel& channel, size_t n) {
  return BytesAwaitable(channel, &Channel::StartReadExactly, n);
}
inline BytesAwaitable Peek(Channel& channel, size_t n) {
  return BytesAwaitable(channel, &Channel::StartPeek, n);
}
inline ChannelWriteAwaitable WriteBuffered(Channel& channel, absl::Cord data) {
  return ChannelWriteAwaitable(channel, &Channel::StartWriteBuffered,
                               std::move(data));
}
inline ChannelWriteAwaitable Flush(Channel& channel) {
  return ChannelWriteAwaitable(channel, &Channel::StartFlush, absl::Cord());
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_CHANNEL_H_
