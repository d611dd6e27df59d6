// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What memory a TCP connection holds whose coroutine waits in a read, after one
// echo: counted in operator new and delete, not told by the kernel. So it is
// exact, and has neither pages that are shared nor what is free between blocks.
//
// The counters are for one of 1,000 connections: `held_blocks`, and
// `held_bytes` in them, as large as malloc() has made them. That includes what
// the engine keeps of a descriptor, and nothing of the kernel.
//
//   ./bazelw run -c opt //benchmarks:held_benchmark

#include <sched.h>

#include <cstddef>
#include <thread>

#include "absl/log/absl_check.h"
#include "absl/synchronization/notification.h"
#include "benchmark/benchmark.h"
#include "benchmarks/coroutine_echo.h"
#include "benchmarks/network_jobs.h"
#include "flow/testing/allocation_counter.h"

namespace flow {
namespace {

constexpr size_t kConnections = 1000;

struct Held {
  double blocks;
  double bytes;
};

// Returns what the thread of the server holds.
Held HeldBy(CoroutineEcho& server, const testing::AllocationCounter& counter) {
  Held held;
  absl::Notification counted;
  // Those that have echoed wait again when this runs.
  server.engine().Post([&] {
    held = {static_cast<double>(counter.live_blocks()),
            static_cast<double>(counter.live_bytes())};
    counted.Notify();
  });
  counted.WaitForNotification();
  return held;
}

void HeldByCoroutines(benchmark::State& state) {
  for (auto _ : state) {
    const testing::AllocationCounter counter;  // of this thread, which serves
    CoroutineEcho server;
    std::thread thread([&] {
      // Its descriptors are not the server's, so that the numbers of those are
      // as low as in a program of its own.
      ABSL_PCHECK(::unshare(CLONE_FILES) == 0);
      // What the first connections need counts for nobody.
      const Clients first(server.port(), 10);
      const Held before = HeldBy(server, counter);
      const Clients clients(server.port(), kConnections);
      const Held after = HeldBy(server, counter);
      state.counters["held_blocks"] =
          (after.blocks - before.blocks) / kConnections;
      state.counters["held_bytes"] =
          (after.bytes - before.bytes) / kConnections;
      server.End();
    });
    server.Run();
    thread.join();
  }
}
BENCHMARK(HeldByCoroutines)->Name("Held/Coroutine")->Iterations(1);

}  // namespace
}  // namespace flow

int main(int argc, char** argv) {
  return flow::RunNetworkBenchmarks(argc, argv, [](const flow::Servers&) {});
}
