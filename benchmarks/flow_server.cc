// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A server with flows, for the benchmarks of the network (network_jobs.h).

#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/server.h"
#include "flow/socket.h"

namespace {

void Echo(flow::Flow& client) {
  while (true) {
    absl::StatusOr<absl::Cord> data = client.Read();
    if (!data.ok() || data->empty()) return;
    if (!client.Write(*std::move(data)).ok()) return;
  }
}

void Relay(flow::Flow& client, const std::string& address) {
  absl::StatusOr<std::unique_ptr<flow::Flow>> server = flow::Dial(address);
  ABSL_CHECK_OK(server.status());
  flow::Proxy(client, **server);
}

}  // namespace

int main(int argc, char** argv) {
  ABSL_CHECK_GE(argc, 2);
  const bool relays = std::string(argv[1]) == "relay";
  ABSL_CHECK_EQ(argc, relays ? 3 : 2);
  const std::string address =
      relays ? std::string("tcp:127.0.0.1:") + argv[2] : "";
  flow::ServerOptions options;
  options.max_connections = 100000;
  flow::Server server(
      [&](std::unique_ptr<flow::Flow> client, flow::ServerConnection&) {
        if (relays) {
          Relay(*client, address);
        } else {
          Echo(*client);
        }
      },
      std::move(options));
  auto listener = flow::Listen("tcp:127.0.0.1:0").value();
  const std::string name = listener->address();
  std::cout << name.substr(name.rfind(':') + 1) << std::endl;
  std::cerr << server.Run(*listener).ToString() << "\n";
}
