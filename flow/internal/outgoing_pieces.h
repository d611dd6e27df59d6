// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/outgoing_pieces.h
//
// Takes a write apart, for a transport that hands it on in pieces. Not for
// users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_OUTGOING_PIECES_H_
#define FLOW_INTERNAL_OUTGOING_PIECES_H_

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"

namespace flow::internal {

// OutgoingPieces
//
// Copies nothing: what was borrowed is borrowed in the pieces, and everything
// else is shared as Cords.
class OutgoingPieces {
 public:
  // Takes the buffers of `data`, of which only Accept() may be used from then
  // on.
  explicit OutgoingPieces(const Outgoing& data) : left_(data.size()) {
    for (size_t i = 0; i < data.count(); ++i) {
      const Buffer buffer = data[i];
      if (buffer.size() == 0) continue;
      if (buffer.is_borrowed()) {
        borrows_ = true;
        rest_.push_back(Part{buffer.bytes(), absl::Cord()});
      } else {
        rest_.push_back(Part{absl::string_view(), buffer.TakeCord()});
      }
    }
  }
  OutgoingPieces(const OutgoingPieces&) = delete;
  OutgoingPieces& operator=(const OutgoingPieces&) = delete;

  // How many bytes are not part of a piece yet, and whether any were borrowed.
  size_t left() const { return left_; }
  bool borrows() const { return borrows_; }

  // Returns the next `max_bytes`, or what is left. They last until the next
  // call. Precondition: both are more than 0.
  Outgoing Next(size_t max_bytes) {
    piece_.clear();
    for (; max_bytes > 0 && first_ < rest_.size();) {
      Part& part = rest_[first_];
      const size_t n = std::min(max_bytes, part.size());
      piece_.push_back(part.Take(n));
      if (part.size() == 0) ++first_;
      max_bytes -= n;
      left_ -= n;
    }
    buffers_.clear();
    for (const Part& part : piece_) {
      buffers_.push_back(part.shared.empty() ? Buffer(part.borrowed)
                                             : Buffer(part.shared));
    }
    return buffers_.size() == 1 ? Outgoing(buffers_.front())
                                : Outgoing(absl::Span<const Buffer>(buffers_));
  }

  // Returns the first `n` bytes of the last piece, to keep: copied where they
  // are borrowed. Precondition: it has that many.
  absl::Cord Keep(size_t n) const {
    absl::Cord kept;
    for (const Part& part : piece_) {
      const size_t size = std::min(n, part.size());
      if (part.shared.empty()) {
        kept.Append(part.borrowed.substr(0, size));
      } else {
        kept.Append(part.shared.Subcord(0, size));
      }
      n -= size;
    }
    return kept;
  }

 private:
  // Bytes of one buffer. One of the two is empty.
  struct Part {
    size_t size() const { return borrowed.size() + shared.size(); }

    Part Take(size_t n) {
      if (n == size()) return std::exchange(*this, Part());
      if (shared.empty()) {
        const absl::string_view taken = borrowed.substr(0, n);
        borrowed.remove_prefix(n);
        return Part{taken, absl::Cord()};
      }
      absl::Cord taken = shared.Subcord(0, n);
      shared.RemovePrefix(n);
      return Part{absl::string_view(), std::move(taken)};
    }

    absl::string_view borrowed;
    absl::Cord shared;
  };

  absl::InlinedVector<Part, 2> rest_;
  size_t first_ = 0;  // of `rest_` that has bytes left
  size_t left_;
  bool borrows_ = false;
  absl::InlinedVector<Part, 2> piece_;
  absl::InlinedVector<Buffer, 2> buffers_;  // of `piece_`
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_OUTGOING_PIECES_H_
