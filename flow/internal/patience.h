// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/patience.h
//
// Says how long to wait for a remote that may be slow: as long as bytes arrive
// there. Not for users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_PATIENCE_H_
#define FLOW_INTERNAL_PATIENCE_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow::internal {

// Patience
//
// Ends when none of the bytes in transit has arrived for `idle_timeout`.
class Patience {
 public:
  Patience(absl::Duration idle_timeout, int64_t in_transit)
      : idle_timeout_(idle_timeout),
        in_transit_(in_transit),
        ends_(MonotonicDeadline::In(idle_timeout)) {}

  // How often to look. Nothing reports that bytes arrive.
  static constexpr absl::Duration kLook = absl::Milliseconds(10);

  // Returns until when to wait before you ask GoesOn().
  MonotonicDeadline NextLook() const {
    return std::min(ends_, MonotonicDeadline::In(kLook));
  }

  // Returns whether to go on waiting, with `in_transit` bytes on their way now.
  bool GoesOn(int64_t in_transit) { return !Look(in_transit).has_passed(); }

  // Returns when it ends unless bytes arrive, with `in_transit` bytes on their
  // way now.
  MonotonicDeadline Look(int64_t in_transit) {
    if (in_transit < std::exchange(in_transit_, in_transit)) {
      ends_ = MonotonicDeadline::In(idle_timeout_);
    }
    return ends_;
  }

 private:
  const absl::Duration idle_timeout_;
  int64_t in_transit_;
  MonotonicDeadline ends_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_PATIENCE_H_
