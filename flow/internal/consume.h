// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/consume.h
//
// Shows what is written to an output function, until that has taken all. Not
// for users of the library.
//
// Each function accepts in `data` what was taken, and stops when `aborted`.
//
// Thread safety: that of the output function, which only the writer calls.

#ifndef FLOW_INTERNAL_CONSUME_H_
#define FLOW_INTERNAL_CONSUME_H_

#include <atomic>
#include <cstddef>

#include "absl/base/optimization.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/call_function.h"
#include "flow/outgoing.h"

namespace flow::internal {

// Those of Output::Bytes() and Output::Lists().
using ConsumeFunction =
    absl::AnyInvocable<absl::StatusOr<size_t>(absl::Span<const char>)>;
using ConsumeListFunction = absl::AnyInvocable<absl::StatusOr<size_t>(
    absl::Span<const absl::string_view>)>;

// Goes on after a call that was shown `bytes` and returned `taken`.
absl::Status ConsumeByParts(ConsumeFunction& consume,
                            const std::atomic<bool>& aborted,
                            absl::string_view bytes, Outgoing& data,
                            absl::StatusOr<size_t>& taken);

// ConsumeBytes()
//
// Shows `bytes` of `data` where they are. Inline, as this is what most writes
// are: taken at once.
inline absl::Status ConsumeBytes(ConsumeFunction& consume,
                                 const std::atomic<bool>& aborted,
                                 absl::string_view bytes, Outgoing& data) {
  if (ABSL_PREDICT_FALSE(bytes.empty())) return absl::OkStatus();
  if (ABSL_PREDICT_FALSE(aborted.load(std::memory_order_relaxed))) {
    return absl::AbortedError("aborted");
  }
  absl::StatusOr<size_t> taken =
      CallFunction(consume, absl::MakeConstSpan(bytes.data(), bytes.size()));
  if (ABSL_PREDICT_TRUE(taken.ok() && *taken == bytes.size())) {
    data.Accept(*taken);
    return absl::OkStatus();
  }
  return ConsumeByParts(consume, aborted, bytes, data, taken);
}

// ConsumePieces()
//
// Shows all pieces of `data` to an output by the byte. Small ones are gathered,
// since a call of the output often costs more than copying them (it may be a
// system call); large ones are shown where they are.
absl::Status ConsumePieces(ConsumeFunction& consume,
                           const std::atomic<bool>& aborted, Outgoing& data);

// ConsumeLists()
//
// Shows all pieces of `data` to an output by the list, as many at a time as
// fit.
absl::Status ConsumeLists(ConsumeListFunction& consume,
                          const std::atomic<bool>& aborted, Outgoing& data);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CONSUME_H_
