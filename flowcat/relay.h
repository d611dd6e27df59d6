// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: relay.h
//
// What flowcat is for: carries bytes between two endpoints until both have
// ended, closes them, and says in words what went wrong, if anything did.
//
// Thread safety: Relay() may run for several pairs at once.

#ifndef FLOWCAT_RELAY_H_
#define FLOWCAT_RELAY_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "flow/copy.h"
#include "flowcat/endpoint.h"
#include "flowcat/stop.h"
#include "flowcat/tracing_flow.h"

namespace flowcat {

// Traffic
//
// Bytes that sinks have accepted so far, for a display of progress.
struct Traffic {
  std::atomic<int64_t> a_to_b{0};
  std::atomic<int64_t> b_to_a{0};
};

// RelayOptions
struct RelayOptions {
  // Whether bytes go from B to A, too.
  bool both_ways = false;

  // The relay fails after this time without a byte. Also limits the wait for
  // both ends to close and for a command to exit.
  absl::Duration idle_timeout = absl::InfiniteDuration();

  // Called with each operation, after `A ` or `B `. May be null.
  Trace trace;

  // Counts what passes, unless it is null.
  Traffic* traffic = nullptr;
};

// RelayResult
struct RelayResult {
  // Empty if all was carried over, and both ends were closed in order.
  // Otherwise one line for the user: why not, and how far it came.
  std::string error;

  flow::CopyStatistics a_to_b;
  flow::CopyStatistics b_to_a;
};

// Relay()
//
// Carries bytes from `a` to `b`, and back if `both_ways`, with the ends of both
// directions. Then closes both, and waits until they have taken everything and
// ended, however slow they are. After an error, or a request to `stop`, aborts
// both.
//
// A command (exec:) that does not exit with 0 is an error.
RelayResult Relay(Endpoint a, Endpoint b, const RelayOptions& options,
                  Stop& stop);

}  // namespace flowcat

#endif  // FLOWCAT_RELAY_H_
