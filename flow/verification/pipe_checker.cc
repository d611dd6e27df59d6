// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/pipe_checker.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/pipe_state.h"
#include "flow/status.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {
namespace {

using internal::FlowState;
using internal::Gate;
using internal::PipeState;
using Hook = FlowState::Hook;
using Kind = PipeOperation::Kind;
using Outcome = PipeModel::Outcome;

void Sort(std::vector<PipeModel::Ended>& ended) {
  std::sort(ended.begin(), ended.end(),
            [](const PipeModel::Ended& a, const PipeModel::Ended& b) {
              return std::tie(a.end, a.call) < std::tie(b.end, b.call);
            });
}

bool Equal(const std::vector<PipeModel::Ended>& a,
           const std::vector<PipeModel::Ended>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const PipeModel::Ended& a, const PipeModel::Ended& b) {
                      return a.end == b.end && a.call == b.call &&
                             a.outcome == b.outcome;
                    });
}

std::string Describe(const std::vector<PipeModel::Ended>& ended) {
  static constexpr absl::string_view kCalls[] = {"Read", "Write", "Close",
                                                 "AwaitRefusal"};
  return absl::StrJoin(ended, ", ",
                       [](std::string* out, const PipeModel::Ended& e) {
                         absl::StrAppend(out, EndName(e.end), ".",
                                         kCalls[static_cast<int>(e.call)],
                                         " = ", e.outcome.ToString());
                       });
}

Outcome ToOutcome(const absl::Status& status) {
  if (status.ok()) return Outcome::Of(Outcome::kOk);
  if (IsClosed(status)) return Outcome::Of(Outcome::kClosed);
  if (absl::IsDeadlineExceeded(status)) return Outcome::Of(Outcome::kLate);
  return Outcome::Reason(std::string(status.message()));
}

// `ok` is what a call gets whose answer is kOk.
Outcome ToOutcome(const FlowState::Answer& answer, Outcome::Kind ok) {
  switch (answer.kind) {
    case FlowState::Answer::kOk:
      return Outcome::Of(ok);
    case FlowState::Answer::kClosed:
      return Outcome::Of(Outcome::kClosed);
    case FlowState::Answer::kError:
      break;
  }
  return ToOutcome(answer.error);
}

std::string AbortReason(int end) {
  return absl::StrCat(EndName(end), " aborts");
}

absl::Status Late() { return absl::DeadlineExceededError("late"); }

// One byte of PipeBytes() that stays where it is.
absl::string_view Borrowed(int end, size_t begin) {
  static const auto* const kBytes =
      new std::string[2]{PipeBytes(0, 0, 26), PipeBytes(1, 0, 26)};
  return absl::string_view(kBytes[end]).substr(begin % 26, 1);
}

}  // namespace

PipeChecker::PipeChecker(const PipeChecker& other)
    : pipe_(other.pipe_), model_(other.model_), ends_(other.ends_) {
  // A write that waits shows its offer again, now that of this copy.
  for (int end : {0, 1}) {
    if (ends_[end].offer.has_value()) {
      pipe_.Write(Side(end), &*ends_[end].offer, &wakes_);
    }
  }
}

bool PipeChecker::IsLegal(PipeOperation operation) const {
  const int end = operation.end;
  if (model_.destroyed(end)) return false;
  const bool reads = model_.Waits(end, Call::kRead);
  const bool writes = model_.Waits(end, Call::kWrite);
  const bool closes = model_.Waits(end, Call::kClose);
  const bool awaits_refusal = model_.Waits(end, Call::kAwaitRefusal);
  switch (operation.kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      return !reads;
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2:
      return !writes;
    case Kind::kClose:
      return !closes;
    case Kind::kDestroy:
      return !reads && !writes && !closes && !awaits_refusal;
    case Kind::kAwaitRefusal:
      return !awaits_refusal;
    case Kind::kLateRead:
      return reads;
    case Kind::kLateWrite:
      return writes;
    case Kind::kLateClose:
      return closes;
    case Kind::kLateRefusal:
      return awaits_refusal;
    default:
      return true;
  }
}

// --- Operations

absl::Status PipeChecker::Apply(PipeOperation operation) {
  done_.clear();
  difference_.clear();
  std::vector<PipeModel::Ended> expected_done;
  const Outcome expected = Expect(operation, &expected_done);
  const Outcome outcome = Do(operation);
  Wake();
  return Compare(outcome, expected, std::move(expected_done));
}

