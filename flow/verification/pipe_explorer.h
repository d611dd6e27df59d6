// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_explorer.h
//
// Visits every state that operations at both ends of a pipe can lead to. For
// tests, and for the picture in docs/.

#ifndef FLOW_VERIFICATION_PIPE_EXPLORER_H_
#define FLOW_VERIFICATION_PIPE_EXPLORER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {

// PipeExploration
struct PipeExploration {
  // The first difference between the state machine and the model, with a
  // shortest sequence of operations that shows it; ends the exploration.
  absl::Status status;
  size_t states = 0;
  int64_t steps = 0;    // operations tried, each in one state
  size_t length = 0;    // of the longest sequence needed
  bool closed = false;  // no operation leads to a state not seen

  // [n]: how many sequences of exactly n operations have so been checked, for
  // n up to `length`. Of a closed exploration all longer ones have been, too.
  std::vector<double> sequences;
};

// ExplorePipe()
//
// Tries every legal operation in every state that sequences of less than
// `max_length` operations lead to, starting from a new pipe. States in which
// everything goes on in the same way count as one. Calls `step` with the two
// states of each step, if it is given.
PipeExploration ExplorePipe(
    size_t capacity, size_t max_length,
    absl::FunctionRef<void(const PipeChecker& before, PipeOperation operation,
                           const PipeChecker& after)>
        step = [](const PipeChecker&, PipeOperation, const PipeChecker&) {});

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_EXPLORER_H_
