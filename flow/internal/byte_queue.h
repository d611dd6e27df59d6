// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/byte_queue.h
//
// A queue of bytes in a Cord: append at the back, take from the front. Not for
// users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_BYTE_QUEUE_H_
#define FLOW_INTERNAL_BYTE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/cord_buffer.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"

namespace flow::internal {

// ByteQueue
//
// Copies small pieces and shares others. Its memory stays in proportion to the
// bytes. A plain absl::Cord starts a block of up to 4 KiB for each small piece
// that comes after a shared buffer; if the two alternate, nearly all of that
// stays empty.
class ByteQueue {
 public:
  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }

  // The bytes, in order.
  const absl::Cord& cord() const { return bytes_; }

  void Append(absl::string_view bytes) {
    // Without a shared buffer the Cord grows by a tenth at a time.
    if (shares_) {
      AppendTail(bytes);
    } else {
      bytes_.Append(bytes);
    }
  }

  // Takes `buffer` away only if it shares it. Otherwise the caller frees it.
  void Append(absl::Cord&& buffer) {
    if (buffer.size() > kMaxCopied) {
      shares_ = true;
      copied_ = 0;
    } else if (shares_) {
      for (absl::string_view chunk : buffer.Chunks()) AppendTail(chunk);
      return;
    }
    bytes_.Append(std::move(buffer));
  }

  // Copies the last `n` bytes, so that they keep no larger buffer in memory.
  // Precondition: there are that many.
  void CopyTail(size_t n) {
    const absl::Cord tail = bytes_.Subcord(bytes_.size() - n, n);
    bytes_.RemoveSuffix(n);
    for (absl::string_view chunk : tail.Chunks()) Append(chunk);
  }

  // Removes the first `n` bytes and returns them. They may be a part of a
  // larger buffer (compact.h). Precondition: there are that many.
  absl::Cord Take(size_t n) {
    absl::Cord taken;
    TakeTo(&taken, n);
    return taken;
  }

  // The same, to a Cord of the caller.
  void TakeTo(absl::Cord* taken, size_t n) {
    copied_ = 0;
    if (n == bytes_.size()) {
      shares_ = false;
      *taken = std::move(bytes_);
      bytes_ = absl::Cord();
    } else {
      *taken = bytes_.Subcord(0, n);
      bytes_.RemovePrefix(n);
    }
  }
  absl::Cord TakeAll() { return Take(bytes_.size()); }

 private:
  // Appends to the last block, or to a new one as large as everything that was
  // copied in a row. So at least half of these blocks together is used.
  void AppendTail(absl::string_view bytes) {
    while (!bytes.empty()) {
      const size_t wanted = std::max({bytes.size(), copied_, kSmallestTail});
      absl::CordBuffer tail =
          bytes_.GetAppendBuffer(wanted, /*min_capacity=*/1);
      const absl::Span<char> space = tail.available_up_to(bytes.size());
      std::memcpy(space.data(), bytes.data(), space.size());
      tail.IncreaseLengthBy(space.size());
      bytes_.Append(std::move(tail));
      bytes.remove_prefix(space.size());
      copied_ += space.size();
    }
  }

  // A Cord copies a smaller CordBuffer into a block of its own choice.
  static constexpr size_t kSmallestTail = 16;

  absl::Cord bytes_;
  bool shares_ = false;  // a buffer that is not small was appended
  size_t copied_ = 0;    // in a row, since then
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_BYTE_QUEUE_H_
