// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/copy_ends.h
//
// What Copy() and StartCopy() (copy.h) have in common besides their loops: what
// is wrong, and how a sink ends that misses bytes. Not for users of the
// library.

#ifndef FLOW_INTERNAL_COPY_ENDS_H_
#define FLOW_INTERNAL_COPY_ENDS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "flow/flow.h"
#include "flow/status.h"

namespace flow::internal {

// `exactly` needs `max_bytes`.
inline absl::Status NoMaxBytes(const Flow& source) {
  return absl::InvalidArgumentError(absl::StrCat(
      source.DebugString(), ": Copy() of exactly max_bytes, which is not set"));
}

inline absl::Status EndedEarly(const Flow& source, int64_t copied,
                               int64_t max_bytes) {
  return absl::OutOfRangeError(
      absl::StrCat(source.DebugString(), ": the stream ended after ", copied,
                   " of ", max_bytes, " bytes to copy"));
}

// Returns the reason with which a flow is aborted because of `error`. Closed,
// as of a source that was closed under its reader, would tell the remote that
// all was in good order.
inline absl::Status ReasonOf(const absl::Status& error) {
  return IsClosed(error) ? absl::AbortedError(error.message()) : error;
}

// For a sink that misses bytes.
inline void AbortSink(Flow& sink, const absl::Status& error) {
  sink.Abort(ReasonOf(error));
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_COPY_ENDS_H_
