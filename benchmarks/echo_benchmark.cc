// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Echoes of 64 bytes over TCP, by a server with a thread for each connection:
//
//   Flow      flow::Server, and a Read() and a Write() for each echo
//   Bare      read(2) and write(2), which is its limit
//
// or with one thread for all of them:
//
//   Started    StartRead() and StartWrite() on an EpollEngine
//   Coroutine  the same in a coroutine for each connection
//   Epoll      epoll_wait(2), recv(2) and send(2), which is its limit
//
// with 16 and 1,024 connections that are all active. One iteration is one echo.
// With few cores the clients, which are one thread, and the server share them.
//
//   ./bazelw run -c opt //benchmarks:echo_benchmark

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "benchmarks/network_jobs.h"

int main(int argc, char** argv) {
  return flow::RunNetworkBenchmarks(argc, argv, [](const auto& servers) {
    for (const auto& [name, program] : servers) {
      for (const size_t count : {16, 1024}) {
        const std::string title = absl::StrCat("Echo/", name, "/", count);
        const auto make = [program = program, count] {
          flow::Scene scene;
          scene.servers.push_back(std::make_unique<flow::ServerProcess>(
              std::vector<std::string>{program, "echo"}));
          scene.clients = std::make_unique<flow::Clients>(
              scene.servers.back()->port(), count);
          return scene;
        };
        benchmark::RegisterBenchmark(title, [=](benchmark::State& state) {
          flow::SceneOf(title, make).clients->MeasureEchoes(state, count);
        })->UseRealTime();
      }
    }
  });
}
