// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Echoes of 64 bytes over TCP by a server with one thread, in a crowd: 100
// connections are active, and 10,000 are silent.
//
//   Coroutine  a coroutine for each on an EpollEngine
//   Started    StartRead() and StartWrite() on an EpollEngine
//   Epoll      epoll_wait(2), recv(2) and send(2), which is their limit
//
// One iteration is one echo. The counter `cpu_ns` is the CPU time of the server
// for one, the kernel's work for it included. Where a program may not have as
// many descriptors, fewer connections are silent, and the label says so.
//
//   ./bazelw run -c opt //benchmarks:crowd_benchmark

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "benchmarks/network_jobs.h"

namespace flow {
namespace {

constexpr size_t kActive = 100;
constexpr size_t kSilent = 10000;
constexpr size_t kOtherDescriptors = 50;

void Crowd(benchmark::State& state, const std::string& title,
           const std::string& program) {
  const size_t count =
      std::min(kActive + kSilent, MaxDescriptors() - kOtherDescriptors);
  Scene& scene = SceneOf(title, [&] {
    Scene made;
    made.servers.push_back(std::make_unique<ServerProcess>(
        std::vector<std::string>{program, "echo"}));
    made.clients =
        std::make_unique<Clients>(made.servers.back()->port(), count);
    return made;
  });
  const ServerProcess& server = *scene.servers.back();
  const double before = server.CpuNanoseconds();
  const size_t echoes = scene.clients->MeasureEchoes(state, kActive);
  state.counters["cpu_ns"] =
      (server.CpuNanoseconds() - before) / static_cast<double>(echoes);
  if (count < kActive + kSilent) {
    state.SetLabel(absl::StrCat("only ", count - kActive, " are silent"));
  }
}

void RegisterAll(const Servers& servers) {
  for (const auto& [name, program] : servers) {
    const std::string title = "Crowd/" + name;
    benchmark::RegisterBenchmark(title, [title, program = program](
                                            benchmark::State& state) {
      Crowd(state, title, program);
    })->UseRealTime();
  }
}

}  // namespace
}  // namespace flow

int main(int argc, char** argv) {
  return flow::RunNetworkBenchmarks(argc, argv, flow::RegisterAll);
}
