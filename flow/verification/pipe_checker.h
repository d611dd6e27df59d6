// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_checker.h
//
// Does the same operations to the two ends of a pipe and to a PipeModel, in one
// thread, and tells the first difference: in an outcome, a byte, a count, or in
// which waiting calls woke up. The ends are the code that ships, two FlowStates
// around one PipeState; only the threads are missing. For tests.

#ifndef FLOW_VERIFICATION_PIPE_CHECKER_H_
#define FLOW_VERIFICATION_PIPE_CHECKER_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/pipe_state.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {

// PipeChecker
//
// Begins and ends calls as flow.cc does, runs what is due as flow_core.cc does,
// and runs it on the PipeState as pipe.cc does. Copies go on separately.
class PipeChecker {
 public:
  explicit PipeChecker(size_t capacity) : pipe_(capacity), model_(capacity) {}
  PipeChecker(const PipeChecker& other);
  PipeChecker& operator=(const PipeChecker&) = delete;

  // Whether a user may do this now: the end still exists, a call is under way
  // for a deadline to pass, none is under way for another one or destruction.
  bool IsLegal(PipeOperation operation) const;

  // Returns an error that tells the difference, if there is one.
  // Precondition: legal, and no difference so far.
  absl::Status Apply(PipeOperation operation);

  // Equal for two that will behave the same from here on.
  std::string Key() const;
  const PipeModel& model() const { return model_; }

 private:
  using Call = PipeModel::Call;
  using Outcome = PipeModel::Outcome;

  // One end, and its calls that wait.
  struct End {
    internal::FlowState state;
    std::optional<size_t> read;  // its `max_bytes`
    std::optional<internal::PipeState::Offer> offer;
    bool closing = false;
    bool awaiting = false;  // it is in AwaitRemoteEnd()
    bool left = false;      // Free() was called
    bool awaiting_refusal = false;
  };

  static internal::PipeState::Side Side(int end) {
    return end == 0 ? internal::PipeState::kLeft : internal::PipeState::kRight;
  }

  // Operations return kWaits for a call whose outcome is in `done_`, now or
  // later.
  Outcome Do(PipeOperation operation);
  Outcome BeginRead(int end, size_t max_bytes);
  Outcome BeginWrite(int end, PipeOperation::Kind kind);
  Outcome Shutdown(int end, ShutdownMode mode);
  Outcome Close(int end);
  void PassDeadlineOfClose(int end);
  Outcome BeginAwaitRefusal(int end);

  // The functions of the transport. They go as far as they can, and again when
  // they are woken.
  void Read(int end);
  void Write(int end);
  void AwaitRemoteEnd(int end);
  void AwaitRefusal(int end);
  absl::Status Perform(int end, const internal::FlowState::Due& due);

  void EndRead(int end, const absl::StatusOr<absl::Cord>& result);
  void EndWrite(int end, const absl::Status& status);
  void EndAwaitRefusal(int end, const absl::Status& status);
  void RunDue(int end);
  void Wake();

  // The same operation on the model.
  Outcome Expect(PipeOperation operation, std::vector<PipeModel::Ended>* ended);
  absl::Status Compare(const Outcome& outcome, const Outcome& expected,
                       std::vector<PipeModel::Ended> expected_done);
  absl::Status Difference(absl::string_view got,
                          absl::string_view expected) const;

  internal::PipeState pipe_;
  PipeModel model_;
  std::array<End, 2> ends_;
  // Of the operation under way.
  internal::PipeState::Wakes wakes_ = 0;
  std::vector<PipeModel::Ended> done_;
  std::string difference_;
};

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_CHECKER_H_
