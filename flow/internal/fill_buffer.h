// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/fill_buffer.h
//
// The memory that reads fill, and that becomes the Cord that they return. Not
// for users of the library.
//
// Thread safety: none. Only the reader uses it.

#ifndef FLOW_INTERNAL_FILL_BUFFER_H_
#define FLOW_INTERNAL_FILL_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

// FillBuffer
//
// Holds one block at a time. Its size follows how full the last blocks were.
// What is read pins at most twice its size: a block that is more than half full
// is handed over as it is. From any other block the bytes are copied, and the
// block, which nobody else has seen, serves the next fill.
//
// Blocks have round sizes, so that records of round sizes, as in an archive,
// are not cut. An absl::CordBuffer cannot have a round size.
class FillBuffer {
 public:
  // Returns the memory to fill next, of at most `max_bytes`. Returns nullopt if
  // there is none; the error for that is NoMemory().
  std::optional<absl::Span<char>> Space(size_t max_bytes) {
    const size_t wanted = std::min(block_size_.get(), max_bytes);
    if (ABSL_PREDICT_FALSE(capacity_ < wanted) && !Allocate(wanted)) {
      return std::nullopt;
    }
    offered_ = wanted;
    return absl::MakeSpan(block_.get(), wanted);
  }

  static absl::Status NoMemory();

  // Returns the first `filled` bytes of the last Space().
  absl::Cord Take(size_t filled) {
    block_size_.Update(filled, offered_);
    if (IsWellUsed(filled) || capacity_ > kMinBlock) {
      return TakeWithBlock(filled);
    }
    return absl::Cord(absl::string_view(block_.get(), filled));
  }

  // Releases the memory. For a reader that has to wait.
  void Drop() {
    block_.reset();
    capacity_ = 0;
  }

 private:
  // Returns whether the block may be handed over, with the nodes that this
  // needs.
  bool IsWellUsed(size_t filled) const {
    return filled >= capacity_ / 2 + size_t{128};
  }

  bool Allocate(size_t wanted);
  absl::Cord TakeWithBlock(size_t filled);

  std::unique_ptr<char[]> block_;
  size_t capacity_ = 0;  // of `block_`
  size_t offered_ = 0;   // of it, by the last Space()
  BlockSize block_size_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FILL_BUFFER_H_
