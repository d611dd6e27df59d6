// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fd_waiter.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/waker.h"

namespace flow::internal {
namespace {

// How long it may take, without a waker, to notice what it would have told.
constexpr absl::Duration kBlindWait = absl::Milliseconds(10);

// The longest single poll(2). A timespec of 32 bits can hold it, too.
constexpr absl::Duration kLongest = absl::Hours(24);

}  // namespace

absl::StatusOr<FdWaiter::Outcome> FdWaiter::Wait(int fd, short events,
                                                 absl::Duration patience) {
  const MonotonicDeadline give_up = MonotonicDeadline::In(patience);
  MutexLock lock(mu_);
  while (!stopped_) {
    const MonotonicDeadline until = std::min(deadline_, give_up);
    const absl::Duration left = until.left();
    const bool is_over = left <= absl::ZeroDuration();
    Waker* const waker = is_over ? nullptr : Waker::OfThisThread();
    const absl::Duration timeout = std::clamp(
        left, absl::ZeroDuration(), waker == nullptr ? kBlindWait : kLongest);
    const absl::StatusOr<bool> ready = Poll(fd, events, timeout, waker);
    if (stopped_) break;
    if (!ready.ok()) return ready.status();
    if (*ready) return Outcome::kReady;
    // Even with a deadline in the past, what is ready comes first.
    if (is_over && std::min(deadline_, give_up) == until) {
      return give_up < deadline_ ? Outcome::kReady : Outcome::kLate;
    }
  }
  return Outcome::kStopped;
}

absl::StatusOr<bool> FdWaiter::Poll(int fd, short events,
                                    absl::Duration timeout, Waker* waker) {
  waker_ = waker;
  const int wake_fd = waker != nullptr ? waker->fd() : -1;
  struct pollfd polled[] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
  const struct timespec limit = absl::ToTimespec(timeout);
  Unlock(mu_);
  // Its limit is a number of descriptors, including those that it ignores.
  const int ready = ::ppoll(polled, wake_fd < 0 ? 1 : 2, &limit, nullptr);
  const int error = errno;
  Lock(mu_);
  waker_ = nullptr;
  if (std::exchange(woken_, false)) {
    waker->Lower();
  } else if (ready > 0 && polled[1].revents != 0) {
    waker->Pass();
  }
  if (ready < 0 && error != EINTR) return PollError(error);
  return ready > 0 && polled[0].revents != 0;
}

void FdWaiter::SetDeadline(MonotonicDeadline deadline) {
  MutexLock lock(mu_);
  deadline_ = deadline;
  Wake();
}

void FdWaiter::Stop() {
  MutexLock lock(mu_);
  stopped_ = true;
  Wake();
}

bool FdWaiter::stopped() const {
  MutexLock lock(mu_);
  return stopped_;
}

void FdWaiter::Wake() {
  if (waker_ == nullptr || woken_) return;
  woken_ = true;
  waker_->Raise();
}

}  // namespace flow::internal
