// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Answers lines in capitals, until Ctrl-C.
//
//   ./bazelw run //examples:coroutine_server -- tcp:127.0.0.1:7000

#include "examples/coroutine_server.h"

#include <iostream>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "flow/epoll_engine.h"
#include "flow/signal_watch.h"
#include "flow/socket.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: coroutine_server ADDRESS, such as "
                 "tcp:127.0.0.1:7000\n";
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
  examples::CoroutineServer server(**engine, *std::move(listener));
  const auto watch = flow::WatchSignals([&](int) { server.End(); });
  if (!watch.ok()) {
    std::cerr << watch.status().message() << "\n";
    return 1;
  }
  server.Run();
}
