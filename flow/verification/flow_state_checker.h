// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/flow_state_checker.h
//
// One FlowState above a transport whose functions stay under way until a later
// event ends them, in one thread: what can happen next, and whether every rule
// still holds when it has. The rules are those of flow/transport.h and
// docs/semantics.md. For tests.

#ifndef FLOW_VERIFICATION_FLOW_STATE_CHECKER_H_
#define FLOW_VERIFICATION_FLOW_STATE_CHECKER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/internal/flow_state.h"

namespace flow::verification {

// FlowStateEvent
//
// Each is what one thread does in one go: one atomic operation of a Gate, or
// one stretch under the lock of a flow. What becomes due is begun in the same
// stretch, as flow_core.cc does it.
enum class FlowStateEvent : uint8_t {
  // Calls, and what the transport returns to them. A call that nothing disturbs
  // counts, and then gives its direction back.
  kRead,
  kReadData,
  kReadEndOfFile,
  kReadError,
  kReadLate,
  kReadPassingData,
  kReadPassingError,
  kReadGivesBack,
  kReadEnds,  // after FinishRead()
  kWrite,
  kWriteOk,
  kWriteError,
  kWriteLate,
  kWriteGivesBack,
  // Moves.
  kRefuse,
  kRequestEnd,
  kAbort,
  kClose,
  kPatientClose,
  kCloseInside,
  kGiveUp,  // a Close() that has joined, or CloseAfterRead(), is late
  kDestroy,
  // The thread in Close().
  kCloserGoesOn,
  kCloserSeesArrival,
  kCloserGivesUp,
  // What the other functions of the transport return.
  kRefused,
  kEndOk,
  kEndError,
  kEndLate,
  kRemoteEnds,
  kRemoteError,
  kRemoteLate,
  kAborted,
  kFreed,
  kFreeError,
  // A deadline is set.
  kOther,
  kOtherEnds,
};
constexpr int kFlowStateEvents =
    static_cast<int>(FlowStateEvent::kOtherEnds) + 1;
absl::string_view Name(FlowStateEvent event);

// FlowStateChecker
//
// A new end. Copies go on separately.
class FlowStateChecker {
 public:
  // Its closes block, or are started (docs/started.md).
  enum class Closes { kBlock, kStart };
  explicit FlowStateChecker(Closes closes = Closes::kBlock) : closes_(closes) {}

  // Whether this can happen now.
  bool IsPossible(FlowStateEvent event) const;

  // Returns an error that names the rule that is broken, if there is one.
  // Precondition: possible, and no rule is broken so far.
  absl::Status Apply(FlowStateEvent event);

  // Whether from here Close() closes and frees, once all that is under way has
  // ended; or if its deadline passes; or after an abort.
  absl::Status CheckThatItCanClose() const;

  // Equal for two that will behave the same from here on.
  std::string Key() const;
  std::string DebugString() const { return state_.DebugString(); }

 private:
  using Answer = internal::FlowState::Answer;
  using Hook = internal::FlowState::Hook;

  // Where errors come from.
  enum Reason : uint8_t {
    kNone,
    kOfRead,
    kOfWrite,
    kCut,
    kOfEnd,
    kOfRemote,
    kOfFree,
    kOfAbort,
    kOfSecondAbort,
    kOfDestruction,
    kClosedInside,
    kTooLate,
    kAfterTooLate,
    kRemoteOfTooLate,
  };
  static const absl::Status& StatusOf(Reason reason);

  enum class Call : uint8_t { kNone, kRuns, kCounted, kDecided };
  enum class Run : uint8_t { kNotYet, kRuns, kRunsOnCloser, kDone };
  enum class Closer : uint8_t { kNone, kWaits, kBusy };

  bool Runs(Hook hook) const;
  bool NothingRuns() const;

  void Step(FlowStateEvent event);
  void ReadReturns(size_t size, Reason error, bool passes);
  void WriteReturns(size_t accepted, Reason error);
  void Abort(Reason local, Reason remote);
  void GiveUp();
  void BeginDue(bool closer, bool on_closer);
  void CheckBegin(const internal::FlowState::Due& due);
  void Returns(Hook hook, Reason error);
  void CheckState();
  void EndAll();

  bool InIsOver() const;
  bool OutIsOver() const;
  Answer ReadAnswer() const;
  Answer WriteAnswer() const;
  void Expect(bool holds, absl::string_view rule);
  void ExpectBytes(const internal::Gate& gate, int64_t before, size_t n);

  internal::FlowState state_;
  absl::Status broken_;

  // What runs.
  Call read_ = Call::kNone;
  Call write_ = Call::kNone;
  std::array<Run, 6> hooks_ = {};  // by Hook
  bool other_ = false;
  Closes closes_;
  Closer closer_ = Closer::kNone;

  // What has happened.
  bool end_of_file_ = false;
  bool refused_ = false;
  bool end_requested_ = false;
  bool closing_ = false;
  bool patient_ = false;
  bool found_calls_ = false;  // of the abort: something was under way
  bool destroyed_ = false;
  Reason in_error_ = kNone;
  Reason out_error_ = kNone;
  Reason remote_error_ = kNone;
  Reason aborted_ = kNone;
  Reason told_ = kNone;  // to the remote
  std::optional<Reason> closed_;
};

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_FLOW_STATE_CHECKER_H_
