// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/socket.h
//
// Accepts and dials to await in a coroutine of any type:
// Listener::StartAccept() and StartDial() (socket.h), whose Done() resumes it.
// Needs C++20.
//
//   absl::StatusOr<std::unique_ptr<Flow>> flow =
//       co_await flow::async::Dial(engine, "tcp:localhost:8080", deadline);
//   if (!flow.ok()) co_return flow.status();
//   absl::StatusOr<absl::Cord> data = co_await flow::async::Read(**flow);
//
// A coroutine goes on at once if the call does not wait, and otherwise on a
// thread of `engine`, to which the flow is bound. To cancel one that waits,
// Close() the listener, or cancel the Canceller of the dial. To destroy a
// coroutine while it waits ends the program with a message.
//
// When not to use it: on a thread that may wait. Dial() and Accept() need no
// engine.
//
// Thread safety: as of Listener::StartAccept() and StartDial().

#ifndef FLOW_ASYNC_SOCKET_H_
#define FLOW_ASYNC_SOCKET_H_

#include <coroutine>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/async/operations.h"
#include "flow/canceller.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"

namespace flow::async {

// AcceptAwaitable
class [[nodiscard]] AcceptAwaitable final
    : public internal::Awaitable<AcceptOperation> {
 public:
  AcceptAwaitable(Listener& listener, Engine& engine, absl::Time deadline)
      : listener_(listener), engine_(engine), deadline_(deadline) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] {
      return listener_.StartAccept(this, engine_, deadline_);
    });
  }
  absl::StatusOr<std::unique_ptr<Flow>> await_resume() {
    return std::move(flow);
  }

 private:
  Listener& listener_;
  Engine& engine_;
  const absl::Time deadline_;
};

// DialAwaitable
//
// `Address` is what StartDial() takes.
template <typename Address>
class [[nodiscard]] DialAwaitable final
    : public internal::Awaitable<DialOperation> {
 public:
  DialAwaitable(Engine& engine, Address address, absl::Time deadline,
                const DialOptions& options, const Canceller* canceller)
      : engine_(engine),
        address_(address),
        deadline_(deadline),
        options_(options),
        canceller_(canceller) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return this->Await(awaiting, [this] {
      return StartDial(this, engine_, address_, deadline_, options_,
                       canceller_);
    });
  }
  absl::StatusOr<std::unique_ptr<Flow>> await_resume() {
    return std::move(this->flow);
  }

 private:
  Engine& engine_;
  const Address address_;
  const absl::Time deadline_;
  const DialOptions options_;
  const Canceller* const canceller_;
};

// Accept(), Dial()
//
// What Listener::Accept() and flow::Dial() do, for a coroutine. Await their
// results at once. `listener` and `*canceller` must live until the call is
// over.
inline AcceptAwaitable Accept(Listener& listener, Engine& engine,
                              absl::Time deadline = absl::InfiniteFuture()) {
  return AcceptAwaitable(listener, engine, deadline);
}
inline DialAwaitable<absl::string_view> Dial(
    Engine& engine, absl::string_view address,
    absl::Time deadline = absl::InfiniteFuture(),
    const DialOptions& options = {}, const Canceller* canceller = nullptr) {
  return {engine, address, deadline, options, canceller};
}
inline DialAwaitable<SocketAddress> Dial(
    Engine& engine, const SocketAddress& address,
    absl::Time deadline = absl::InfiniteFuture(),
    const DialOptions& options = {}, const Canceller* canceller = nullptr) {
  return {engine, address, deadline, options, canceller};
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_SOCKET_H_
