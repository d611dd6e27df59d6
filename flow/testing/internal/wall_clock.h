// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/wall_clock.h
//
// A wall clock that a test can set, as an administrator or NTP does while a
// program runs. Linking this replaces clock_gettime(2) of the whole program;
// the monotonic clock is left alone.
//
// Thread safety: everything may be called from any thread.

#ifndef FLOW_TESTING_INTERNAL_WALL_CLOCK_H_
#define FLOW_TESTING_INTERNAL_WALL_CLOCK_H_

#include "absl/time/time.h"

namespace flow::testing {

// SetWallClock()
//
// Sets the wall clock to what the machine's says, and `ahead` of it.
void SetWallClock(absl::Duration ahead);

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_WALL_CLOCK_H_
