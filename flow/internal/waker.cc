// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/waker.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/mutex_lock.h"

namespace flow::internal {
namespace {

// Not members of a ThreadEnd: destructors of other thread_local and static
// objects may wait after that is gone, and trivial objects are still there.
thread_local Waker* waker_of_thread = nullptr;
thread_local bool thread_is_at_its_end = false;

}  // namespace

// The wakers of a process. A forked child begins with none: threads that it
// does not have may have held the mutex of its parent's. It neither frees nor
// closes those. A copy of a flow that a thread of the parent waits for may have
// one, and the child may have closed the descriptor itself, as many close all
// that they have, and use its number for something else.
class Waker::Set {
 public:
  static Set& Of(uint32_t generation) {
    static std::atomic<Set*> newest{nullptr};
    Set* set = newest.load();
    while (set == nullptr || set->generation_ != generation) {
      Set* const added = new Set(generation, set);
      if (newest.compare_exchange_strong(set, added)) return *added;
      delete added;
    }
    return *set;
  }

  // Returns the one that the fewest threads have, or nullptr.
  Waker* Join() {
    MutexLock lock(mu_);
    if (wakers_.size() < kMaxWakers) {
      const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (fd >= 0) wakers_.push_back(new Waker(fd, generation_));
    }
    const auto fewest = std::min_element(
        wakers_.begin(), wakers_.end(),
        [](Waker* a, Waker* b) { return a->threads_ < b->threads_; });
    if (fewest == wakers_.end()) return nullptr;
    ++(*fewest)->threads_;
    return *fewest;
  }

  void Leave(Waker* waker) {
    MutexLock lock(mu_);
    if (--waker->threads_ > 0) return;
    wakers_.erase(std::find(wakers_.begin(), wakers_.end(), waker));
    delete waker;
  }

 private:
  Set(uint32_t generation, Set* parents)
      : generation_(generation), parents_(parents) {}

  const uint32_t generation_;
  [[maybe_unused]] Set* const parents_;  // reachable, so that it is no leak
  absl::Mutex mu_;
  std::vector<Waker*> wakers_ ABSL_GUARDED_BY(mu_);
};

struct Waker::ThreadEnd {
  ~ThreadEnd() {
    thread_is_at_its_end = true;
    Waker* const waker = std::exchange(waker_of_thread, nullptr);
    if (waker == nullptr || waker->generation_ != ForkGeneration()) return;
    Set::Of(waker->generation_).Leave(waker);
  }
};

Waker* Waker::OfThisThread() {
  const uint32_t generation = ForkGeneration();
  if (waker_of_thread != nullptr &&
      waker_of_thread->generation_ != generation) {
    waker_of_thread = nullptr;
  }
  if (waker_of_thread == nullptr && !thread_is_at_its_end) {
    static thread_local const ThreadEnd leaves_it;
    waker_of_thread = Set::Of(generation).Join();
  }
  return waker_of_thread;
}

Waker::~Waker() { ::close(fd_); }

void Waker::Raise() {
  if (generation_ != ForkGeneration()) return;
  ++raised_;
  Write();
}

void Waker::Lower() {
  --raised_;
  Clear();
}

void Waker::Pass() {
  if (raised_.load() == 0) {
    Clear();
  } else {
    ::sched_yield();
  }
}

void Waker::Write() {
  const uint64_t one = 1;
  while (::write(fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

void Waker::Clear() {
  uint64_t count;
  [[maybe_unused]] const auto n = ::read(fd_, &count, sizeof(count));
  // What was just read was for other threads, too.
  if (raised_.load() > 0) Write();
}

}  // namespace flow::internal
