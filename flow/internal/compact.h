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
// size. But for few bytes, what pins more than blocks of ours could (`part`
// begins in one and ends in another) is not ours: somebody has handed over a
// large buffer as a Cord, so that it be shared.
absl::Cord Compact(absl::Cord part);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_COMPACT_H_
