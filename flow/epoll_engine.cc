// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/epoll_engine.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/log/absl_check.h"
#include "absl/memory/memory.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/internal/close_fd.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"

namespace flow {
namespace {

using internal::MonotonicNow;

// Both families of constants have the same values on Linux.
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
              POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP &&
              POLLPRI == EPOLLPRI);

// Events that have no edge: they stay. (An error is gone once it was told.)
constexpr short kLasting = POLLHUP | POLLRDHUP;

// What poll(2) reports even if nobody asks.
constexpr short kAlways = POLLERR | POLLHUP;

// How often a descriptor is looked at that the kernel has no memory to watch.
constexpr absl::Duration kBlindWait = absl::Milliseconds(10);

// How many events one system call takes.
constexpr int kEventsAtOnce = 64;

// After so many functions, or so long, and the rest of their round, it looks at
// the descriptors again. To look at the clock takes as long as a short
// function, so it does that after every eight of them.
constexpr int kRunBetweenPolls = 32;
constexpr absl::Duration kBetweenPolls = absl::Microseconds(200);
constexpr int kRunBetweenLooks = 8;

// What is no descriptor, for the event of `wake_fd_`.
constexpr uint64_t kWake = std::numeric_limits<uint64_t>::max();

}  // namespace

absl::StatusOr<std::unique_ptr<EpollEngine>> EpollEngine::Make() {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return internal::FdError(errno, "epoll_create1");
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct epoll_event wake = {};
  // Each write(2) is an edge, so nobody has to read.
  wake.events = EPOLLIN | EPOLLET;
  wake.data.u64 = kWake;
  if (wake_fd < 0 ||
      ::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &wake) != 0) {
    const int error = errno;
    if (wake_fd >= 0) internal::CloseFd(wake_fd).IgnoreError();
    internal::CloseFd(epoll_fd).IgnoreError();
    return internal::FdError(error, wake_fd < 0 ? "eventfd" : "epoll_ctl");
  }
  return absl::WrapUnique(new EpollEngine(epoll_fd, wake_fd));
}

EpollEngine::EpollEngine(int epoll_fd, int wake_fd)
    : epoll_fd_(epoll_fd),
      wake_fd_(wake_fd),
      fork_generation_(internal::ForkGeneration()) {}

EpollEngine::~EpollEngine() {
  // In a child of fork(2) no lock is to be trusted, and nothing that is watched
  // is the child's.
  if (internal::ForkGeneration() == fork_generation_) {
    DropFunctions();
    internal::MutexLock lock(mu_);
    for (const Descriptor& descriptor : descriptors_) {
      ABSL_CHECK(descriptor.first == nullptr)
          << "an EpollEngine is destroyed while a flow waits for it";
    }
  }
  internal::CloseFd(wake_fd_).IgnoreError();
  internal::CloseFd(epoll_fd_).IgnoreError();
}

// A function may own a flow that is then destroyed, and needs this.
void EpollEngine::DropFunctions() {
  while (true) {
    std::vector<Work> dropped;
    absl::AnyInvocable<void()> timer;
    internal::MutexLock lock(mu_);
    ABSL_CHECK(runners_ == 0) << "an EpollEngine is destroyed while it runs";
    if (!round_.empty()) {
      dropped = std::exchange(round_, {});
    } else if (!incoming_.empty()) {
      dropped = std::exchange(incoming_, {});
    } else if (!due_timers_.empty()) {
      timer = std::move(due_timers_.begin()->second);
      due_timers_.erase(due_timers_.begin());
    } else if (!timers_.empty()) {
      timer = std::move(timers_.begin()->second);
      timer_times_.erase(timers_.begin()->first.second);
      timers_.erase(timers_.begin());
    } else {
      return;
    }
  }
}

// --- Running

void EpollEngine::Run() {
  internal::MutexLock lock(mu_);
  ++runners_;
  while (!stopped_) {
    if (next_ < round_.size()) {
      RunOne();
      continue;
    }
    round_.clear();
    next_ = 0;
    std::swap(round_, incoming_);
    TakeDueTimers();
    // A round that others have posted need not ask the kernel first. But those
    // that post themselves again and again do not keep descriptors waiting.
    if (round_.empty() || HasToPoll()) {
      run_since_poll_ = 0;
      look_at_ = kRunBetweenLooks;
      Poll(/*waits=*/round_.empty());
      polled_at_ = MonotonicNow();
    }
  }
  --runners_;
  // One by one, as edges that come together are one.
  WakeOne();
}

