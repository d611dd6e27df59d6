// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/flow_state.h
//
// The rules of one end of a flow, as a state machine. It says what calls, an
// end, a refusal, a close, an abort and a destruction result in, and which
// function of the transport is due. It never blocks, reads no clock, calls no
// transport and makes no text for users. flow_core.cc puts a mutex around it,
// runs what is due, and lets threads wait. So tests can enumerate every order
// of calls on the code that ships (flow/verification). Not for users of the
// library.
//
// Thread safety: Gate says which of its functions any thread may call.
// Everything else is for one thread at a time.

#ifndef FLOW_INTERNAL_FLOW_STATE_H_
#define FLOW_INTERNAL_FLOW_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/optimization.h"
#include "absl/status/status.h"

namespace flow::internal {

// Gate
//
// Lets one call at a time into a direction. `word_` is 0 while the direction is
// open and idle. That makes a call cheap: one exchange takes the direction, one
// gives it back, and either fails when there is anything else to do.
//
// There are two exchanges because giving back must notice a Shutdown(), Close()
// or Abort() that came meanwhile, and a plain store could miss it.
//
// Two gates whose calls run on two threads belong into different cache lines.
//
// Thread safety: any thread may call Take() and the const functions. Give(),
// Count() and undisturbed() are for the thread that has taken the gate, and the
// others for a thread that holds the lock of FlowCore.
class Gate {
 public:
  Gate() = default;
  Gate(const Gate& other) { *this = other; }
  Gate& operator=(const Gate& other) {
    word_.store(other.word_.load(std::memory_order_relaxed),
                std::memory_order_relaxed);
    bytes_.store(other.bytes(), std::memory_order_relaxed);
    caller_.store(other.caller(), std::memory_order_relaxed);
    return *this;
  }

  // Begins a call by `caller`. Returns false if another one is under way, or no
  // new one may begin.
  bool Take(const void* caller) {
    uint32_t expected = 0;
    if (ABSL_PREDICT_FALSE(!word_.compare_exchange_strong(
            expected, kBusy, std::memory_order_acquire))) {
      return false;
    }
    caller_.store(caller, std::memory_order_relaxed);
    return true;
  }

  // Visit
  //
  // A thread that does a part of a call that no thread stays in.
  class Visit {
   public:
    Visit(Gate& gate, const void* caller) : gate_(gate) {
      gate_.caller_.store(caller, std::memory_order_relaxed);
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit() { gate_.caller_.store(nullptr, std::memory_order_relaxed); }

   private:
    Gate& gate_;
  };

  // Returns whether nothing has happened to the direction since Take().
  bool undisturbed() const {
    return word_.load(std::memory_order_relaxed) == kBusy;
  }

  // Ends the call and returns true. If the direction was disturbed, returns
  // false, and the call has not ended.
  bool Give() {
    // This comes before giving back, so that a thread that finds itself here is
    // inside.
    caller_.store(nullptr, std::memory_order_relaxed);
    uint32_t expected = kBusy;
    return word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                         std::memory_order_relaxed);
  }

  // Ends the call, whatever has happened.
  void ForceGive() {
    caller_.store(nullptr, std::memory_order_relaxed);
    word_.fetch_and(~kBusy, std::memory_order_release);
  }

  // Lets calls begin again.
  void Reopen() { word_.fetch_and(~kOver, std::memory_order_release); }

  // Lets no new call begin, and returns whether one is under way.
  bool Shut() {
    return (word_.fetch_or(kOver, std::memory_order_acquire) & kBusy) != 0;
  }

  // Adds `n` to the number of bytes that the calls have moved.
  void Count(size_t n) {
    // Unsigned, so that after 2^63 bytes the count is wrong, and nothing else.
    bytes_.store(static_cast<int64_t>(static_cast<uint64_t>(bytes()) + n),
                 std::memory_order_relaxed);
  }

  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // The caller that has taken the gate; nullptr if there is none.
  const void* caller() const { return caller_.load(std::memory_order_relaxed); }
  bool busy() const {
    return (word_.load(std::memory_order_acquire) & kBusy) != 0;
  }
  bool shut() const {
    return (word_.load(std::memory_order_acquire) & kOver) != 0;
  }

