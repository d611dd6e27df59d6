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

// The names must outlive it.
class ExplainedTransport : public flow::ForwardingTransport {
 public:
  ExplainedTransport(std::unique_ptr<flow::Transport> inner,
                     const std::string& read_name,
                     const std::string& write_name)
      : ForwardingTransport(std::move(inner)),
        read_name_(read_name),
        write_name_(write_name) {}

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
    return IfAny(ForwardingTransport::AwaitRefusal(deadline), "write");
  }

  absl::Status Free() override {
    return Explained(ForwardingTransport::Free(), "close", write_name_);
  }

  bool CanStart() const override { return inner().CanStart(); }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(
      size_t max_bytes, flow::Retry* retry) override {
    auto data = ForwardingTransport::TryRead(max_bytes, retry);
    if (!data.has_value() || data->ok()) return data;
    return Explained(data->status(), "read", read_name_);
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       flow::Retry* retry) override {
    return IfAny(ForwardingTransport::TryWrite(rest, retry), "write");
  }

  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          flow::Retry* retry) override {
    return IfAny(ForwardingTransport::TryEndWrite(outcome, retry), "close");
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(flow::Retry* retry) override {
    return IfAny(ForwardingTransport::TryAwaitRemoteEnd(retry), "close");
  }

  std::optional<absl::Status> TryAwaitRefusal(flow::Retry* retry) override {
    return IfAny(ForwardingTransport::TryAwaitRefusal(retry), "write");
  }

  std::string Describe() const override { return write_name_; }

  // Bytes that pass need no explanation.
  flow::internal::KernelEnd* kernel_end() override {
    return inner().kernel_end();
  }

 private:
  // Explains `status`, if the call is over.
  std::optional<absl::Status> IfAny(std::optional<absl::Status> status,
                                    absl::string_view tried) const {
    if (status.has_value()) {
      status = Explained(*std::move(status), tried, write_name_);
    }
    return status;
  }

  const std::string& read_name_;
  const std::string& write_name_;
};

struct Names {
  const std::string read;
  const std::string write;
};

// Has the names itself, which are there before the transport.
class NamedTransport final : private Names, public ExplainedTransport {
 public:
  NamedTransport(std::unique_ptr<flow::Transport> inner, Names names)
      : Names(std::move(names)),
        ExplainedTransport(std::move(inner), Names::read, Names::write) {}
};

}  // namespace

std::unique_ptr<flow::Flow> MakeExplainedFlow(std::unique_ptr<flow::Flow> inner,
                                              std::string read_name,
                                              std::string write_name) {
  return flow::DecorateFlow(
      std::move(inner), [&](std::unique_ptr<flow::Transport> underneath) {
        return std::make_unique<NamedTransport>(
            std::move(underneath),
            Names{std::move(read_name), std::move(write_name)});
      });
}

std::unique_ptr<flow::Flow> MakeExplainedFlow(std::unique_ptr<flow::Flow> inner,
                                              const std::string* name) {
  return flow::DecorateFlow(std::move(inner),
                            [&](std::unique_ptr<flow::Transport> underneath) {
                              return std::make_unique<ExplainedTransport>(
                                  std::move(underneath), *name, *name);
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
