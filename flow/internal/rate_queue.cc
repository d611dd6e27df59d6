// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/rate_queue.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"

namespace flow::internal {

RateQueue::RateQueue(int64_t tokens_per_second, int64_t burst)
    : bucket_(tokens_per_second, burst, MonotonicNow()) {}

bool RateQueue::Take(Caller& caller, int64_t tokens) {
  return Await(caller, tokens, /*takes=*/true) != 0;
}

int64_t RateQueue::AwaitUpTo(Caller& caller, int64_t tokens) {
  return Await(caller, tokens, /*takes=*/false);
}

int64_t RateQueue::Await(Caller& caller, int64_t tokens, bool takes) {
  MutexLock lock(mu_);
  const auto place = callers_.insert(callers_.end(), &caller);
  bool in_time = true;
  while (!caller.stopped_) {
    absl::Duration wait = absl::InfiniteDuration();
    if (callers_.front() == &caller) {
      bucket_.Fill(MonotonicNow());
      wait = bucket_.Until(tokens);
      const int64_t whole = bucket_.whole();
      if (!takes && wait == absl::InfiniteDuration() && whole > 0) {
        tokens = whole;
        break;
      }
    }
    if (wait <= absl::ZeroDuration()) break;
    const absl::Duration left = caller.deadline_.left();
    in_time = left > absl::ZeroDuration();
    if (!in_time) break;
    caller.woken_.WaitWithTimeout(&mu_, std::min(wait, left));
  }
  if (in_time && takes) bucket_.Add(-static_cast<double>(tokens));
  callers_.erase(place);
  WakeFirst();
  return in_time ? tokens : 0;
}

void RateQueue::Add(int64_t tokens) {
  MutexLock lock(mu_);
  bucket_.Fill(MonotonicNow());
  bucket_.Add(static_cast<double>(tokens));
  WakeFirst();
}

void RateQueue::SetDeadline(Caller& caller, absl::Time deadline) {
  const MonotonicDeadline until(deadline);
  MutexLock lock(mu_);
  caller.deadline_ = until;
  caller.woken_.Signal();
}

void RateQueue::Stop(Caller& caller) {
  MutexLock lock(mu_);
  caller.stopped_ = true;
  caller.woken_.Signal();
}

size_t RateQueue::waiting() const {
  MutexLock lock(mu_);
  return callers_.size();
}

void RateQueue::WakeFirst() {
  if (!callers_.empty()) callers_.front()->woken_.Signal();
}

}  // namespace flow::internal
