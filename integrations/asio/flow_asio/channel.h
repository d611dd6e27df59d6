// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/channel.h
//
// What only a Channel reads and writes, with a completion token of Asio
// (initiate.h):
//
//   absl::StatusOr<std::optional<std::string>> line =
//       co_await flow_asio::async_read_line(*channel, /*max_bytes=*/4096,
//                                           asio::use_awaitable);
//
// A channel is a flow, so the rest is in operations.h.
//
// Thread safety: as of Channel::StartReadLine() and its kin.

#ifndef FLOW_ASIO_CHANNEL_H_
#define FLOW_ASIO_CHANNEL_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/channel.h"
#include "flow/operation.h"
#include "flow_asio/initiate.h"

namespace flow_asio {
namespace internal {

struct LineCall {
  using Operation = flow::Channel::LineOperation;
  bool Start(Operation* operation) {
    return channel->StartReadLine(operation, max_bytes, last_line);
  }
  static absl::StatusOr<std::optional<std::string>> Result(
      Operation& operation) {
    return std::move(operation.line);
  }
  flow::Channel* channel;
  size_t max_bytes;
  flow::LastLine last_line;
};

struct PartCall {
  using Operation = flow::Channel::PartOperation;
  bool Start(Operation* operation) {
    return channel->StartReadUntil(operation, delimiter, max_bytes);
  }
  static absl::StatusOr<std::optional<absl::Cord>> Result(
      Operation& operation) {
    return std::move(operation.part);
  }
  flow::Channel* channel;
  std::string delimiter;
  size_t max_bytes;
};

struct BytesCall {
  using Operation = flow::Channel::BytesOperation;
  bool Start(Operation* operation) { return (channel->*start)(operation, n); }
  static absl::StatusOr<absl::Cord> Result(Operation& operation) {
    return std::move(operation.bytes);
  }
  flow::Channel* channel;
  bool (flow::Channel::*start)(Operation*, size_t);
  size_t n;
};

struct BufferedWriteCall {
  using Operation = flow::WriteOperation;
  bool Start(Operation* operation) {
    operation->rest = std::move(data);
    return (channel->*start)(operation);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  flow::Channel* channel;
  bool (flow::Channel::*start)(Operation*);
  absl::Cord data;
};

}  // namespace internal

// async_read_line()
//
// Channel::ReadLine(). The signature of the handler is
// void(absl::StatusOr<std::optional<std::string>>)
template <typename Token>
auto async_read_line(flow::Channel& channel, size_t max_bytes,
                     flow::LastLine last_line, Token&& token) {
  return internal::Begin<void(absl::StatusOr<std::optional<std::string>>)>(
      channel.engine(), internal::LineCall{&channel, max_bytes, last_line},
      std::forward<Token>(token));
}
template <typename Token>
auto async_read_line(flow::Channel& channel, size_t max_bytes, Token&& token) {
  return flow_asio::async_read_line(channel, max_bytes,
                                    flow::LastLine::kNeedsNewline,
                                    std::forward<Token>(token));
}

// async_read_until()
//
// Channel::ReadUntil(). The signature of the handler is
// void(absl::StatusOr<std::optional<absl::Cord>>)
template <typename Token>
auto async_read_until(flow::Channel& channel, absl::string_view delimiter,
                      size_t max_bytes, Token&& token) {
  return internal::Begin<void(absl::StatusOr<std::optional<absl::Cord>>)>(
      channel.engine(),
      internal::PartCall{&channel, std::string(delimiter), max_bytes},
      std::forward<Token>(token));
}

// async_read_exactly(), async_peek()
//
// Channel::ReadExactly() and Channel::Peek(). The signature of the handler is
// void(absl::StatusOr<absl::Cord>)
template <typename Token>
auto async_read_exactly(flow::Channel& channel, size_t n, Token&& token) {
  return internal::Begin<void(absl::StatusOr<absl::Cord>)>(
      channel.engine(),
      internal::BytesCall{&channel, &flow::Channel::StartReadExactly, n},
      std::forward<Token>(token));
}
template <typename Token>
auto async_peek(flow::Channel& channel, size_t n, Token&& token) {
  return internal::Begin<void(absl::StatusOr<absl::Cord>)>(
      channel.engine(),
      internal::BytesCall{&channel, &flow::Channel::StartPeek, n},
      std::forward<Token>(token));
}

// async_write_buffered(), async_flush()
//
// Channel::WriteBuffered() and Channel::Flush(). The signature of the handler
// is void(absl::Status). What a write had not accepted at kDeadlineExceeded is
// lost: Abort() then.
template <typename Token>
auto async_write_buffered(flow::Channel& channel, absl::Cord data,
                          Token&& token) {
  return internal::Begin<void(absl::Status)>(
      channel.engine(),
      internal::BufferedWriteCall{&channel, &flow::Channel::StartWriteBuffered,
                                  std::move(data)},
      std::forward<Token>(token));
}
template <typename Token>
auto async_flush(flow::Channel& channel, Token&& token) {
  return internal::Begin<void(absl::Status)>(
      channel.engine(),
      internal::BufferedWriteCall{&channel, &flow::Channel::StartFlush,
                                  absl::Cord()},
      std::forward<Token>(token));
}

}  // namespace flow_asio

#endif  // FLOW_ASIO_CHANNEL_H_
