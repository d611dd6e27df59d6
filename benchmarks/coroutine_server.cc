// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server in coroutines for the benchmarks of the network
// (network_jobs.h). One thread accepts and serves.

#include <iostream>
#include <string>

#include "absl/log/absl_check.h"
#include "benchmarks/coroutine_echo.h"

int main(int argc, char** argv) {
  ABSL_CHECK_EQ(argc, 2);
  ABSL_CHECK_EQ(std::string(argv[1]), "echo");
  flow::CoroutineEcho server;
  std::cout << server.port() << std::endl;
  server.Run();
}
