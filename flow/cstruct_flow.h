// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cstruct_flow.h
//
// Flows between Cstructs (windows onto shared, bounded memory): a flow that
// reads the bytes of some, and fills the memory of others.
//
// When not to use it: for memory that nobody else writes to. Keep it in a Cord
// (cord_flow.h), which is always shared and never copied.
//
// Thread safety: as flow.h says. The bytes of a Cstruct are not synchronized.
// While a call on the flow is under way, do not read what an Output writes to,
// or write what an Input reads from.

#ifndef FLOW_CSTRUCT_FLOW_H_
#define FLOW_CSTRUCT_FLOW_H_

#include <memory>
#include <vector>

#include "flow/cstruct.h"
#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow {

// InputCstruct(), InputCstructs()
//
// Return an Input that yields the bytes of `data`, then end-of-file. Each
// non-empty window is one Read (if it is within the limit of that Read); empty
// ones are skipped.
//
// A Cord that you have read never changes, but the memory of a Cstruct can. So
// the reader shares that memory only if nobody else owns it (and it has more
// than 511 bytes). Otherwise it is copied. To share it, move your last window:
//
//   options.input = flow::InputCstruct(std::move(frame));
Input InputCstruct(Cstruct data);
Input InputCstructs(std::vector<Cstruct> data);

// OutputCstruct(), OutputCstructs()
//
// Return an Output that fills `memory` from the front, or each of several
// windows in turn. It takes what fits, and is Closed when all is full: a write
// that is too long is accepted in part, and bytes_written() tells how much.
Output OutputCstruct(Cstruct memory);
Output OutputCstructs(std::vector<Cstruct> memory);

// MakeCstructFlow()
//
// Returns a flow that reads `input` and writes to `output`, with the adapters
// above.
std::unique_ptr<Flow> MakeCstructFlow(Cstruct input, Cstruct output);
std::unique_ptr<Flow> MakeCstructFlow(std::vector<Cstruct> input,
                                      std::vector<Cstruct> output);

}  // namespace flow

#endif  // FLOW_CSTRUCT_FLOW_H_
