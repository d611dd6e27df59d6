// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The example of README.md: a protocol that knows nothing of sockets, first on
// a server in memory, then on one that breaks in the middle of its answer.

#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/string_flow.h"

// Asks `server` a question and returns its whole answer.
absl::StatusOr<absl::Cord> Ask(flow::Flow& server, absl::string_view question) {
  absl::Status status = server.Writev({question, "\n"});
  if (status.ok()) status = server.Shutdown(flow::ShutdownMode::kWrite);
  if (!status.ok()) return status;
  return flow::ReadAll(server, /*limit=*/1 << 20);
}

int main() {
  // A server in memory: it answers from one string, and a question goes into
  // another.
  std::string asked;
  std::unique_ptr<flow::Flow> server =
      flow::MakeStringFlow("forty-two", &asked);
  std::cout << Ask(*server, "How much is six times seven?").value() << "\n";
  std::cout << "it was asked: " << asked;

  // A server that breaks in the middle of its answer.
  flow::FunctionFlowOptions options;
  options.name = "broken server";
  options.input =
      flow::Input::Buffers([calls = 0]() mutable -> absl::StatusOr<absl::Cord> {
        if (calls++ == 0) return absl::Cord("forty-");
        return absl::UnavailableError("connection reset");
      });
  options.output = flow::OutputString(&asked);
  server = flow::MakeFunctionFlow(std::move(options));
  std::cout << Ask(*server, "And now?").status() << "\n";
}
