// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cord_flow.h
//
// Flows between Cords: a flow that reads from Cords and appends to a Cord.
// Nothing is copied on the way in or out, because Cords share their memory. And
// an endless source and sink: bytes that repeat, and an Output that keeps none.
//
//   absl::Cord out;
//   std::unique_ptr<flow::Flow> flow = flow::MakeCordFlow(request, &out);
//
// When not to use it: to let two ends talk to each other; use pipe.h for that.
// To read a flow into one Cord, use ReadAll() in copy.h.
//
// Thread safety: as flow.h says. While a write is under way, do not use the
// Cord that an Output appends to.

#ifndef FLOW_CORD_FLOW_H_
#define FLOW_CORD_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow {

// InputCord(), InputCords()
//
// Return an Input that yields `data`, then end-of-file. Each non-empty Cord is
// one Read (if it is within the limit of that Read); empty ones are skipped.
Input InputCord(absl::Cord data);
Input InputCords(std::vector<absl::Cord> data);

// InputRepeated()
//
// Returns an Input that yields `pattern` again and again, `n` bytes in all
// (none if `n` is negative; the default does not end in practice), then
// end-of-file. A Read returns up to 64 KiB, or one `pattern` if that is more.
// All Reads share one block, and only small ones are copied.
//
// Precondition: `pattern` is not empty.
Input InputRepeated(absl::Cord pattern,
                    int64_t n = std::numeric_limits<int64_t>::max());

// OutputDiscarded()
//
// Returns an Output that takes everything and keeps nothing, like /dev/null.
// bytes_written() of the flow tells how much there was.
Output OutputDiscarded();

// OutputCord()
//
// Returns an Output that appends to `*sink` without a limit.
//
// Precondition: `sink` is not null, and lives until the flow is closed or
// destroyed.
Output OutputCord(absl::Cord* sink);

// MakeCordFlow()
//
// Returns a flow that reads `input` and appends what is written to `*output`.
std::unique_ptr<Flow> MakeCordFlow(absl::Cord input, absl::Cord* output);
std::unique_ptr<Flow> MakeCordFlow(std::vector<absl::Cord> input,
                                   absl::Cord* output);
std::unique_ptr<Flow> MakeCordFlow(absl::Cord input, std::nullptr_t) = delete;

}  // namespace flow

#endif  // FLOW_CORD_FLOW_H_