 private:
  static constexpr uint32_t kBusy = 1;  // a call is under way
  static constexpr uint32_t kOver = 2;  // no new call may begin

  std::atomic<uint32_t> word_{0};
  std::atomic<int64_t> bytes_{0};
  std::atomic<const void*> caller_{nullptr};
};

// FlowState
//
// A new one is open in both directions. Joined() makes others. A move can make
// functions of the transport due. The thread that made the move then takes them
// by TakeDue(), runs them, and reports each result by Finish().
class FlowState {
 public:
  // A direction moves once, from kOpen. Only an error of its own makes it
  // kBroken. An abort leaves the states as they are, and overrides them.
  enum class Direction : uint8_t { kOpen, kEnded, kRefused, kBroken };

  // What a call returns by the state alone.
  struct Answer {
    enum Kind { kOk, kClosed, kError };
    Kind kind = kOk;  // for a read: end-of-file
    absl::Status error;
  };

  // A function of the transport that is to run.
  enum class Hook {
    kNone,
    kRefuseRead,
    kEndWrite,        // with `status` as the outcome; see BeginClose()
    kAwaitRemoteEnd,  // only the closer runs it, because it can block
    kAbort,           // with `status` as the reason
    kFree,
  };
  struct Due {
    Hook hook = Hook::kNone;
    absl::Status status;
  };

  FlowState() = default;

  // Returns the state of a flow that reads as an end with the state `in` does,
  // and writes as one with the state `out`. It is aborted if one of them is.
  // Precondition: both are idle(), and not closing().
  static FlowState Joined(const FlowState& in, const FlowState& out);
  // Returns the state of an end that reads nothing and writes nothing.
  static FlowState OfNothing();

  Gate& read_gate() { return read_; }
  Gate& write_gate() { return write_; }
  const Gate& read_gate() const { return read_; }
  const Gate& write_gate() const { return write_; }

  // --- The end of a call that was disturbed or is not a plain success
  //
  // FinishRead() and FinishWrite() decide what the call returns, and record it.
  // EndRead() or EndWrite() then ends the call.

  // A read has returned `size` bytes or an `error`. If `passes`, the outcome is
  // for this call only: nothing is counted, and nothing stays. Returns nullopt
  // if the call returns that outcome. Otherwise the outcome is discarded, and
  // the call returns the answer.
  std::optional<Answer> FinishRead(size_t size, const absl::Status& error,
                                   bool passes);
  void EndRead();

  // A write has accepted `accepted` bytes and returned `status`. `cut` is the
  // error of the direction if it ends in the middle of this write. Returns what
  // the call returns.
  Answer FinishWrite(size_t accepted, const absl::Status& status,
                     const absl::Status& cut);
  void EndWrite();

  // What a call returns that may not begin.
  Answer ReadAnswer() const;
  Answer WriteAnswer() const;

  // --- Moves

  void RefuseRead();
  // Ends the outbound direction. A write under way sends the end when it is
  // over.
  void RequestEnd();
  // The first abort counts, and none after the result of Close() is known.
  void Abort(const absl::Status& reason);

