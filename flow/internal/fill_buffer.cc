// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fill_buffer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
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

FillBuffer::Block* FillBuffer::Block::New(size_t capacity) {
  void* const memory = ::operator new(sizeof(Block) + capacity, std::nothrow);
  return memory == nullptr ? nullptr : new (memory) Block{{1}, capacity};
}

absl::Cord FillBuffer::Block::Share(size_t size) {
  // A small rest does not count in EstimatedMemoryUsage().
  const bool is_nearly_full = size >= capacity / 8 * 7;
  const absl::string_view all(bytes(), is_nearly_full ? size : capacity);
  absl::Cord cord =
      absl::MakeCordFromExternal(all, [this](absl::string_view) { Release(); });
  // Not before there is a Cord, which can fail. Nobody else has it yet.
  owners.store(2, std::memory_order_relaxed);
  return is_nearly_full ? cord : cord.Subcord(0, size);
}

void FillBuffer::Block::Release() {
  if (owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  this->~Block();
  ::operator delete(this);
}

// Replaces the block by one for `wanted` bytes, if there is memory.
bool FillBuffer::Allocate(size_t wanted) {
  Drop();
  block_ = Block::New(std::max(wanted, kMinBlock));
  return block_ != nullptr;
}

// Returns a copy of the first `filled` bytes of the block, and keeps no block.
absl::Cord FillBuffer::CopyAndDrop(size_t filled) {
  std::string copy(block_->bytes(), filled);
  Drop();
  return absl::Cord(std::move(copy));
}

// Returns a copy of the first `filled` bytes of the block. If messages of about
// the same size come, and the last is gone, nothing large is allocated.
absl::Cord FillBuffer::CopyToSpare(size_t filled) {
  if (!Block::IsFree(spare_, filled) || !spare_->IsWellUsedBy(filled)) {
    if (spare_ != nullptr) std::exchange(spare_, nullptr)->Release();
    spare_ = Block::New((filled + 255) / 256 * 256);
    if (spare_ == nullptr) {
      return absl::Cord(absl::string_view(block_->bytes(), filled));
    }
  }
  std::memcpy(spare_->bytes(), block_->bytes(), filled);
  return spare_->Share(filled);
}

}  // namespace flow::internal
