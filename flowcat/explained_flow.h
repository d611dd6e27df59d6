// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: explained_flow.h
//
// Errors of a flow in words for the user of a program: `cannot read FILE:
// Input/output error`, instead of the state of the flow for programmers. The
// words travel with the error, in a payload.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOWCAT_EXPLAINED_FLOW_H_
#define FLOWCAT_EXPLAINED_FLOW_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

namespace flowcat {

// MakeExplainedFlow()
//
// Returns a flow that does what `inner` does, and whose errors CauseOf() can
// put in words. `read_name` is what it reads, `write_name` what it writes.
std::unique_ptr<flow::Flow> MakeExplainedFlow(std::unique_ptr<flow::Flow> inner,
                                              std::string read_name,
                                              std::string write_name);

// The same with one name, which must outlive the flow. For flows of which there
// are many.
std::unique_ptr<flow::Flow> MakeExplainedFlow(std::unique_ptr<flow::Flow> inner,
                                              const std::string* name);

// Explained()
//
// Returns `status` with `cannot TRIED NAME: ` and the last part of its message
// as its cause. Ok, and an error that has a cause already, stay as they are.
absl::Status Explained(absl::Status status, absl::string_view tried,
                       absl::string_view name);

// CauseOf()
//
// Returns what `status` says to the user of a program: its cause, or its
// message if it has none.
std::string CauseOf(const absl::Status& status);

}  // namespace flowcat

#endif  // FLOWCAT_EXPLAINED_FLOW_H_
