// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_started_checker.h
//
// Does the same operations to the two ends of a real pipe and to a PipeModel,
// and tells the first difference. Every read, write and close is a started
// operation (docs/started.md), so calls can wait although there is one thread.
// For tests.

#ifndef FLOW_VERIFICATION_PIPE_STARTED_CHECKER_H_
#define FLOW_VERIFICATION_PIPE_STARTED_CHECKER_H_

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/operation.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {

// PipeStartedChecker
//
// A new pipe of `capacity` whose ends have an engine, and its model. After each
// operation the engine runs until it has nothing to do.
class PipeStartedChecker {
 public:
  explicit PipeStartedChecker(size_t capacity);
  // Aborts what is left.
  ~PipeStartedChecker();
  PipeStartedChecker(const PipeStartedChecker&) = delete;
  PipeStartedChecker& operator=(const PipeStartedChecker&) = delete;

  // Whether a user may do this now, as of PipeChecker, and it can be started:
  // no AwaitRefusal().
  bool IsLegal(PipeOperation operation) const;

  // Returns an error that tells the difference, if there is one: an outcome, a
  // byte, a count, a call that is over too early, too late, or told twice.
  // Precondition: legal, and no difference so far.
  absl::Status Apply(PipeOperation operation);

  const PipeModel& model() const { return model_; }

 private:
  using Call = PipeModel::Call;
  using Outcome = PipeModel::Outcome;

  // A call of one kind, of one end.
  template <typename Operation>
  struct Started final : Operation {
    void Done() override { ++done; }
    int starts = 0;  // that have returned false
    int done = 0;
    bool is_over = false;  // since the last look
  };
  struct End {
    std::unique_ptr<Flow> flow;
    Started<ReadOperation> read;
    Started<WriteOperation> write;
    Started<CloseOperation> close;
    Started<CloseOperation> late_close;
  };

  // The operation on the model.
  Outcome Expect(PipeOperation operation,
                 std::vector<PipeModel::Ended>* expected);
  // The same on the real ends. Returns the status of what cannot be started.
  absl::Status Do(PipeOperation operation);
  template <typename Operation>
  static void Begin(Started<Operation>& call, bool is_over);
  // Whether `call` was over since the last look. Not Ok: it was told wrongly.
  template <typename Operation>
  static absl::StatusOr<bool> Look(Started<Operation>& call);
  // Compares the outcome of a call that is over.
  absl::Status Compare(const PipeModel::Ended& expected);
  absl::Status CompareAll(const std::vector<PipeModel::Ended>& expected);

  testing::ManualEngine engine_;
  PipeModel model_;
  std::array<End, 2> ends_;
};

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_STARTED_CHECKER_H_
