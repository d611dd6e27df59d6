// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tracing_flow.h
//
// A flow that reports what is done with it, a line for each operation.
//
// Thread safety: that of `flow::Flow`. Lines come from the thread that does the
// operation.

#ifndef FLOWCAT_TRACING_FLOW_H_
#define FLOWCAT_TRACING_FLOW_H_

#include <functional>
#include <memory>

#include "absl/strings/string_view.h"
#include "flow/flow.h"

namespace flowcat {

// Trace
//
// Takes a line: `read 4096 bytes`, `write 4096 bytes`, `end-of-file`,
// `shutdown write`, `shutdown read`, `close`, `abort: REASON`. An operation
// that failed ends with a colon and the reason. It may be called from several
// threads at once, and must not call the flow.
using Trace = std::function<void(absl::string_view line)>;

// MakeTracingFlow()
//
// Returns a flow that does what `inner` does and reports it to `trace`.
std::unique_ptr<flow::Flow> MakeTracingFlow(std::unique_ptr<flow::Flow> inner,
                                            Trace trace);

}  // namespace flowcat

#endif  // FLOWCAT_TRACING_FLOW_H_
