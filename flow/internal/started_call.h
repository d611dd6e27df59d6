// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/started_call.h
//
// A call that was started and goes on without a thread: who may try it, what it
// waits for, and when it is over. It knows neither flows nor transports. Not
// for users of the library.
//
// Thread safety: any thread may call Now(), Start() is for whoever has taken
// the gate of the call, and everything else happens inside.

#ifndef FLOW_INTERNAL_STARTED_CALL_H_
#define FLOW_INTERNAL_STARTED_CALL_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/operation.h"
#include "flow/transport.h"

namespace flow::internal {

// StartedCall
//
// One kind of call of one flow, which is pending or not. While it is pending,
// at most one thread at a time runs it: the one that starts it, or one of the
// engine. The others leave a mark, and it tries again. So nothing that comes in
// between is lost, and nobody needs a lock.
//
// A timer and a watch of the engine hold the address of this. A call whose
// result is known is therefore pending until both have been reported or
// cancelled. Only then is it ended, and its owner told. From that moment this
// may be destroyed.
class StartedCall : public Retry, private Engine::Watcher {
 public:
  StartedCall() = default;
  StartedCall(const StartedCall&) = delete;
  StartedCall& operator=(const StartedCall&) = delete;

  // Begins, and tries. Returns true if the call is over, and ended; nobody is
  // told. Otherwise this may be destroyed when it returns.
  // Precondition: not pending.
  bool Start();

  bool pending() const {
    return (word_.load(std::memory_order_acquire) & kPending) != 0;
  }

  // Tries again soon, on the engine. Does nothing if no call is pending.
  void Now() final;

  // Beside the events of WhenReady(): whoever closes the descriptor has the
  // engine forget it, and this does not. poll(2) has no such event.
  static constexpr short kStaysOpen = 0x4000;

  // The descriptor that was watched last, and is to be forgotten; -1 if there
  // is none. Precondition: nothing is watched now.
  int watched_fd() const {
    return (watched_events_ & kStaysOpen) == 0 ? watched_fd_ : -1;
  }

  // Lets go of the descriptor that was watched, before it is closed.
  // Precondition: nothing is watched now.
  void Forget();

 protected:
  ~StartedCall() = default;

  // Tries, and returns whether the call is over. If `is_late`, its deadline has
  // passed. Then it does not try again, unless somebody calls Now().
  virtual bool Try(bool is_late) = 0;
  // When it is late. Asked after each Try() that is not over.
  virtual MonotonicDeadline Deadline() = 0;
  // It watches another descriptor from now on. Whoever closes `fd` is to have
  // the engine forget it first.
  virtual void LeaveBehind(int /*fd*/) {}
  // Ends the call, and returns whom to tell. Others may destroy this then.
  virtual Operation* End() = 0;
  // The same one from the first Start() on.
  virtual Engine& engine() const = 0;

  // For Try(). It waits for one descriptor, and for the shortest patience.
  // Deadline() may ask for a patience, too.
  void WhenReady(int fd, short events) final;
  void After(absl::Duration patience) final;
  short TakeSeen(int fd) final;

  // Also for Try(): ends the watch. Returns false if it is to be reported yet,
  // after which this tries again.
  bool Unwatch();

 private:
  // Who has this, and who will report.
  static constexpr uint32_t kPending = 1;  // a call is under way
  static constexpr uint32_t kRunning = 2;  // a thread runs it, or soon will
  static constexpr uint32_t kMarked = 4;   // it is to try again
  static constexpr uint32_t kTimer = 8;    // the engine has a timer
  static constexpr uint32_t kWatch = 16;   // the engine has a watch

  // Runs the call, which is this thread's. Returns whether it is to be ended.
  bool Run();
  void RunOnEngine();
  // The engine has reported `source`.
  void Report(uint32_t source);
  void Ready(short seen) final {
    seen_ = seen;
    Report(kWatch);
  }

  // Lets the engine report at `at`, and when the descriptor that is wanted is
  // ready.
  void Arm(MonotonicDeadline at);
  void Disarm();
  void Clear(uint32_t bits) { word_.fetch_and(~bits); }
  bool Has(uint32_t bits) const { return (word_.load() & bits) != 0; }

  // Every flow that starts has two of these for as long as it lives, so their
  // members leave no gaps.
  //
  // --- For the thread that runs it
  bool is_over_ = false;
  bool is_late_ = false;
  // --- For all
  std::atomic<uint32_t> word_{0};
  // --- For the thread that runs it
  // What the engine has, or had last.
  int watched_fd_ = -1;
  short watched_events_ = 0;
  // What Try() asks for; `wanted_fd_` is -1 if it asks for no descriptor.
  short wanted_events_ = 0;
  MonotonicDeadline wanted_at_;
  MonotonicDeadline timer_at_;
  Engine::Timer timer_{};
  int wanted_fd_ = -1;
  // --- For the thread that reports, while there is a watch
  short seen_ = 0;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_STARTED_CALL_H_
