// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What fd_benchmark measures, for whatever sends and receives on descriptors.

#ifndef FLOW_BENCHMARKS_FD_JOBS_H_
#define FLOW_BENCHMARKS_FD_JOBS_H_

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"

namespace flow {

template <typename Ends>
void InTurn(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  Ends ends(size);
  for (auto _ : state) {
    ends.Send();
    for (size_t received = 0; received < size;) received += ends.Receive();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

template <typename Ends>
void ListOf16(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  const std::string piece(size, 'x');
  const std::vector<absl::string_view> list(16, piece);
  Ends ends(1);
  for (auto _ : state) {
    ends.SendList(list);
    for (size_t received = 0; received < 16 * size;) received += ends.Receive();
  }
  state.SetBytesProcessed(state.iterations() * 16 * state.range(0));
}

template <typename Ends>
void Stream(benchmark::State& state) {
  Ends ends(static_cast<size_t>(state.range(0)));
  std::thread reader([&ends] {
    while (ends.Receive() > 0) {
    }
  });
  for (auto _ : state) ends.Send();
  ends.End();
  reader.join();
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

}  // namespace flow

#endif  // FLOW_BENCHMARKS_FD_JOBS_H_
