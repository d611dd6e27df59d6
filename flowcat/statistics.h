// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: statistics.h
//
// What flowcat counts, and prints at the end; docs/flowcat.md describes it.
//
// Thread safety: as said at each.

#ifndef FLOWCAT_STATISTICS_H_
#define FLOWCAT_STATISTICS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flowcat/relay.h"

namespace flowcat {

// Totals
//
// Of all relays together. A value.
struct Totals {
  int64_t connections = 0;  // that began
  int64_t failed = 0;
  flow::CopyStatistics a_to_b;
  flow::CopyStatistics b_to_a;
};

// Statistics
//
// Adds up. Thread-safe.
class Statistics {
 public:
  // Statistics::Begin()
  //
  // Counts one that begins.
  void Begin();

  // Statistics::End()
  //
  // Adds its result.
  void End(const RelayResult& result);

  Totals totals() const;

  // Statistics::open()
  //
  // Returns how many have begun and not ended.
  int64_t open() const;

 private:
  mutable absl::Mutex mu_;
  Totals totals_ ABSL_GUARDED_BY(mu_);
  int64_t open_ ABSL_GUARDED_BY(mu_) = 0;
};

// How flowcat is used.
enum class Mode { kCopy, kRelay, kServe };

// Ending
//
// How the program ends, for its statistics.
struct Ending {
  Mode mode = Mode::kCopy;
  int exit_code = 0;
  int signal = 0;
  absl::Duration elapsed;
};

// FormatText(), FormatJson()
//
// Return lines for people, or one line for programs.
std::vector<std::string> FormatText(const Totals& totals, const Ending& ending);
std::string FormatJson(const Totals& totals, const Ending& ending);

}  // namespace flowcat

#endif  // FLOWCAT_STATISTICS_H_
