// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a call costs when it does not block. Each figure (BM_...) stands beside
// its limit (BM_..._Limit): the same work done by hand, without a flow, in the
// same program. The counters are per iteration:
//
//   allocs  blocks from the heap
//   copied  payload bytes that are elsewhere afterwards (testing/copied_bytes)
//
//   ./bazelw run -c opt //benchmarks:hot_path_benchmark

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/measure.h"
#include "flow/copy.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/copied_bytes.h"

namespace flow {
namespace {

using ::flow::testing::CopiedBytes;

constexpr size_t kPieces = 16;  // the length of a gathered list

// Locks, malloc() and shared_ptr are cheaper in a process that has never had a
// second thread. Few that move bytes are such.
[[maybe_unused]] const bool kHadAThread = (std::thread([] {}).join(), true);

void SetCopied(benchmark::State& state, size_t bytes) {
  state.counters["copied"] = static_cast<double>(bytes);
}

void SetBytes(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

// Memory that is overwritten from its start whenever it is full.
class Memory {
 public:
  explicit Memory(size_t size) : bytes_(size) {}

  void Append(const char* data, size_t size) {
    if (used_ + size > bytes_.size()) used_ = 0;
    std::memcpy(bytes_.data() + used_, data, size);
    used_ += size;
    benchmark::ClobberMemory();
  }

  Output AsOutput() {
    return Output::Bytes(
        [this](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
          Append(bytes.data(), bytes.size());
          return bytes.size();
        });
  }

  Output AsOutputOfLists() {
    return Output::Lists([this](absl::Span<const absl::string_view> list)
                             -> absl::StatusOr<size_t> {
      size_t size = 0;
      for (absl::string_view piece : list) {
        Append(piece.data(), piece.size());
        size += piece.size();
      }
      return size;
    });
  }

 private:
  std::vector<char> bytes_;
  size_t used_ = 0;
};

// --- An empty call

void BM_EmptyWrite(benchmark::State& state) {
  auto flow = MakeOutputFlow(Output());
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Write("")); });
}
BENCHMARK(BM_EmptyWrite);

// A write of one byte to an output that does nothing: what the contract costs.
void BM_OneByte(benchmark::State& state) {
  auto flow = MakeOutputFlow(
      Output::Bytes([](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        return bytes.size();
      }));
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Write("x")); });
}
BENCHMARK(BM_OneByte);

// --- Read by the byte: a copying read, as from a system call

void ReadSizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(64)->Arg(1 << 10)->Arg(4 << 10)->Arg(64 << 10);
}

void BM_ReadByTheByte(benchmark::State& state) {
  const std::string source(static_cast<size_t>(state.range(0)), 'x');
  absl::string_view filled;
  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        const size_t size = std::min(source.size(), buffer.size());
        std::memcpy(buffer.data(), source.data(), size);
        filled = absl::string_view(buffer.data(), size);
        return size;
      }));
  // Until blocks have the size that fits.
  for (int i = 0; i < 1000; ++i) ABSL_CHECK_OK(flow->Read());
  {
    const absl::Cord data = flow->Read().value();
    SetCopied(state, filled.size() + CopiedBytes(filled, data));
  }
  Measure(state, [&] {
    absl::StatusOr<absl::Cord> data = flow->Read();
    benchmark::DoNotOptimize(data);
    ABSL_CHECK_EQ(data->size(), source.size());
  });
  SetBytes(state, source.size());
}
BENCHMARK(BM_ReadByTheByte)->Apply(ReadSizes);

void BM_ReadByTheByte_Limit_MallocMemcpyFree(benchmark::State& state) {
  const std::string source(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    void* block = std::malloc(source.size());
    std::memcpy(block, source.data(), source.size());
    benchmark::DoNotOptimize(block);
    benchmark::ClobberMemory();
    std::free(block);
  }
  SetCopied(state, source.size());
  SetBytes(state, source.size());
}
BENCHMARK(BM_ReadByTheByte_Limit_MallocMemcpyFree)->Apply(ReadSizes);

// What a Cord that owns its bytes costs, however they come.
void BM_ReadByTheByte_Limit_CordOfACopy(benchmark::State& state) {
  const std::string source(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    absl::Cord cord(source);
    benchmark::DoNotOptimize(cord);
  }
  SetCopied(state, source.size());
  SetBytes(state, source.size());
}
BENCHMARK(BM_ReadByTheByte_Limit_CordOfACopy)->Apply(ReadSizes);

// --- Read by the buffer: a chunk is handed over

void BM_ReadByTheBuffer(benchmark::State& state) {
  const absl::Cord source(std::string(state.range(0), 'x'));
  auto flow = MakeInputFlow(
      Input::Buffers([&]() -> absl::StatusOr<absl::Cord> { return source; }));
  SetCopied(state, CopiedBytes(source, flow->Read().value()));
  Measure(state, [&] {
    absl::StatusOr<absl::Cord> data = flow->Read();
    benchmark::DoNotOptimize(data);
  });
}
BENCHMARK(BM_ReadByTheBuffer)->Arg(4 << 10)->Arg(1 << 20);

