// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Keeps values until a signal: `store_server tcp:localhost:8080`

#include <cstdlib>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/signal_watch.h"
#include "flow/socket.h"
#include "store.h"

int main(int argc, char** argv) {
  Store store;
  flow::Server server([&](std::unique_ptr<flow::Flow> client,
                          flow::ServerConnection& connection) {
    store.Serve(std::move(client), connection);
  });
  // SIGINT or SIGTERM. Whoever is being served has ten more seconds.
  const auto watch = flow::WatchSignals(
      [&](int) { server.Stop(absl::Now() + absl::Seconds(10)); });
  if (!watch.ok()) {
    std::cerr << watch.status() << "\n";
    return EXIT_FAILURE;
  }
  const auto listener = flow::Listen(argc > 1 ? argv[1] : "tcp:localhost:0");
  if (!listener.ok()) {
    std::cerr << listener.status() << "\n";
    return EXIT_FAILURE;
  }
  std::cout << "listening on " << (*listener)->address() << std::endl;
  const flow::ServerReport report = server.Run(**listener);
  std::cout << report.ToString() << "\n";
  return report.status.ok() ? EXIT_SUCCESS : EXIT_FAILURE;
}
