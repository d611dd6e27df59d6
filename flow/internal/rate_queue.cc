// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/rate_queue.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/transport.h"

namespace flow::internal {

RateQueue::RateQueue(int64_t tokens_per_second, int64_t burst)
    : bucket_(tokens_per_second, burst, MonotonicNow()) {}

bool RateQueue::Take(Caller& caller, int64_t tokens) {
  return Await(caller, tokens, /*takes=*/true) != 0;
}

int64_t RateQueue::AwaitUpTo(Caller& caller, int64_t tokens) {
  return Await(caller, tokens, /*takes=*/false);
}

std::optional<bool> RateQueue::TryTake(Caller& caller, int64_t tokens,
                                       Retry* retry) {
  const auto taken = Try(caller, tokens, /*takes=*/true, retry);
  if (!taken.has_value()) return std::nullopt;
  return *taken != 0;
}

std::optional<int64_t> RateQueue::TryUpTo(Caller& caller, int64_t tokens,
                                          Retry* retry) {
  return Try(caller, tokens, /*takes=*/false, retry);
}

absl::Duration RateQueue::Until(const Caller& caller, int64_t& tokens,
                                bool takes) {
  if (caller.stopped_) return absl::ZeroDuration();
  if (callers_.front() != &caller) return absl::InfiniteDuration();
  bucket_.Fill(MonotonicNow());
  const absl::Duration wait = bucket_.Until(tokens);
  const int64_t whole = bucket_.whole();
  if (takes || wait < absl::InfiniteDuration() || whole <= 0) return wait;
  tokens = whole;
  return absl::ZeroDuration();
}

int64_t RateQueue::Await(Caller& caller, int64_t tokens, bool takes) {
  MutexLock lock(mu_);
  const auto place = callers_.insert(callers_.end(), &caller);
  bool in_time = true;
  while (true) {
    const absl::Duration wait = Until(caller, tokens, takes);
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

std::optional<int64_t> RateQueue::Try(Caller& caller, int64_t tokens,
                                      bool takes, Retry* retry) {
  MutexLock lock(mu_);
  if (!caller.place_.has_value()) {
    caller.place_ = callers_.insert(callers_.end(), &caller);
  }
  const absl::Duration wait = Until(caller, tokens, takes);
  const bool in_time = wait <= absl::ZeroDuration();
  caller.retry_ = in_time ? nullptr : retry;
  if (caller.retry_ != nullptr) {
    if (wait < absl::InfiniteDuration()) retry->After(wait);
    return std::nullopt;
  }
  if (in_time && takes) bucket_.Add(-static_cast<double>(tokens));
  callers_.erase(*std::exchange(caller.place_, std::nullopt));
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
  Wake(caller);
}

size_t RateQueue::waiting() const {
  MutexLock lock(mu_);
  return callers_.size();
}

void RateQueue::Wake(Caller& caller) {
  caller.woken_.Signal();
  if (caller.retry_ != nullptr) caller.retry_->Now();
}

void RateQueue::WakeFirst() {
  if (!callers_.empty()) Wake(*callers_.front());
}

}  // namespace flow::internal