void BM_ReadByTheBuffer_Limit_ShareACord(benchmark::State& state) {
  const absl::Cord source(std::string(state.range(0), 'x'));
  Measure(state, [&] {
    absl::Cord data = source;
    benchmark::DoNotOptimize(data);
  });
}
BENCHMARK(BM_ReadByTheBuffer_Limit_ShareACord)->Arg(4 << 10)->Arg(1 << 20);

// Buffers from a list, which is made again when it is used up.
void BM_ReadFromAList(benchmark::State& state) {
  const std::vector<absl::Cord> list(1000, absl::Cord(std::string(4096, 'x')));
  size_t left = 0;
  std::unique_ptr<Flow> flow;
  for (auto _ : state) {
    if (left == 0) {
      state.PauseTiming();
      flow = MakeInputFlow(InputCords(list));
      left = list.size();
      state.ResumeTiming();
    }
    --left;
    absl::StatusOr<absl::Cord> data = flow->Read();
    benchmark::DoNotOptimize(data);
  }
}
BENCHMARK(BM_ReadFromAList);

// Parts of 1 KiB of a buffer of 1 MiB: one block, or a tree of blocks.
absl::Cord OneBlock() { return absl::Cord(std::string(1 << 20, 'x')); }
absl::Cord ManyBlocks() {
  absl::Cord cord;
  const std::string block(4000, 'x');
  while (cord.size() < 1 << 20) cord.Append(absl::Cord(block));
  return cord;
}

void BM_ReadParts(benchmark::State& state, absl::Cord (*make)()) {
  const absl::Cord source = make();
  auto flow = MakeInputFlow(
      Input::Buffers([&]() -> absl::StatusOr<absl::Cord> { return source; }));
  Measure(state, [&] {
    absl::StatusOr<absl::Cord> data = flow->Read(1024);
    benchmark::DoNotOptimize(data);
  });
}
BENCHMARK_CAPTURE(BM_ReadParts, one_block, OneBlock);
BENCHMARK_CAPTURE(BM_ReadParts, many_blocks, ManyBlocks);

void BM_ReadParts_Limit_Iterator(benchmark::State& state,
                                 absl::Cord (*make)()) {
  const absl::Cord source = make();
  absl::Cord::CharIterator at = source.char_begin();
  size_t left = source.size();
  Measure(state, [&] {
    if (left < 1024) {
      at = source.char_begin();
      left = source.size();
    }
    absl::Cord data = absl::Cord::AdvanceAndRead(&at, 1024);
    left -= 1024;
    benchmark::DoNotOptimize(data);
  });
}
BENCHMARK_CAPTURE(BM_ReadParts_Limit_Iterator, one_block, OneBlock);
BENCHMARK_CAPTURE(BM_ReadParts_Limit_Iterator, many_blocks, ManyBlocks);

// --- Write

void BM_WriteByTheByte(benchmark::State& state) {
  const std::string data(state.range(0), 'x');
  Memory memory(1 << 20);
  auto flow = MakeOutputFlow(memory.AsOutput());
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Write(data)); });
  SetCopied(state, data.size());
  SetBytes(state, data.size());
}
BENCHMARK(BM_WriteByTheByte)->Arg(64)->Arg(4 << 10)->Arg(64 << 10);

void BM_WriteByTheByte_Limit_Memcpy(benchmark::State& state) {
  const std::string data(state.range(0), 'x');
  Memory memory(1 << 20);
  for (auto _ : state) memory.Append(data.data(), data.size());
  SetCopied(state, data.size());
  SetBytes(state, data.size());
}
BENCHMARK(BM_WriteByTheByte_Limit_Memcpy)->Arg(64)->Arg(4 << 10)->Arg(64 << 10);

void BM_WriteByTheBuffer(benchmark::State& state) {
  const absl::Cord data(std::string(state.range(0), 'x'));
  absl::Cord last;
  auto flow =
      MakeOutputFlow(Output::Buffers([&](absl::Cord buffer) -> absl::Status {
        last = std::move(buffer);
        return absl::OkStatus();
      }));
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Write(data)); });
  SetCopied(state, CopiedBytes(data, last));
}
BENCHMARK(BM_WriteByTheBuffer)->Arg(4 << 10)->Arg(1 << 20);

void BM_WriteByTheBuffer_Limit_MoveACord(benchmark::State& state) {
  const absl::Cord data(std::string(state.range(0), 'x'));
  absl::Cord last;
  Measure(state, [&] {
    absl::Cord buffer = data;
    last = std::move(buffer);
    benchmark::DoNotOptimize(last);
  });
}
BENCHMARK(BM_WriteByTheBuffer_Limit_MoveACord)->Arg(4 << 10)->Arg(1 << 20);

// A Cord that is moved into a Cord that collects, both of which are destroyed.
void BM_MoveToACord(benchmark::State& state) {
  const absl::Cord data(std::string(4096, 'x'));
  absl::Cord sink;
  auto flow = MakeOutputFlow(OutputCord(&sink));
  for (auto _ : state) {
    absl::Cord moved = data;
    benchmark::DoNotOptimize(flow->Write(std::move(moved)));
    sink.Clear();
  }
}
BENCHMARK(BM_MoveToACord);

