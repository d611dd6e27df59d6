// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: proxy_ends.h
//
// What Proxy() and StartProxy() (proxy.h) have in common: how long they wait
// for what, and how they carry over the end of a direction. Not for users of
// the library.

#ifndef FLOW_PROXY_ENDS_H_
#define FLOW_PROXY_ENDS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/status.h"

namespace flow::internal {

// If a flow can be written no more: how long it may take to carry over what can
// still be read from it, and until that has arrived.
inline constexpr absl::Duration kLastWords = absl::Seconds(2);
inline constexpr absl::Duration kLastWordsArrive = absl::Milliseconds(200);

// How many times an idle timeout is looked at while it lasts.
inline constexpr int kIdleLooks = 8;

// Carries over how a direction ended, to which `result` belongs.
// `sink_error` is why the sink takes no more, if that was found otherwise.
// Returns why both flows are to be aborted, or Ok.
inline absl::Status CarryEnd(Flow& source, Flow& sink,
                             const absl::Status& sink_error,
                             CopyResult& result) {
  const bool has_ended = result.status.ok();
  if (has_ended) {
    // After a refusal, too: so that nobody waits for another one.
    result.status = sink.Shutdown(ShutdownMode::kWrite);
    if (!result.status.ok()) result.failed = CopyResult::Side::kSink;
  }
  // The source has ended, or was aborted, because of that.
  if (!sink_error.ok() && (has_ended || !IsClosed(sink_error))) {
    result.status = sink_error;
    result.failed = CopyResult::Side::kSink;
  }
  if (result.failed == CopyResult::Side::kSink && IsClosed(result.status)) {
    // Fails only if somebody has aborted the source.
    return source.Shutdown(ShutdownMode::kRead);
  }
  return result.status;
}

inline absl::Status IdleFor(absl::Duration timeout) {
  return absl::DeadlineExceededError(
      absl::StrCat("idle for ", absl::FormatDuration(timeout)));
}

// Each direction would be the second reader and writer of the other.
inline absl::Status ProxyOfItself(const Flow& flow) {
  return absl::InvalidArgumentError(absl::StrCat(
      flow.DebugString(),
      ": Proxy() of a flow with itself; Copy() sends back what comes"));
}

}  // namespace flow::internal

#endif  // FLOW_PROXY_ENDS_H_
