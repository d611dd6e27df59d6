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
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/shared_block.h"
#include "flow/internal/spare_block.h"

namespace flow::internal {

// FillBuffer
//
// Holds one block at a time. Its size follows how full the last blocks were.
// What is read pins at most twice its size: a block that is more than half full
// is handed over as it is. From any other block the bytes are copied. If it is
// a small one, which nobody else has seen, it serves the next fill. So does a
// block that was handed over, once the Cords that had it are gone.
//
// Blocks have round sizes, so that records of round sizes, as in an archive,
// are not cut. An absl::CordBuffer cannot have a round size.
class FillBuffer {
 public:
  FillBuffer() = default;
  FillBuffer(const FillBuffer&) = delete;
  FillBuffer& operator=(const FillBuffer&) = delete;
  ~FillBuffer() { Drop(); }

  // Returns the memory to fill next, of at most `max_bytes`. Returns nullopt if
  // there is none; the error for that is NoMemory().
  std::optional<absl::Span<char>> Space(size_t max_bytes) {
    const size_t wanted = std::min(block_size_.get(), max_bytes);
    if (ABSL_PREDICT_FALSE(!CanHold(wanted)) && !Allocate(wanted)) {
      return std::nullopt;
    }
    offered_ = static_cast<uint32_t>(wanted);
    return absl::MakeSpan(block_->bytes(), wanted);
  }

  static absl::Status NoMemory();

  // Returns the first `filled` bytes of the last Space(), in the form in which
  // a transport does: the Cord is made where the caller wants it.
  absl::StatusOr<absl::Cord> Take(size_t filled) {
    block_size_.Update(filled, offered_);
    if (IsWellUsed(filled)) return Share(filled);
    if (ABSL_PREDICT_FALSE(block_->capacity() > kMinBlock)) {
      return CopyAndDrop(filled);
    }
    if (filled > kMaxCheapNode) return CopyToSpare(filled);
    return absl::StatusOr<absl::Cord>(
        std::in_place, absl::string_view(block_->bytes(), filled));
  }

  // Releases the memory. For a reader that has to wait.
  void Drop() {
    if (block_ != nullptr) std::exchange(block_, nullptr)->Release();
    spare_.Drop();
  }

 private:
  // Up to this many bytes, the node of a Cord comes from what malloc of glibc
  // keeps for each thread. Above, it is three times as expensive.
  static constexpr size_t kMaxCheapNode = 1000;

  // Returns whether nobody else has the block, and it has `wanted` bytes.
  bool CanHold(size_t wanted) const {
    return block_ != nullptr && block_->capacity() >= wanted &&
           block_->is_alone();
  }

  // Returns whether the block may be handed over, with the nodes that this
  // needs.
  bool IsWellUsed(size_t filled) const {
    return filled >= block_->capacity() / 2 + size_t{128};
  }

  bool Allocate(size_t wanted);
  absl::Cord Share(size_t filled);
  absl::Cord CopyAndDrop(size_t filled);
  absl::Cord CopyToSpare(size_t filled);

  SharedBlock* block_ = nullptr;
  SpareBlock spare_;      // for what is copied out of it
  uint32_t offered_ = 0;  // of it, by the last Space()
  BlockSize block_size_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FILL_BUFFER_H_