void BM_MoveToACord_Limit_Append(benchmark::State& state) {
  const absl::Cord data(std::string(4096, 'x'));
  absl::Cord sink;
  for (auto _ : state) {
    absl::Cord moved = data;
    sink.Append(std::move(moved));
    benchmark::DoNotOptimize(sink);
    sink.Clear();
  }
}
BENCHMARK(BM_MoveToACord_Limit_Append);

// --- Writev

void BM_Writev(benchmark::State& state) {
  const std::string piece(state.range(0), 'x');
  const std::vector<absl::string_view> list(kPieces, piece);
  Memory memory(kPieces * piece.size());
  auto flow = MakeOutputFlow(memory.AsOutputOfLists());
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Writev(list)); });
  SetCopied(state, kPieces * piece.size());
  SetBytes(state, kPieces * piece.size());
}
BENCHMARK(BM_Writev)->Arg(64)->Arg(1 << 10)->Arg(64 << 10);

void BM_WritevByTheByte(benchmark::State& state) {
  const std::string piece(state.range(0), 'x');
  const std::vector<absl::string_view> list(kPieces, piece);
  Memory memory(kPieces * piece.size());
  auto flow = MakeOutputFlow(memory.AsOutput());
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Writev(list)); });
  SetCopied(state, kPieces * piece.size());
  SetBytes(state, kPieces * piece.size());
}
BENCHMARK(BM_WritevByTheByte)->Arg(64)->Arg(1 << 10)->Arg(64 << 10);

void BM_Writev_Limit_GatherLoop(benchmark::State& state) {
  const std::string piece(state.range(0), 'x');
  const std::vector<absl::string_view> list(kPieces, piece);
  Memory memory(kPieces * piece.size());
  for (auto _ : state) {
    for (absl::string_view view : list) {
      memory.Append(view.data(), view.size());
    }
  }
  SetCopied(state, kPieces * piece.size());
  SetBytes(state, kPieces * piece.size());
}
BENCHMARK(BM_Writev_Limit_GatherLoop)->Arg(64)->Arg(1 << 10)->Arg(64 << 10);

void BM_WritevOfCords(benchmark::State& state) {
  const absl::Cord piece(std::string(state.range(0), 'x'));
  const std::vector<absl::Cord> list(kPieces, piece);
  absl::Cord last;
  auto flow =
      MakeOutputFlow(Output::Buffers([&](absl::Cord buffer) -> absl::Status {
        last = std::move(buffer);
        return absl::OkStatus();
      }));
  Measure(state, [&] { benchmark::DoNotOptimize(flow->Writev(list)); });
  SetCopied(state, CopiedBytes(piece, last));
}
BENCHMARK(BM_WritevOfCords)->Arg(64 << 10);

void BM_WritevOfCords_Limit_MoveCords(benchmark::State& state) {
  const absl::Cord piece(std::string(state.range(0), 'x'));
  const std::vector<absl::Cord> list(kPieces, piece);
  absl::Cord last;
  Measure(state, [&] {
    for (const absl::Cord& cord : list) {
      absl::Cord buffer = cord;
      last = std::move(buffer);
      benchmark::DoNotOptimize(last);
    }
  });
}
BENCHMARK(BM_WritevOfCords_Limit_MoveCords)->Arg(64 << 10);

// --- Copy: one chunk a time, from a flow by the buffer to one by the buffer

void BM_Copy(benchmark::State& state) {
  const absl::Cord chunk(std::string(state.range(0), 'x'));
  absl::Cord last;
  auto source = MakeInputFlow(
      Input::Buffers([&]() -> absl::StatusOr<absl::Cord> { return chunk; }));
  auto sink =
      MakeOutputFlow(Output::Buffers([&](absl::Cord buffer) -> absl::Status {
        last = std::move(buffer);
        return absl::OkStatus();
      }));
  CopyOptions options;
  options.max_bytes = static_cast<int64_t>(kPieces * chunk.size());
  Measure(state, [&] { ABSL_CHECK_OK(Copy(*source, *sink, options).status); });
  SetCopied(state, CopiedBytes(chunk, last));
  SetBytes(state, kPieces * chunk.size());
}
BENCHMARK(BM_Copy)->Arg(4 << 10)->Arg(64 << 10);

void BM_Copy_Limit_MoveCords(benchmark::State& state) {
  const absl::Cord chunk(std::string(state.range(0), 'x'));
  absl::Cord last;
  Measure(state, [&] {
    for (size_t i = 0; i < kPieces; ++i) {
      absl::Cord buffer = chunk;
      benchmark::DoNotOptimize(buffer);
      last = std::move(buffer);
      benchmark::DoNotOptimize(last);
    }
  });
  SetBytes(state, kPieces * chunk.size());
}
BENCHMARK(BM_Copy_Limit_MoveCords)->Arg(4 << 10)->Arg(64 << 10);

}  // namespace
}  // namespace flow
