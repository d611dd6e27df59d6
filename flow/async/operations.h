// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/operations.h
//
// Reads, writes and closes to await in a coroutine of any type: started
// operations (docs/started.md) whose Done() resumes it. Needs C++20.
//
//   absl::StatusOr<absl::Cord> data = co_await flow::async::Read(*flow);
//   if (!data.ok() || data->empty()) co_return data.status();
//   absl::Status status = co_await flow::async::Write(*flow, *data);
//
// A coroutine goes on at once if the call does not wait, and otherwise on a
// thread of the engine of the flow. It allocates nothing besides the data.
// Reads and writes have the deadlines of the flow, as set before or meanwhile.
//
// To cancel a coroutine that waits, end its operation, as for any started one:
// move the deadline of the flow into the past, and it gets kDeadlineExceeded;
// or Abort() the flow, and it gets the reason. To destroy a coroutine while it
// waits ends the program with a message.
//
// An await that is over at once keeps the thread. In a loop, give others their
// turn now and then: co_await Yield(engine).
//
// When not to use it: for what else waits. async/socket.h has accepts and
// dials, async/channel.h lines. Copy() and all else that blocks would keep
// every coroutine of the engine waiting.
//
// Thread safety: as of Flow::StartRead() and its kin.

#ifndef FLOW_ASYNC_OPERATIONS_H_
#define FLOW_ASYNC_OPERATIONS_H_

#if __cplusplus < 202002L
#error "flow/async needs C++20"
#endif

#include <coroutine>
#include <cstddef>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/flow.h"

namespace flow::async {
namespace internal {

// A started operation that resumes the coroutine that awaits it.
template <typename Operation>
class Awaitable : public Operation {
 public:
  Awaitable() = default;
  Awaitable(const Awaitable&) = delete;
  Awaitable& operator=(const Awaitable&) = delete;
  ~Awaitable() {
    ABSL_CHECK(!awaiting_) << "a coroutine is destroyed while it waits for a "
                              "flow";
  }

  bool await_ready() { return false; }

  void Done() final {
    // This is gone as soon as the coroutine goes on.
    std::exchange(awaiting_, {}).resume();
  }

 protected:
  // Calls `start()`. Returns whether the coroutine waits, and then this may be
  // gone.
  template <typename Start>
  bool Await(std::coroutine_handle<> awaiting, Start start) {
    awaiting_ = awaiting;
    if (!start()) return true;
    awaiting_ = {};
    return false;
  }

 private:
  std::coroutine_handle<> awaiting_;  // while the operation is pending
};

}  // namespace internal

// ReadAwaitable
class [[nodiscard]] ReadAwaitable final
    : public internal::Awaitable<Flow::ReadOperation> {
 public:
  ReadAwaitable(Flow& flow, size_t max_bytes)
      : flow_(flow), max_bytes_(max_bytes) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting,
                 [this] { return flow_.StartRead(this, max_bytes_); });
  }
  absl::StatusOr<absl::Cord> await_resume() { return std::move(result); }

 private:
  Flow& flow_;
  const size_t max_bytes_;
};

// WriteAwaitable
class [[nodiscard]] WriteAwaitable final
    : public internal::Awaitable<Flow::WriteOperation> {
 public:
  // What is not accepted goes to `*unwritten` if that is not null.
  WriteAwaitable(Flow& flow, absl::Cord data, absl::Cord* unwritten)
      : flow_(flow), unwritten_(unwritten) {
    rest = std::move(data);
  }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] { return flow_.StartWrite(this); });
  }
  absl::Status await_resume() {
    if (unwritten_ != nullptr) *unwritten_ = std::move(rest);
    return std::move(status);
  }

 private:
  Flow& flow_;
  absl::Cord* const unwritten_;
};

// RefusalAwaitable
class [[nodiscard]] RefusalAwaitable final
    : public internal::Awaitable<Flow::RefusalOperation> {
 public:
  RefusalAwaitable(Flow& flow, absl::Time deadline)
      : flow_(flow), deadline_(deadline) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting,
                 [this] { return flow_.StartAwaitRefusal(this, deadline_); });
  }
  absl::Status await_resume() { return std::move(status); }

 private:
  Flow& flow_;
  const absl::Time deadline_;
};

// CloseAwaitable
class [[nodiscard]] CloseAwaitable final
    : public internal::Awaitable<Flow::CloseOperation> {
 public:
  CloseAwaitable(Flow& flow, absl::Time deadline)
      : flow_(flow), deadline_(deadline) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting,
                 [this] { return flow_.StartClose(this, deadline_); });
  }
  absl::Status await_resume() { return std::move(status); }

 private:
  Flow& flow_;
  const absl::Time deadline_;
};

// PatientCloseAwaitable
class [[nodiscard]] PatientCloseAwaitable final
    : public internal::Awaitable<Flow::CloseOperation> {
 public:
  PatientCloseAwaitable(Flow& flow, absl::Duration idle_timeout)
      : flow_(flow), idle_timeout_(idle_timeout) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] {
      return flow_.StartPatientClose(this, idle_timeout_);
    });
  }
  absl::Status await_resume() { return std::move(status); }

 private:
  Flow& flow_;
  const absl::Duration idle_timeout_;
};

// YieldAwaitable
class [[nodiscard]] YieldAwaitable final {
 public:
  explicit YieldAwaitable(Engine& engine) : engine_(engine) {}
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> awaiting) {
    engine_.Post([awaiting] { awaiting.resume(); });
  }
  void await_resume() {}

 private:
  Engine& engine_;
};

// Yield()
//
// Lets `engine` run what else it has, and goes on there. Also the way to a
// thread of `engine`.
inline YieldAwaitable Yield(Engine& engine) { return YieldAwaitable(engine); }

// Read(), Write(), WriteFrom(), AwaitRefusal(), Close(), PatientClose()
//
// What the functions of Flow with these names do, for a coroutine. Await their
// results at once. `flow` and `*source` must live until the call is over;
// `*source` stays as it is until then.
//
// After kDeadlineExceeded of Write() the rest is lost. Abort(), as a Close()
// would send a clean end; or use WriteFrom(), and write the rest later.
inline ReadAwaitable Read(Flow& flow, size_t max_bytes = kNoLimit) {
  return ReadAwaitable(flow, max_bytes);
}
inline WriteAwaitable Write(Flow& flow, absl::Cord data) {
  return WriteAwaitable(flow, std::move(data), nullptr);
}
inline WriteAwaitable WriteFrom(Flow& flow, absl::Cord* source) {
  return WriteAwaitable(flow, *source, source);
}
inline RefusalAwaitable AwaitRefusal(
    Flow& flow, absl::Time deadline = absl::InfiniteFuture()) {
  return RefusalAwaitable(flow, deadline);
}
inline CloseAwaitable Close(Flow& flow,
                            absl::Time deadline = absl::InfiniteFuture()) {
  return CloseAwaitable(flow, deadline);
}
inline PatientCloseAwaitable PatientClose(Flow& flow,
                                          absl::Duration idle_timeout) {
  return PatientCloseAwaitable(flow, idle_timeout);
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_OPERATIONS_H_
