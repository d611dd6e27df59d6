// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Go (Debian's golang-go) at our jobs: net.Pipe, and io.Copy of descriptors.

#include <cstddef>
#include <cstdint>

#include "absl/log/absl_check.h"
#include "benchmark/benchmark.h"
#include "benchmarks/copy_jobs.h"
#include "benchmarks/peers/go_jobs.h"
#include "flow/testing/internal/raw_files.h"

namespace flow {
namespace {

// A call runs that many messages.
constexpr int kMessages = 1000;

struct GoPipe;  // for names that are like those of the others

template <typename>
void BM_Stream(benchmark::State& state) {
  while (state.KeepRunningBatch(kMessages)) GoStream(kMessages, state.range(0));
}
BENCHMARK_TEMPLATE(BM_Stream, GoPipe)->Arg(64)->Arg(4096)->UseRealTime();

template <typename>
void BM_PingPong(benchmark::State& state) {
  while (state.KeepRunningBatch(kMessages)) {
    GoPingPong(kMessages, state.range(0));
  }
}
BENCHMARK_TEMPLATE(BM_PingPong, GoPipe)->Arg(64)->UseRealTime();

void ByGo(benchmark::State& state, CopyEnd from, CopyEnd to) {
  const auto is_socket = [](CopyEnd end) {
    return end == kUnix || end == kTcp;
  };
  RunCopies(state, from, to, [&](int source, int sink) {
    // By this Go knows what it may wait for.
    if (from == kPipe) testing::SetNonBlocking(source);
    if (to == kPipe) testing::SetNonBlocking(sink);
    ABSL_CHECK_EQ(GoCopy(source, sink, is_socket(from), is_socket(to)),
                  int64_t{kCopiedBytes});
  });
}
COPY_BENCHMARKS(ByGo);

}  // namespace
}  // namespace flow
