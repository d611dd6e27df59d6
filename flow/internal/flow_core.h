// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/flow_core.h
//
// What a Flow consists of: the rules (flow_state.h) under a lock, the
// transport, and a record of which threads are inside. It runs the functions of
// the transport that are due, and does not hold the lock meanwhile. Not for
// users of the library.
//
// Thread safety: as the annotations say. A thread that makes a move takes what
// is due under the same lock, and then runs it without the lock, as Move()
// does.

#ifndef FLOW_INTERNAL_FLOW_CORE_H_
#define FLOW_INTERNAL_FLOW_CORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/transport.h"

namespace flow::internal {

class FlowAccess;  // internal/flow_access.h

// PendingCalls
//
// The started calls of a flow (started_calls.h), as far as its core is
// concerned.
class PendingCalls {
 public:
  virtual ~PendingCalls() = default;

  virtual Engine& engine() const = 0;
  // Something has happened to the flow: tries what reads, writes and closes.
  virtual void TryAgain() = 0;
  // Returns whether one of them is a Close(). With the lock of the core.
  virtual bool is_closing() const = 0;
  // Tries the closes to which this has happened: the result is known, or there
  // is something to do for the first of them. With the lock of the core.
  virtual void TryToClose(bool is_known, bool is_for_first) = 0;
  // Tries all that await a refusal. With the lock of the core.
  virtual void TryToAwaitRefusal() = 0;
  // The transport is about to close what the engine has watched.
  virtual void Forget() = 0;
};

// CloseLimit
//
// How long a Close() waits: until a time, or as long as bytes arrive.
struct CloseLimit {
  MonotonicDeadline deadline;
  // For PatientClose(), which has no deadline.
  absl::Duration idle_timeout = absl::InfiniteDuration();

  bool is_patient() const { return idle_timeout < absl::InfiniteDuration(); }
  bool is_never() const { return deadline.is_never() && !is_patient(); }
};

// FlowCore
class FlowCore {
 public:
  // What a core is made of.
  struct Parts {
    std::unique_ptr<Transport> transport;
    FlowState state = {};
    MonotonicDeadline read_deadline = {};
    MonotonicDeadline write_deadline = {};
    uint32_t fork_generation = ForkGeneration();
    Engine* engine = nullptr;  // of started calls
  };

  // Precondition: `parts.transport` is not null.
  explicit FlowCore(Parts parts);

  // Takes this core apart. Afterwards you may only destroy it.
  // Precondition: no call is under way, and nobody has borrowed the flow.
  Parts TakeParts() ABSL_LOCKS_EXCLUDED(mu_);

  // Aborts the flow if it was not closed, and frees.
  ~FlowCore();

  // Puts `decorate` on top of the transport. Precondition: as of TakeParts().
  void Decorate(TransportDecorator decorate) ABSL_LOCKS_EXCLUDED(mu_);

  // The gates need no lock.
  Gate& read_gate() { return state_.read_gate(); }
  Gate& write_gate() { return state_.write_gate(); }
  const Gate& read_gate() const { return state_.read_gate(); }
  const Gate& write_gate() const { return state_.write_gate(); }

  Transport& transport() const { return *transport_; }

