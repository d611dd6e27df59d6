// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fill_buffer.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

absl::Status FillBuffer::NoMemory() {
  return absl::ResourceExhaustedError("no memory to read into");
}

// Replaces the block by one for `wanted` bytes, if there is memory.
bool FillBuffer::Allocate(size_t wanted) {
  Drop();
  const size_t capacity = std::max(wanted, kMinBlock);
  block_.reset(new (std::nothrow) char[capacity]);
  if (block_ == nullptr) return false;
  capacity_ = capacity;
  return true;
}

// Returns the first `filled` bytes of the block, and keeps no block.
absl::Cord FillBuffer::TakeWithBlock(size_t filled) {
  const bool hand_over = IsWellUsed(filled);
  const absl::string_view block(block_.get(), std::exchange(capacity_, 0));
  std::unique_ptr<char[]> owned = std::move(block_);
  if (!hand_over) return absl::Cord(std::string(block.substr(0, filled)));
  const absl::Cord whole = absl::MakeCordFromExternal(
      block, [owned = std::move(owned)](absl::string_view) {});
  // A part of the whole, so that EstimatedMemoryUsage() counts that.
  return whole.Subcord(0, filled);
}

}  // namespace flow::internal
