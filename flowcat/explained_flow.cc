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
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

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

class ExplainedTransport final : public flow::ForwardingTransport {
 public:
  ExplainedTransport(std::unique_ptr<flow::Transport> inner,
                     std::string read_name, std::string write_name)
      : ForwardingTransport(std::move(inner)),
        read_name_(std::move(read_name)),
        write_name_(std::move(write_name)) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) return data;
    return Explained(data.status(), "read", read_name_);
  }

  absl::Status Write(flow::Outgoing& data) override {
    return Explained(ForwardingTransport::Write(data), "write", write_name_);
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    return Explained(ForwardingTransport::EndWrite(outcome, deadline), "close",
                     write_name_);
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    return Explained(ForwardingTransport::AwaitRemoteEnd(deadline), "close",
                     write_name_);
  }

  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    std::optional<absl::Status> status =
        ForwardingTransport::AwaitRefusal(deadline);
    if (status.has_value()) status = Explained(*status, "write", write_name_);
    return status;
  }

  absl::Status Free() override {
    return Explained(ForwardingTransport::Free(), "close", write_name_);
  }

  std::string Describe() const override { return write_name_; }

  // Bytes that pass need no explanation.
  flow::internal::KernelEnd* kernel_end() override {
    return inner().kernel_end();
  }

 private:
  const std::string read_name_;
  const std::string write_name_;
};

}  // namespace

std::unique_ptr<flow::Flow> MakeExplainedFlow(std::unique_ptr<flow::Flow> inner,
                                              std::string read_name,
                                              std::string write_name) {
  return flow::DecorateFlow(
      std::move(inner), [&](std::unique_ptr<flow::Transport> underneath) {
        return std::make_unique<ExplainedTransport>(
            std::move(underneath), std::move(read_name), std::move(write_name));
      });
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
