// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_ends_checker.h
//
// Does the same operations to the two ends of a real pipe and to a PipeModel,
// and tells the first difference. In one thread: deadlines are in the past, so
// what would block gives up at once. For tests.

#ifndef FLOW_VERIFICATION_PIPE_ENDS_CHECKER_H_
#define FLOW_VERIFICATION_PIPE_ENDS_CHECKER_H_

#include <array>
#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "flow/flow.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {

// Returns whether `status`, of a call that brought no data, is what was
// `expected`.
bool Matches(const absl::Status& status, const PipeModel::Outcome& expected);

// PipeEndsChecker
//
// A new pipe of `capacity`, and its model.
class PipeEndsChecker {
 public:
  explicit PipeEndsChecker(size_t capacity);

  // Whether this can be done now, in one thread: not at an end that was
  // destroyed, and no deadline of a call that waits, as none does.
  bool IsLegal(PipeOperation operation) const;

  // Returns an error that tells the difference, if there is one.
  // Precondition: legal, and no difference so far.
  absl::Status Apply(PipeOperation operation);

  const PipeModel& model() const { return model_; }

 private:
  PipeModel model_;
  std::array<std::unique_ptr<Flow>, 2> ends_;
};

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_ENDS_CHECKER_H_
