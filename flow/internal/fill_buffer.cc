// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fill_buffer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
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

void FillBuffer::Block::Release() {
  if (owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  this->~Block();
  ::operator delete(this);
}

// Replaces the block by one for `wanted` bytes, if there is memory.
bool FillBuffer::Allocate(size_t wanted) {
  Drop();
  const size_t capacity = std::max(wanted, kMinBlock);
  void* const memory = ::operator new(sizeof(Block) + capacity, std::nothrow);
  if (memory == nullptr) return false;
  block_ = new (memory) Block{{1}, capacity};
  return true;
}

// Returns the first `filled` bytes of the block, which is shared.
absl::Cord FillBuffer::Share(size_t filled) {
  // A small rest does not count in EstimatedMemoryUsage().
  const bool is_nearly_full = filled >= block_->capacity / 8 * 7;
  const absl::string_view bytes(block_->bytes(),
                                is_nearly_full ? filled : block_->capacity);
  absl::Cord cord = absl::MakeCordFromExternal(
      bytes, [block = block_](absl::string_view) { block->Release(); });
  // Not before there is a Cord, which can fail. Nobody else has it yet.
  block_->owners.store(2, std::memory_order_relaxed);
  return is_nearly_full ? cord : cord.Subcord(0, filled);
}

// Returns a copy of the first `filled` bytes of the block, and keeps no block.
absl::Cord FillBuffer::CopyAndDrop(size_t filled) {
  std::string copy(block_->bytes(), filled);
  Drop();
  return absl::Cord(std::move(copy));
}

}  // namespace flow::internal
