// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/call_end.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/mutex_lock.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

using Answer = FlowState::Answer;

absl::StatusOr<size_t> ReadOutcome(const FlowCore& core, const Answer& answer)
    ABSL_SHARED_LOCKS_REQUIRED(core.mu()) {
  if (answer.kind == Answer::kError) return answer.error;
  if (answer.kind == Answer::kOk) return size_t{0};
  return ClosedError(absl::StrCat(core.Describe(), ": Read after Close()"));
}

}  // namespace

absl::Status WriteOutcome(const FlowCore& core, const Answer& answer) {
  if (answer.kind == Answer::kError) return answer.error;
  if (answer.kind == Answer::kOk) return absl::OkStatus();
  return ClosedError(
      absl::StrCat(core.Describe(), ": Write after ",
                   core.state().closing() ? "Close()" : "Shutdown(kWrite)"));
}

absl::Status ReadOfNothing(const FlowCore& core) {
  return absl::InvalidArgumentError(
      absl::StrCat(core.DebugString(), ": Read of at most 0 bytes"));
}

absl::StatusOr<size_t> ReadRefused(const FlowCore& core) {
  MutexLock lock(core.mu());
  if (!core.read_gate().shut()) {
    return absl::InvalidArgumentError(absl::StrCat(
        core.Describe(), ": Read while another Read is under way"));
  }
  return ReadOutcome(core, core.state().ReadAnswer());
}

absl::Status WriteRefused(const FlowCore& core) {
  MutexLock lock(core.mu());
  if (!core.write_gate().shut()) {
    return absl::InvalidArgumentError(absl::StrCat(
        core.Describe(), ": Write while another write is under way"));
  }
  return WriteOutcome(core, core.state().WriteAnswer());
}

absl::Status OddWrite(const FlowCore& core, size_t size) {
  if (size != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        core.DebugString(), ": Write of more than ", kMaxWrite, " bytes"));
  }
  // An empty one.
  if (!core.write_gate().shut()) return absl::OkStatus();
  MutexLock lock(core.mu());
  return WriteOutcome(core, core.state().WriteAnswer());
}

absl::StatusOr<size_t> FinishRead(FlowCore& core, absl::StatusOr<size_t> result,
                                  size_t max_bytes, bool passes) {
  bool is_lost = false;
  // A payload can be a user's, and run the user's code when it is freed.
  absl::StatusOr<size_t> discarded;
  {
    MutexLock lock(core.mu());
    const size_t size = result.value_or(size_t{0});
    if (!result.ok()) {
      result = core.InContext(
          absl::StrCat("Read at byte ", core.read_gate().bytes()),
          result.status());
    } else if (size > max_bytes && !passes) {
      result = absl::InternalError(absl::StrCat(core.Describe(),
                                                ": Read of at most ", max_bytes,
                                                " bytes was given ", size));
    }
    const std::optional<Answer> answer =
        core.state().FinishRead(size, result.status(), passes);
    if (answer.has_value()) {
      discarded = std::exchange(result, ReadOutcome(core, *answer));
      is_lost = size != 0 && core.state().aborted();
    } else {
      is_lost = core.state().closing() &&
                core.state().in() == FlowState::Direction::kBroken;
    }
  }
  if (is_lost) core.transport().LoseRead();
  core.Move([](FlowState& state) { state.EndRead(); });
  return result;
}

absl::Status FinishWrite(FlowCore& core, size_t size, size_t accepted,
                         absl::Status status) {
  absl::Status discarded;  // as in FinishRead()
  if (accepted > size) {
    status = absl::InternalError(
        absl::StrCat("more accepted (", accepted, ") than there was"));
    accepted = 0;
  }
  FlowCore::Task task;
  {
    MutexLock lock(core.mu());
    absl::Status cut;
    if (!status.ok()) {
      const std::string what = absl::StrCat(
          "Write of ", size, " bytes at byte ", core.write_gate().bytes(), ", ",
          accepted, " of them accepted");
      status = core.InContext(what, status);
      cut = absl::AbortedError(
          absl::StrCat(core.Describe(), ": ended in the middle of a ", what));
    }
    discarded = std::exchange(
        status,
        WriteOutcome(core, core.state().FinishWrite(accepted, status, cut)));
    core.state().EndWrite();
    task = core.TakeTask();
  }
  core.Run(std::move(task));
  return status;
}

void EndDisturbedRead(FlowCore& core) {
  core.Move([](FlowState& state) { state.EndRead(); });
}

void EndDisturbedWrite(FlowCore& core) {
  core.Move([](FlowState& state) { state.EndWrite(); });
}

void FinishReadOfCord(FlowCore& core, absl::StatusOr<absl::Cord>& data,
                      size_t max_bytes, bool passes) {
  // The transport may know of an end or an error that the Flow does not, and
  // have refused reads. For that a started Close() waits in another way.
  const bool may_be_refused = !data.ok() || (data->empty() && !passes);
  if (may_be_refused && core.pending_calls() != nullptr) {
    core.pending_calls()->TryAgain();
  }
  const absl::StatusOr<size_t> size = FinishRead(
      core, data.ok() ? absl::StatusOr<size_t>(data->size()) : data.status(),
      max_bytes, passes);
  if (!size.ok()) {
    data = size.status();
  } else if (!data.ok() || *size != data->size()) {
    data = absl::Cord();
  }
}

absl::StatusOr<absl::Cord> ReadOfCordRefused(FlowCore& core) {
  const absl::StatusOr<size_t> end = ReadRefused(core);
  if (!end.ok()) return end.status();
  return absl::Cord();
}

}  // namespace flow::internal
