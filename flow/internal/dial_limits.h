// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/dial_limits.h
//
// What ends a waiting Dial(): its deadline, or another thread that cancels it.
// Not for users of the library.
//
// Thread safety: that of a value.

#ifndef FLOW_INTERNAL_DIAL_LIMITS_H_
#define FLOW_INTERNAL_DIAL_LIMITS_H_

#include <algorithm>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow::internal {

// DialLimits
struct DialLimits {
  // Nobody cancels it.
  DialLimits(MonotonicDeadline deadline)  // NOLINT(runtime/explicit)
      : deadline(deadline) {}
  DialLimits(MonotonicDeadline deadline, const Canceller* canceller)
      : deadline(deadline), canceller(canceller) {}

  // Returns how long to wait before the next look at Cancelled().
  MonotonicDeadline NextLook() const {
    // To look now and then costs no descriptor, unlike something that wakes.
    if (canceller == nullptr) return deadline;
    return std::min(deadline, MonotonicDeadline::In(absl::Milliseconds(50)));
  }

  // Returns the reason if it was cancelled, and otherwise Ok.
  absl::Status Cancelled() const {
    return canceller == nullptr ? absl::OkStatus() : canceller->reason();
  }

  MonotonicDeadline deadline;
  const Canceller* canceller = nullptr;  // may be null
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_DIAL_LIMITS_H_
