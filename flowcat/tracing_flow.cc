// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/tracing_flow.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "flow/flow.h"
#include "flow/trace.h"
#include "flowcat/explained_flow.h"

namespace flowcat {

std::unique_ptr<flow::Flow> MakeTracingFlow(std::unique_ptr<flow::Flow> inner,
                                            Trace trace) {
  return flow::TraceFlow(std::move(inner), [trace = std::move(trace)](
                                               const flow::TraceEvent& event) {
    trace(event.status.ok()
              ? event.What()
              : absl::StrCat(event.What(), ": ", CauseOf(event.status)));
  });
}

}  // namespace flowcat
