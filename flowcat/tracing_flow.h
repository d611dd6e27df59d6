// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tracing_flow.h
//
// A flow that says what is done with it, one line for each operation.
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
// `shutdown write`, `shutdown read`, `close`, `abort: REASON`; what has failed
// ends with a colon and why. It may be called from several threads at once, and
// may not call the flow.
using Trace = std::function<void(absl::string_view line)>;

// MakeTracingFlow()
//
// Returns a flow that does what `inner` does and tells `trace`.
std::unique_ptr<flow::Flow> MakeTracingFlow(std::unique_ptr<flow::Flow> inner,
                                            Trace trace);

}  // namespace flowcat

#endif  // FLOWCAT_TRACING_FLOW_H_
