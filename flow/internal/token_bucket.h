// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/token_bucket.h
//
// The arithmetic of a rate limit. It is told the time, and waits for nothing.
// Not for users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_TOKEN_BUCKET_H_
#define FLOW_INTERNAL_TOKEN_BUCKET_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace flow::internal {

// TokenBucket
//
// Holds at most `burst` tokens, and starts full. Times are durations since any
// fixed moment. One that is earlier than the one before counts as the same.
class TokenBucket {
 public:
  TokenBucket(int64_t tokens_per_second, int64_t burst, absl::Duration now)
      : rate_(static_cast<double>(tokens_per_second)),
        burst_(static_cast<double>(burst)),
        tokens_(burst_),
        filled_at_(now) {}

  // Adds what has come since the last call.
  void Fill(absl::Duration now) {
    if (now <= filled_at_) return;
    Add(absl::ToDoubleSeconds(now - filled_at_) * rate_);
    filled_at_ = now;
  }

  // Adds `tokens`, or takes them away if they are negative. The bucket may owe
  // tokens then.
  void Add(double tokens) { tokens_ = std::min(tokens_ + tokens, burst_); }

  // Returns how many whole tokens there are.
  int64_t whole() const {
    return static_cast<int64_t>(std::clamp(tokens_, 0.0, kMost));
  }

  // Returns how long it takes from the last Fill() until there are `tokens`:
  // zero if there are, infinite if there never will be.
  absl::Duration Until(int64_t tokens) const {
    const double missing = static_cast<double>(tokens) - tokens_;
    if (missing <= 0) return absl::ZeroDuration();
    if (rate_ <= 0) return absl::InfiniteDuration();
    // Rounded up, so that it is enough.
    return absl::Seconds(missing / rate_) + absl::Nanoseconds(1);
  }

 private:
  static constexpr double kMost = int64_t{1} << 62;

  const double rate_;
  const double burst_;
  double tokens_;
  absl::Duration filled_at_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_TOKEN_BUCKET_H_
