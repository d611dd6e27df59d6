// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/tracing_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"
#include "flowcat/explained_flow.h"

namespace flowcat {
namespace {

std::string Bytes(size_t size) {
  return absl::StrCat(size, size == 1 ? " byte" : " bytes");
}

class TracingFlow final : public flow::ForwardingFlow {
 public:
  TracingFlow(std::unique_ptr<flow::Flow> inner, Trace trace)
      : ForwardingFlow(std::move(inner)), trace_(std::move(trace)) {}

  ~TracingFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    if (!data.ok()) {
      Say("read", data.status());
    } else if (data->empty()) {
      trace_("end-of-file");
    } else {
      trace_(absl::StrCat("read ", Bytes(data->size())));
    }
    return data;
  }

  absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted) override {
    absl::Status status = ForwardingFlow::DoForwardWrite(data, accepted);
    if (status.ok()) {
      trace_(absl::StrCat("write ", Bytes(data.size())));
    } else {
      Say(absl::StrCat("write ", *accepted, " of ", Bytes(data.size())),
          status);
    }
    return status;
  }

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    absl::Status status = ForwardingFlow::DoEndWrite(outcome);
    // What broke it has been said.
    if (outcome.ok()) Say("shutdown write", status);
    return status;
  }

  void DoShutdownRead() override {
    ForwardingFlow::DoShutdownRead();
    trace_("shutdown read");
  }

  void DoAbort(const absl::Status& reason) override {
    Say("abort", reason);
    ForwardingFlow::DoAbort(reason);
  }

  absl::Status DoFree() override {
    absl::Status status = ForwardingFlow::DoFree();
    Say("close", status);
    return status;
  }

  std::string DoDescribe() const override { return inner().DebugString(); }

  void Say(absl::string_view operation, const absl::Status& status) {
    trace_(status.ok() ? std::string(operation)
                       : absl::StrCat(operation, ": ", CauseOf(status)));
  }

  const Trace trace_;
};

}  // namespace

std::unique_ptr<flow::Flow> MakeTracingFlow(std::unique_ptr<flow::Flow> inner,
                                            Trace trace) {
  return std::make_unique<TracingFlow>(std::move(inner), std::move(trace));
}

}  // namespace flowcat
