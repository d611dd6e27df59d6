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

#include <cstddef>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/log/absl_check.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/shared_block.h"

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

  // Releases the memory.
  void Drop() {
    if (block_ != nullptr) std::exchange(block_, nullptr)->Release();
  }

  // Returns a Cord of `size` bytes, which `fill(absl::Span<char>)` writes.
  // Precondition: `size` is 1 to kMost.
  template <typename Fill>
  absl::Cord MakeCord(size_t size, Fill fill) {
    if (ABSL_PREDICT_FALSE(!Fits(size))) Replace(size);
    fill(absl::MakeSpan(block_->bytes(), size));
    return block_->MakeCord(size);
  }

 private:
  // Returns whether nobody else has the block, and `size` bytes fit it.
  bool Fits(size_t size) const {
    return block_ != nullptr && size <= block_->capacity() &&
           size >= block_->capacity() / 8 * 7 && block_->is_alone();
  }

  void Replace(size_t size) {
    Drop();
    block_ = SharedBlock::New(size);
    ABSL_CHECK(block_ != nullptr) << "no memory";
  }

  SharedBlock* block_ = nullptr;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SPARE_BLOCK_H_
