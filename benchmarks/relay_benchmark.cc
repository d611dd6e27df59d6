// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Echoes of 64 bytes over TCP through a relay, with 50 active connections of
// 1,050:
//
//   Flow     flow::Proxy() of each connection and one that it dials
//   Bare     the same with two threads and read(2) and write(2): the limit
//   Direct   without a relay
//
// One iteration is one echo. With few cores the clients, the relay and the
// server, which is that of Bare in echo_benchmark, share them.
//
//   ./bazelw run -c opt //benchmarks:relay_benchmark

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "benchmarks/network_jobs.h"

namespace flow {
namespace {

constexpr size_t kConnections = 1050;
constexpr size_t kActive = 50;

// `relay` is empty for none.
Scene MakeScene(const std::string& server, const std::string& relay) {
  Scene scene;
  const auto start = [&scene](std::vector<std::string> command) {
    scene.servers.push_back(
        std::make_unique<ServerProcess>(std::move(command)));
    return scene.servers.back()->port();
  };
  std::string port = start({server, "echo"});
  if (!relay.empty()) port = start({relay, "relay", port});
  scene.clients = std::make_unique<Clients>(port, kConnections);
  return scene;
}

void RegisterAll(const Servers& servers) {
  const auto bare = servers.find("Bare");
  ABSL_CHECK(bare != servers.end());
  Servers relays = servers;
  relays["Direct"] = "";
  for (const auto& [name, program] : relays) {
    const std::string title = absl::StrCat("Relay/", name);
    benchmark::RegisterBenchmark(title, [title, server = bare->second,
                                         relay =
                                             program](benchmark::State& state) {
      SceneOf(title, [&] {
        return MakeScene(server, relay);
      }).clients->MeasureEchoes(state, kActive);
    })->UseRealTime();
  }
}

}  // namespace
}  // namespace flow

int main(int argc, char** argv) {
  return flow::RunNetworkBenchmarks(argc, argv, flow::RegisterAll);
}
