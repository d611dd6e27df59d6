// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a core says about itself, and how errors get and lose that context.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/escaped.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/mutex_lock.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

using Direction = FlowState::Direction;
using ClosePhase = FlowState::ClosePhase;

absl::Status WithPayloadsOf(const absl::Status& from, absl::Status to) {
  from.ForEachPayload(
      [&to](absl::string_view type_url, const absl::Cord& payload) {
        to.SetPayload(type_url, payload);
      });
  return to;
}

}  // namespace

absl::Status Lasting(absl::Status status) {
  if (!absl::IsDeadlineExceeded(status)) return status;
  return WithPayloadsOf(status, absl::AbortedError(status.message()));
}

absl::Status WithoutContext(absl::string_view name,
                            const absl::Status& status) {
  static constexpr absl::string_view kStateEnd = "]: ";
  static constexpr absl::string_view kTriedEnd = ": ";
  // `NAME [STATE]: TRIED: CAUSE`, or a flow's own error: `NAME [STATE]: CAUSE`.
  absl::string_view rest = status.message();
  if (!absl::ConsumePrefix(&rest, absl::StrCat(name, " [in: "))) return status;
  const size_t state_end = rest.find(kStateEnd);
  if (state_end == absl::string_view::npos) return status;
  rest.remove_prefix(state_end + kStateEnd.size());
  const size_t tried_end = rest.find(kTriedEnd);
  if (tried_end != absl::string_view::npos) {
    rest.remove_prefix(tried_end + kTriedEnd.size());
  }
  return WithPayloadsOf(status, absl::Status(status.code(), rest));
}

absl::string_view FlowCore::CloseWaitsFor() const {
  // CloseAfterRead() has not come to Close() yet.
  if (!state_.closing()) return "another thread to read to the end";
  switch (state_.close_phase()) {
    case ClosePhase::kNothing:
    case ClosePhase::kSignal:
      break;
    case ClosePhase::kRemote:
      return transport_->IsLent() ? "the rest of what it was lent"
                                  : "the remote to end its direction";
    case ClosePhase::kTransit:
      return "the remote to take what is in transit";
    case ClosePhase::kCalls:
      return "a call that is under way";
  }
  return "a write, or for the end to be sent";
}

std::string FlowCore::Name() const { return Escaped(transport_->Describe()); }

std::string FlowCore::Describe() const {
  const auto text = [this](Direction direction) {
    mu_.AssertReaderHeld();
    if (direction == Direction::kBroken) return "broken";
    if (state_.aborted()) return "aborted";
    if (state_.closed().has_value()) return "closed";
    if (direction == Direction::kRefused) return "refused";
    if (direction == Direction::kEnded) return "ended";
    return "open";
  };
  return absl::StrCat(Name(), " [in: ", text(state_.in()), ", ",
                      read_gate().bytes(), " bytes; out: ", text(state_.out()),
                      ", ", write_gate().bytes(), " bytes]");
}

std::string FlowCore::DebugString() const {
  MutexLock lock(mu_);
  std::string text = Describe();
  if (read_gate().busy()) text += ", in Read()";
  if (write_gate().busy()) text += ", in a write";
  if (awaits_refusal_) text += ", in AwaitRefusal()";
  if (closers_ != 0) {
    absl::StrAppend(&text, ", in Close() waiting for ", CloseWaitsFor());
  }
  return text;
}

absl::Status FlowCore::InContext(absl::string_view what,
                                 const absl::Status& status) const {
  return WithPayloadsOf(
      status,
      absl::Status(status.code(), absl::StrCat(Describe(), ": ", what, ": ",
                                               status.message())));
}

}  // namespace flow::internal
