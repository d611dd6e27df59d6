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
#include <cstdint>
#include <utility>

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
// messages does not hold large blocks. Messages that just fill a block are no
// bulk transfer: each time that a larger block was in vain, twice as many full
// ones are wanted before the next.
class BlockSize {
 public:
  size_t get() const { return size_; }

  // A read has put `filled` bytes into a buffer of `capacity`.
  void Update(size_t filled, size_t capacity) {
    if (filled == capacity && capacity >= size_ / 2) {
      if (std::exchange(has_grown_, false)) wanted_ = 1;
      if (size_ == kMaxBlock || ++full_ < wanted_) return;
      size_ *= 2;
      has_grown_ = true;
    } else if (filled <= size_ / 2) {
      if (std::exchange(has_grown_, false)) {
        if (wanted_ < kMaxWanted) wanted_ = static_cast<uint8_t>(2 * wanted_);
      }
      if (size_ > kMinBlock) size_ /= 2;
    }
    full_ = 0;
  }

 private:
  static constexpr uint8_t kMaxWanted = 64;

  // Small, as every flow that reads a descriptor has one.
  uint32_t size_ = kMinBlock;
  uint8_t full_ = 0;        // reads in a row
  uint8_t wanted_ = 1;      // that many, to grow
  bool has_grown_ = false;  // and was not filled since
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_BUFFER_SIZE_H_
