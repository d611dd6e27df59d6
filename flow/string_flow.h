// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: string_flow.h
//
// Strings and spans of bytes as the two ends of a function flow: what a flow
// reads comes out of strings, what is written to it goes into memory. Made for
// tests and for code that has the whole of its data at hand.
//
//   std::string out;
//   std::unique_ptr<flow::Flow> flow = flow::MakeStringFlow("hello", &out);
//
// The adapters can also be combined by hand, with each other and with functions
// of your own, in FunctionFlowOptions.
//
// To read only, set nothing but FunctionFlowOptions::input; to write only,
// nothing but `output`.
//
// When not to use it: to let two ends talk to each other; that is pipe.h. For
// data that is already in Cords, cord_flow.h copies less.
//
// Thread safety: as flow.h says. The memory that an Output writes to must not
// be read by others while a write is under way.

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
// is one Read (if it is within the limit of that); empty ones are skipped. A
// string is adopted, not copied, as absl::Cord(std::string&&) does: unless it
// is small (up to 511 bytes) or leaves much of its capacity unused.
Input InputString(std::string data);
Input InputString(std::initializer_list<absl::string_view>) = delete;
Input InputStrings(std::vector<std::string> data);

// OutputBytes()
//
// Returns an Output that fills `memory`, or each of several in turn, from the
// front. It takes what fits, and is Closed when all is full: a write that is
// too long is accepted in part, and bytes_written() tells how much. Empty
// memories are skipped.
//
// `memory` must live until the flow is closed or destroyed.
Output OutputBytes(absl::Span<char> memory);
Output OutputBytes(std::vector<absl::Span<char>> memory);

// OutputString()
//
// Returns an Output that appends to `*sink` without a bound.
//
// Precondition: `sink` is not null, and lives until the flow is closed or
// destroyed.
Output OutputString(std::string* sink);

// MakeStringFlow()
//
// Returns a flow that reads `input` and writes to `output`, as the functions
// above do.
std::unique_ptr<Flow> MakeStringFlow(std::string input,
                                     absl::Span<char> output);
std::unique_ptr<Flow> MakeStringFlow(std::vector<std::string> input,
                                     std::vector<absl::Span<char>> output);
std::unique_ptr<Flow> MakeStringFlow(std::string input, std::string* output);
std::unique_ptr<Flow> MakeStringFlow(std::vector<std::string> input,
                                     std::string* output);
std::unique_ptr<Flow> MakeStringFlow(std::string input,
                                     std::nullptr_t) = delete;

// Lists in braces, which could otherwise be taken for a pair of iterators.
std::unique_ptr<Flow> MakeStringFlow(
    std::initializer_list<absl::string_view> input,
    std::vector<absl::Span<char>> output);
std::unique_ptr<Flow> MakeStringFlow(
    std::initializer_list<absl::string_view> input, std::string* output);

}  // namespace flow

#endif  // FLOW_STRING_FLOW_H_
