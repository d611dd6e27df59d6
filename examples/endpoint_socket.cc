// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/endpoint_socket.h"

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/endpoint.h"
#include "examples/endpoint_spec.h"
#include "examples/explained_flow.h"
#include "examples/numeric_dial.h"
#include "examples/stop.h"
#include "flow/flow.h"
#include "flow/socket.h"

namespace flowcat {
namespace {

using Clock = std::chrono::steady_clock;
using FlowOr = absl::StatusOr<std::unique_ptr<flow::Flow>>;

Endpoint Connected(std::unique_ptr<flow::Flow> flow, std::string name) {
  Endpoint endpoint;
  endpoint.flow = MakeExplainedFlow(std::move(flow), name, name);
  endpoint.name = std::move(name);
  endpoint.two_way = true;
  return endpoint;
}

// Dials on the thread of the caller, a moment at a time, to look whether it is
// to stop. For a Unix socket, where to begin again loses nothing: it is
// connected at once, unless too many wait there to be accepted.
FlowOr DialUnix(const std::string& address, absl::Duration timeout,
                const Stop& stop) {
  constexpr absl::Duration kMoment = absl::Milliseconds(100);
  const Clock::time_point start = Clock::now();
  while (true) {
    if (absl::Status stopped = stop.reason(); !stopped.ok()) return stopped;
    const absl::Duration left =
        timeout - absl::FromChrono(Clock::now() - start);
    FlowOr flow = flow::Dial(address, absl::Now() + std::min(left, kMoment));
    if (!absl::IsDeadlineExceeded(flow.status()) || left <= kMoment) {
      return flow;
    }
  }
}

FlowOr Dial(const std::string& address, absl::Duration timeout, Stop* stop) {
  if (stop == nullptr) return flow::Dial(address, absl::Now() + timeout);
  if (absl::StartsWith(address, "unix:")) {
    return DialUnix(address, timeout, *stop);
  }
  if (const auto numeric = ParseNumericAddress(address); numeric.has_value()) {
    return DialNumeric(*numeric, timeout, *stop);
  }
  // Nothing can interrupt the look-up of a name.
  return UnlessStopped<std::unique_ptr<flow::Flow>>(*stop, [address, timeout] {
    return flow::Dial(address, absl::Now() + timeout);
  });
}

}  // namespace

absl::StatusOr<Endpoint> OpenDialed(const std::string& address,
                                    const OpenOptions& options) {
  const absl::Duration timeout = options.connect_timeout;
  FlowOr flow = Dial(address, timeout, options.stop);
  if (flow.ok()) return Connected(*std::move(flow), address);
  if (absl::IsDeadlineExceeded(flow.status())) {
    return absl::DeadlineExceededError(
        absl::StrCat("cannot connect to ", address, " within ",
                     absl::FormatDuration(timeout)));
  }
  return Explained(flow.status(), "connect to", address);
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
  std::optional<Stop::Callback> listen_no_more;
  if (stop != nullptr) {
    listen_no_more.emplace(*stop,
                           [&](const absl::Status&) { listener->Close(); });
  }
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow = listener->Accept();
  if (flow.ok()) return Accepted(*std::move(flow));
  return Explained(flow.status(), "accept on", listener->address());
}

Endpoint Accepted(std::unique_ptr<flow::Flow> flow) {
  // Its name and its state. Either may hold brackets; but nothing in the state
  // is from outside, so its beginning is the last place that looks like it.
  std::string name = flow->DebugString();
  name.resize(name.rfind(" [in: "));
  return Connected(std::move(flow), std::move(name));
}

}  // namespace flowcat
