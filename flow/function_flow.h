// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: function_flow.h
//
// A flow made of functions: one that produces what is read, one that consumes
// what is written, one that cleans up. This is how to make a flow of anything
// that is not one yet; string_flow.h, cord_flow.h and cstruct_flow.h hold
// ready-made functions.
//
//   flow::FunctionFlowOptions options;
//   options.name = "counter";
//   options.input = flow::Input::Buffers([n = 0]() mutable {
//     return absl::StatusOr<absl::Cord>(absl::Cord(absl::StrCat(n++, "\n")));
//   });
//   options.close = [] { LOG(INFO) << "closed"; };
//   std::unique_ptr<flow::Flow> counter =
//       flow::MakeFunctionFlow(std::move(options));
//
// When not to use it: to connect two threads; that is pipe.h. Deadlines,
// Shutdown() and Abort() do not wake a function that blocks, unless there is an
// interrupt function, which can; see Interruption.
//
// Thread safety: as flow.h says. The input function and the output function may
// be called at the same time by two threads; neither overlaps itself, and none
// overlaps the close function. A function may call back into its own flow,
// except to destroy it: a Read in the input function or a write in the output
// function is kInvalidArgument, and Close() in either would wait for itself, so
// it aborts the flow with kInvalidArgument instead.
//
// Functions must not throw; an exception that leaves one ends the program.
// docs/semantics.md, "Function flows", has the rules.
//
// Functions around system calls: map what absl::ErrnoToStatus() does not mean
// here. EPIPE is ClosedError(), and ETIMEDOUT is kUnavailable, since
// kDeadlineExceeded says that the call may be tried again:
//
//   if (errno == EPIPE) return flow::ClosedError("the reader is gone");
//   if (errno == ETIMEDOUT) return absl::UnavailableError("timed out");
//   return absl::ErrnoToStatus(errno, "write");

#ifndef FLOW_FUNCTION_FLOW_H_
#define FLOW_FUNCTION_FLOW_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"

namespace flow {

namespace internal {

// Whether a Function can be null, as pointers and std::function can.
template <typename Function, typename = void>
struct IsNullable : std::false_type {};
template <typename Function>
struct IsNullable<Function,
                  std::void_t<decltype(std::declval<Function&>() == nullptr)>>
    : std::is_constructible<Function, std::nullptr_t> {};

template <typename Function>
bool IsNull(const Function& function) {
  if constexpr (IsNullable<const Function>::value) {
    return function == nullptr;
  } else {
    return false;
  }
}

// Makes an absl::AnyInvocable of `function` that is null if `function` is.
template <typename AnyInvocable, typename Function>
AnyInvocable Erase(Function function) {
  if (IsNull(function)) return nullptr;
  return AnyInvocable(std::move(function));
}

}  // namespace internal

// EndFunction
//
// A function that is called when something ends: an output, a flow. It takes
// nothing and returns absl::Status, or nothing, which is then always Ok. A null
// function is the same as none.
class EndFunction {
 public:
  EndFunction() = default;
  EndFunction(std::nullptr_t) {}  // NOLINT: implicit on purpose

  template <typename F,
            std::enable_if_t<!std::is_same_v<std::decay_t<F>, EndFunction> &&
                                 std::is_invocable_v<std::decay_t<F>&>,
                             int> = 0>
  EndFunction(F&& f)  // NOLINT: implicit on purpose
      : function_(WithStatus(
            internal::Erase<
                absl::AnyInvocable<std::invoke_result_t<std::decay_t<F>&>()>>(
                std::decay_t<F>(std::forward<F>(f))))) {}

  explicit operator bool() const { return function_ != nullptr; }
  absl::Status operator()() { return function_(); }

 private:
  using Function = absl::AnyInvocable<absl::Status()>;

  static Function WithStatus(Function f) { return f; }
  static Function WithStatus(absl::AnyInvocable<void()> f) {
    if (f == nullptr) return nullptr;
    return [f = std::move(f)]() mutable {
      f();
      return absl::OkStatus();
    };
  }

  Function function_;
};

// Input
//
// A function that produces what a flow reads, in one of two shapes. Move-only.
// A default Input produces nothing: Read is end-of-file at once.
class Input {
 public:
  Input() = default;

  // Input::Bytes()
  //
  // Reads by the byte: the flow owns the memory, `fill` writes into it.
  //
  //   absl::StatusOr<size_t> fill(absl::Span<char> buffer);
  //
  // `fill` returns how many bytes it has put at the front of `buffer`, which is
  // never empty; 0 is end-of-file. An error becomes the flow's error, and stays
  // (kDeadlineExceeded does not). More than `buffer.size()` is a mistake that
  // breaks the flow with kInternal.
  template <typename Fill>
  static Input Bytes(Fill fill) {
    static_assert(
        std::is_same_v<std::invoke_result_t<Fill&, absl::Span<char>>,
                       absl::StatusOr<size_t>>,
        "Input::Bytes() takes a function that is called with an "
        "absl::Span<char> and returns exactly absl::StatusOr<size_t>; give a "
        "lambda its return type: [](absl::Span<char> buffer) -> "
        "absl::StatusOr<size_t> { ... }");
    return Input(internal::Erase<BytesFunction>(std::move(fill)));
  }

