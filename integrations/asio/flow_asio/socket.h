// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/socket.h
//
// Accepts and dials of sockets with a completion token of Asio (initiate.h):
//
//   absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
//       co_await flow_asio::async_accept(*listener, *engine,
//                                        absl::InfiniteFuture(),
//                                        asio::use_awaitable);
//
// The flows that they give have the engine already. To cancel an accept is to
// Close() its listener. A dial has a flow::Canceller.
//
// Thread safety: as of Listener::StartAccept() and flow::StartDial().

#ifndef FLOW_ASIO_SOCKET_H_
#define FLOW_ASIO_SOCKET_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/socket_options.h"
#include "flow_asio/initiate.h"

namespace flow_asio {
namespace internal {

struct AcceptCall {
  using Operation = flow::AcceptOperation;
  bool Start(Operation* operation) {
    return listener->StartAccept(operation, *engine, deadline);
  }
  static absl::StatusOr<std::unique_ptr<flow::Flow>> Result(
      Operation& operation) {
    return std::move(operation.flow);
  }
  flow::Listener* listener;
  flow::Engine* engine;
  absl::Time deadline;
};

struct DialCall {
  using Operation = flow::DialOperation;
  bool Start(Operation* operation) {
    return flow::StartDial(operation, *engine, absl::string_view(address),
                           deadline, options, canceller);
  }
  static absl::StatusOr<std::unique_ptr<flow::Flow>> Result(
      Operation& operation) {
    return std::move(operation.flow);
  }
  flow::Engine* engine;
  std::string address;
  absl::Time deadline;
  flow::DialOptions options;
  const flow::Canceller* canceller;
};

}  // namespace internal

// async_accept()
//
// Listener::Accept(). The listener and the engine must live until the handler
// is called, whose signature is
// void(absl::StatusOr<std::unique_ptr<flow::Flow>>)
template <typename Token>
auto async_accept(flow::Listener& listener, flow::Engine& engine,
                  absl::Time deadline, Token&& token) {
  return internal::Begin<void(absl::StatusOr<std::unique_ptr<flow::Flow>>)>(
      &engine, internal::AcceptCall{&listener, &engine, deadline},
      std::forward<Token>(token));
}

// async_dial()
//
// flow::Dial(). The engine, and `*canceller` if it is not null, must live until
// the handler is called, whose signature is that of async_accept().
template <typename Token>
auto async_dial(flow::Engine& engine, absl::string_view address,
                absl::Time deadline, const flow::DialOptions& options,
                const flow::Canceller* canceller, Token&& token) {
  return internal::Begin<void(absl::StatusOr<std::unique_ptr<flow::Flow>>)>(
      &engine,
      internal::DialCall{&engine, std::string(address), deadline, options,
                         canceller},
      std::forward<Token>(token));
}
template <typename Token>
auto async_dial(flow::Engine& engine, absl::string_view address,
                absl::Time deadline, Token&& token) {
  return flow_asio::async_dial(engine, address, deadline, flow::DialOptions(),
                               /*canceller=*/nullptr,
                               std::forward<Token>(token));
}

}  // namespace flow_asio

#endif  // FLOW_ASIO_SOCKET_H_
