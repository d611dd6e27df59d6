// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: prepend.h
//
// Puts bytes back before what a flow reads next, for code that had to read them
// to find out what they are:
//
//   absl::StatusOr<absl::Cord> first = connection->Read();
//   if (!first.ok()) return first.status();
//   const bool is_tls = first->StartsWith("\x16");
//   connection = flow::PrependInput(*std::move(first), std::move(connection));
//   return is_tls ? ServeTls(std::move(connection))
//                 : ServePlain(std::move(connection));
//
// When not to use it: where you can make a Channel before the first read;
// Channel::Peek() looks without taking.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_PREPEND_H_
#define FLOW_PREPEND_H_

#include <memory>

#include "absl/strings/cord.h"
#include "flow/flow.h"

namespace flow {

// PrependInput()
//
// Returns a flow that reads `bytes`, and then what `flow` still has: its data,
// its end, or its error, even if a Read has returned that end or error already.
// All else is that of `flow`, which keeps its state, counters and deadlines.
// (bytes_read() counts bytes that were put back a second time.) `bytes` is
// shared, not copied. Calls can start if those of `flow` can.
//
// What was put back belongs to this flow. If it is closed, they are dropped as
// all that was not read, and are not put back to a lender.
//
// Precondition: `flow` is not null, and no call on it is under way.
std::unique_ptr<Flow> PrependInput(absl::Cord bytes,
                                   std::unique_ptr<Flow> flow);

}  // namespace flow

#endif  // FLOW_PREPEND_H_
