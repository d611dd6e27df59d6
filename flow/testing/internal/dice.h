// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/dice.h
//
// Chance for tests with threads.

#ifndef FLOW_TESTING_INTERNAL_DICE_H_
#define FLOW_TESTING_INTERNAL_DICE_H_

#include <cstdint>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace flow::testing {

// Dice for one thread, the same for the same seed.
class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}

  // Returns 0 to `n` - 1.
  int Roll(int n) {
    return static_cast<int>(engine_() % static_cast<uint32_t>(n));
  }

  // Returns a time less than `microseconds` from now.
  absl::Time DeadlineWithin(int microseconds) {
    return absl::Now() + absl::Microseconds(Roll(microseconds));
  }

  // Lets other threads run, for a while or, more often, not at all: on a busy
  // machine a yield takes milliseconds.
  void Pause() {
    if (Roll(4) != 0) return;
    for (int i = Roll(20); i > 0; --i) std::this_thread::yield();
  }

 private:
  std::mt19937 engine_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_DICE_H_
