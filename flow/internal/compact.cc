// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/compact.h"

#include <cstddef>
#include <string>

#include "absl/strings/cord.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

absl::Cord Compact(absl::Cord part) {
  constexpr size_t kNodes = 128;  // what the Cord itself needs, about
  // What it can begin in and end in, of ours.
  constexpr size_t kTwoBlocks = 2 * kMaxBlock;
  const size_t size = part.size();
  if (size > kTwoBlocks) return part;
  const size_t pinned = part.EstimatedMemoryUsage();
  if (pinned <= 2 * size + kNodes) return part;
  if (pinned > size + kTwoBlocks + kNodes && size > kMaxCopied) return part;
  return absl::Cord(std::string(part));
}

}  // namespace flow::internal
