// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: string_flow.h
//
// Flows between strings and spans of bytes: a flow that reads from strings, and
// writes to a string or to memory of yours. For tests, and for code that has
// all of its data at hand.
//
//   std::string out;
//   std::unique_ptr<flow::Flow> flow = flow::MakeStringFlow("hello", &out);
//
// You can also combine the adapters in FunctionFlowOptions, with each other and
// with functions of your own. For a flow that only reads, set only `input`; for
// one that only writes, set only `output`.
//
// When not to use it: to let two ends talk to each other; use pipe.h for that.
// For data that is already in Cords, cord_flow.h copies less.
//
// Thread safety: as flow.h says. While a write is under way, do not read the
// memory that an Output writes to.

#ifndef FLOW_STRING_FLOW_H_
#define FLOW_STRING_FLOW_H_

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow {

// InputString(), InputStrings()
//
// Return an Input that yields `data`, then end-of-file. Each non-empty string
// is one Read (if it is within the limit of that Read); empty ones are skipped.
// A string is adopted, not copied, unless it is small (up to 511 bytes) or
// leaves much of its capacity unused, as with absl::Cord(std::string&&).
Input InputString(std::string data);
Input InputString(std::initializer_list<absl::string_view>) = delete;
Input InputStrings(std::vector<std::string> data);

// OutputBytes()
//
// Return an Output that fills `memory` from the front, or each of several spans
// in turn. It takes what fits, and is Closed when all is full: a write that is
// too long is accepted in part, and bytes_written() tells how much. Empty spans
// are skipped.
//
// `memory` must live until the flow is closed or destroyed.
Output OutputBytes(absl::Span<char> memory);
Output OutputBytes(std::vector<absl::Span<char>> memory);

// OutputString()
//
// Returns an Output that appends to `*sink` without a limit.
//
// Precondition: `sink` is not null, and lives until the flow is closed or
// destroyed.
Output OutputString(std::string* sink);

// MakeStringFlow()
//
// Returns a flow that reads `input` and writes to `output`, with the adapters
// above.
std::unique_ptr<Flow> MakeStringFlow(std::string input,
                                     absl::Span<char> output);
std::unique_ptr<Flow> MakeStringFlow(std::vector<std::string> input,
                                     std::vector<absl::Span<char>> output);
std::unique_ptr<Flow> MakeStringFlow(std::string input, std::string* output);
std::unique_ptr<Flow> MakeStringFlow(std::vector<std::string> input,
                                     std::string* output);
std::unique_ptr<Flow> MakeStringFlow(std::string input,
                                     std::nullptr_t) = delete;

// For lists in braces, which would otherwise look like a pair of iterators.
std::unique_ptr<Flow> MakeStringFlow(
    std::initializer_list<absl::string_view> input,
    std::vector<absl::Span<char>> output);
std::unique_ptr<Flow> MakeStringFlow(
    std::initializer_list<absl::string_view> input, std::string* output);

}  // namespace flow

#endif  // FLOW_STRING_FLOW_H_
