// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a handler asks of its connection, and the text of a report. What stands
// behind both is in server.cc.

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/transport_control.h"
#include "flow/server.h"

namespace flow {
namespace {

using Clock = std::chrono::steady_clock;

// While calls are under way, a wait for a request ends at most this often.
constexpr absl::Duration kCallWait = absl::Milliseconds(10);

}  // namespace

ServerConnection::ServerConnection(
    Server& server, int64_t number, std::string name,
    std::shared_ptr<internal::TransportControl> control)
    : server_(server),
      number_(number),
      name_(std::move(name)),
      control_(std::move(control)) {}

ServerConnection::~ServerConnection() = default;

bool ServerConnection::AwaitRequest(Channel& channel, absl::Duration idle,
                                    NoRequest* why) {
  Clock::time_point since = Clock::now();  // when it became idle
  NoRequest reason = NoRequest::kEnd;
  while (true) {
    absl::Duration left = idle - absl::FromChrono(Clock::now() - since);
    // However short `idle` is, a call costs no time while it is under way.
    if (calls_ > 0) left = std::max(left, kCallWait);
    channel.SetReadDeadline(internal::MonotonicDeadline::In(left).ToTime());
    if (AwaitRequest(channel, &reason)) break;
    const Clock::time_point busy =
        calls_ > 0 ? Clock::now() : last_call_.load();
    if (reason == NoRequest::kLate && busy > since) {
      since = busy;
      continue;
    }
    if (why != nullptr) *why = reason;
    return false;
  }
  channel.SetReadDeadline(absl::InfiniteFuture());
  return true;
}

bool ServerConnection::AwaitRequest(Channel& channel, NoRequest* why) {
  const bool was_stopping = stopping();
  control_->SetInterruptible(true);
  const absl::StatusOr<absl::Cord> first_byte = channel.Peek(1);
  control_->SetInterruptible(false);
  if (first_byte.ok() && !first_byte->empty()) {
    had_request_ = true;
    return true;
  }
  NoRequest reason = NoRequest::kEnd;
  if (absl::IsDeadlineExceeded(first_byte.status())) {
    reason = stopping() ? NoRequest::kStopping : NoRequest::kLate;
  } else if (!first_byte.ok()) {
    reason = NoRequest::kBroken;
  }
  // A stop that came between two requests found it busy with the first.
  if (reason == NoRequest::kStopping && calls_ == 0 && !busy_at_stop_ &&
      !(was_stopping && had_request_)) {
    stopped_idle_ = true;
  }
  if (why != nullptr) *why = reason;
  return false;
}

bool ServerConnection::stopping() const { return control_->interrupted(); }

void ServerConnection::Abort(const absl::Status& reason) {
  control_->Abort(reason);
  canceller_.Cancel(reason);
}

std::string ServerReport::ToString() const {
  return absl::StrCat(
      connections(),
      connections() == 1 ? " connection: " : " connections: ", ended_before,
      " ended before the stop, ", idle, " idle, ", in_time, " in time, ",
      aborted, " aborted, ", refused, " refused",
      status.ok() ? "" : "; a listener failed: ", status.message());
}

}  // namespace flow
