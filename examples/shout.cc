// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The example of README.md on sockets: a server of lines on TCP, and a client
// that half-closes and reads the answer.

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/socket.h"

// Sends each line back in capitals until there are no more lines.
absl::Status Shout(std::unique_ptr<flow::Flow> client) {
  auto channel = flow::MakeChannel(std::move(client));
  while (true) {
    channel->SetReadDeadline(absl::Now() + absl::Minutes(1));
    absl::StatusOr<std::optional<std::string>> line =
        channel->ReadLine(/*max_bytes=*/4096);
    // Returning without Close() aborts, so the client cannot mistake what was
    // sent for the whole answer.
    if (!line.ok()) return line.status();
    if (!line->has_value()) break;  // end-of-file
    absl::Status status =
        channel->Writev({absl::AsciiStrToUpper(**line), "\n"});
    if (!status.ok()) return status;
  }
  return channel->Close(absl::Now() + absl::Seconds(10));
}

int main() {
  auto listener = flow::Listen("tcp:localhost:0").value();  // any free port
  absl::Status served;
  std::thread server([&] { served = Shout(listener->Accept().value()); });
  auto client = flow::Dial(listener->address()).value();
  client->Writev({"one flow\n", "many transports\n"}).IgnoreError();
  client->Shutdown(flow::ShutdownMode::kWrite).IgnoreError();
  std::cout << flow::ReadAll(*client, /*limit=*/1000).value();
  client->Close(absl::Now() + absl::Seconds(10)).IgnoreError();
  server.join();
  std::cout << served << "\n";
}
