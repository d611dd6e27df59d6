// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/planned_output.h
//
// The output of a function flow that does what a script says, and compares what
// it is shown with what is being written.

#ifndef FLOW_FUZZ_PLANNED_OUTPUT_H_
#define FLOW_FUZZ_PLANNED_OUTPUT_H_

#include <cstddef>
#include <deque>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "fuzz/script.h"

namespace flow::fuzz {

class PlannedOutput {
 public:
  enum class Shape { kByte, kBuffer, kList };
  static constexpr char kShapes[] = "byte|buffer|list";

  // What a call does; without a plan it takes all. `take` takes so many, but at
  // least 1. `lie` claims so many, and 1, more than there are. An output by the
  // buffer does neither, and takes all. The end is sent, unless the plan is to
  // fail or to be late.
  static constexpr char kWord[] = "output take|close|fail|late|lie SIZE";

  // Adds a call to the plan.
  void Plan(const Operation& operation);
  void Forget() { plan_.clear(); }

  // Makes the output, which refers to this.
  Output Make(Shape shape);

  // What is being written, and what of that was not taken. The bytes are those
  // of the caller. Whatever else is shown ends the program.
  void Begin(absl::string_view bytes) { rest_ = bytes; }
  absl::string_view rest() const { return rest_; }

  // How often it was called, and how often for the end.
  int calls() const { return calls_; }
  int ends() const { return ends_; }
  // What the last call has said, or kInternal if it has lied.
  const absl::Status& outcome() const { return outcome_; }

 private:
  enum class Kind { kTake, kClose, kFail, kLate, kLie };
  struct Step {
    Kind kind = Kind::kTake;
    size_t size = kNoLimit;
  };

  Step Next();
  absl::StatusOr<size_t> Consume(absl::Span<const absl::string_view> list);
  absl::Status Take(const absl::Cord& buffer);
  absl::Status End();

  std::deque<Step> plan_;
  absl::string_view rest_;
  int calls_ = 0;
  int ends_ = 0;
  absl::Status outcome_;
};

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_PLANNED_OUTPUT_H_
