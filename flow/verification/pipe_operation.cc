// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/pipe_operation.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

namespace flow::verification {
namespace {

using Kind = PipeOperation::Kind;

constexpr absl::string_view kEndNames[] = {"left", "right"};
constexpr absl::string_view kKindNames[] = {
    "read1",         "read",      "write0",        "write1",
    "write2",        "cord2",     "shutdown_read", "shutdown_write",
    "shutdown_both", "close",     "abort",         "destroy",
    "await_refusal", "late_read", "late_write",    "late_close",
    "late_refusal"};
static_assert(std::size(kKindNames) == PipeOperation::kKinds);

}  // namespace

absl::string_view EndName(int end) { return kEndNames[end]; }

std::vector<PipeOperation> AllPipeOperations() {
  std::vector<PipeOperation> operations;
  for (int end : {0, 1}) {
    for (int kind = 0; kind < PipeOperation::kKinds; ++kind) {
      operations.emplace_back();
      operations.back().end = end;
      operations.back().kind = static_cast<PipeOperation::Kind>(kind);
    }
  }
  return operations;
}

std::string ToString(const std::vector<PipeOperation>& operations) {
  return absl::StrJoin(operations, " ",
                       [](std::string* out, PipeOperation operation) {
                         absl::StrAppend(out, kEndNames[operation.end], ".",
                                         kKindNames[operation.kind]);
                       });
}

absl::StatusOr<std::vector<PipeOperation>> ParsePipeOperations(
    absl::string_view text) {
  std::vector<PipeOperation> operations;
  for (absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(word, absl::MaxSplits('.', 1));
    const auto* end =
        std::find(std::begin(kEndNames), std::end(kEndNames), parts.first);
    const auto* kind =
        std::find(std::begin(kKindNames), std::end(kKindNames), parts.second);
    if (end == std::end(kEndNames) || kind == std::end(kKindNames)) {
      return absl::InvalidArgumentError(
          absl::StrCat("not an operation of a pipe: ", word));
    }
    operations.emplace_back();
    operations.back().end = static_cast<int>(end - kEndNames);
    operations.back().kind = static_cast<Kind>(kind - kKindNames);
  }
  return operations;
}

size_t ReadSize(Kind kind) { return kind == Kind::kRead1 ? 1 : kNoLimit; }

size_t WriteSize(Kind kind) {
  if (kind == Kind::kWrite0) return 0;
  return kind == Kind::kWrite1 ? 1 : 2;
}

ShutdownMode ShutdownModeOf(Kind kind) {
  if (kind == Kind::kShutdownRead) return ShutdownMode::kRead;
  if (kind == Kind::kShutdownWrite) return ShutdownMode::kWrite;
  return ShutdownMode::kReadWrite;
}

std::string PipeBytes(int end, size_t begin, size_t size) {
  std::string bytes;
  for (size_t i = begin; i < begin + size; ++i) {
    bytes.push_back(static_cast<char>((end == 0 ? 'a' : 'A') + i % 26));
  }
  return bytes;
}

}  // namespace flow::verification