  // Input::Buffers()
  //
  // Reads by the buffer: `next` hands over memory that exists already, and
  // nothing is copied.
  //
  //   absl::StatusOr<absl::Cord> next();
  //   absl::StatusOr<absl::Cord> next(size_t max_bytes);  // or this
  //
  // An empty Cord is end-of-file, errors are as above. A buffer longer than a
  // Read asks for, which is `max_bytes`, is returned over several, and a part
  // that would keep a much larger buffer in memory is copied
  // (docs/semantics.md, "Read").
  template <typename Next>
  static Input Buffers(Next next) {
    if constexpr (std::is_invocable_v<Next&, size_t>) {
      static_assert(std::is_same_v<std::invoke_result_t<Next&, size_t>,
                                   absl::StatusOr<absl::Cord>>,
                    "Input::Buffers() takes a function that returns exactly "
                    "absl::StatusOr<absl::Cord>; give a lambda its return "
                    "type: [](size_t max_bytes) -> absl::StatusOr<absl::Cord> "
                    "{ ... }");
      return Input(internal::Erase<BuffersFunction>(std::move(next)));
    } else {
      static_assert(std::is_same_v<std::invoke_result_t<Next&>,
                                   absl::StatusOr<absl::Cord>>,
                    "Input::Buffers() takes a function that is called with "
                    "nothing (or with a size_t) and returns exactly "
                    "absl::StatusOr<absl::Cord>; give a lambda its return "
                    "type: []() -> absl::StatusOr<absl::Cord> { ... }");
      if (internal::IsNull(next)) return Input(BuffersFunction());
      return Input(BuffersFunction(
          [next = std::move(next)](size_t) mutable { return next(); }));
    }
  }

 private:
  friend class FunctionTransport;
  using BytesFunction =
      absl::AnyInvocable<absl::StatusOr<size_t>(absl::Span<char>)>;
  using BuffersFunction =
      absl::AnyInvocable<absl::StatusOr<absl::Cord>(size_t)>;

  explicit Input(BytesFunction fill) : function_(std::move(fill)) {}
  explicit Input(BuffersFunction next) : function_(std::move(next)) {}

  std::variant<std::monostate, BytesFunction, BuffersFunction> function_;
};

// Output
//
// A function that consumes what is written to a flow, in one of three shapes.
// Move-only. A default Output takes nothing: Write is Closed.
class Output {
 public:
  Output() = default;

  // Output::Bytes()
  //
  // Writes by the byte: `consume` takes a prefix of what it is shown.
  //
  //   absl::StatusOr<size_t> consume(absl::Span<const char> bytes);
  //
  // `consume` returns how many bytes it took from the front of `bytes`, which
  // are never none and are valid until it returns; it is called again with the
  // rest. 0 means that it will take no more: the write is Closed. An error
  // becomes the flow's error, and stays (kDeadlineExceeded does not). More than
  // `bytes.size()` is a mistake that breaks the flow with kInternal.
  //
  // `end`, if given, is called once when the direction has ended in good order,
  // after the last `consume`: by Shutdown(kWrite) or Close() (or by the write
  // that was under way then), never after an error or Abort(). Its error (that
  // of a flush, say) becomes the flow's. Only after kDeadlineExceeded does
  // PatientClose() call it again, as long as it waits.
  template <typename Consume>
  static Output Bytes(Consume consume, EndFunction end = nullptr) {
    static_assert(
        std::is_same_v<std::invoke_result_t<Consume&, absl::Span<const char>>,
                       absl::StatusOr<size_t>>,
        "Output::Bytes() takes a function that is called with an "
        "absl::Span<const char> and returns exactly absl::StatusOr<size_t>; "
        "give a lambda its return type: [](absl::Span<const char> bytes) -> "
        "absl::StatusOr<size_t> { ... }");
    return Output(internal::Erase<BytesFunction>(std::move(consume)),
                  std::move(end));
  }

  // Output::Lists()
  //
  // Writes by the list: `consume` takes a prefix of all the bytes of a list at
  // once, as writev(2) does.
  //
  //   absl::StatusOr<size_t> consume(
  //       absl::Span<const absl::string_view> list);
  //
  // The list has at least one byte and at most 1,024 pieces, of which some may
  // be empty. A Writev() of up to 1,024 string_views is shown as it is. All the
  // rest is as above.
  template <typename Consume>
  static Output Lists(Consume consume, EndFunction end = nullptr) {
    static_assert(
        std::is_same_v<
            std::invoke_result_t<Consume&, absl::Span<const absl::string_view>>,
            absl::StatusOr<size_t>>,
        "Output::Lists() takes a function that is called with an "
        "absl::Span<const absl::string_view> and returns exactly "
        "absl::StatusOr<size_t>; give a lambda its return type: "
        "[](absl::Span<const absl::string_view> list) -> "
        "absl::StatusOr<size_t> { ... }");
    return Output(internal::Erase<ListsFunction>(std::move(consume)),
                  std::move(end));
  }

