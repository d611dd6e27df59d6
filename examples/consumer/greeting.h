// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A small protocol, written against flow::Flow: one side says its name in a
// line, the other answers with a line.

#ifndef GREETING_H_
#define GREETING_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

// Sends `name` to `peer` and returns its answer, without the end of the line.
absl::StatusOr<std::string> Greet(flow::Flow& peer, absl::string_view name);

#endif  // GREETING_H_
