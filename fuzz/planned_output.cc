// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/planned_output.h"

#include <algorithm>
#include <cstddef>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/status.h"
#include "fuzz/script.h"

namespace flow::fuzz {

void PlannedOutput::Plan(const Operation& operation) {
  plan_.push_back(
      {static_cast<Kind>(operation.numbers[0]), operation.numbers[1]});
}

Output PlannedOutput::Make(Shape shape) {
  const auto end = [this] { return End(); };
  switch (shape) {
    case Shape::kByte:
      return Output::Bytes(
          [this](absl::Span<const char> bytes) {
            return Consume({absl::string_view(bytes.data(), bytes.size())});
          },
          end);
    case Shape::kBuffer:
      return Output::Buffers(
          [this](const absl::Cord& buffer) { return Take(buffer); }, end);
    case Shape::kList:
      return Output::Lists(
          [this](absl::Span<const absl::string_view> list) {
            return Consume(list);
          },
          end);
  }
  return Output();
}

// Takes the next step of the plan, and sets `outcome_` to what it says.
PlannedOutput::Step PlannedOutput::Next() {
  ++calls_;
  Step step;
  if (!plan_.empty()) {
    step = plan_.front();
    plan_.pop_front();
  }
  switch (step.kind) {
    case Kind::kTake:
      outcome_ = absl::OkStatus();
      break;
    case Kind::kClose:
      outcome_ = ClosedError("refused");
      break;
    case Kind::kFail:
      outcome_ = absl::DataLossError("failed");
      break;
    case Kind::kLate:
      outcome_ = absl::DeadlineExceededError("late");
      break;
    case Kind::kLie:
      outcome_ = absl::InternalError("lied");
      break;
  }
  return step;
}

absl::StatusOr<size_t> PlannedOutput::Consume(
    absl::Span<const absl::string_view> list) {
  ABSL_CHECK_LE(list.size(), 1024u);
  size_t shown = 0;
  for (absl::string_view piece : list) {
    ABSL_CHECK(piece == rest_.substr(shown, piece.size()))
        << "not what is written";
    shown += piece.size();
  }
  ABSL_CHECK_GT(shown, 0u);
  const Step step = Next();
  if (step.kind == Kind::kClose) return size_t{0};
  if (step.kind == Kind::kLie) {
    return shown + 1 + std::min(step.size, kNoLimit - shown - 1);
  }
  if (!outcome_.ok()) return outcome_;
  const size_t taken = std::min(shown, std::max(step.size, size_t{1}));
  rest_.remove_prefix(taken);
  return taken;
}

absl::Status PlannedOutput::Take(const absl::Cord& buffer) {
  ABSL_CHECK(!buffer.empty());
  ABSL_CHECK(buffer == rest_.substr(0, buffer.size())) << "not what is written";
  if (Next().kind == Kind::kLie) outcome_ = absl::OkStatus();
  if (outcome_.ok()) rest_.remove_prefix(buffer.size());
  return outcome_;
}

absl::Status PlannedOutput::End() {
  ++ends_;
  const Kind kind = Next().kind;
  if (kind != Kind::kFail && kind != Kind::kLate) outcome_ = absl::OkStatus();
  return outcome_;
}

}  // namespace flow::fuzz