  // Output::Buffers()
  //
  // Writes by the buffer: `take` is given the memory itself, and nothing is
  // copied that was written as a Cord.
  //
  //   absl::Status take(absl::Cord buffer);
  //
  // All or nothing: an error means that none of `buffer`, which is never empty,
  // was taken. ClosedError() says that no more will be. `end` is as above.
  template <typename Take>
  static Output Buffers(Take take, EndFunction end = nullptr) {
    static_assert(
        std::is_same_v<std::invoke_result_t<Take&, absl::Cord>, absl::Status>,
        "Output::Buffers() takes a function that is called with an absl::Cord "
        "and returns exactly absl::Status; give a lambda its return type: "
        "[](absl::Cord buffer) -> absl::Status { ... }");
    return Output(internal::Erase<BuffersFunction>(std::move(take)),
                  std::move(end));
  }

 private:
  friend class FunctionTransport;
  using BytesFunction =
      absl::AnyInvocable<absl::StatusOr<size_t>(absl::Span<const char>)>;
  using ListsFunction = absl::AnyInvocable<absl::StatusOr<size_t>(
      absl::Span<const absl::string_view>)>;
  using BuffersFunction = absl::AnyInvocable<absl::Status(absl::Cord)>;

  template <typename Function>
  Output(Function function, EndFunction end)
      : function_(std::move(function)), end_(std::move(end)) {}

  std::variant<std::monostate, BytesFunction, ListsFunction, BuffersFunction>
      function_;
  EndFunction end_;
};

// Interruption
//
// What the functions of a flow must hear of if they block, and the flow is to
// keep the whole contract of flow.h. The interrupt function gets it as
//
//   void interrupt(const flow::Interruption& interruption);
//
// It leaves a mark and wakes the functions. A mark stays, and functions look at
// it before they wait, since the call that is meant may begin only after it:
//
//   options.interrupt = [&](const flow::Interruption& interruption) {
//     absl::MutexLock lock(&mu);  // wakes Await()
//     switch (interruption.cause) {
//       case flow::Interruption::Cause::kReadDeadline:
//         read_deadline = interruption.deadline;
//         break;
//       case flow::Interruption::Cause::kRefuse:
//       case flow::Interruption::Cause::kAbort:
//         stopped = true;
//         break;
//       default:
//         break;  // this output does not wait
//     }
//   };
//
// examples/queue_flow.cc is a complete one, and passes the suite of
// testing/conformance.h.
//
// Thread safety: the interrupt function is called by any thread, also by
// several at a time, while the other functions run, and must not block. It is
// called no more once the close function runs.
struct Interruption {
  enum class Cause {
    // From now on, and until it is told again, the input function stops waiting
    // at `deadline`, which may have passed already: it returns
    // kDeadlineExceeded, and loses nothing. At first it waits without limit.
    kReadDeadline,
    // The same for the output function.
    kWriteDeadline,
    // The same for the end function of the output, just before it is called:
    // `deadline` is that of Close().
    kEndDeadline,
    // Nothing is read any more, as after Shutdown(kRead). The input function
    // returns at once; what it returns is discarded. Comes at most once.
    kRefuse,
    // The outbound direction is broken, because of `reason`, so that its end
    // function will not be called. Comes at most once.
    kBroken,
    // The flow was aborted, because of `reason`. Every function returns at
    // once; what it returns is discarded, except how much it took. Comes at
    // most once.
    kAbort,
  };

  Cause cause;
  absl::Time deadline = absl::InfiniteFuture();
  absl::Status reason = absl::OkStatus();
};

// FunctionFlowOptions
//
// Every part may be left out.
struct FunctionFlowOptions {
  // What is read. None: end-of-file.
  Input input;

  // What takes the writes. None: Closed.
  Output output;

  // Cleans up. Called exactly once, when no other function is running and none
  // will be called any more:
  //
  //  * by Close(), which waits for them, and returns the error of this one;
  //  * if one of them is running after an Abort(), or after a Close() whose
  //    deadline has passed: by the call that returns last, on its thread;
  //  * by the destructor at the latest. Abort() alone does not call it.
  //
  // After it, the functions themselves are destroyed.
  EndFunction close;

  // Wakes the functions above. None: they do not block, or nothing wakes them.
  std::function<void(const Interruption&)> interrupt;

  // What DebugString() and errors call the flow.
  std::string name;
};

// MakeFunctionFlow()
//
// Returns a flow that reads from `options.input` and writes to
// `options.output`. What the functions refer to must live until the flow is
// closed or destroyed.
std::unique_ptr<Flow> MakeFunctionFlow(FunctionFlowOptions options);

// MakeInputFlow(), MakeOutputFlow()
//
// Return a flow with nothing but an input, or an output. Its other direction is
// at end-of-file, or Closed.
//
//   auto yes = flow::MakeInputFlow(flow::InputRepeated(absl::Cord("y\n"), n));
std::unique_ptr<Flow> MakeInputFlow(Input input);
std::unique_ptr<Flow> MakeOutputFlow(Output output);

}  // namespace flow

#endif  // FLOW_FUNCTION_FLOW_H_
