// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/relay.h"

#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/child_process.h"
#include "examples/endpoint.h"
#include "examples/explained_flow.h"
#include "examples/stop.h"
#include "examples/tracing_flow.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/status.h"

namespace flowcat {
namespace {

// For a peer to end its direction, and for a command to exit.
constexpr absl::Duration kCloseTimeout = absl::Seconds(10);

absl::Status Idle(absl::Duration timeout) {
  return absl::UnavailableError(
      absl::StrCat("no byte has passed for ", absl::FormatDuration(timeout)));
}

flow::ProxyResult CopyOneWay(Endpoint& a, Endpoint& b,
                             const RelayOptions& options) {
  using Clock = std::chrono::steady_clock;
  // What B may say would hold it back if it waited to be read.
  if (b.two_way) b.flow->Shutdown(flow::ShutdownMode::kRead).IgnoreError();

  const bool has_timeout = options.idle_timeout < absl::InfiniteDuration();
  Clock::time_point last_write = Clock::now();
  const auto set_deadlines = [&](absl::Duration left) {
    a.flow->SetReadDeadline(absl::Now() + left);
    b.flow->SetWriteDeadline(absl::Now() + left);
  };
  flow::CopyOptions copy;
  copy.on_write = [&](int64_t bytes) {
    if (has_timeout) last_write = Clock::now();
    if (options.traffic != nullptr) options.traffic->a_to_b += bytes;
  };
  if (has_timeout) {
    set_deadlines(options.idle_timeout);
    copy.on_deadline = [&] {
      const absl::Duration left =
          options.idle_timeout - absl::FromChrono(Clock::now() - last_write);
      if (left <= absl::ZeroDuration()) return false;
      set_deadlines(left);
      return true;
    };
  }
  flow::ProxyResult result;
  result.a_to_b = flow::Copy(*a.flow, *b.flow, copy);
  result.status = result.a_to_b.status;
  return result;
}

flow::ProxyResult CopyBothWays(Endpoint& a, Endpoint& b,
                               const RelayOptions& options) {
  flow::ProxyOptions proxy;
  proxy.idle_timeout = options.idle_timeout;
  if (Traffic* const traffic = options.traffic; traffic != nullptr) {
    proxy.on_write = [traffic](flow::ProxyDirection direction, int64_t bytes) {
      (direction == flow::ProxyDirection::kAToB ? traffic->a_to_b
                                                : traffic->b_to_a) += bytes;
    };
  }
  return flow::Proxy(*a.flow, *b.flow, proxy);
}

// Closes an end to which all was carried over. What it says may have been
// refused by the other one (`is_refused`).
absl::Status CloseEnd(Endpoint& end, bool both_ways, bool is_refused) {
  absl::Status status = end.flow->Close(absl::Now() + kCloseTimeout);
  // In a relay each end is free to refuse.
  if (both_ways && flow::IsClosed(status)) status = absl::OkStatus();
  if (absl::IsDeadlineExceeded(status)) {
    status = absl::UnavailableError(
        absl::StrCat(end.name, " has not ended within ",
                     absl::FormatDuration(kCloseTimeout)));
  }
  if (end.child == nullptr) return status;
  if (!status.ok()) end.child->Terminate();
  const absl::Status exit = end.child->End(kCloseTimeout);
  const bool as_refused = is_refused && end.child->ended_by_sigpipe();
  if (status.ok() && !exit.ok() && !as_refused) {
    status =
        absl::Status(exit.code(), absl::StrCat(end.name, ": ", exit.message()));
  }
  return status;
}

// Returns how far it came, for the end of an error message.
std::string Extent(const Endpoint& b, bool both_ways,
                   const flow::ProxyResult& result) {
  const int64_t bytes = result.a_to_b.statistics.bytes;
  if (both_ways) {
    return absl::StrCat("bytes from A to B: ", bytes,
                        ", from B to A: ", result.b_to_a.statistics.bytes);
  }
  if (b.regular_file.has_value()) {
    return absl::StrCat("bytes kept in ", b.name, ": ", bytes);
  }
  return absl::StrCat("bytes written: ", bytes);
}

void TraceEnd(Endpoint& end, absl::string_view label, const Trace& trace) {
  if (trace == nullptr) return;
  end.flow = MakeTracingFlow(
      std::move(end.flow),
      [trace, label = std::string(label)](absl::string_view line) {
        trace(absl::StrCat(label, " ", line));
      });
}

}  // namespace

RelayResult Relay(Endpoint a, Endpoint b, const RelayOptions& options,
                  Stop& stop) {
  TraceEnd(a, "A", options.trace);
  TraceEnd(b, "B", options.trace);
  const bool both_ways = options.both_ways;
  flow::ProxyResult result;
  absl::Status status;
  {
    Stop::Callback abort(stop, [&](const absl::Status& reason) {
      a.Abort(reason);
      b.Abort(reason);
    });
    result =
        both_ways ? CopyBothWays(a, b, options) : CopyOneWay(a, b, options);
    status = absl::IsDeadlineExceeded(result.status)
                 ? Idle(options.idle_timeout)
                 : result.status;
    if (status.ok()) {
      // Only Close() makes it certain that everything was written; so that of
      // the sink of a copy comes first.
      const bool a_refused = flow::IsClosed(result.a_to_b.status);
      const bool b_refused = flow::IsClosed(result.b_to_a.status);
      status = CloseEnd(b, both_ways, b_refused);
      status.Update(CloseEnd(a, both_ways, a_refused));
    }
  }
  if (!status.ok()) {
    // Both first, as it can take a command a while to end.
    a.Abort(status);
    b.Abort(status);
    a.Discard(status);
    b.Discard(status);
  }

  RelayResult relayed;
  relayed.a_to_b = result.a_to_b.statistics;
  relayed.b_to_a = result.b_to_a.statistics;
  if (!status.ok()) {
    // What a signal did is not the fault of the end that noticed it.
    const absl::Status stopped = stop.reason();
    relayed.error = absl::StrCat(CauseOf(stopped.ok() ? status : stopped), "; ",
                                 Extent(b, both_ways, result));
  }
  return relayed;
}

}  // namespace flowcat
