// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/endpoint_socket.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/endpoint.h"
#include "flowcat/endpoint_spec.h"
#include "flowcat/explained_flow.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

Endpoint Connected(std::unique_ptr<flow::Flow> flow, std::string name) {
  Endpoint endpoint;
  endpoint.flow = MakeExplainedFlow(std::move(flow), name, name);
  endpoint.name = std::move(name);
  endpoint.two_way = true;
  return endpoint;
}

}  // namespace

absl::StatusOr<Endpoint> OpenDialed(const std::string& address,
                                    const OpenOptions& options) {
  const flow::Canceller* const canceller =
      options.stop == nullptr ? nullptr : &options.stop->canceller();
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
      flow::Dial(address, absl::Now() + options.connect_timeout, {}, canceller);
  if (flow.ok()) return Connected(*std::move(flow), address);
  return ErrorOfDial(flow.status(), address, options);
}

absl::Status ErrorOfDial(const absl::Status& error, const std::string& address,
                         const OpenOptions& options) {
  // What has come of a signal is not said to be the address's fault.
  if (absl::IsCancelled(error)) return options.stop->reason();
  if (absl::IsDeadlineExceeded(error)) {
    return absl::DeadlineExceededError(
        absl::StrCat("cannot connect to ", address, " within ",
                     absl::FormatDuration(options.connect_timeout)));
  }
  return Explained(error, "connect to", address);
}

absl::StatusOr<std::unique_ptr<flow::Listener>> ListenOn(
    const EndpointSpec& spec) {
  absl::StatusOr<std::unique_ptr<flow::Listener>> listener =
      flow::Listen(spec.text);
  if (listener.ok()) return listener;
  return Explained(listener.status(), "listen on", spec.text);
}

absl::StatusOr<Endpoint> AcceptOne(std::unique_ptr<flow::Listener> listener,
                                   Stop* stop) {
  std::optional<flow::AtCancel> listen_no_more;
  if (stop != nullptr) {
    listen_no_more.emplace(stop->canceller(),
                           [&](const absl::Status&) { listener->Close(); });
  }
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow = listener->Accept();
  if (flow.ok()) return Accepted(*std::move(flow));
  return Explained(flow.status(), "accept on", listener->address());
}

std::string NameOfAccepted(const flow::Flow& flow) {
  // Its name and its state. Either may hold brackets; but nothing in the state
  // is from outside, so its beginning is the last place that looks like it.
  std::string name = flow.DebugString();
  name.resize(name.rfind(" [in: "));
  return name;
}

Endpoint Accepted(std::unique_ptr<flow::Flow> flow) {
  std::string name = NameOfAccepted(*flow);
  return Connected(std::move(flow), std::move(name));
}

}  // namespace flowcat
