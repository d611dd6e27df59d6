// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the benchmarks of the network have in common. The servers are programs
// of their own, so that their memory can be told:
//
//   PROGRAM echo         sends back what comes
//   PROGRAM relay PORT   stands between its clients and that server
//
// Each listens on loopback, prints its port, and serves until it is killed. A
// benchmark is told them as NAME=PROGRAM on its command line, and has one
// figure for each NAME.

#ifndef FLOW_BENCHMARKS_NETWORK_JOBS_H_
#define FLOW_BENCHMARKS_NETWORK_JOBS_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "benchmark/benchmark.h"

namespace flow {

// Programs by name.
using Servers = std::map<std::string, std::string>;

// A main() whose benchmarks `register_all` registers.
int RunNetworkBenchmarks(int argc, char** argv,
                         absl::FunctionRef<void(const Servers&)> register_all);

// Returns how many descriptors a program may have: here, and in a
// ServerProcess.
size_t MaxDescriptors();

// A server that runs. It is killed when this goes, or when this process dies.
class ServerProcess {
 public:
  explicit ServerProcess(std::vector<std::string> command);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess();

  const std::string& port() const { return port_; }

  struct Usage {
    double kilobytes;  // anonymous memory and page tables
    double descriptors;
  };
  Usage GetUsage() const;

  // Returns the CPU time of all its threads until now.
  double CpuNanoseconds() const;

 private:
  pid_t pid_;
  std::string port_;
};

// Connections to a server. Each has had one echo.
class Clients {
 public:
  Clients(const std::string& port, size_t count);
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;
  ~Clients();

  // Measures echoes of 64 bytes. The first `active` clients send one whenever
  // the last one has come back; the others are silent. One iteration is one
  // echo. Sets the counter `p99_us`: 99 % come back within that time. Returns
  // how many echoes there were, with those after the last iteration.
  size_t MeasureEchoes(benchmark::State& state, size_t active);

 private:
  void Send(size_t client);
  // Returns how many echoes have come, at least one. Sends on if `again`.
  size_t ReceiveSome(bool again);

  const int epoll_;
  std::vector<int> fds_;
  std::vector<std::chrono::steady_clock::time_point> sent_;  // by client
  std::vector<double> microseconds_;                         // of each echo
};

// Servers, the first of which are told by later ones, and clients of the last.
struct Scene {
  std::vector<std::unique_ptr<ServerProcess>> servers;
  std::unique_ptr<Clients> clients;
};

// Returns the scene of a benchmark. It is kept until another name comes: a
// benchmark runs several times until its number of iterations is known.
Scene& SceneOf(const std::string& name, absl::FunctionRef<Scene()> make);

}  // namespace flow

#endif  // FLOW_BENCHMARKS_NETWORK_JOBS_H_
