// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/flow_access.h
//
// What a combinator may do with a flow and its users may not: take it apart,
// make one of parts, and hand on the bytes of a write as it was given them. Not
// for users of the library.
//
// Thread safety: that of what it gives access to.

#ifndef FLOW_INTERNAL_FLOW_ACCESS_H_
#define FLOW_INTERNAL_FLOW_ACCESS_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/internal/flow_core.h"
#include "flow/outgoing.h"

namespace flow::internal {

// FlowAccess
class FlowAccess {
 public:
  static FlowCore& Core(Flow& flow) { return flow.core_; }

  static std::unique_ptr<Flow> Make(FlowCore::Parts parts) {
    return std::unique_ptr<Flow>(new Flow(std::move(parts)));
  }

  // Returns why no call of `flow` can start, or Ok. `what` is to start.
  static absl::Status CanStart(const Flow& flow, absl::string_view what) {
    return flow.CanStart(what);
  }

  // Makes Read(), ReadInto(), writes, AwaitRefusal() and Close() of `flow`
  // start, and wait for what they started. For tests of started calls.
  // Precondition: it has an engine, which has a thread of its own.
  static void BlockByStarting(Flow& flow) {
    flow.core_.BlockByStarting(FlowCore::ByStarting::kAll);
  }
  // Makes some of these calls do so, and lets the others block.
  static void SometimesBlockByStarting(Flow& flow) {
    flow.core_.BlockByStarting(FlowCore::ByStarting::kSome);
  }

  // Writes all of `data`, or calls its Accept(), as a transport does.
  static absl::Status Write(Flow& flow, Outgoing& data) {
    return flow.WriteAll(std::move(data));  // which stays what it is
  }

  // Writes `size` bytes by `function`, as Flow::WriteWith() says.
  static absl::Status WriteWith(
      Flow& flow, size_t size,
      absl::FunctionRef<absl::Status(size_t* accepted)> function) {
    return flow.WriteWith(size, function);
  }

  // The same as a started call. Precondition: CanStart() is Ok.
  static bool StartWriteWith(Flow& flow, Flow::WriteOperation& operation,
                             WriteAttempt& attempt) {
    return flow.StartWriteWith(operation, attempt);
  }

  // Breaks the outbound direction of `flow` with `reason`, as a write that
  // fails does. The inbound direction goes on.
  static void BreakWrite(Flow& flow, const absl::Status& reason) {
    flow.WriteWith(0, [&](size_t*) { return reason; }).IgnoreError();
  }
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FLOW_ACCESS_H_
