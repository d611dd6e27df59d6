// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/tracing_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/transport.h"
#include "flowcat/explained_flow.h"

namespace flowcat {
namespace {

std::string Bytes(size_t size) {
  return absl::StrCat(size, size == 1 ? " byte" : " bytes");
}

class TracingTransport final : public flow::ForwardingTransport {
 public:
  TracingTransport(std::unique_ptr<flow::Transport> inner, Trace trace)
      : ForwardingTransport(std::move(inner)), trace_(std::move(trace)) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (const absl::Status status = Outcome(data.status()); !status.ok()) {
      Say("read", status);
    } else if (data->empty()) {
      trace_("end-of-file");
    } else {
      trace_(absl::StrCat("read ", Bytes(data->size())));
    }
    return data;
  }

  absl::Status Write(flow::Outgoing& data) override {
    absl::Status status = ForwardingTransport::Write(data);
    if (status.ok()) {
      trace_(absl::StrCat("write ", Bytes(data.size())));
    } else {
      Say(absl::StrCat("write ", data.accepted(), " of ", Bytes(data.size())),
          Outcome(status));
    }
    return status;
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    absl::Status status = ForwardingTransport::EndWrite(outcome, deadline);
    // What broke the direction was said before, and what is late goes on or
    // is aborted.
    if (outcome.ok() && !absl::IsDeadlineExceeded(status)) {
      Say("shutdown write", status);
    }
    return status;
  }

  void RefuseRead() override {
    ForwardingTransport::RefuseRead();
    trace_("shutdown read");
  }

  void Abort(const absl::Status& reason) override {
    Say("abort", reason);
    {
      absl::MutexLock lock(&mu_);
      abort_reason_ = reason;
    }
    ForwardingTransport::Abort(reason);
  }

  absl::Status Free() override {
    absl::Status status = ForwardingTransport::Free();
    Say("close", status);
    return status;
  }

 private:
  // What a call returns in the end: after an abort, the reason, whatever the
  // transport underneath says.
  absl::Status Outcome(const absl::Status& status) {
    absl::MutexLock lock(&mu_);
    return abort_reason_.ok() ? status : abort_reason_;
  }

  void Say(absl::string_view operation, const absl::Status& status) {
    trace_(status.ok() ? std::string(operation)
                       : absl::StrCat(operation, ": ", CauseOf(status)));
  }

  const Trace trace_;
  absl::Mutex mu_;
  absl::Status abort_reason_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<flow::Flow> MakeTracingFlow(std::unique_ptr<flow::Flow> inner,
                                            Trace trace) {
  return flow::DecorateFlow(std::move(inner),
                            [&](std::unique_ptr<flow::Transport> underneath) {
                              return std::make_unique<TracingTransport>(
                                  std::move(underneath), std::move(trace));
                            });
}

}  // namespace flowcat
