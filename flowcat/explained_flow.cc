// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/explained_flow.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"
#include "flow/status.h"

namespace flowcat {
namespace {

// The payload that holds what CauseOf() returns.
constexpr absl::string_view kCausePayload = "flowcat/cause";

// What the system said: a message of a flow is "flow [state]: what was tried:
// what failed: why".
absl::string_view Reason(const absl::Status& status) {
  if (flow::IsClosed(status)) return "its reader has closed it";
  const absl::string_view message = status.message();
  const size_t colon = message.rfind(": ");
  return colon == absl::string_view::npos ? message : message.substr(colon + 2);
}

class ExplainedFlow final : public flow::ForwardingFlow {
 public:
  ExplainedFlow(std::unique_ptr<flow::Flow> inner, std::string read_name,
                std::string write_name)
      : ForwardingFlow(std::move(inner)),
        read_name_(std::move(read_name)),
        write_name_(std::move(write_name)) {}

  ~ExplainedFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    if (data.ok()) return data;
    return Explained(data.status(), "read", read_name_);
  }

  absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted) override {
    return Explained(ForwardingFlow::DoForwardWrite(data, accepted), "write",
                     write_name_);
  }

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    return Explained(ForwardingFlow::DoEndWrite(outcome), "close", write_name_);
  }

  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    return Explained(ForwardingFlow::DoAwaitRemoteEnd(deadline), "close",
                     write_name_);
  }

  absl::Status DoFree() override {
    return Explained(ForwardingFlow::DoFree(), "close", write_name_);
  }

  std::string DoDescribe() const override { return write_name_; }

  const std::string read_name_;
  const std::string write_name_;
};

}  // namespace

std::unique_ptr<flow::Flow> MakeExplainedFlow(std::unique_ptr<flow::Flow> inner,
                                              std::string read_name,
                                              std::string write_name) {
  return std::make_unique<ExplainedFlow>(std::move(inner), std::move(read_name),
                                         std::move(write_name));
}

absl::Status Explained(absl::Status status, absl::string_view tried,
                       absl::string_view name) {
  if (status.ok() || status.GetPayload(kCausePayload).has_value()) {
    return status;
  }
  status.SetPayload(kCausePayload,
                    absl::Cord(absl::StrCat("cannot ", tried, " ", name, ": ",
                                            Reason(status))));
  return status;
}

std::string CauseOf(const absl::Status& status) {
  const std::optional<absl::Cord> cause = status.GetPayload(kCausePayload);
  return cause.has_value() ? std::string(*cause)
                           : std::string(status.message());
}

}  // namespace flowcat
