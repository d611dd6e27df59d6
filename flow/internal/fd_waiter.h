// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/fd_waiter.h
//
// Waits for a descriptor, with a deadline that other threads can move and a
// stop that they can give. Not for users of the library.
//
// Thread safety: one thread at a time may Wait(); any thread may call the rest.

#ifndef FLOW_INTERNAL_FD_WAITER_H_
#define FLOW_INTERNAL_FD_WAITER_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/waker.h"

namespace flow::internal {

// FdWaiter
//
// Serves one kind of call on one descriptor, such as the reads of a flow.
class FdWaiter {
 public:
  enum class Outcome { kReady, kStopped, kLate };

  // Waits until poll(2) reports one of `events`, or an error or hang-up, of
  // `fd` (kReady), or until it is stopped, or until the deadline has passed and
  // there is none of these. If `patience` passes first, it says kReady, too:
  // look again. An error is that of poll(2), which a sandbox can make fail
  // (RLIMIT_NOFILE of 0).
  absl::StatusOr<Outcome> Wait(
      int fd, short events, absl::Duration patience = absl::InfiniteDuration());

  // Applies to a call that waits already, too. Default: never.
  void SetDeadline(MonotonicDeadline deadline);
  void SetDeadline(absl::Time deadline) {
    SetDeadline(MonotonicDeadline(deadline));
  }

  // Ends the current wait and all later ones.
  void Stop();
  bool stopped() const;

 private:
  // Returns whether `fd` is ready. Releases `mu_` while it waits.
  absl::StatusOr<bool> Poll(int fd, short events, absl::Duration timeout,
                            Waker* waker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  MonotonicDeadline deadline_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  // What wakes the thread in Wait(), if there is one and it can be woken.
  Waker* waker_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FD_WAITER_H_
