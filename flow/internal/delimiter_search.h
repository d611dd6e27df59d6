// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/delimiter_search.h
//
// Finds a string in bytes that come piece by piece, in one pass. Not for users
// of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_DELIMITER_SEARCH_H_
#define FLOW_INTERNAL_DELIMITER_SEARCH_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

// DelimiterSearch
//
// The search of Knuth, Morris and Pratt, which never goes back. So it does not
// look at a byte again when more bytes have come, and needs no more time for a
// delimiter that a remote has chosen.
class DelimiterSearch {
 public:
  // DelimiterSearch::SetDelimiter()
  //
  // Says what to look for. If it is another delimiter than before, the search
  // begins again. Precondition: `delimiter` is not empty.
  void SetDelimiter(absl::string_view delimiter);

  // DelimiterSearch::Find()
  //
  // Returns the size of the shortest front of `bytes` that ends in the
  // delimiter, or 0 if that is more than `limit`. Goes on where the last call
  // has stopped: since then `bytes` may only have grown, except as
  // RemovePrefix() says. Precondition: a delimiter was set.
  size_t Find(const absl::Cord& bytes, size_t limit);

  // Says that the first `n` bytes are gone.
  void RemovePrefix(size_t n);

 private:
  std::string delimiter_;
  // For each front of the delimiter, by its size less 1: the size of the
  // longest shorter front that it ends in.
  std::vector<size_t> fallback_;

  // No delimiter ends in the first `looked_at_` bytes, but its first `matched_`
  // bytes do. `matched_` is the most for which this holds.
  size_t looked_at_ = 0;
  size_t matched_ = 0;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_DELIMITER_SEARCH_H_
