// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures how long something takes, and how many blocks it allocates.

#ifndef FLOW_BENCHMARKS_MEASURE_H_
#define FLOW_BENCHMARKS_MEASURE_H_

#include <optional>

#include "benchmark/benchmark.h"
#include "flow/testing/allocation_counter.h"

namespace flow {

// In how many iterations blocks are counted. To count costs a few nanoseconds a
// block, so these are not measured.
inline constexpr int kCounted = 100;

inline void SetAllocs(benchmark::State& state,
                      const testing::AllocationCounter& counter) {
  state.counters["allocs"] = static_cast<double>(counter.blocks()) / kCounted;
}

// Measures `iteration`, and before that sets the counter `allocs`.
template <typename Iteration>
void Measure(benchmark::State& state, Iteration iteration) {
  {
    testing::AllocationCounter counter;
    for (int i = 0; i < kCounted; ++i) iteration();
    SetAllocs(state, counter);
  }
  for (auto _ : state) iteration();
}

// Iterations
//
// The same for what goes on by itself, such as a coroutine:
//
//   while (iterations.Next()) co_await ...;
//
// All of it is on one thread, which counts everything that it allocates.
class Iterations {
 public:
  explicit Iterations(benchmark::State& state) : state_(state) {}

  // Returns whether there is one more.
  bool Next() {
    if (begun_ < kCounted) {
      if (begun_++ == 0) counter_.emplace();
      return true;
    }
    if (counter_.has_value()) {
      SetAllocs(state_, *counter_);
      counter_.reset();
    }
    return state_.KeepRunning();
  }

 private:
  benchmark::State& state_;
  int begun_ = 0;
  std::optional<testing::AllocationCounter> counter_;  // while one counts
};

}  // namespace flow

#endif  // FLOW_BENCHMARKS_MEASURE_H_
