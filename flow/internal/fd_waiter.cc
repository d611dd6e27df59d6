// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fd_waiter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"

namespace flow::internal {
namespace {

// What wakes a thread out of poll(2). It belongs to the thread and not to the
// flow, so that an idle flow holds one descriptor and no more.
//
// It is not a member of ThreadEnd: destructors of other thread_local and static
// objects may wait after that is gone, and a trivial object is still there.
thread_local int waker_fd = -1;
thread_local uint32_t waker_generation = 0;
thread_local bool waker_is_gone = false;

struct ThreadEnd {
  ~ThreadEnd() {
    waker_is_gone = true;
    if (waker_fd >= 0) ::close(std::exchange(waker_fd, -1));
  }
};

// Returns the waker of this thread; -1 if there is no descriptor left for it,
// or if the thread is at its end.
int WakerFd() {
  const uint32_t generation = ForkGeneration();
  if (waker_fd >= 0 && waker_generation != generation) {
    // It wakes the thread of the parent, too.
    ::close(std::exchange(waker_fd, -1));
  }
  if (waker_fd < 0 && !waker_is_gone) {
    static thread_local const ThreadEnd closes_it;
    waker_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    waker_generation = generation;
  }
  return waker_fd;
}

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
    const int wake_fd = is_over ? -1 : WakerFd();
    const absl::Duration timeout = std::clamp(
        left, absl::ZeroDuration(), wake_fd < 0 ? kBlindWait : kLongest);
    const absl::StatusOr<bool> ready = Poll(fd, events, timeout, wake_fd);
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
                                    absl::Duration timeout, int wake_fd) {
  wake_fd_ = wake_fd;
  struct pollfd polled[] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
  const struct timespec limit = absl::ToTimespec(timeout);
  Unlock(mu_);
  // Its limit is a number of descriptors, including those that it ignores.
  const int ready = ::ppoll(polled, wake_fd < 0 ? 1 : 2, &limit, nullptr);
  const int error = errno;
  Lock(mu_);
  wake_fd_ = -1;
  // A forked child may have woken us, too.
  if (woken_ || (ready > 0 && polled[1].revents != 0)) {
    woken_ = false;
    uint64_t count;
    [[maybe_unused]] const auto n = ::read(wake_fd, &count, sizeof(count));
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
  if (wake_fd_ < 0 || woken_) return;
  woken_ = true;
  const uint64_t one = 1;
  while (::write(wake_fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

}  // namespace flow::internal
