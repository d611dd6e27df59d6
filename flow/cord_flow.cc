// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cord_flow.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/buffer_list.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/compact.h"

namespace flow {
namespace {

// Returns one `pattern`, or as many as fit into a block and are needed.
absl::Cord Repeated(absl::Cord pattern, int64_t n) {
  size_t count = internal::kMaxBlock / pattern.size();
  if (count <= 1) return pattern;
  // One more than there are in `n`, which may be the largest number.
  const uint64_t whole = static_cast<uint64_t>(n) / pattern.size();
  count = static_cast<size_t>(std::min(uint64_t{count}, whole + 1));
  std::string block;
  block.reserve(count * pattern.size());
  for (size_t i = 0; i < count; ++i) absl::AppendCordToString(pattern, &block);
  return absl::Cord(std::move(block));
}

}  // namespace

Input InputCord(absl::Cord data) {
  return Input::Buffers(
      [data = std::move(data)]() mutable -> absl::StatusOr<absl::Cord> {
        return std::exchange(data, absl::Cord());
      });
}

Input InputCords(std::vector<absl::Cord> data) {
  return internal::InputList(std::move(data),
                             [](absl::Cord&& cord) { return std::move(cord); });
}

Input InputRepeated(absl::Cord pattern, int64_t n) {
  ABSL_CHECK(!pattern.empty()) << "InputRepeated() of nothing";
  n = std::max(n, int64_t{0});
  return Input::Buffers(
      [block = Repeated(std::move(pattern), n), at = size_t{0},
       left = static_cast<uint64_t>(n)](
          size_t max_bytes) mutable -> absl::StatusOr<absl::Cord> {
        const size_t size = static_cast<size_t>(
            std::min({uint64_t{block.size() - at}, uint64_t{max_bytes}, left}));
        absl::Cord part = internal::Compact(block.Subcord(at, size));
        at = (at + size) % block.size();
        left -= size;
        return part;
      });
}

Output OutputDiscarded() {
  return Output::Lists(
      [](absl::Span<const absl::string_view> list) -> absl::StatusOr<size_t> {
        size_t size = 0;
        for (absl::string_view piece : list) size += piece.size();
        return size;
      });
}

Output OutputCord(absl::Cord* sink) {
  ABSL_CHECK(sink != nullptr) << "OutputCord(nullptr)";
  return Output::Buffers([sink](absl::Cord buffer) -> absl::Status {
    sink->Append(std::move(buffer));
    return absl::OkStatus();
  });
}

std::unique_ptr<Flow> MakeCordFlow(absl::Cord input, absl::Cord* output) {
  std::vector<absl::Cord> list;
  list.push_back(std::move(input));
  return MakeCordFlow(std::move(list), output);
}

std::unique_ptr<Flow> MakeCordFlow(std::vector<absl::Cord> input,
                                   absl::Cord* output) {
  FunctionFlowOptions options;
  options.name = "cord";
  options.input = InputCords(std::move(input));
  options.output = OutputCord(output);
  return MakeFunctionFlow(std::move(options));
}

}  // namespace flow
