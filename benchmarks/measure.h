// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures how long something takes, and how many blocks it allocates.

#ifndef FLOW_BENCHMARKS_MEASURE_H_
#define FLOW_BENCHMARKS_MEASURE_H_

#include "benchmark/benchmark.h"
#include "flow/testing/allocation_counter.h"

namespace flow {

// Measures `iteration`, and before that sets the counter `allocs`. To count
// costs a few nanoseconds a block, so it is not measured.
template <typename Iteration>
void Measure(benchmark::State& state, Iteration iteration) {
  constexpr int kCounted = 100;
  {
    testing::AllocationCounter counter;
    for (int i = 0; i < kCounted; ++i) iteration();
    state.counters["allocs"] = static_cast<double>(counter.blocks()) / kCounted;
  }
  for (auto _ : state) iteration();
}

}  // namespace flow

#endif  // FLOW_BENCHMARKS_MEASURE_H_
