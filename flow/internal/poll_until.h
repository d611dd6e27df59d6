// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/poll_until.h
//
// poll(2) with a deadline that does not move when somebody sets the clock. Not
// for users of the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_POLL_UNTIL_H_
#define FLOW_INTERNAL_POLL_UNTIL_H_

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow::internal {

// PollUntil()
//
// Waits until poll(2) reports something in `polled`, and returns true; or until
// `deadline` has passed, and returns false. Looks once if that is in the past.
//
//  * kResourceExhausted: poll(2) failed, because there is no memory, or because
//    `polled` has more than the process may have open (RLIMIT_NOFILE).
inline absl::StatusOr<bool> PollUntil(absl::Span<struct pollfd> polled,
                                      const MonotonicDeadline& deadline) {
  // The longest single wait. A timespec of 32 bits can hold it, too.
  constexpr absl::Duration kLongest = absl::Hours(24);
  while (true) {
    const struct timespec limit = absl::ToTimespec(
        std::clamp(deadline.left(), absl::ZeroDuration(), kLongest));
    const int ready = ::ppoll(polled.data(), polled.size(), &limit, nullptr);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return PollError(errno);
    if (ready == 0 && deadline.has_passed()) return false;
  }
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_POLL_UNTIL_H_
