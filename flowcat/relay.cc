// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/relay.h"

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/status.h"
#include "flowcat/child_process.h"
#include "flowcat/endpoint.h"
#include "flowcat/explained_flow.h"
#include "flowcat/relay_words.h"
#include "flowcat/stop.h"
#include "flowcat/tracing_flow.h"

namespace flowcat {
namespace {

// An idle timeout is looked at so many times while it lasts.
constexpr int kLooks = 8;

flow::ProxyResult CopyOneWay(Endpoint& a, Endpoint& b,
                             const RelayOptions& options) {
  using Clock = std::chrono::steady_clock;
  // What B may say would hold it back if it waited to be read.
  if (b.two_way) b.flow->Shutdown(flow::ShutdownMode::kRead).IgnoreError();

  const bool has_timeout = options.idle_timeout < absl::InfiniteDuration();
  Clock::time_point last_activity = Clock::now();
  int64_t in_transit = 0;
  const auto set_deadlines = [&](absl::Duration left) {
    a.flow->SetReadDeadline(absl::Now() + left);
    b.flow->SetWriteDeadline(absl::Now() + left);
  };
  flow::CopyOptions copy;
  copy.on_write = [&](int64_t bytes) {
    if (has_timeout) {
      last_activity = Clock::now();
      in_transit = b.flow->bytes_in_transit();
    }
    if (options.traffic != nullptr) options.traffic->a_to_b += bytes;
  };
  if (has_timeout) {
    set_deadlines(options.idle_timeout / kLooks);
    copy.on_deadline = [&](flow::Flow&) {
      // What B has accepted can still be arriving there.
      const int64_t before =
          std::exchange(in_transit, b.flow->bytes_in_transit());
      if (in_transit < before) last_activity = Clock::now();
      const absl::Duration left =
          options.idle_timeout - absl::FromChrono(Clock::now() - last_activity);
      if (left <= absl::ZeroDuration()) return false;
      set_deadlines(std::min(left, options.idle_timeout / kLooks));
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

// Closes the flow of an end to which all was carried over, and waits as long as
// that still arrives there.
absl::Status CloseFlow(Endpoint& end, const RelayOptions& options) {
  return ErrorOfClose(end.flow->PatientClose(options.idle_timeout), end.name,
                      options.idle_timeout, options.both_ways);
}

// Waits for the exit of an end that is a command, whose flow was closed with
// `closed`. What it says may have been refused by the other end (`is_refused`).
absl::Status AwaitExit(Endpoint& end, const absl::Status& closed,
                       bool is_refused, const RelayOptions& options) {
  if (end.child == nullptr) return absl::OkStatus();
  if (!closed.ok()) end.child->Terminate();
  const absl::Status exit = end.child->End(options.idle_timeout);
  if (exit.ok() || (is_refused && end.child->ended_by_sigpipe())) {
    return absl::OkStatus();
  }
  return absl::Status(exit.code(),
                      absl::StrCat(end.name, ": ", exit.message()));
}

// Closes both ends. Only that makes it certain that everything was written; so
// that of the sink of a copy comes first. Neither end waits for a command to
// exit, which can take long.
absl::Status CloseBoth(Endpoint& a, Endpoint& b,
                       const flow::ProxyResult& result,
                       const RelayOptions& options) {
  const absl::Status closed_b = CloseFlow(b, options);
  const absl::Status closed_a = CloseFlow(a, options);
  absl::Status status = closed_b;
  status.Update(
      AwaitExit(b, closed_b, flow::IsClosed(result.b_to_a.status), options));
  status.Update(closed_a);
  status.Update(
      AwaitExit(a, closed_a, flow::IsClosed(result.a_to_b.status), options));
  return status;
}

// Returns how far it came, for the end of an error message.
std::string Extent(const Endpoint& b, bool both_ways,
                   const flow::ProxyResult& result) {
  if (both_ways) return ExtentBothWays(result);
  const int64_t bytes = result.a_to_b.statistics.bytes;
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
    flow::AtCancel abort(stop.canceller(), [&](const absl::Status& reason) {
      a.Abort(reason);
      b.Abort(reason);
    });
    result =
        both_ways ? CopyBothWays(a, b, options) : CopyOneWay(a, b, options);
    status = ErrorOfProxy(result, options.idle_timeout);
    if (status.ok()) status = CloseBoth(a, b, result, options);
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