  absl::Mutex& mu() const ABSL_LOCK_RETURNED(mu_) { return mu_; }
  FlowState& state() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return state_; }
  const FlowState& state() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return state_;
  }

  // A function of the transport that is to run, or none.
  struct Task {
    FlowState::Due due;
    CloseLimit limit;
  };

  // Returns what this thread has to run next, after a move. Only the thread
  // that closes passes `closer`.
  Task TakeTask(bool closer = false) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Runs `task`, and whatever becomes due through it.
  void Run(Task task) ABSL_LOCKS_EXCLUDED(mu_);
  // Makes a move under the lock, and runs what becomes due.
  void Move(absl::FunctionRef<void(FlowState& state)> move)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Sets the deadline of reads, or of writes.
  void SetDeadline(bool reads, absl::Time deadline) ABSL_LOCKS_EXCLUDED(mu_);
  // Returns how often it was set. Whoever sets it can tell by this whether
  // somebody else has. It grows before the transport is told.
  uint32_t deadlines_set(bool reads) const ABSL_LOCKS_EXCLUDED(mu_);

  // --- For a flow that is lent (borrow.h)

  // Between the two, the core must neither be destroyed nor taken apart.
  void BeginLoan() { ++loans_; }
  void EndLoan() { --loans_; }
  // Between these two, the transport is not freed. Returns false if it was.
  bool BeginToKeep() ABSL_LOCKS_EXCLUDED(mu_);
  void EndToKeep() ABSL_LOCKS_EXCLUDED(mu_);
  // While reads are held, TellDeadline() tells of a read deadline that has
  // passed, whoever calls it. Call it afterwards, as this tells nobody.
  void HoldReads(bool held) { reads_held_ = held; }
  // Tells the transport `deadline`, and does not keep it. Without one, tells it
  // that which is kept.
  void TellDeadline(bool reads, std::optional<absl::Time> deadline)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Returns the deadline that is kept.
  MonotonicDeadline deadline(bool reads) const {
    return reads ? read_deadline_ : write_deadline_;
  }
  // Returns the reason of Abort(), or Ok.
  absl::Status AbortReason() const ABSL_LOCKS_EXCLUDED(mu_);
  // Tells the transport that what the last read returned was lost.
  void LoseRead() ABSL_LOCKS_EXCLUDED(mu_);

  // Returns whether this thread is inside a function of the transport.
  bool IsInside() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  // Closes, or joins a thread that already closes. The limit of the first one
  // applies to the functions of the transport.
  absl::Status Close(CloseLimit limit) ABSL_LOCKS_EXCLUDED(mu_);

  // --- Started calls

  // Lets calls start. Precondition: no call is under way, and this was not
  // called before.
  void SetPendingCalls(std::unique_ptr<PendingCalls> calls)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Null: calls cannot start.
  PendingCalls* pending_calls() const { return pending_calls_.get(); }

  // Makes calls that block start, and wait for that. For tests of started
  // calls. Those of `some` do so by a number that looks random.
  enum class ByStarting : uint8_t { kNone, kSome, kAll };
  void BlockByStarting(ByStarting which) { by_starting_ = which; }
  // Returns whether the next call that blocks is to do so.
  bool blocks_by_starting() {
    return ABSL_PREDICT_FALSE(by_starting_ != ByStarting::kNone) &&
           (by_starting_ == ByStarting::kAll || NextStarts());
  }

  // A Close() without a thread.
  struct Closing {
    bool is_first = false;
    // A function of the transport that waits, in which no thread is, and how it
    // has ended.
    std::optional<Task> waiting = std::nullopt;
    std::optional<absl::Status> outcome = std::nullopt;
  };
  // Begins what Close() does. Returns its result if that is known. Unless this
  // thread `blocks`, StepClose() goes on, and nothing calls it when all that is
  // in transit has arrived.
  std::optional<absl::Status> EnterClose(const CloseLimit& limit,
                                         Closing& closing, bool blocks)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Goes on closing, and returns the result once it is known. Null for `retry`:
  // the limit has passed. `unwatch` says whether no engine watches for this
  // call; if one does, that ends soon.
  std::optional<absl::Status> StepClose(Closing& closing, Retry* retry,
                                        absl::FunctionRef<bool()> unwatch)
      ABSL_LOCKS_EXCLUDED(mu_);
  // It has the result, and touches the flow no more.
  void LeaveClose() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { --closers_; }
  absl::Status CloseAfterRead(MonotonicDeadline until) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until the transport says that a write could not succeed, and returns
  // its error. If the gate of writes is shut before, the result means nothing.
  absl::Status AwaitRefusal(MonotonicDeadline until) ABSL_LOCKS_EXCLUDED(mu_);
  // The same without a thread, between the first and the last of these. The
  // first returns false if there is nothing to wait for. The second tries, and
  // keeps in `asks` whether its caller has the turn; null for `retry`: the
  // deadline has passed.
  bool BeginAwaitRefusal() ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<absl::Status> TryAwaitRefusal(bool& asks, Retry* retry)
      ABSL_LOCKS_EXCLUDED(mu_);
  void EndAwaitRefusal() ABSL_LOCKS_EXCLUDED(mu_);

  int64_t InTransit() const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  // --- Texts

  // The name, escaped, because a remote may have chosen it.
  std::string Name() const;
  // `NAME [STATE]`; DebugString() adds the calls that are under way.
  std::string Describe() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  std::string DebugString() const ABSL_LOCKS_EXCLUDED(mu_);
  // Returns `status` with `NAME [STATE]: WHAT: ` before its message.
  absl::Status InContext(absl::string_view what,
                         const absl::Status& status) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

 private:
  void CheckIdle(absl::string_view what) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // A function of the transport that must not run after Free() runs between
  // these two, without the lock. Returns false if Free() has begun.
  bool BeginOther() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndOther() ABSL_LOCKS_EXCLUDED(mu_);
  // Tells the transport a deadline.
  void Tell(bool reads, absl::Time deadline) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Perform(const Task& task) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Patiently(absl::Duration idle_timeout,
                         absl::FunctionRef<absl::Status(absl::Time)> wait)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(const Task& task, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Lets `task` wait without a thread, which is this one until now. Returns
  // false if it is none that waits.
  bool Suspend(Task& task, Closing& closing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool NextStarts();
  // Tells started closes that they can go on, if they can.
  void WakeClosers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status RunClose(const CloseLimit& limit) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status JoinClose(const CloseLimit& limit) ABSL_LOCKS_EXCLUDED(mu_);
  bool AwaitWithin(const CloseLimit& limit, const absl::Condition& condition)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GiveUpClose(absl::string_view waited_for)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::string_view CloseWaitsFor() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // What AwaitRefusal() returns, given what the transport has said.
  absl::Status Refusal(std::optional<absl::Status> said) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Gives the turn to the next that awaits a refusal.
  void LeaveRefusal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  FlowState state_;

  // Everything that is rare happens under this lock. A call that neither waits
  // nor ends anything never takes it.
  mutable absl::Mutex mu_;
  // The threads that run functions of the transport other than reads and
  // writes.
  absl::InlinedVector<const void*, 2> inside_ ABSL_GUARDED_BY(mu_);
  CloseLimit close_limit_ ABSL_GUARDED_BY(mu_);  // of the first Close()
  int closers_ ABSL_GUARDED_BY(mu_) = 0;         // threads that are in Close()
  uint32_t read_deadlines_set_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t write_deadlines_set_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<int> loans_{0};
  const uint32_t fork_generation_;
  // Both change under the lock.
  std::atomic<MonotonicDeadline> read_deadline_;
  std::atomic<MonotonicDeadline> write_deadline_;
  // Somebody has the turn to ask the transport for a refusal.
  bool awaits_refusal_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<bool> reads_held_{false};

  // What every call reads is in no cache line of a gate.
  ByStarting by_starting_ = ByStarting::kNone;
  std::atomic<uint16_t> next_starts_{0};
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<PendingCalls> pending_calls_;
};

// An address that no other living thread has.
inline const void* ThisThread() {
  static thread_local char tag;
  return &tag;
}

// How the reason of an abort by destruction ends.
inline constexpr absl::string_view kDestroyed = "destroyed without Close()";

// Returns `status` without the context that a flow with the name `name` has
// given it, if it has one. For a flow on the same stream, which gives its own.
absl::Status WithoutContext(absl::string_view name, const absl::Status& status);

// Returns `status` in a form that can stay: kDeadlineExceeded becomes kAborted,
// because it always means the deadline of the call that returns it.
absl::Status Lasting(absl::Status status);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FLOW_CORE_H_
