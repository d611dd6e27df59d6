// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/copied_bytes.h
//
// Tells how much of a payload was copied on its way through some code, by where
// its bytes are before and after. Unlike a count of calls of memcpy() it sees
// every way of copying, also inlined loops and those of the compiler.
//
// Thread-safe.

#ifndef FLOW_TESTING_COPIED_BYTES_H_
#define FLOW_TESTING_COPIED_BYTES_H_

#include <cstddef>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace flow::testing {

// CopiedBytes()
//
// Returns how many bytes of `after` are at another address than the byte at the
// same position of `before`. 0 means that `after` is `before`, shared.
//
// Precondition: `before` and `after` are equally long, and the memory of
// `before` is still what it was.
size_t CopiedBytes(const absl::Cord& before, const absl::Cord& after);
size_t CopiedBytes(absl::string_view before, const absl::Cord& after);

}  // namespace flow::testing

#endif  // FLOW_TESTING_COPIED_BYTES_H_
