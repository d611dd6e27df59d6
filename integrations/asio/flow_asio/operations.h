// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/operations.h
//
// Reads, writes and closes of a flow with a completion token of Asio: a
// callback, asio::use_future, asio::use_awaitable (C++20), and so on.
//
//   absl::StatusOr<absl::Cord> data =
//       co_await flow_asio::async_read(*flow, asio::use_awaitable);
//   if (!data.ok() || data->empty()) co_return;
//   absl::Status status = co_await flow_asio::async_write(
//       *flow, *std::move(data), asio::use_awaitable);
//
// They are started operations (docs/started.md), with all of their rules: reads
// and writes have the deadlines of the flow, and to cancel a call is to move
// its deadline into the past, or to Abort() the flow. The flow needs an engine
// first (Flow::SetEngine()). With that of asio_engine.h one io_context runs
// everything; with another one they work as well.
//
// A handler is called once, on its associated executor, and never inside the
// function that has begun the call. Until then it keeps that executor busy. One
// without an executor of its own is called on the engine of the flow.
//
// When not to use it: for what else waits. StartDial(), StartAccept() and what
// a Channel starts have no tokens yet. Cancellation slots of Asio are not
// looked at.
//
// Thread safety: as of Flow::StartRead() and its kin.

#ifndef FLOW_ASIO_OPERATIONS_H_
#define FLOW_ASIO_OPERATIONS_H_

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "asio/associated_allocator.hpp"
#include "asio/associated_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/bind_allocator.hpp"
#include "asio/dispatch.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/post.hpp"
#include "asio/system_executor.hpp"
#include "flow/engine.h"
#include "flow/flow.h"

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

// The calls: how each begins, and what its operation then holds.
struct ReadCall {
  using Operation = flow::Flow::ReadOperation;
  bool Start(flow::Flow& flow, Operation* operation) {
    return flow.StartRead(operation, max_bytes);
  }
  static absl::StatusOr<absl::Cord> Result(Operation& operation) {
    return std::move(operation.result);
  }
  size_t max_bytes;
};

struct WriteCall {
  using Operation = flow::Flow::WriteOperation;
  bool Start(flow::Flow& flow, Operation* operation) {
    operation->rest = std::move(data);
    return flow.StartWrite(operation);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  absl::Cord data;
};

struct CloseCall {
  using Operation = flow::Flow::CloseOperation;
  bool Start(flow::Flow& flow, Operation* operation) {
    return flow.StartClose(operation, deadline);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  absl::Time deadline;
};

// A call that was begun, and whose handler is called at its end. Lives in
// memory of the handler's allocator.
template <typename Call, typename Handler>
class Pending final : public Call::Operation {
 public:
  static void Start(flow::Flow& flow, Call call, Handler handler) {
    Allocator allocator(asio::get_associated_allocator(handler));
    Pending* const pending = Traits::allocate(allocator, 1);
    ::new (static_cast<void*>(pending)) Pending(flow, std::move(handler));
    // If it waits, both the flow and this may be gone already.
    if (call.Start(flow, pending)) pending->End(/*is_on_engine=*/false);
  }

  void Done() override { End(/*is_on_engine=*/true); }

 private:
  using Executor = asio::associated_executor_t<Handler, EngineExecutor>;
  using Traits = typename std::allocator_traits<
      asio::associated_allocator_t<Handler>>::template rebind_traits<Pending>;
  using Allocator = typename Traits::allocator_type;

  Pending(flow::Flow& flow, Handler handler)
      : work_(asio::get_associated_executor(handler,
                                            EngineExecutor(flow.engine()))),
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

template <typename Signature, typename Call, typename Token>
auto Begin(flow::Flow& flow, Call call, Token&& token) {
  return asio::async_initiate<Token, Signature>(
      [](auto&& handler, flow::Flow* flow, Call call) {
        using Handler = std::decay_t<decltype(handler)>;
        Pending<Call, Handler>::Start(*flow, std::move(call),
                                      std::forward<decltype(handler)>(handler));
      },
      token, &flow, std::move(call));
}

}  // namespace internal

// async_read()
//
// Flow::Read(). The signature of the handler is
// void(absl::StatusOr<absl::Cord>)
template <typename Token>
auto async_read(flow::Flow& flow, size_t max_bytes, Token&& token) {
  return internal::Begin<void(absl::StatusOr<absl::Cord>)>(
      flow, internal::ReadCall{max_bytes}, std::forward<Token>(token));
}
template <typename Token>
auto async_read(flow::Flow& flow, Token&& token) {
  return flow_asio::async_read(flow, flow::kNoLimit,
                               std::forward<Token>(token));
}

// async_write()
//
// Flow::Write(). The signature of the handler is void(absl::Status).
template <typename Token>
auto async_write(flow::Flow& flow, absl::Cord data, Token&& token) {
  return internal::Begin<void(absl::Status)>(
      flow, internal::WriteCall{std::move(data)}, std::forward<Token>(token));
}

// async_close()
//
// Flow::Close(). The signature of the handler is void(absl::Status).
template <typename Token>
auto async_close(flow::Flow& flow, absl::Time deadline, Token&& token) {
  return internal::Begin<void(absl::Status)>(
      flow, internal::CloseCall{deadline}, std::forward<Token>(token));
}

}  // namespace flow_asio

#endif  // FLOW_ASIO_OPERATIONS_H_
