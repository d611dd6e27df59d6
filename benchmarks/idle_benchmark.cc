// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a connection that is silent costs a server, after one echo. With a
// thread for each connection:
//
//   Flow      flow::Server, which waits in Read()
//   Bare      a thread in read(2), which is its limit
//
// With one thread for all of them:
//
//   Started    StartRead() on an EpollEngine
//   Coroutine  a coroutine that awaits that
//   Epoll      epoll_wait(2), which is its limit
//
// The counters are for one of 1,000 connections: `kB` of anonymous memory and
// page tables, and `descriptors`. The kernel's own memory is not in it.
//
//   ./bazelw run -c opt //benchmarks:idle_benchmark

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>

#include "benchmark/benchmark.h"
#include "benchmarks/network_jobs.h"

namespace flow {
namespace {

constexpr size_t kConnections = 1000;

// Waits until all threads sleep again after their echo, and counts then.
ServerProcess::Usage UsageAtRest(const ServerProcess& server) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  return server.GetUsage();
}

void Idle(benchmark::State& state, const std::string& program) {
  for (auto _ : state) {
    const ServerProcess server({program, "echo"});
    // What the first connections need counts for nobody.
    const Clients first(server.port(), 10);
    const ServerProcess::Usage before = UsageAtRest(server);
    const Clients clients(server.port(), kConnections);
    const ServerProcess::Usage after = UsageAtRest(server);
    state.counters["kB"] = (after.kilobytes - before.kilobytes) / kConnections;
    state.counters["descriptors"] =
        (after.descriptors - before.descriptors) / kConnections;
  }
}

void RegisterAll(const Servers& servers) {
  for (const auto& [name, program] : servers) {
    benchmark::RegisterBenchmark("Idle/" + name, [program = program](
                                                     benchmark::State& state) {
      Idle(state, program);
    })->Iterations(1);
  }
}

}  // namespace
}  // namespace flow

int main(int argc, char** argv) {
  return flow::RunNetworkBenchmarks(argc, argv, flow::RegisterAll);
}
