// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A small protocol, written against flow::Flow: one side says its name in a
// line, the other answers with a line.

#ifndef GREETING_H_
#define GREETING_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/server.h"

// Sends `name` to `peer` and returns its answer, without the end of the line.
absl::StatusOr<std::string> Greet(flow::Flow& peer, absl::string_view name);

// The other side, as a handler of a flow::Server: answers each line of `guest`
// until there are no more, or the server stops.
void Welcome(std::unique_ptr<flow::Flow> guest,
             flow::ServerConnection& connection);

#endif  // GREETING_H_
