// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_operation.h
//
// What can be done at the two ends of a pipe, as values: to enumerate, to fuzz,
// and to write down as text. For tests.

#ifndef FLOW_VERIFICATION_PIPE_OPERATION_H_
#define FLOW_VERIFICATION_PIPE_OPERATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

namespace flow::verification {

// PipeOperation
//
// Something that a user can do at one end.
struct PipeOperation {
  enum Kind : uint8_t {
    kRead1,    // Read(1)
    kReadAll,  // Read()
    kWrite0,   // an empty write
    kWrite1,   // of borrowed bytes
    kWrite2,
    kCord2,  // of a buffer to share
    kShutdownRead,
    kShutdownWrite,
    kShutdownBoth,
    kClose,
    kAbort,
    kDestroy,
    kAwaitRefusal,
    kLateRead,  // the deadline of the Read that waits passes
    kLateWrite,
    kLateClose,
    kLateRefusal,
  };
  static constexpr int kKinds = kLateRefusal + 1;

  int end = 0;  // 0: left, 1: right
  Kind kind = kRead1;
};

// Operations as text, one after the other: `left.write2 right.read1 ...`.
std::string ToString(const std::vector<PipeOperation>& operations);
absl::StatusOr<std::vector<PipeOperation>> ParsePipeOperations(
    absl::string_view text);

// Every operation at either end.
std::vector<PipeOperation> AllPipeOperations();

// The sizes that `kind` reads or writes, and the mode in which it shuts down.
// Precondition of the last: it does.
size_t ReadSize(PipeOperation::Kind kind);
size_t WriteSize(PipeOperation::Kind kind);
ShutdownMode ShutdownModeOf(PipeOperation::Kind kind);

// Bytes `begin`, `begin + 1`, ... of what `end` writes.
std::string PipeBytes(int end, size_t begin, size_t size);

// The name of an end: `left` or `right`.
absl::string_view EndName(int end);

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_OPERATION_H_
