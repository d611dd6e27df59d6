// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/monotonic_deadline.h
//
// A deadline that is given as a time of the wall clock, and kept by a clock
// that nobody can set. The time that is left is measured when the deadline is
// given. Not for users of the library.
//
// Thread safety: that of a value.

#ifndef FLOW_INTERNAL_MONOTONIC_DEADLINE_H_
#define FLOW_INTERNAL_MONOTONIC_DEADLINE_H_

#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <limits>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace flow::internal {

// MonotonicNow()
//
// Returns the time of a clock that cannot be set, since an epoch of its own.
inline absl::Duration MonotonicNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

// MonotonicDeadline
class MonotonicDeadline {
 public:
  // Never.
  constexpr MonotonicDeadline() = default;

  // `deadline`, as the wall clock is set now.
  explicit MonotonicDeadline(absl::Time deadline) : at_(Moment(deadline)) {}

  // Returns the deadline that is `left` from now.
  static MonotonicDeadline In(absl::Duration left) {
    MonotonicDeadline deadline;
    deadline.at_ = absl::ToInt64Nanoseconds(MonotonicNow() + left);
    return deadline;
  }

  bool is_never() const { return at_ == kNever; }

  // MonotonicDeadline::left()
  //
  // Returns how long it is until the deadline; not positive if it has passed.
  // Looks at the clock only if the answer depends on it.
  absl::Duration left() const {
    if (is_never()) return absl::InfiniteDuration();
    if (at_ == kPast) return -absl::InfiniteDuration();
    return absl::Nanoseconds(at_) - MonotonicNow();
  }
  bool has_passed() const { return left() <= absl::ZeroDuration(); }

  // MonotonicDeadline::ToTime()
  //
  // Returns the deadline as a time of the wall clock, as that is set now. If
  // this thread makes a MonotonicDeadline of that time next, it is this one,
  // even if the wall clock is set in between.
  absl::Time ToTime() const {
    if (is_never()) return absl::InfiniteFuture();
    if (at_ == kPast) return absl::InfinitePast();
    // Reads the clocks in this order, so that the time is not too early either.
    const absl::Duration until = left();
    last_told_ = {absl::Now() + until, at_};
    return last_told_.time;
  }

  friend bool operator==(const MonotonicDeadline& a,
                         const MonotonicDeadline& b) {
    return a.at_ == b.at_;
  }
  friend bool operator<(const MonotonicDeadline& a,
                        const MonotonicDeadline& b) {
    return a.at_ < b.at_;
  }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kPast = std::numeric_limits<int64_t>::min();

  static int64_t Moment(absl::Time deadline) {
    if (deadline == absl::InfiniteFuture()) return kNever;
    if (deadline == absl::InfinitePast()) return kPast;
    if (deadline == last_told_.time) return last_told_.at;
    // Reads the clocks in this order, so that the deadline is not too early.
    const absl::Duration left = deadline - absl::Now();
    return absl::ToInt64Nanoseconds(MonotonicNow() + left);
  }

  // What ToTime() has returned on this thread, and what it stands for.
  struct Told {
    absl::Time time;
    int64_t at;
  };
  inline static thread_local Told last_told_{absl::InfiniteFuture(), kNever};

  // Nanoseconds since the clock's epoch. Every flow holds some of these, and
  // reads some without a lock, so this is as small as an atomic can be.
  int64_t at_ = kNever;
};

// AwaitUntil()
//
// As `mu.AwaitWithDeadline(condition, deadline)`: waits, with `mu` held, until
// `condition` is true, and returns false if the deadline has passed before.
inline bool AwaitUntil(absl::Mutex& mu, const absl::Condition& condition,
                       const MonotonicDeadline& deadline) {
  const absl::Duration left = deadline.left();
  if (left <= absl::ZeroDuration()) return condition.Eval();
  return mu.AwaitWithTimeout(condition, left);
}

// TellLatest()
//
// Tells somebody a deadline that other threads may change: calls `tell` with
// what `latest` returns, until that has stayed the same meanwhile. Both are
// called without a lock, because `tell` can run a user's function, which may
// call the flow. So another thread can come in between; then this is not the
// last word.
template <typename Latest, typename Tell>
void TellLatest(Latest latest, Tell tell) {
  MonotonicDeadline wanted = latest();
  MonotonicDeadline given;
  do {
    given = wanted;
    tell(given.ToTime());
    wanted = latest();
  } while (!(given == wanted));
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_MONOTONIC_DEADLINE_H_
