// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/delimiter_search.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

void DelimiterSearch::SetDelimiter(absl::string_view delimiter) {
  if (delimiter == delimiter_) return;
  delimiter_.assign(delimiter.data(), delimiter.size());
  fallback_.assign(delimiter.size(), 0);
  size_t matched = 0;
  for (size_t i = 1; i < delimiter.size(); ++i) {
    while (matched > 0 && delimiter[i] != delimiter[matched]) {
      matched = fallback_[matched - 1];
    }
    if (delimiter[i] == delimiter[matched]) ++matched;
    fallback_[i] = matched;
  }
  looked_at_ = matched_ = 0;
}

size_t DelimiterSearch::Find(const absl::Cord& bytes, size_t limit) {
  limit = std::min(limit, bytes.size());
  if (looked_at_ >= limit) return 0;
  absl::Cord::CharIterator at = bytes.char_begin();
  absl::Cord::Advance(&at, looked_at_);
  while (looked_at_ < limit) {
    const absl::string_view piece =
        absl::Cord::ChunkRemaining(at).substr(0, limit - looked_at_);
    size_t i = 0;
    while (i < piece.size()) {
      if (matched_ == 0) {
        const void* first =
            std::memchr(piece.data() + i, delimiter_[0], piece.size() - i);
        if (first == nullptr) break;
        i = static_cast<size_t>(static_cast<const char*>(first) - piece.data());
      }
      while (matched_ > 0 && piece[i] != delimiter_[matched_]) {
        matched_ = fallback_[matched_ - 1];
      }
      if (piece[i] == delimiter_[matched_]) ++matched_;
      ++i;
      if (matched_ == delimiter_.size()) {
        // To be found again if it is not taken off.
        const size_t found = looked_at_ + i;
        looked_at_ = matched_ = 0;
        return found;
      }
    }
    looked_at_ += piece.size();
    absl::Cord::Advance(&at, piece.size());
  }
  return 0;
}

void DelimiterSearch::RemovePrefix(size_t n) {
  // A match that has begun in what is gone is looked for again: it is short.
  if (matched_ > 0 && n + matched_ > looked_at_) {
    looked_at_ = matched_ = 0;
  }
  looked_at_ -= std::min(looked_at_, n);
}

}  // namespace flow::internal
