// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/buffer_size.h
//
// How large a buffer a read should be given, and how little data is worth a
// buffer of its own. Not for users of the library.

#ifndef FLOW_INTERNAL_BUFFER_SIZE_H_
#define FLOW_INTERNAL_BUFFER_SIZE_H_

#include <algorithm>
#include <cstddef>

namespace flow::internal {

// Up to this many bytes, copying is cheaper than sharing, and sharing would pin
// a block that is mostly empty. absl::Cord draws the same line.
inline constexpr size_t kMaxCopied = 511;

// The smallest and the largest block that reads use.
inline constexpr size_t kMinBlock = size_t{4} << 10;
inline constexpr size_t kMaxBlock = size_t{64} << 10;

// BlockSize
//
// Chooses the size of the block for the next read by how full the last ones
// were. So a bulk transfer soon reads 64 KiB at a time, and a reader of small
// messages does not hold large blocks.
class BlockSize {
 public:
  size_t get() const { return size_; }

  // A read has put `filled` bytes into a buffer of `capacity`.
  void Update(size_t filled, size_t capacity) {
    if (filled == capacity && capacity >= size_ / 2) {
      size_ = std::min(2 * size_, kMaxBlock);
    } else if (filled < size_ / 2) {
      size_ = std::max(size_ / 2, kMinBlock);
    }
  }

 private:
  size_t size_ = kMinBlock;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_BUFFER_SIZE_H_
