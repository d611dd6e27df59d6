// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: buffer_list.h
//
// A list of buffers as an Input, and a list of memories as a bounded Output:
// what the adapters for strings, Cords and Cstructs have in common. Not for
// users of the library.

#ifndef FLOW_BUFFER_LIST_H_
#define FLOW_BUFFER_LIST_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/function_flow.h"

namespace flow::internal {

// InputList
//
// An Input that hands over one buffer of `buffers` after the other, each as
// `to_cord(Buffer&&)`. Empty ones are skipped, each is given up when it is
// handed over, and handing n of them over is O(n).
template <typename Buffer, typename ToCord>
Input InputList(std::vector<Buffer> buffers, ToCord to_cord) {
  return Input::Buffers([buffers = std::move(buffers), next = size_t{0},
                         to_cord]() mutable -> absl::StatusOr<absl::Cord> {
    while (next < buffers.size()) {
      // Taken out of the list, so that it is gone once it was copied.
      Buffer buffer = std::move(buffers[next++]);
      absl::Cord cord = to_cord(std::move(buffer));
      if (!cord.empty()) return cord;
    }
    buffers.clear();
    next = 0;
    return absl::Cord();
  });
}

// OutputList
//
// An Output that fills one memory of `memories`, as shown by
// `to_span(Memory&)`, after the other, and takes no more when all are full.
template <typename Memory, typename ToSpan>
Output OutputList(std::vector<Memory> memories, ToSpan to_span) {
  return Output::Lists(
      [memories = std::move(memories), current = size_t{0}, used = size_t{0},
       to_span](absl::Span<const absl::string_view> list) mutable
          -> absl::StatusOr<size_t> {
        size_t taken = 0;
        for (absl::string_view piece : list) {
          while (!piece.empty()) {
            if (current == memories.size()) return taken;
            const absl::Span<char> space = to_span(memories[current]);
            const size_t n = std::min(piece.size(), space.size() - used);
            if (n != 0) std::memcpy(space.data() + used, piece.data(), n);
            used += n;
            taken += n;
            piece.remove_prefix(n);
            if (used < space.size()) break;
            ++current;
            used = 0;
          }
        }
        return taken;
      });
}

}  // namespace flow::internal

#endif  // FLOW_BUFFER_LIST_H_