bool EpollEngine::HasToPoll() {
  if (run_since_poll_ >= kRunBetweenPolls) return true;
  if (run_since_poll_ < look_at_) return false;
  look_at_ = run_since_poll_ + kRunBetweenLooks;
  return MonotonicNow() - polled_at_ >= kBetweenPolls;
}

void EpollEngine::RunOne() {
  Work work = std::move(round_[next_++]);
  if (work.timer != 0) {
    const auto due = due_timers_.find(work.timer);
    if (due == due_timers_.end()) return;  // cancelled
    work.function = std::move(due->second);
    due_timers_.erase(due);
  }
  ++run_since_poll_;
  // Others do not wait for this one, if a thread sleeps.
  const bool is_timer_in_time =
      timers_.empty() || sleeps_until_ <= timers_.begin()->first.first;
  if (next_ < round_.size() || !incoming_.empty() || !is_timer_in_time) {
    WakeOne();
  }
  internal::Unlock(mu_);
  if (work.watcher != nullptr) {
    work.watcher->Ready(work.seen);
  } else {
    work.function();
    work.function = nullptr;  // frees what it holds, without the lock
  }
  internal::Lock(mu_);
}

void EpollEngine::TakeDueTimers() {
  if (timers_.empty()) return;
  const absl::Duration now = MonotonicNow();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto due = timers_.begin();
    timer_times_.erase(due->first.second);
    round_.push_back({nullptr, 0, nullptr, due->first.second});
    due_timers_.emplace(due->first.second, std::move(due->second));
    timers_.erase(due);
  }
}

void EpollEngine::Poll(bool waits) {
  int timeout = waits ? -1 : 0;
  if (waits && !timers_.empty()) {
    const absl::Duration first = timers_.begin()->first.first;
    sleeps_until_ = std::min(sleeps_until_, first);
    const absl::Duration left = first - MonotonicNow();
    // Not earlier, or this would look again and again.
    timeout = static_cast<int>(std::clamp<int64_t>(
        absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))), 0,
        std::numeric_limits<int>::max()));
  }
  if (waits) ++sleepers_;
  internal::Unlock(mu_);
  struct epoll_event events[kEventsAtOnce];
  const int count = ::epoll_wait(epoll_fd_, events, kEventsAtOnce, timeout);
  internal::Lock(mu_);
  if (waits) {
    --sleepers_;
    sleeps_until_ = absl::InfiniteDuration();  // it may have been this one
  }
  for (int i = 0; i < count; ++i) {
    if (events[i].data.u64 == kWake) {
      wake_sent_ = false;
      continue;
    }
    Descriptor& descriptor =
        descriptors_[static_cast<uint32_t>(events[i].data.u64)];
    // Otherwise it was closed meanwhile.
    if (descriptor.generation == events[i].data.u64 >> 32) {
      Tell(descriptor, static_cast<short>(events[i].events));
    }
  }
}

void EpollEngine::Stop() {
  internal::MutexLock lock(mu_);
  stopped_ = true;
  WakeOne();
}

void EpollEngine::Enqueue(Work&& work) {
  incoming_.push_back(std::move(work));
  WakeOne();
}

void EpollEngine::WakeOne() {
  if (sleepers_ == 0 || wake_sent_) return;
  wake_sent_ = true;
  const uint64_t one = 1;
  // It cannot fail before it has been called 2^64 times.
  [[maybe_unused]] const ssize_t n = ::write(wake_fd_, &one, sizeof(one));
}

void EpollEngine::Post(absl::AnyInvocable<void()> function) {
  internal::MutexLock lock(mu_);
  Enqueue({nullptr, 0, std::move(function)});
}

// --- Timers

Engine::Timer EpollEngine::RunAt(absl::Time time,
                                 absl::AnyInvocable<void()> function) {
  const absl::Duration left = internal::MonotonicDeadline(time).left();
  internal::MutexLock lock(mu_);
  return AddTimer(MonotonicNow() + left, std::move(function));
}

