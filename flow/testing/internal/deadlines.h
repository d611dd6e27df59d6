// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/deadlines.h
//
// Deadlines that tests set: one that should not be reached, and one that
// should.

#ifndef FLOW_TESTING_INTERNAL_DEADLINES_H_
#define FLOW_TESTING_INTERNAL_DEADLINES_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace flow::testing {

// For a machine under load: what is waited for comes much sooner. Less than
// Bazel gives a small test, so that a test that hangs can say where.
inline absl::Time Patience() { return absl::Now() + absl::Seconds(50); }

// A moment from now, for a call that is meant to miss its deadline.
inline absl::Time Soon() { return absl::Now() + absl::Milliseconds(5); }

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_DEADLINES_H_