Outcome PipeChecker::Do(PipeOperation operation) {
  const int end = operation.end;
  const Kind kind = operation.kind;
  End& e = ends_[end];
  switch (kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      return BeginRead(end, ReadSize(kind));
    case Kind::kWrite0:
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2:
      return BeginWrite(end, kind);
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth:
      return Shutdown(end, ShutdownModeOf(kind));
    case Kind::kClose:
      return Close(end);
    case Kind::kAbort:
      e.state.Abort(absl::AbortedError(AbortReason(end)));
      RunDue(end);
      break;
    case Kind::kDestroy:
      e.state.Destroy(absl::AbortedError(PipeModel::kDestroyed));
      RunDue(end);
      break;
    case Kind::kAwaitRefusal:
      return BeginAwaitRefusal(end);
    case Kind::kLateRead:
      pipe_.Stop(PipeState::Reader(Side(end)));
      EndRead(end, Late());
      break;
    case Kind::kLateWrite:
      pipe_.Stop(PipeState::Writer(Side(end)));
      EndWrite(end, Late());
      break;
    case Kind::kLateClose:
      PassDeadlineOfClose(end);
      break;
    case Kind::kLateRefusal:
      pipe_.Stop(PipeState::Watcher(Side(end)));
      EndAwaitRefusal(end, Late());
      break;
  }
  return Outcome::Of(Outcome::kOk);
}

Outcome PipeChecker::BeginRead(int end, size_t max_bytes) {
  End& e = ends_[end];
  if (!e.state.read_gate().Take(this)) {
    return ToOutcome(e.state.ReadAnswer(), Outcome::kEof);
  }
  e.read = max_bytes;
  Read(end);
  return Outcome::Of(Outcome::kWaits);
}

Outcome PipeChecker::BeginWrite(int end, Kind kind) {
  End& e = ends_[end];
  Gate& gate = e.state.write_gate();
  if (kind == Kind::kWrite0 && !gate.shut()) return Outcome::Of(Outcome::kOk);
  if (gate.shut() || !gate.Take(this)) {
    return ToOutcome(e.state.WriteAnswer(), Outcome::kOk);
  }
  const auto begin = static_cast<size_t>(gate.bytes());
  const std::string bytes = PipeBytes(end, begin, WriteSize(kind));
  if (kind == Kind::kWrite1) {
    e.offer.emplace(Borrowed(end, begin));
  } else {
    e.offer.emplace(absl::Cord(bytes), /*copied=*/kind == Kind::kWrite2);
  }
  Write(end);
  return Outcome::Of(Outcome::kWaits);
}

Outcome PipeChecker::Shutdown(int end, ShutdownMode mode) {
  FlowState& state = ends_[end].state;
  absl::Status status;
  if (mode != ShutdownMode::kWrite) {
    state.RefuseRead();
    RunDue(end);
    status.Update(state.aborted() ? state.abort_reason() : state.in_error());
  }
  if (mode != ShutdownMode::kRead) {
    state.RequestEnd();
    RunDue(end);
    status.Update(state.aborted() ? state.abort_reason() : state.out_error());
  }
  return ToOutcome(status);
}

Outcome PipeChecker::Close(int end) {
  End& e = ends_[end];
  if (e.state.closed().has_value()) return ToOutcome(*e.state.closed());
  e.closing = true;
  e.state.BeginClose(/*patient=*/false);
  RunDue(end);
  return Outcome::Of(Outcome::kWaits);
}

void PipeChecker::PassDeadlineOfClose(int end) {
  End& e = ends_[end];
  pipe_.Stop(PipeState::Closer(Side(end)));
  e.state.GiveUpClose(Late(), ClosedError("after Close()"),
                      absl::AbortedError(PipeModel::kGaveUpClosing));
  if (std::exchange(e.awaiting, false)) {
    e.state.Finish(Hook::kAwaitRemoteEnd, Late());
  }
  RunDue(end);
}

Outcome PipeChecker::BeginAwaitRefusal(int end) {
  End& e = ends_[end];
  if (e.state.write_gate().shut()) {
    return ToOutcome(e.state.WriteAnswer(), Outcome::kOk);
  }
  e.state.BeginOther();
  e.awaiting_refusal = true;
  AwaitRefusal(end);
  return Outcome::Of(Outcome::kWaits);
}

// --- Functions of the transport

void PipeChecker::Read(int end) {
  absl::Cord data;
  absl::Cord discarded;
  const std::optional<absl::Status> status =
      pipe_.Read(Side(end), *ends_[end].read, &data, &discarded, &wakes_);
  if (!status.has_value()) return;
  EndRead(end, status->ok() ? absl::StatusOr<absl::Cord>(data) : *status);
}

void PipeChecker::Write(int end) {
  const std::optional<absl::Status> result =
      pipe_.Write(Side(end), &*ends_[end].offer, &wakes_);
  if (result.has_value()) EndWrite(end, *result);
}