Engine::Timer EpollEngine::AddTimer(absl::Duration at,
                                    absl::AnyInvocable<void()> function) {
  const uint64_t timer = ++last_timer_;
  timer_times_.emplace(timer, at);
  const auto added = timers_.emplace(std::pair(at, timer), std::move(function));
  if (added.first == timers_.begin()) WakeOne();
  return Timer{timer};
}

bool EpollEngine::Cancel(Timer timer) {
  absl::AnyInvocable<void()> cancelled;  // freed without the lock
  internal::MutexLock lock(mu_);
  if (const auto due = due_timers_.find(static_cast<uint64_t>(timer));
      due != due_timers_.end()) {
    cancelled = std::move(due->second);
    due_timers_.erase(due);
    return true;
  }
  const auto found = timer_times_.find(static_cast<uint64_t>(timer));
  if (found == timer_times_.end()) return false;
  const auto entry = timers_.find(std::pair(found->second, found->first));
  cancelled = std::move(entry->second);
  timers_.erase(entry);
  timer_times_.erase(found);
  return true;
}

// --- Descriptors

void EpollEngine::Tell(Descriptor& descriptor, short events) {
  short told = 0;
  for (Watcher** link = &descriptor.first; *link != nullptr;) {
    Watcher* const watcher = *link;
    const short mine = static_cast<short>(watcher->events | kAlways) & events;
    if (mine == 0) {
      link = &watcher->next;
      continue;
    }
    told = static_cast<short>(told | mine);
    *link = watcher->next;
    Enqueue({watcher, events, nullptr});
  }
  descriptor.seen = static_cast<short>(descriptor.seen | (events & kLasting) |
                                       (events & ~told));
}

void EpollEngine::Watch(int fd, short events, Watcher* watcher) {
  internal::MutexLock lock(mu_);
  const size_t number = static_cast<size_t>(fd);
  if (number >= descriptors_.size()) descriptors_.resize(number + 1);
  Descriptor& descriptor = descriptors_[number];
  const short seen = static_cast<short>(descriptor.seen & (events | kAlways));
  if (seen != 0 || descriptor.is_always_ready) {
    const short all = descriptor.seen;
    descriptor.seen = static_cast<short>(all & ~(seen & ~kLasting));
    return Enqueue({watcher, all, nullptr});
  }
  watcher->events = events;
  watcher->next = descriptor.first;
  descriptor.first = watcher;
  if (!descriptor.is_registered) Register(fd, descriptor, watcher);
}

void EpollEngine::Register(int fd, Descriptor& descriptor, Watcher* watcher) {
  struct epoll_event event = {};
  // Once for all watchers, so that a wait costs no system call of its own.
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.u64 =
      uint64_t{descriptor.generation} << 32 | static_cast<uint32_t>(fd);
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) {
    descriptor.is_registered = true;
  } else if (errno == EPERM) {
    descriptor.is_always_ready = true;
    Tell(descriptor, POLLIN | POLLOUT | POLLERR);  // whatever is waited for
  } else {
    // Out of memory, or of what the user may watch.
    AddTimer(MonotonicNow() + kBlindWait,
             [this, fd, watcher] { CancelWatch(fd, watcher); });
  }
}

void EpollEngine::CancelWatch(int fd, Watcher* watcher) {
  internal::MutexLock lock(mu_);
  const size_t number = static_cast<size_t>(fd);
  if (number >= descriptors_.size()) return;
  Watcher** link = &descriptors_[number].first;
  while (*link != nullptr && *link != watcher) link = &(*link)->next;
  if (*link == nullptr) return;  // Ready() is on its way
  *link = watcher->next;
  Enqueue({watcher, 0, nullptr});
}

void EpollEngine::Forget(int fd) {
  internal::MutexLock lock(mu_);
  const size_t number = static_cast<size_t>(fd);
  if (number >= descriptors_.size()) return;
  Descriptor& descriptor = descriptors_[number];
  ABSL_CHECK(descriptor.first == nullptr)
      << "descriptor " << fd << " is closed while somebody watches it";
  if (descriptor.is_registered) {
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  }
  const uint32_t generation = descriptor.generation + 1;
  descriptor = Descriptor();
  descriptor.generation = generation;
}

}  // namespace flow
