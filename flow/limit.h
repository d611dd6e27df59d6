// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: limit.h
//
// Limits how much is read of a flow, so that a part of a stream can be handed
// to what reads to the end. ExactInput() is for a part whose size is known: a
// stream that ends too early is an error there. LimitInput() is for a bound.
//
//   // The body of a request. The connection goes on behind it.
//   std::unique_ptr<flow::Flow> body =
//       flow::ExactInput(flow::BorrowFlow(*channel), content_length);
//   absl::StatusOr<absl::Cord> all = flow::ReadAll(*body, /*limit=*/1 << 20);
//   absl::Status status = body->Close();  // skips what was not read
//
// When not to use it: to copy a part to another flow, which Copy() does with
// `max_bytes`. To have `n` bytes in memory, which Channel::ReadExactly() does.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_LIMIT_H_
#define FLOW_LIMIT_H_

#include <cstdint>
#include <memory>

#include "flow/flow.h"

namespace flow {

// LimitInput(), ExactInput()
//
// Return a flow that reads the next `n` bytes of `flow` and then is at
// end-of-file (at once if `n` is 0 or less). No byte behind them is taken from
// `flow`. If `flow` ends before that, LimitInput() is at end-of-file, too, and
// ExactInput() fails with kOutOfRange, which stays. Nothing is copied. Writes,
// deadlines, Abort() and everything else reach `flow`, which keeps its state,
// counters and deadlines.
//
// What lies behind the `n` bytes:
//
//  * If `flow` is borrowed, it is for the lender. Close() reads and drops what
//    is left of the `n` bytes, until its deadline, so that the lender goes on
//    behind them. So does Close() after Shutdown(kRead). If `flow` ends before,
//    Close() of an ExactInput() is kOutOfRange. If it does not come that far
//    for another reason, Close() returns that (kDeadlineExceeded if the rest is
//    late) and refuses what follows on the lender, as by Shutdown(kRead). The
//    lender can still answer (HTTP 408, say), half-close and be closed. If
//    another thread still reads when Close() has begun to drop, its Read is
//    Closed, and so is the result; CloseAfterRead() waits for it. If it is in a
//    Read when the deadline passes, the lender is aborted.
//  * Otherwise it is refused as soon as a Read returns the end, as by
//    Shutdown(kRead), and Close() is what it is after that. Close() before
//    that waits for the remote, as ever.
//
// Calls can start if those of `flow` can.
//
// Precondition: `flow` is not null, and no call on it is under way.
std::unique_ptr<Flow> LimitInput(std::unique_ptr<Flow> flow, int64_t n);
std::unique_ptr<Flow> ExactInput(std::unique_ptr<Flow> flow, int64_t n);

}  // namespace flow

#endif  // FLOW_LIMIT_H_
