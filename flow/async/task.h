// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/task.h
//
// `flow::async::Task` is a small coroutine type for those who have none. The
// awaitables of async/operations.h work in any coroutine. Needs C++20.
//
//   flow::async::Task<absl::Status> Serve(std::unique_ptr<flow::Flow> flow);
//   flow::async::Task<void> Main() {
//     absl::Status status = co_await Serve(std::move(flow));
//     ...
//   }
//   flow::async::Spawn(Main());
//
// When not to use it: beside a coroutine library that the program has anyway;
// to wait for two things at once, or for a time, which it cannot.
//
// A Task begins when it is awaited or spawned, and not when it is made. So what
// its parameters refer to must live until it has ended. A parameter that is a
// reference or a string_view, `this` of a member function, and the captures of
// a lambda are easily gone:
//
//   // BUG: the string is gone when Spawn() is back, and Greet() goes on.
//   flow::async::Task<void> Greet(flow::Flow& flow, const std::string& name);
//   flow::async::Spawn(Greet(*flow, absl::StrCat("Mr. ", name)));
//
// Thread safety: a coroutine runs on one thread at a time: the one that starts
// it, and afterwards the threads of the engines of its flows. Each sees what
// the one before it has written.

#ifndef FLOW_ASYNC_TASK_H_
#define FLOW_ASYNC_TASK_H_

#if __cplusplus < 202002L
#error "flow/async needs C++20"
#endif

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "absl/log/absl_check.h"

namespace flow::async {

template <typename T>
class Task;
void Spawn(Task<void> task);

namespace internal {

// What all promises have: who awaits the task, which nobody does that was
// spawned.
class PromiseBase {
 public:
  // A task begins when it is awaited.
  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<Promise> ended) noexcept {
      if (ended.promise().continuation_) return ended.promise().continuation_;
      ended.destroy();  // of Spawn(): nobody else will
      return std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  // The library throws nothing, and what a user throws has nowhere to go.
  void unhandled_exception() noexcept { std::terminate(); }

  void set_continuation(std::coroutine_handle<> continuation) {
    continuation_ = continuation;
  }

 private:
  std::coroutine_handle<> continuation_;
};

template <typename T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object();
  template <typename U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T Take() { return *std::move(value_); }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace internal

// Task
//
// A coroutine that returns a T. It begins when it is awaited, which may happen
// once, and is destroyed with the Task. Destroy a Task before it is awaited, or
// after it has ended: while an operation of it is pending, that ends the
// program with a message (async/operations.h).
template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;

  Task(Task&& other) noexcept
      : handle_(std::exchange(other.handle_, {})),
        was_awaited_(other.was_awaited_) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
      handle.promise().set_continuation(awaiting);
      return handle;
    }
    T await_resume() { return handle.promise().Take(); }

    std::coroutine_handle<promise_type> handle;
  };
  // Precondition: it was not awaited before.
  Awaiter operator co_await() && {
    ABSL_CHECK(handle_ && !std::exchange(was_awaited_, true))
        << "a Task is awaited twice";
    return {handle_};
  }

 private:
  friend promise_type;
  friend void Spawn(Task<void> task);
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
  bool was_awaited_ = false;
};

namespace internal {

template <typename T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}

inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace internal

// Spawn()
//
// Runs `task` on this thread until it waits for the first time; from then on it
// goes on by itself. It is destroyed when it has ended.
inline void Spawn(Task<void> task) {
  ABSL_CHECK(task.handle_ && !task.was_awaited_) << "a Task is awaited twice";
  std::exchange(task.handle_, {}).resume();
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_TASK_H_
