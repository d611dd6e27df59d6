// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Long sequences of operations at both ends of a pipe: every outcome, byte,
// count and wake-up against a model that was written from the documentation
// (flow/verification/pipe_model.h). Short ones need no fuzzing: they are
// enumerated by pipe_state_exhaustive_test and pipe_exhaustive_test.
//
// The setting is the capacity. Operations that are not legal where they stand
// are skipped. Each script is run on the state machine, with calls that wait,
// on the real ends, where none does, and on real ends with started calls, which
// wait without a thread.
//
// A difference is told with its operations as text, such as
// `left.write2 right.close left.late_write`: put that into
// flow/verification/pipe_regression_test.cc, and the bug stays found.

#include <cstddef>
#include <vector>

#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "flow/flow.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_ends_checker.h"
#include "flow/verification/pipe_operation.h"
#include "flow/verification/pipe_started_checker.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::verification {
namespace {

// By the setting.
constexpr size_t kCapacities[] = {0, 1, 2, 3, 5, kNoLimit};

fuzz::Grammar Grammar() {
  fuzz::Grammar grammar;
  grammar.settings = "0|1|2|3|5|no_limit";
  for (PipeOperation operation : AllPipeOperations()) {
    grammar.words.emplace_back(grammar.words.size(), ToString({operation}));
  }
  grammar.max_operations = 100;
  return grammar;
}

PipeOperation ToPipeOperation(const fuzz::Operation& operation) {
  static const auto* const all =
      new std::vector<PipeOperation>(AllPipeOperations());
  return (*all)[static_cast<size_t>(operation.word)];
}

// Runs what is legal of `script`, and returns that.
template <typename Checker>
std::vector<fuzz::Operation> RunLegal(const fuzz::Script& script) {
  const size_t capacity = kCapacities[script.settings.numbers[0]];
  Checker checker(capacity);
  std::vector<fuzz::Operation> legal;
  for (const fuzz::Operation& operation : script.operations) {
    if (!checker.IsLegal(ToPipeOperation(operation))) continue;
    legal.push_back(operation);
    const absl::Status status = checker.Apply(ToPipeOperation(operation));
    if (!status.ok()) {
      std::vector<PipeOperation> operations;
      for (const fuzz::Operation& done : legal) {
        operations.push_back(ToPipeOperation(done));
      }
      ABSL_LOG(FATAL) << "capacity " << capacity << ": " << ToString(operations)
                      << ": " << status.message();
    }
  }
  return legal;
}

void Run(const fuzz::Script& script) {
  RunLegal<PipeChecker>(script);
  RunLegal<PipeEndsChecker>(script);
  RunLegal<PipeStartedChecker>(script);
}

void Tidy(fuzz::Script& script) {
  script.operations = RunLegal<PipeChecker>(script);
}

const fuzz::Registration kTarget("close_order_fuzz", Grammar(), Run, Tidy);

}  // namespace
}  // namespace flow::verification
