// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/compact.h
//
// Keeps a part of a buffer from holding the whole buffer in memory. Not for
// users of the library.

#ifndef FLOW_INTERNAL_COMPACT_H_
#define FLOW_INTERNAL_COMPACT_H_

#include "absl/strings/cord.h"

namespace flow::internal {

// Compact()
//
// Returns the bytes of `part`, copied if they would pin more than twice their
// size. What is pinned may be more than blocks of ours are: then somebody has
// handed over a large buffer as a Cord, and wants it shared. Of that, only a
// part of few bytes is copied.
absl::Cord Compact(absl::Cord part);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_COMPACT_H_
