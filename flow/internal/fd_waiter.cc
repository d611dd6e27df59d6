// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fd_waiter.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace flow::internal {
namespace {

// What wakes a thread out of poll(2). It is the thread's and not the flow's, so
// that an idle flow holds one descriptor and no more.
class ThreadWaker {
 public:
  ThreadWaker() = default;
  ThreadWaker(const ThreadWaker&) = delete;
  ThreadWaker& operator=(const ThreadWaker&) = delete;
  ~ThreadWaker() {
    if (fd_ >= 0) ::close(fd_);
  }

  // Returns its descriptor, once it is needed; -1 if there is none left.
  int fd() {
    if (fd_ < 0) fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd_;
  }

 private:
  int fd_ = -1;
};

// Without a waker, how long it may take to notice what it would have told.
constexpr absl::Duration kBlindWait = absl::Milliseconds(10);

// The longest single poll(2); what a timespec of 32 bits can hold as well.
constexpr absl::Duration kLongest = absl::Hours(24);

}  // namespace

FdWaiter::Outcome FdWaiter::Wait(int fd, short events,
                                 absl::Duration patience) {
  static thread_local ThreadWaker waker;
  const absl::Time give_up = patience == absl::InfiniteDuration()
                                 ? absl::InfiniteFuture()
                                 : absl::Now() + patience;
  mu_.Lock();
  while (true) {
    if (stopped_) {
      mu_.Unlock();
      return Outcome::kStopped;
    }
    const absl::Time until = std::min(deadline_, give_up);
    absl::Duration timeout = kLongest;
    if (until != absl::InfiniteFuture()) {
      const absl::Duration left = until - absl::Now();
      if (left <= absl::ZeroDuration()) {
        const bool late = deadline_ <= give_up;
        mu_.Unlock();
        return late ? Outcome::kLate : Outcome::kReady;
      }
      timeout = std::min(timeout, left);
    }
    const int wake_fd = waker.fd();
    if (wake_fd < 0) timeout = std::min(timeout, kBlindWait);
    wake_fd_ = wake_fd;
    mu_.Unlock();

    struct pollfd polled[] = {{fd, events, 0}, {wake_fd, POLLIN, 0}};
    const struct timespec limit = absl::ToTimespec(timeout);
    const int ready = ::ppoll(polled, 2, &limit, nullptr);

    mu_.Lock();
    wake_fd_ = -1;
    if (woken_) {
      woken_ = false;
      uint64_t count;
      [[maybe_unused]] const auto n = ::read(wake_fd, &count, sizeof(count));
    }
    if (ready > 0 && polled[0].revents != 0 && !stopped_) {
      mu_.Unlock();
      return Outcome::kReady;
    }
  }
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
