// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What pipe_benchmark measures, for any transport of messages of one size.
// Each transport has two ends, 0 and 1. Send() sends a message, Receive()
// returns how many bytes have come, 0 at the end, and End() ends what 0 sends.

#ifndef FLOW_BENCHMARKS_PIPE_JOBS_H_
#define FLOW_BENCHMARKS_PIPE_JOBS_H_

#include <cstddef>
#include <cstdint>
#include <thread>

#include "benchmark/benchmark.h"
#include "benchmarks/measure.h"

namespace flow {

inline constexpr size_t kPipeCapacity = size_t{256} << 10;

template <typename Transport>
void ReceiveMessage(Transport& transport, int end, size_t size) {
  for (size_t received = 0; received < size;) {
    received += transport.Receive(end);
  }
}

inline void SetCounters(benchmark::State& state, size_t size) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
}

// --- One thread

template <typename Transport>
void BM_Alternate(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Transport transport(size);
  Measure(state, [&] {
    transport.Send(0);
    ReceiveMessage(transport, 1, size);
  });
  SetCounters(state, size);
}

// --- Two threads

template <typename Transport>
void BM_Stream(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Transport transport(size);
  std::thread receiver([&] {
    while (transport.Receive(1) != 0) {
    }
  });
  for (auto _ : state) transport.Send(0);
  transport.End();
  receiver.join();
  SetCounters(state, size);
}

template <typename Transport>
void BM_PingPong(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  Transport transport(size);
  std::thread echo([&] {
    while (true) {
      size_t received = transport.Receive(1);
      if (received == 0) return;
      while (received < size) received += transport.Receive(1);
      transport.Send(1);
    }
  });
  for (auto _ : state) {
    transport.Send(0);
    ReceiveMessage(transport, 0, size);
  }
  transport.End();
  echo.join();
  SetCounters(state, size);
}

inline constexpr int64_t kMiB = int64_t{1} << 20;

// Without a second thread a message must fit.
inline void FittingSizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(64)->Arg(4096)->Arg(65536);
}

inline void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(64)->Arg(4096)->Arg(65536)->Arg(kMiB);
}

}  // namespace flow

#endif  // FLOW_BENCHMARKS_PIPE_JOBS_H_