void PipeChecker::AwaitRemoteEnd(int end) {
  const std::optional<absl::Status> result = pipe_.AwaitEnd(Side(end));
  ends_[end].awaiting = !result.has_value();
  if (!result.has_value()) return;
  ends_[end].state.Finish(Hook::kAwaitRemoteEnd, *result);
  RunDue(end);
}

void PipeChecker::AwaitRefusal(int end) {
  const std::optional<absl::Status> result = pipe_.AwaitRefusal(Side(end));
  if (result.has_value()) EndAwaitRefusal(end, *result);
}

absl::Status PipeChecker::Perform(int end, const FlowState::Due& due) {
  absl::Cord discarded;
  switch (due.hook) {
    case Hook::kRefuseRead:
      pipe_.Refuse(Side(end), &discarded, &wakes_);
      break;
    case Hook::kEndWrite:
      return pipe_.EndWrite(Side(end), due.status, &wakes_);
    case Hook::kAbort:
      pipe_.Abort(Side(end), due.status, &discarded, &wakes_);
      break;
    case Hook::kFree:
      if (std::exchange(ends_[end].left, true)) difference_ = "freed twice";
      return pipe_.Leave(Side(end), /*saw_all=*/true, &discarded, &wakes_);
    case Hook::kAwaitRemoteEnd:
    case Hook::kNone:
      break;
  }
  return absl::OkStatus();
}

// --- What becomes of a call

void PipeChecker::EndRead(int end, const absl::StatusOr<absl::Cord>& result) {
  End& e = ends_[end];
  Gate& gate = e.state.read_gate();
  e.read.reset();
  const size_t size = result.ok() ? result->size() : 0;
  if (size != 0) {
    const std::string expected =
        PipeBytes(1 - end, static_cast<size_t>(gate.bytes()), size);
    if (*result != expected) {
      difference_ = absl::StrCat(EndName(end), " read ", std::string(*result),
                                 ", not ", expected);
    }
  }
  Outcome outcome = !result.ok() ? ToOutcome(result.status())
                    : size == 0  ? Outcome::Of(Outcome::kEof)
                                 : Outcome::Of(Outcome::kData, size);
  if (size != 0 && gate.undisturbed()) {
    gate.Count(size);
    if (!gate.Give()) e.state.EndRead();
  } else {
    const std::optional<FlowState::Answer> answer =
        e.state.FinishRead(size, result.status(), /*passes=*/false);
    if (answer.has_value()) outcome = ToOutcome(*answer, Outcome::kEof);
    // It takes a thread that is slow between the two.
    if (answer.has_value() && size != 0) difference_ = "data were discarded";
    e.state.EndRead();
  }
  done_.push_back({end, Call::kRead, std::move(outcome)});
  RunDue(end);
}

void PipeChecker::EndWrite(int end, const absl::Status& status) {
  End& e = ends_[end];
  Gate& gate = e.state.write_gate();
  const size_t accepted = e.offer->accepted;
  e.offer.reset();
  Outcome outcome = Outcome::Of(Outcome::kOk);
  if (status.ok() && gate.undisturbed()) {
    gate.Count(accepted);
    if (!gate.Give()) e.state.EndWrite();
  } else {
    outcome =
        ToOutcome(e.state.FinishWrite(accepted, status,
                                      absl::AbortedError(PipeModel::kCutWrite)),
                  Outcome::kOk);
    e.state.EndWrite();
  }
  outcome.bytes = accepted;
  done_.push_back({end, Call::kWrite, std::move(outcome)});
  RunDue(end);
}

void PipeChecker::EndAwaitRefusal(int end, const absl::Status& status) {
  End& e = ends_[end];
  e.awaiting_refusal = false;
  e.state.EndOther();
  Outcome outcome = e.state.write_gate().shut()
                        ? ToOutcome(e.state.WriteAnswer(), Outcome::kOk)
                        : ToOutcome(status);
  done_.push_back({end, Call::kAwaitRefusal, std::move(outcome)});
  RunDue(end);
}

void PipeChecker::RunDue(int end) {
  End& e = ends_[end];
  while (difference_.empty()) {
    const FlowState::Due due =
        e.state.TakeDue(/*closer=*/e.closing && !e.awaiting);
    if (due.hook == Hook::kNone) break;
    // It runs on by itself.
    if (due.hook == Hook::kAwaitRemoteEnd) return AwaitRemoteEnd(end);
    e.state.Finish(due.hook, Perform(end, due));
  }
  if (e.closing && !e.awaiting && e.state.closed().has_value()) {
    e.closing = false;
    done_.push_back({end, Call::kClose, ToOutcome(*e.state.closed())});
  }
}

