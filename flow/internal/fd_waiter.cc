// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fd_waiter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace flow::internal {
namespace {

// What wakes a thread out of poll(2). It is the thread's and not the flow's, so
// that an idle flow holds one descriptor and no more.
//
// Not a member of ThreadEnd: destructors of other thread_local and of static
// objects may wait after that is gone, and what is trivial is still there.
thread_local int waker_fd = -1;
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
  if (waker_fd < 0 && !waker_is_gone) {
    static thread_local const ThreadEnd closes_it;
    waker_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  return waker_fd;
}

// Without a waker, how long it may take to notice what it would have told.
constexpr absl::Duration kBlindWait = absl::Milliseconds(10);

// The longest single poll(2); what a timespec of 32 bits can hold as well.
constexpr absl::Duration kLongest = absl::Hours(24);

}  // namespace

FdWaiter::Outcome FdWaiter::Wait(int fd, short events,
                                 absl::Duration patience) {
  const absl::Time give_up = patience == absl::InfiniteDuration()
                                 ? absl::InfiniteFuture()
                                 : absl::Now() + patience;
  absl::MutexLock lock(&mu_);
  while (!stopped_) {
    const absl::Time until = std::min(deadline_, give_up);
    const absl::Duration left = until == absl::InfiniteFuture()
                                    ? absl::InfiniteDuration()
                                    : until - absl::Now();
    const bool is_over = left <= absl::ZeroDuration();
    const int wake_fd = is_over ? -1 : WakerFd();
    const absl::Duration timeout = std::clamp(
        left, absl::ZeroDuration(), wake_fd < 0 ? kBlindWait : kLongest);
    const bool ready = Poll(fd, events, timeout, wake_fd);
    if (stopped_) break;
    if (ready) return Outcome::kReady;
    // What was ready counted, also with a deadline in the past.
    if (is_over && std::min(deadline_, give_up) == until) {
      return deadline_ <= give_up ? Outcome::kLate : Outcome::kReady;
    }
  }
  return Outcome::kStopped;
}

bool FdWaiter::Poll(int fd, short events, absl::Duration timeout, int wake_fd) {
  wake_fd_ = wake_fd;
  struct pollfd polled[] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
  const struct timespec limit = absl::ToTimespec(timeout);
  mu_.Unlock();
  const int ready = ::ppoll(polled, 2, &limit, nullptr);
  mu_.Lock();
  wake_fd_ = -1;
  if (woken_) {
    woken_ = false;
    uint64_t count;
    [[maybe_unused]] const auto n = ::read(wake_fd, &count, sizeof(count));
  }
  return ready > 0 && polled[0].revents != 0;
}

void FdWaiter::SetDeadline(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  deadline_ = deadline;
  Wake();
}

void FdWaiter::Stop() {
  absl::MutexLock lock(&mu_);
  stopped_ = true;
  Wake();
}

bool FdWaiter::stopped() const {
  absl::MutexLock lock(&mu_);
  return stopped_;
}

void FdWaiter::Wake() {
  if (wake_fd_ < 0 || woken_) return;
  woken_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wake_fd_, &one, sizeof(one));
}

}  // namespace flow::internal
