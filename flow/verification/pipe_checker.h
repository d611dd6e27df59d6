// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_checker.h
//
// Does the same operations to a PipeState and to a PipeModel, in one thread,
// and tells the first difference: in an outcome, a byte, a count, or in which
// waiting calls woke up. For tests.

#ifndef FLOW_VERIFICATION_PIPE_CHECKER_H_
#define FLOW_VERIFICATION_PIPE_CHECKER_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/internal/pipe_state.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {

// PipeChecker
//
// Stands between the operations and the state machine as flow::Flow does: what
// an end knows already it answers itself, the end of a write under way comes
// after it, Close() is the end, waiting, and leaving. Copies go on separately.
class PipeChecker {
 public:
  explicit PipeChecker(size_t capacity) : state_(capacity), model_(capacity) {}
  PipeChecker(const PipeChecker& other);
  PipeChecker& operator=(const PipeChecker&) = delete;

  // Whether a user may do this now: the end still exists, a call is under way
  // for a deadline to pass, none is under way for another one or destruction.
  bool IsLegal(PipeOperation operation) const;

  // Returns an error that tells the difference, if there is one.
  // Precondition: legal, and no difference so far.
  absl::Status Apply(PipeOperation operation);

  // Equal for two that will behave the same for ever.
  std::string Key() const;
  const PipeModel& model() const { return model_; }

 private:
  using Call = PipeModel::Call;
  using Outcome = PipeModel::Outcome;

  // What flow::Flow knows of an end.
  struct End {
    std::optional<size_t> read;                       // the Read that waits
    std::optional<internal::PipeState::Offer> offer;  // the write that waits
    bool closing = false;                             // the Close that waits
    bool awaiting = false;                            // ... in AwaitEnd()
    bool end_requested = false;
    bool end_sent = false;
    bool in_over = false;  // end-of-file, refused or broken
    std::optional<Outcome> in_error;
    std::optional<Outcome> out_error;
    std::optional<Outcome> aborted;
    std::optional<Outcome> closed;
    bool left = false;
    size_t bytes_read = 0;
    size_t bytes_written = 0;
  };

  static internal::PipeState::Side Side(int end) {
    return end == 0 ? internal::PipeState::kLeft : internal::PipeState::kRight;
  }
  static Outcome ToOutcome(const absl::Status& status);
  void Done(int end, Call call, Outcome outcome);

  // The calls of an end, as far as they go.
  void Read(int end);
  void Write(int end);
  void ShutdownWrite(int end);
  void SendEnd(int end, const absl::Status& outcome);
  void Abort(int end, Outcome local, const std::string& remote);
  void GoOnClosing(int end);
  absl::Status Leave(int end);
  void LeaveIfLast(int end);
  void Wake();

  absl::Status Compare(const Outcome& outcome, const Outcome& expected,
                       std::vector<PipeModel::Ended> expected_done);
  absl::Status Difference(absl::string_view got,
                          absl::string_view expected) const;

  internal::PipeState state_;
  PipeModel model_;
  std::array<End, 2> ends_;
  // Of the operation under way.
  internal::PipeState::Wakes wakes_ = 0;
  std::vector<PipeModel::Ended> done_;
  std::string difference_;
};

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_CHECKER_H_
