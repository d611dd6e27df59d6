// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fill_buffer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/shared_block.h"

namespace flow::internal {

absl::Status FillBuffer::NoMemory() {
  return absl::ResourceExhaustedError("no memory to read into");
}

// Replaces the block by one for `wanted` bytes, if there is memory.
bool FillBuffer::Allocate(size_t wanted) {
  Drop();
  block_ = SharedBlock::New(std::max(wanted, kMinBlock));
  return block_ != nullptr;
}

// Returns the first `filled` bytes of the block, which is shared.
absl::Cord FillBuffer::Share(size_t filled) {
  // A small rest does not count in EstimatedMemoryUsage().
  if (filled >= block_->capacity() / 8 * 7) return block_->MakeCord(filled);
  return block_->MakeCord(block_->capacity()).Subcord(0, filled);
}

// Returns a copy of the first `filled` bytes of the block, and keeps no block.
absl::Cord FillBuffer::CopyAndDrop(size_t filled) {
  std::string copy(block_->bytes(), filled);
  Drop();
  return absl::Cord(std::move(copy));
}

// Returns a copy of the first `filled` bytes of the block.
absl::Cord FillBuffer::CopyToSpare(size_t filled) {
  return spare_.MakeCord(filled, [&](absl::Span<char> space) {
    std::memcpy(space.data(), block_->bytes(), space.size());
  });
}

}  // namespace flow::internal
