// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/copied_bytes.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace flow::testing {
namespace {

// Walks over the chunks of a Cord.
class Cursor {
 public:
  explicit Cursor(const absl::Cord& cord) : it_(cord.char_begin()) {}

  absl::string_view rest_of_chunk() const {
    return absl::Cord::ChunkRemaining(it_);
  }
  void Advance(size_t n) { absl::Cord::Advance(&it_, n); }

 private:
  absl::Cord::CharIterator it_;
};

// Walks over contiguous bytes.
class FlatCursor {
 public:
  explicit FlatCursor(absl::string_view rest) : rest_(rest) {}

  absl::string_view rest_of_chunk() const { return rest_; }
  void Advance(size_t n) { rest_.remove_prefix(n); }

 private:
  absl::string_view rest_;
};

template <typename Before>
size_t Count(Before before, const absl::Cord& cord) {
  Cursor after(cord);
  size_t copied = 0;
  for (size_t remaining = cord.size(); remaining > 0;) {
    const absl::string_view a = before.rest_of_chunk();
    const absl::string_view b = after.rest_of_chunk();
    const size_t n = std::min(a.size(), b.size());
    if (a.data() != b.data()) copied += n;
    before.Advance(n);
    after.Advance(n);
    remaining -= n;
  }
  return copied;
}

}  // namespace

size_t CopiedBytes(const absl::Cord& before, const absl::Cord& after) {
  if (before.size() != after.size()) std::abort();
  return Count(Cursor(before), after);
}

size_t CopiedBytes(absl::string_view before, const absl::Cord& after) {
  if (before.size() != after.size()) std::abort();
  return Count(FlatCursor(before), after);
}

}  // namespace flow::testing
