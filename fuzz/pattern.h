// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/pattern.h
//
// Bytes to send, all different enough to tell which were lost or repeated. They
// are made once: made in each run, with an instrumented loop, they took half of
// the time of a run.

#ifndef FLOW_FUZZ_PATTERN_H_
#define FLOW_FUZZ_PATTERN_H_

#include <cstddef>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/strings/string_view.h"
#include "flow/testing/byte_pattern.h"

namespace flow::fuzz {

// No run sends more.
inline constexpr size_t kPatternSize = 300000;

// Returns the bytes from `offset` on, which live until the program ends.
inline absl::string_view Pattern(size_t offset, size_t size) {
  static const auto* const pattern =
      new std::string(testing::PatternString(0, kPatternSize));
  ABSL_CHECK(offset <= kPatternSize && size <= kPatternSize - offset);
  return absl::string_view(*pattern).substr(offset, size);
}

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_PATTERN_H_
