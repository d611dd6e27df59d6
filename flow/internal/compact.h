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
// Returns the bytes of `part`, and copies them if they would pin more than
// twice their size. There is one exception: if they pin more than two blocks of
// this library, somebody has handed over a large buffer as a Cord and wants it
// shared. A part of such a buffer is copied only if it is small.
absl::Cord Compact(absl::Cord part);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_COMPACT_H_
