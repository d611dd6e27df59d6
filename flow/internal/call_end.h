// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/call_end.h
//
// How a read and a write of a flow end, whether it has blocked or was started:
// what is counted, what the caller gets, and what becomes due. Not for users of
// the library.
//
// Thread safety: for the thread that has taken the gate of the call.

#ifndef FLOW_INTERNAL_CALL_END_H_
#define FLOW_INTERNAL_CALL_END_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"

namespace flow::internal {

// The most that one call can write: what a count can hold. The largest size_t
// stands for more.
inline constexpr size_t kMaxWrite =
    std::min<uint64_t>(std::numeric_limits<int64_t>::max(),
                       std::numeric_limits<size_t>::max() - 1);

// --- Calls that do not begin

// What a Read of at most 0 bytes returns.
absl::Status ReadOfNothing(const FlowCore& core);
// What a read returns that may not begin; 0 is end-of-file.
absl::StatusOr<size_t> ReadRefused(const FlowCore& core);
absl::StatusOr<absl::Cord> ReadOfCordRefused(FlowCore& core);
// What a write returns that may not begin.
absl::Status WriteRefused(const FlowCore& core);
absl::Status WriteOutcome(const FlowCore& core, const FlowState::Answer& answer)
    ABSL_SHARED_LOCKS_REQUIRED(core.mu());
// What a write of nothing, or of more than kMaxWrite, returns.
absl::Status OddWrite(const FlowCore& core, size_t size);

// --- The rare end of a call: it has failed, or something happened to the
// direction meanwhile

// Ends a read of `result` bytes. Returns what the call gets: if that is fewer
// bytes, what was read is discarded.
absl::StatusOr<size_t> FinishRead(FlowCore& core, absl::StatusOr<size_t> result,
                                  size_t max_bytes, bool passes);
// The same for `data`, which becomes what the call gets.
void FinishReadOfCord(FlowCore& core, absl::StatusOr<absl::Cord>& data,
                      size_t max_bytes, bool passes);
// Ends a write. Returns what the call gets of a write of which `accepted` bytes
// were accepted.
absl::Status FinishWrite(FlowCore& core, size_t size, size_t accepted,
                         absl::Status status);
void EndDisturbedRead(FlowCore& core);
void EndDisturbedWrite(FlowCore& core);

// --- The usual end of a call

// Does what most reads need at their end, and returns whether that was all.
inline bool EndRead(FlowCore& core, size_t size, size_t max_bytes) {
  Gate& gate = core.read_gate();
  // 1 to `max_bytes` bytes, and nothing has happened meanwhile?
  if (ABSL_PREDICT_FALSE(size - 1 >= max_bytes || !gate.undisturbed())) {
    return false;
  }
  gate.Count(size);
  if (ABSL_PREDICT_FALSE(!gate.Give())) EndDisturbedRead(core);
  return true;
}

// Does what most writes need at their end, and returns whether that was all.
inline bool EndWrite(FlowCore& core, size_t size) {
  Gate& gate = core.write_gate();
  // Nothing has happened meanwhile?
  if (ABSL_PREDICT_FALSE(!gate.undisturbed())) return false;
  gate.Count(size);
  if (ABSL_PREDICT_FALSE(!gate.Give())) EndDisturbedWrite(core);
  return true;
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CALL_END_H_
