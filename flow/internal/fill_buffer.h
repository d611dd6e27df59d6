// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/fill_buffer.h
//
// The memory that reads fill, and that becomes the Cord which they return. Not
// for users of the library.
//
// Thread safety: none; it is the reader's.

#ifndef FLOW_INTERNAL_FILL_BUFFER_H_
#define FLOW_INTERNAL_FILL_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/cord_buffer.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

// FillBuffer
//
// One block at a time, of a size that follows how full the last ones were. A
// block that was filled is handed over as it is; of a short fill the bytes are
// copied out, so that they do not pin a block, and the block, which nobody else
// has seen, serves the next fill.
class FillBuffer {
 public:
  // Returns the memory to fill next, of at most `max_bytes`.
  absl::Span<char> Space(size_t max_bytes) {
    const size_t wanted = std::min(
        absl::CordBuffer::MaximumPayload(block_size_.get()), max_bytes);
    if (block_.capacity() < wanted) {
      block_ =
          absl::CordBuffer::CreateWithCustomLimit(block_size_.get(), wanted);
    }
    space_ = block_.available_up_to(wanted);
    return space_;
  }

  // Returns the first `filled` bytes of the last Space().
  absl::Cord Take(size_t filled) {
    block_size_.Update(filled, space_.size());
    if (filled > kMaxCopied) {
      absl::CordBuffer full = std::exchange(block_, absl::CordBuffer());
      full.IncreaseLengthBy(filled);
      absl::Cord cord;
      cord.Append(std::move(full));
      return cord;
    }
    absl::Cord cord(absl::string_view(space_.data(), filled));
    if (block_.capacity() > kMinBlock) Drop();
    return cord;
  }

  // Holds no memory any more; for one who has to wait.
  void Drop() { block_ = absl::CordBuffer(); }

 private:
  absl::CordBuffer block_;  // empty: of length 0
  absl::Span<char> space_;
  BlockSize block_size_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FILL_BUFFER_H_
