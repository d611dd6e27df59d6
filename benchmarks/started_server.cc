// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server with started operations, all of them on one thread, for the
// benchmarks of the network (network_jobs.h).

#include <iostream>
#include <memory>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "examples/started_echo.h"
#include "flow/epoll_engine.h"
#include "flow/socket.h"

int main(int argc, char** argv) {
  ABSL_CHECK_EQ(argc, 2);
  ABSL_CHECK_EQ(std::string(argv[1]), "echo");
  auto engine = flow::EpollEngine::Make().value();
  auto listener = flow::Listen("tcp:127.0.0.1:0").value();
  const std::string name = listener->address();
  std::cout << name.substr(name.rfind(':') + 1) << std::endl;
  examples::EchoServer server(
      listener.get(), engine.get(),
      [](absl::Status status) { ABSL_CHECK_OK(status); });
  server.Start();
  engine->Run();
}
