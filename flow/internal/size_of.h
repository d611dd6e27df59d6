// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/size_of.h
//
// For code that does the same to both forms of a read, which return a Cord or
// how many bytes there are. Not for users of the library.

#ifndef FLOW_INTERNAL_SIZE_OF_H_
#define FLOW_INTERNAL_SIZE_OF_H_

#include <cstddef>

#include "absl/strings/cord.h"

namespace flow::internal {

// SizeOf()
//
// Returns how many bytes a read has returned.
inline size_t SizeOf(const absl::Cord& data) { return data.size(); }
inline size_t SizeOf(size_t size) { return size; }

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SIZE_OF_H_
