// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/spare_block.h
//
// Makes Cords of copied bytes, one after the other, in the same memory. Not for
// users of the library.
//
// Thread safety: none. What it makes may be destroyed by any thread.

#ifndef FLOW_INTERNAL_SPARE_BLOCK_H_
#define FLOW_INTERNAL_SPARE_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <new>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

// SpareBlock
//
// Keeps the block of the last Cord that it has made. The next Cord gets it if
// nobody has the last one any more, and if the block has about the right size:
// a Cord pins little more than its bytes. A new block is exactly as large as
// its Cord. So messages of one size, each of them read before the next is
// written, cost one small allocation and not a large one.
class SpareBlock {
 public:
  // The largest block. What is kept is no more than that.
  static constexpr size_t kMost = kMinBlock;

  SpareBlock() = default;
  SpareBlock(const SpareBlock&) = delete;
  SpareBlock& operator=(const SpareBlock&) = delete;
  ~SpareBlock() { Drop(); }

  // Returns a Cord of `size` bytes, which `fill(absl::Span<char>)` writes.
  // Precondition: `size` is 1 to kMost.
  template <typename Fill>
  absl::Cord MakeCord(size_t size, Fill fill) {
    if (ABSL_PREDICT_FALSE(!Fits(size))) Replace(size);
    fill(absl::MakeSpan(block_->bytes(), size));
    absl::Cord cord = absl::MakeCordFromExternal(
        absl::string_view(block_->bytes(), size),
        [block = block_](absl::string_view) { block->Release(); });
    // Not before there is a Cord, which can fail. Nobody else has it yet.
    block_->owners.store(2, std::memory_order_relaxed);
    return cord;
  }

 private:
  // Memory with up to two owners: this, and the Cord.
  struct Block {
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
    void Release() {
      if (owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      this->~Block();
      ::operator delete(this);
    }

    std::atomic<int> owners{1};
    const size_t capacity;
  };

  // Returns whether nobody else has the block, and `size` bytes fit it.
  bool Fits(size_t size) const {
    return block_ != nullptr && size <= block_->capacity &&
           size >= block_->capacity / 8 * 7 &&
           block_->owners.load(std::memory_order_acquire) == 1;
  }

  void Replace(size_t size) {
    Drop();
    block_ = new (::operator new(sizeof(Block) + size)) Block{{1}, size};
  }

  void Drop() {
    if (block_ != nullptr) std::exchange(block_, nullptr)->Release();
  }

  Block* block_ = nullptr;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SPARE_BLOCK_H_
