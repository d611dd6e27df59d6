// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: byte_size.h
//
// Numbers of bytes as people write them (`64KiB`) and read them (`1.5 GiB`).

#ifndef FLOWCAT_BYTE_SIZE_H_
#define FLOWCAT_BYTE_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace flowcat {

// ParseByteSize()
//
// Returns the number of bytes that `text` names: a whole number, and possibly a
// unit, in upper or lower case: B; kB, MB, GB, TB, PB, EB (powers of 1000); or
// KiB, MiB, GiB, TiB, PiB, EiB (powers of 1024).
//
//  * kInvalidArgument: `text` is not that. A bare `K` is not a unit either, as
//    it means 1000 to some programs and 1024 to others.
//  * kOutOfRange: more than an int64_t holds.
absl::StatusOr<int64_t> ParseByteSize(absl::string_view text);

// FormatByteSize()
//
// Returns `bytes` with one decimal in the largest unit of 1024 of which it has
// at least one, such as `1.5 GiB`. Below 1 KiB: `17 B`.
std::string FormatByteSize(double bytes);

}  // namespace flowcat

#endif  // FLOWCAT_BYTE_SIZE_H_
