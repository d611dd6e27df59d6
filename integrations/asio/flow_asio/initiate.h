// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/initiate.h
//
// How a started operation gets a completion token of Asio. What the tokens of
// operations.h, channel.h, copy.h and socket.h have in common:
//
//  * They are started operations (docs/started.md), with all of their rules.
//  * A handler is called once, on its associated executor, and never inside the
//    function that has begun the call. Until then it keeps that executor busy.
//    One without an executor of its own is called on the engine of the call.
//  * The operation lives in memory of the handler's allocator, and that memory
//    is free when the handler is called.
//  * Cancellation slots of Asio are not looked at.
//
// Thread safety: as of the Start function of the call.

#ifndef FLOW_ASIO_INITIATE_H_
#define FLOW_ASIO_INITIATE_H_

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "asio/associated_allocator.hpp"
#include "asio/associated_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/bind_allocator.hpp"
#include "asio/dispatch.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/post.hpp"
#include "asio/system_executor.hpp"
#include "flow/engine.h"

namespace flow_asio {

// EngineExecutor
//
// An executor of Asio that runs functions on any flow::Engine, later. Without
// an engine it runs them on the system's threads (asio::system_executor).
class EngineExecutor {
 public:
  explicit EngineExecutor(flow::Engine* engine) noexcept : engine_(engine) {}

  template <typename Function>
  void execute(Function&& function) const {
    if (engine_ == nullptr) {
      asio::post(asio::system_executor(), std::forward<Function>(function));
    } else {
      engine_->Post(
          absl::AnyInvocable<void()>(std::forward<Function>(function)));
    }
  }

  friend bool operator==(const EngineExecutor& a,
                         const EngineExecutor& b) noexcept {
    return a.engine_ == b.engine_;
  }
  friend bool operator!=(const EngineExecutor& a,
                         const EngineExecutor& b) noexcept {
    return !(a == b);
  }

 private:
  flow::Engine* engine_;
};

namespace internal {

// A call that was begun, and whose handler is called at its end. Lives in
// memory of the handler's allocator.
template <typename Call, typename Handler>
class Pending final : public Call::Operation {
 public:
  static void Start(flow::Engine* engine, Call call, Handler handler) {
    Allocator allocator(asio::get_associated_allocator(handler));
    Pending* const pending = Traits::allocate(allocator, 1);
    ::new (static_cast<void*>(pending)) Pending(engine, std::move(handler));
    // If it waits, both the flow and this may be gone already.
    if (call.Start(pending)) pending->End(/*is_on_engine=*/false);
  }

  void Done() override { End(/*is_on_engine=*/true); }

 private:
  using Executor = asio::associated_executor_t<Handler, EngineExecutor>;
  using Traits = typename std::allocator_traits<
      asio::associated_allocator_t<Handler>>::template rebind_traits<Pending>;
  using Allocator = typename Traits::allocator_type;

  Pending(flow::Engine* engine, Handler handler)
      : work_(asio::get_associated_executor(handler, EngineExecutor(engine))),
        handler_(std::move(handler)) {}
  ~Pending() = default;

  void End(bool is_on_engine) {
    // As Asio promises, the memory is free when the handler is called.
    const auto work = std::move(work_);
    Allocator allocator(asio::get_associated_allocator(handler_));
    auto completion = [handler = std::move(handler_),
                       result = Call::Result(*this)]() mutable {
      std::move(handler)(std::move(result));
    };
    this->~Pending();
    Traits::deallocate(allocator, this, 1);
    if constexpr (std::is_same_v<Executor, EngineExecutor>) {
      if (is_on_engine) {
        completion();
      } else {
        work.get_executor().execute(std::move(completion));
      }
    } else if (is_on_engine) {
      asio::dispatch(work.get_executor(),
                     asio::bind_allocator(allocator, std::move(completion)));
    } else {
      asio::post(work.get_executor(),
                 asio::bind_allocator(allocator, std::move(completion)));
    }
  }

  asio::executor_work_guard<Executor> work_;
  Handler handler_;
};

// Begins `call` with a handler of `Signature`. A call has the type `Operation`,
// `Start(Operation*)`, which begins it once, and `Result(Operation&)`. It holds
// what it needs, as a token may begin it later.
template <typename Signature, typename Call, typename Token>
auto Begin(flow::Engine* engine, Call call, Token&& token) {
  return asio::async_initiate<Token, Signature>(
      [](auto&& handler, flow::Engine* engine, Call call) {
        using Handler = std::decay_t<decltype(handler)>;
        Pending<Call, Handler>::Start(engine, std::move(call),
                                      std::forward<decltype(handler)>(handler));
      },
      token, engine, std::move(call));
}

}  // namespace internal
}  // namespace flow_asio

#endif  // FLOW_ASIO_INITIATE_H_