void PipeChecker::Wake() {
  while (wakes_ != 0) {
    const PipeState::Wakes wakes = std::exchange(wakes_, 0);
    for (int end : {0, 1}) {
      End& e = ends_[end];
      const PipeState::Side side = Side(end);
      if ((wakes & PipeState::Reader(side)) != 0) {
        if (e.read) Read(end);
        if (e.read) difference_ = "a Read was woken in vain";
      }
      if ((wakes & PipeState::Writer(side)) != 0) {
        if (e.offer) Write(end);
        if (e.offer) difference_ = "a Write was woken in vain";
      }
      if ((wakes & PipeState::Closer(side)) != 0) {
        if (e.awaiting) AwaitRemoteEnd(end);
        if (e.awaiting) difference_ = "a Close was woken in vain";
      }
      if ((wakes & PipeState::Watcher(side)) != 0) {
        if (e.awaiting_refusal) AwaitRefusal(end);
        if (e.awaiting_refusal) difference_ = "a watcher was woken in vain";
      }
    }
  }
}

// --- The model

Outcome PipeChecker::Expect(PipeOperation operation,
                            std::vector<PipeModel::Ended>* ended) {
  const int end = operation.end;
  const Kind kind = operation.kind;
  switch (kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      return model_.Read(end, ReadSize(kind), ended);
    case Kind::kWrite0:
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2:
      return model_.Write(end, WriteSize(kind), kind == Kind::kCord2, ended);
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth:
      return model_.Shutdown(end, ShutdownModeOf(kind), ended);
    case Kind::kClose:
      return model_.Close(end, ended);
    case Kind::kAbort:
      model_.Abort(end, AbortReason(end), ended);
      break;
    case Kind::kDestroy:
      model_.Destroy(end, ended);
      break;
    case Kind::kAwaitRefusal:
      return model_.AwaitRefusal(end, ended);
    case Kind::kLateRead:
      model_.PassDeadline(end, Call::kRead, ended);
      break;
    case Kind::kLateWrite:
      model_.PassDeadline(end, Call::kWrite, ended);
      break;
    case Kind::kLateClose:
      model_.PassDeadline(end, Call::kClose, ended);
      break;
    case Kind::kLateRefusal:
      model_.PassDeadline(end, Call::kAwaitRefusal, ended);
      break;
  }
  return Outcome::Of(Outcome::kOk);
}

absl::Status PipeChecker::Compare(const Outcome& outcome,
                                  const Outcome& expected,
                                  std::vector<PipeModel::Ended> expected_done) {
  Sort(done_);
  Sort(expected_done);
  if (!(outcome == expected)) {
    return Difference(outcome.ToString(), expected.ToString());
  }
  if (!Equal(done_, expected_done)) {
    return Difference(Describe(done_), Describe(expected_done));
  }
  for (int end : {0, 1}) {
    const End& e = ends_[end];
    const auto read = static_cast<size_t>(e.state.read_gate().bytes());
    const size_t written = static_cast<size_t>(e.state.write_gate().bytes()) +
                           (e.offer ? e.offer->accepted : size_t{0});
    if (read != model_.bytes_read(end) ||
        written != model_.bytes_written(end)) {
      return Difference(absl::StrCat(read, " read and ", written, " written"),
                        absl::StrCat(model_.bytes_read(end), " and ",
                                     model_.bytes_written(end)));
    }
    if (e.read.has_value() != model_.Waits(end, Call::kRead) ||
        e.offer.has_value() != model_.Waits(end, Call::kWrite) ||
        e.closing != model_.Waits(end, Call::kClose) ||
        e.awaiting_refusal != model_.Waits(end, Call::kAwaitRefusal)) {
      return Difference("another call waits", model_.Key());
    }
    if (e.left != model_.left(end)) {
      return Difference(e.left ? "left" : "not left", "the contrary");
    }
  }
  if (!difference_.empty()) return absl::InternalError(difference_);
  return absl::OkStatus();
}

absl::Status PipeChecker::Difference(absl::string_view got,
                                     absl::string_view expected) const {
  return absl::InternalError(absl::StrCat(got, " instead of ", expected, "; ",
                                          difference_, " ", pipe_.DebugString(),
                                          " ", ends_[0].state.DebugString(),
                                          " ", ends_[1].state.DebugString()));
}

std::string PipeChecker::Key() const {
  std::string key = absl::StrCat(pipe_.DebugString(), model_.Key());
  for (const End& e : ends_) {
    absl::StrAppend(&key, e.state.DebugString(), e.closing, e.awaiting, e.left,
                    e.awaiting_refusal);
  }
  return key;
}

}  // namespace flow::verification
