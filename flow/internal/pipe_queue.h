// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/pipe_queue.h
//
// The bytes that one direction of a pipe has accepted and nobody has read. Not
// for users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_PIPE_QUEUE_H_
#define FLOW_INTERNAL_PIPE_QUEUE_H_

#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/byte_queue.h"

namespace flow::internal {

// PipeQueue
//
// A ByteQueue that gathers the last few bytes in memory of its own. A Cord
// looks for its end at each Append(), and that takes longer than to copy a
// small message. Here a Cord gets many of them at once. If they are read before
// they are that many, they were never in the queue's Cord at all.
class PipeQueue {
 public:
  bool empty() const { return size() == 0; }
  size_t size() const { return all_but_last_.size() + last_size_; }

  // Copies `bytes`. Precondition: they are at most kMaxCopied.
  void Append(absl::string_view bytes) {
    if (bytes.size() > sizeof(last_) - last_size_) Flush();
    std::memcpy(last_ + last_size_, bytes.data(), bytes.size());
    last_size_ += bytes.size();
  }

  // Takes `buffer` away only if it shares it. Otherwise the caller frees it.
  void Append(absl::Cord&& buffer) {
    if (buffer.size() > kMaxCopied || empty()) {
      Flush();
      all_but_last_.Append(std::move(buffer));
    } else {
      for (absl::string_view chunk : buffer.Chunks()) Append(chunk);
    }
  }

  // The bytes that are in buffers, in order: all but the last few.
  const absl::Cord& buffers() const { return all_but_last_.cord(); }

  // As those of ByteQueue.
  void CopyTail(size_t n) {
    Flush();
    all_but_last_.CopyTail(n);
  }
  void TakeTo(absl::Cord* taken, size_t n) {
    if (n == last_size_ && all_but_last_.empty()) {
      *taken = absl::string_view(last_, n);
      last_size_ = 0;
    } else {
      // Not sooner than needed: fewer bytes at a time need more memory.
      if (n > all_but_last_.size()) Flush();
      all_but_last_.TakeTo(taken, n);
    }
  }
  absl::Cord TakeAll() {
    Flush();
    return all_but_last_.TakeAll();
  }

  // Moves all the bytes to `space` and returns true, if these are `n`, and so
  // few that no Cord has them. Otherwise does nothing.
  bool TakeFew(char* space, size_t n) {
    if (n != last_size_ || !all_but_last_.empty()) return false;
    std::memcpy(space, last_, n);
    last_size_ = 0;
    return true;
  }

 private:
  void Flush() {
    if (last_size_ == 0) return;
    all_but_last_.Append(absl::string_view(last_, last_size_));
    last_size_ = 0;
  }

  ByteQueue all_but_last_;
  size_t last_size_ = 0;
  char last_[kMaxCopied + 1];
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_PIPE_QUEUE_H_
