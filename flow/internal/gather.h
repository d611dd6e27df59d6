// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/gather.h
//
// Copies borrowed buffers, which a Cord must own, together into few blocks. Not
// for users of the library.

#ifndef FLOW_INTERNAL_GATHER_H_
#define FLOW_INTERNAL_GATHER_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/cord_buffer.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

// Gatherer
//
// A list of borrowed buffers, taken from the front. It and the buffers must
// outlive this.
class Gatherer {
 public:
  explicit Gatherer(absl::Span<const absl::string_view> buffers)
      : next_(buffers.begin()) {
    for (absl::string_view buffer : buffers) remaining_ += buffer.size();
  }

  size_t remaining() const { return remaining_; }

  // Returns a copy of the next `max_bytes`, or of what remains, in blocks of
  // kMaxBlock and the rest.
  absl::Cord Take(size_t max_bytes) {
    absl::Cord result;
    size_t wanted = std::min(max_bytes, remaining_);
    while (wanted > 0) {
      const size_t size = std::min(wanted, kMaxBlock);
      result.Append(TakeBlock(size));
      wanted -= size;
    }
    return result;
  }

  // Copies the next bytes to `space`. Precondition: as many remain.
  void TakeInto(absl::Span<char> space) {
    remaining_ -= space.size();
    while (!space.empty()) {
      while (piece_.empty()) piece_ = *next_++;
      const size_t n = std::min(piece_.size(), space.size());
      std::memcpy(space.data(), piece_.data(), n);
      piece_.remove_prefix(n);
      space.remove_prefix(n);
    }
  }

 private:
  absl::Cord TakeBlock(size_t size) {
    if (size <= absl::CordBuffer::MaximumPayload()) {
      absl::CordBuffer block = absl::CordBuffer::CreateWithDefaultLimit(size);
      TakeInto(block.available_up_to(size));
      block.IncreaseLengthBy(size);
      absl::Cord result;
      result.Append(std::move(block));
      return result;
    }
    // An absl::CordBuffer is of no round size, and would be followed by another
    // one of a few bytes.
    std::unique_ptr<char[]> block(new char[size]);
    TakeInto(absl::MakeSpan(block.get(), size));
    const absl::string_view bytes(block.get(), size);
    return absl::MakeCordFromExternal(
        bytes, [owned = std::move(block)](absl::string_view) {});
  }

  const absl::string_view* next_;  // the first buffer not begun
  absl::string_view piece_;        // what is left of the one before it
  size_t remaining_ = 0;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_GATHER_H_
