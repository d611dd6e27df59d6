// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What one of n things costs, for n from 10 to 1,000,000: it must not depend on
// n. One iteration is one thing; what the n of them have in common is shared by
// them.
//
//   ./bazelw run -c opt //benchmarks:growth_benchmark

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/string_flow.h"

namespace flow {
namespace {

// Reads a list of n strings of a byte.
void ReadAList(size_t n) {
  auto flow = MakeInputFlow(InputStrings(std::vector<std::string>(n, "x")));
  for (size_t i = 0; i < n; ++i) ABSL_CHECK_EQ(flow->Read()->size(), 1u);
}

// Writes a list of n strings of a byte at once.
void WriteAList(size_t n) {
  std::string memory(n, ' ');
  auto flow = MakeOutputFlow(OutputBytes(absl::MakeSpan(memory)));
  ABSL_CHECK_OK(flow->Writev(std::vector<absl::string_view>(n, "x")));
}

// Writes a Cord of n chunks into a pipe, and reads parts of a chunk and a half.
void PassChunks(size_t n) {
  const std::string chunk(1000, 'x');
  const absl::Cord shared = absl::MakeCordFromExternal(chunk, [] {});
  absl::Cord cord;
  for (size_t i = 0; i < n; ++i) cord.Append(shared);
  Pipe pipe = MakePipe(cord.size());
  ABSL_CHECK_OK(pipe.left->Write(cord));
  for (size_t left = cord.size(); left > 0;)
    left -= pipe.right->Read(1500)->size();
}

// Reads n lines of a buffer.
void ReadLines(size_t n) {
  std::string lines;
  for (size_t i = 0; i < n; ++i) lines += "x\n";
  auto channel = MakeChannel(MakeInputFlow(InputString(std::move(lines))));
  for (size_t i = 0; i < n; ++i) {
    ABSL_CHECK_EQ(channel->ReadLine(10).value().value(), "x");
  }
}

void EachOf(benchmark::State& state, void (*run)(size_t n)) {
  while (state.KeepRunningBatch(state.range(0))) {
    run(static_cast<size_t>(state.range(0)));
  }
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(1000)->Arg(1000000);
}

BENCHMARK_CAPTURE(EachOf, read_a_list, ReadAList)->Apply(Sizes);
BENCHMARK_CAPTURE(EachOf, write_a_list, WriteAList)->Apply(Sizes);
BENCHMARK_CAPTURE(EachOf, pass_chunks, PassChunks)->Apply(Sizes);
BENCHMARK_CAPTURE(EachOf, read_lines, ReadLines)->Apply(Sizes);

}  // namespace
}  // namespace flow