  // Begins to close. That sends the end, awaits the end of the remote, awaits
  // the arrival of what is in transit if `patient`, and frees when no call is
  // under way. The end of the remote is awaited after end-of-file as well if
  // the transport `ends_early`. If `blocks`, any thread may wait until the end
  // is sent; otherwise only the closer sends it. Precondition: nobody has begun
  // to close, and the result is not known.
  void BeginClose(bool patient, bool ends_early = false, bool blocks = true);
  // Everything in transit has arrived.
  void Arrive();
  // Opens the inbound direction, since a transport was put on top that has
  // something to read before its end. Precondition: idle(), neither closing()
  // nor aborted(), and the direction has ended or is broken.
  void ReopenRead();
  // The deadline of a Close() has passed. Its result is `result`, and this end
  // is aborted with `local`, the remote with `remote`. Does nothing if the
  // result is known, or while Free() runs.
  void GiveUpClose(const absl::Status& result, const absl::Status& local,
                   const absl::Status& remote);
  // Close() was called from inside the transport, which cannot wait for itself.
  // Returns its result. Precondition: no result was known.
  absl::Status CloseInside(const absl::Status& error);
  // Precondition: idle().
  void Destroy(const absl::Status& reason);

  // --- What is due

  // Returns the next function to run, which has then begun. Only the thread
  // that closes passes `closer`; some functions are for that thread alone.
  Due TakeDue(bool closer);
  // `hook` has returned `status` (an error has its context).
  void Finish(Hook hook, const absl::Status& status);
  // Enclose other functions of the transport, which must not run after Free().
  // Precondition: not freed().
  void BeginOther() { ++running_; }
  void EndOther();
  // Between these two, an abort frees nothing, whatever calls end.
  void BeginToKeep() { ++keeps_; }
  void EndToKeep();

  // --- Questions

  bool aborted() const { return !abort_reason_.ok(); }
  const absl::Status& abort_reason() const { return abort_reason_; }
  bool end_requested() const { return end_requested_; }
  bool closing() const { return closing_; }
  // The result of Close(), once it is known.
  const std::optional<absl::Status>& closed() const { return closed_; }
  // Free() has begun.
  bool freed() const { return freed_; }
  Direction in() const { return in_; }
  Direction out() const { return out_; }
  const absl::Status& in_error() const { return in_error_; }
  const absl::Status& out_error() const { return out_error_; }
  // Returns whether no call and no function of the transport is under way or
  // due.
  bool idle() const;

  // What the thread that closes waits for. kNothing means that TakeDue() has
  // something for it, or that the result is known.
  enum class ClosePhase { kNothing, kSignal, kRemote, kTransit, kCalls };
  ClosePhase close_phase() const;

  // Returns everything that decides what will happen, for tests.
  std::string DebugString() const;

 private:
  enum class Await : uint8_t { kNotYet, kDue, kRunning, kDone };

  void Break(Direction& direction, absl::Status& kept, Gate& gate,
             const absl::Status& error);
  void AbortBoth(const absl::Status& local, const absl::Status& remote);
  void Latch(const absl::Status& result);
  // Makes due whatever the state now calls for.
  void Advance();

  // What follows is rare, and keeps the two gates apart.
  Gate read_;
  absl::Status in_error_;       // if kBroken
  absl::Status out_error_;      // if kBroken
  absl::Status abort_reason_;   // not Ok: aborted
  absl::Status remote_reason_;  // what the transport is told of it
  absl::Status remote_error_;   // of AwaitRemoteEnd()
  std::optional<absl::Status> closed_;
  int running_ = 0;  // functions of the transport other than reads and writes
  int keeps_ = 0;    // BeginToKeep()
  Direction in_ = Direction::kOpen;
  Direction out_ = Direction::kOpen;
  bool end_requested_ = false;  // Shutdown(kWrite) or Close()
  bool end_sent_ = false;       // the transport's EndWrite() has returned
  bool closing_ = false;        // BeginClose()
  bool ends_early_ = false;     // of BeginClose()
  Await await_ = Await::kNotYet;
  bool arrives_ = true;          // nothing in transit is waited for
  bool free_when_idle_ = false;  // nobody waits to do it
  bool freed_ = false;

  bool refuse_due_ = false;
  bool end_due_ = false;
  bool end_is_for_closer_ = false;
  bool abort_due_ = false;
  bool free_due_ = false;
  bool free_is_for_closer_ = false;
  Gate write_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FLOW_STATE_H_
