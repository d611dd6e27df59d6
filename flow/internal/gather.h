// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/gather.h
//
// Copies borrowed buffers together into a few blocks that a Cord can own. Not
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
#include "flow/outgoing.h"

namespace flow::internal {

// Gatherer
//
// Takes bytes from the front of the borrowed buffers of `data`, from index
// `first` to before `end`. The buffers must outlive this.
class Gatherer {
 public:
  Gatherer(const Outgoing& data, size_t first, size_t end)
      : data_(data), next_(first) {
    for (size_t i = first; i < end; ++i) remaining_ += data[i].size();
  }

  size_t remaining() const { return remaining_; }

  // Returns a copy of the next `max_bytes`, or of what remains, in blocks of
  // kMaxBlock, of which the last one may be smaller.
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

  // Copies the next bytes to `space`. Precondition: that many remain.
  void TakeInto(absl::Span<char> space) {
    remaining_ -= space.size();
    while (!space.empty()) {
      while (piece_.empty()) piece_ = data_[next_++].bytes();
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
    // An absl::CordBuffer cannot have a round size. Another one with a few
    // bytes would have to follow.
    std::unique_ptr<char[]> block(new char[size]);
    TakeInto(absl::MakeSpan(block.get(), size));
    const absl::string_view bytes(block.get(), size);
    return absl::MakeCordFromExternal(
        bytes, [owned = std::move(block)](absl::string_view) {});
  }

  const Outgoing& data_;
  size_t next_;              // the first buffer not begun
  absl::string_view piece_;  // what is left of the one before it
  size_t remaining_ = 0;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_GATHER_H_
