// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server: one thread accepts and serves all connections.
//
//   ./bazelw run //examples:started_echo -- tcp:127.0.0.1:7000

#include "examples/started_echo.h"

#include <cstdlib>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow/epoll_engine.h"
#include "flow/socket.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: started_echo ADDRESS, such as tcp:127.0.0.1:7000\n";
    return 2;
  }
  absl::StatusOr<std::unique_ptr<flow::EpollEngine>> engine =
      flow::EpollEngine::Make();
  if (!engine.ok()) {
    std::cerr << engine.status().message() << "\n";
    return 1;
  }
  absl::StatusOr<std::unique_ptr<flow::Listener>> listener =
      flow::Listen(argv[1]);
  if (!listener.ok()) {
    std::cerr << listener.status().message() << "\n";
    return 1;
  }
  std::cout << "listening on " << (*listener)->address() << std::endl;
  examples::EchoServer server(listener->get(), engine->get(),
                              [](absl::Status status) {
                                std::cerr << status.message() << "\n";
                                std::exit(1);
                              });
  server.Start();
  (*engine)->Run();
}
