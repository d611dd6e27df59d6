// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/flow_state_checker.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/flow_state.h"

namespace flow::verification {
namespace {

using internal::FlowState;
using internal::Gate;
using Direction = FlowState::Direction;
using ClosePhase = FlowState::ClosePhase;
using Event = FlowStateEvent;

constexpr absl::string_view kNames[] = {
    "read",
    "read_data",
    "read_end_of_file",
    "read_error",
    "read_late",
    "read_passing_data",
    "read_passing_error",
    "read_gives_back",
    "read_ends",
    "write",
    "write_ok",
    "write_error",
    "write_late",
    "write_gives_back",
    "refuse",
    "request_end",
    "abort",
    "close",
    "patient_close",
    "close_inside",
    "give_up",
    "destroy",
    "closer_goes_on",
    "closer_sees_arrival",
    "closer_gives_up",
    "refused",
    "end_ok",
    "end_error",
    "end_late",
    "remote_ends",
    "remote_error",
    "remote_late",
    "aborted",
    "freed",
    "free_error",
    "other",
    "other_ends",
};
static_assert(std::size(kNames) == kFlowStateEvents);

bool Equal(const FlowState::Answer& a, const FlowState::Answer& b) {
  return a.kind == b.kind && a.error == b.error;
}

}  // namespace

absl::string_view Name(Event event) {
  return kNames[static_cast<size_t>(event)];
}

const absl::Status& FlowStateChecker::StatusOf(Reason reason) {
  static const auto* const kStatuses = new absl::Status[]{
      absl::OkStatus(),
      absl::DataLossError("of a read"),
      absl::DataLossError("of a write"),
      absl::AbortedError("cut write"),
      absl::DataLossError("of the end"),
      absl::DataLossError("of the remote"),
      absl::DataLossError("of freeing"),
      absl::AbortedError("of an abort"),
      absl::AbortedError("of a second abort"),
      absl::AbortedError("of destruction"),
      absl::InvalidArgumentError("closed inside"),
      absl::DeadlineExceededError("too late"),
      absl::FailedPreconditionError("after it was too late"),
      absl::AbortedError("the remote was too late"),
  };
  return kStatuses[reason];
}

// --- What can happen

bool FlowStateChecker::Runs(Hook hook) const {
  const Run run = hooks_[static_cast<size_t>(hook)];
  return run == Run::kRuns || run == Run::kRunsOnCloser;
}

bool FlowStateChecker::NothingRuns() const {
  return read_ == Call::kNone && write_ == Call::kNone && !other_ &&
         std::none_of(hooks_.begin(), hooks_.end(), [](Run run) {
           return run == Run::kRuns || run == Run::kRunsOnCloser;
         });
}

bool FlowStateChecker::IsPossible(Event event) const {
  const bool is_decided = state_.closed().has_value();
  switch (event) {
    case Event::kRead:
      return !destroyed_ && read_ == Call::kNone;
    case Event::kReadData:
    case Event::kReadEndOfFile:
    case Event::kReadError:
    case Event::kReadLate:
    case Event::kReadPassingData:
    case Event::kReadPassingError:
      return read_ == Call::kRuns;
    case Event::kReadGivesBack:
      return read_ == Call::kCounted;
    case Event::kReadEnds:
      return read_ == Call::kDecided;
    case Event::kWrite:
      return !destroyed_ && write_ == Call::kNone;
    case Event::kWriteOk:
    case Event::kWriteError:
    case Event::kWriteLate:
      return write_ == Call::kRuns;
    case Event::kWriteGivesBack:
      return write_ == Call::kCounted;
    case Event::kRefuse:
    case Event::kRequestEnd:
    case Event::kAbort:
    case Event::kGiveUp:
      return !destroyed_;
    case Event::kClose:
    case Event::kPatientClose:
      return !destroyed_ && !state_.closing() && !is_decided;
    case Event::kCloseInside:
      return !destroyed_ && !is_decided && !NothingRuns();
    case Event::kDestroy:
      return !destroyed_ && closer_ == Closer::kNone && NothingRuns();
    case Event::kCloserGoesOn:
      return closer_ == Closer::kWaits &&
             state_.close_phase() == ClosePhase::kNothing;
    case Event::kCloserSeesArrival:
      return closer_ == Closer::kWaits &&
             state_.close_phase() == ClosePhase::kTransit;
    case Event::kCloserGivesUp:
      return closer_ == Closer::kWaits;
    case Event::kRefused:
      return Runs(Hook::kRefuseRead);
    case Event::kEndOk:
    case Event::kEndError:
      return Runs(Hook::kEndWrite);
    case Event::kEndLate:
      return Runs(Hook::kEndWrite) && closing_;
    case Event::kRemoteEnds:
    case Event::kRemoteError:
    case Event::kRemoteLate:
      return Runs(Hook::kAwaitRemoteEnd);
    case Event::kAborted:
      return Runs(Hook::kAbort);
    case Event::kFreed:
    case Event::kFreeError:
      return Runs(Hook::kFree);
    case Event::kOther:
      return !destroyed_ && !other_ && !state_.freed();
    case Event::kOtherEnds:
      return other_;
  }
  return false;
}

// --- What it comes to

absl::Status FlowStateChecker::Apply(Event event) {
  const std::optional<absl::Status> closed_before = state_.closed();
  Step(event);
  CheckState();
  Expect(!closed_before.has_value() || state_.closed() == closed_before,
         "the result of Close() stays");
  return broken_;
}

void FlowStateChecker::Step(Event event) {
  Gate& reads = state_.read_gate();
  Gate& writes = state_.write_gate();
  switch (event) {
    case Event::kRead:
      if (reads.Take(this)) {
        Expect(!InIsOver() && !state_.freed(),
               "a read begins only if its direction is open");
        read_ = Call::kRuns;
      } else {
        Expect(Equal(state_.ReadAnswer(), ReadAnswer()),
               "a read that may not begin gets what the direction came to");
      }
      break;
    case Event::kReadData:
      return ReadReturns(1, kNone, /*passes=*/false);
    case Event::kReadEndOfFile:
      return ReadReturns(0, kNone, /*passes=*/false);
    case Event::kReadError:
      return ReadReturns(0, kOfRead, /*passes=*/false);
    case Event::kReadLate:
      return ReadReturns(0, kTooLate, /*passes=*/false);
    case Event::kReadPassingData:
      return ReadReturns(1, kNone, /*passes=*/true);
    case Event::kReadPassingError:
      return ReadReturns(0, kOfRead, /*passes=*/true);
    case Event::kReadGivesBack:
      read_ = Call::kNone;
      if (reads.Give()) break;
      state_.EndRead();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kReadEnds:
      read_ = Call::kNone;
      state_.EndRead();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kWrite:
      if (writes.Take(this)) {
        Expect(!OutIsOver() && !state_.freed(),
               "a write begins only if its direction is open");
        write_ = Call::kRuns;
      } else {
        Expect(Equal(state_.WriteAnswer(), WriteAnswer()),
               "a write that may not begin gets what the direction came to");
      }
      break;
    case Event::kWriteOk:
      return WriteReturns(2, kNone);
    case Event::kWriteError:
      return WriteReturns(1, kOfWrite);
    case Event::kWriteLate:
      return WriteReturns(1, kTooLate);
    case Event::kWriteGivesBack:
      write_ = Call::kNone;
      if (writes.Give()) break;
      state_.EndWrite();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kRefuse:
      if (!InIsOver() && !state_.freed()) refused_ = true;
      state_.RefuseRead();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kRequestEnd:
      if (!OutIsOver()) end_requested_ = true;
      state_.RequestEnd();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kAbort: {
      const Reason reason = aborted_ == kNone ? kOfAbort : kOfSecondAbort;
      if (aborted_ == kNone && !state_.freed()) {
        if (closing_) closed_ = reason;
        Abort(reason, reason);
      }
      state_.Abort(StatusOf(reason));
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    }
    case Event::kClose:
    case Event::kPatientClose:
      patient_ = event == Event::kPatientClose;
      closing_ = true;
      if (!OutIsOver()) end_requested_ = true;
      if (aborted_ != kNone) closed_ = aborted_;
      closer_ = Closer::kWaits;
      state_.BeginClose(patient_, /*ends_early=*/false,
                        /*blocks=*/closes_ == Closes::kBlock);
      BeginDue(/*closer=*/false, /*on_closer=*/true);
      break;
    case Event::kCloseInside: {
      Reason result = kClosedInside;
      if (aborted_ != kNone) {
        result = aborted_;
      } else if (!state_.freed()) {
        Abort(kClosedInside, kClosedInside);
      }
      if (!state_.freed()) closed_ = result;
      if (state_.freed()) result = kClosedInside;
      Expect(
          state_.CloseInside(StatusOf(kClosedInside)) == StatusOf(result),
          "Close() from inside is misuse, unless the flow was aborted before");
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    }
    case Event::kGiveUp:
      GiveUp();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kDestroy:
      Expect(state_.idle(), "what may be destroyed is idle");
      destroyed_ = true;
      if (aborted_ == kNone && !closed_.has_value()) {
        Abort(kOfDestruction, kOfDestruction);
      }
      state_.Destroy(StatusOf(kOfDestruction));
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
    case Event::kCloserGoesOn:
      BeginDue(/*closer=*/true, /*on_closer=*/true);
      Expect(closer_ == Closer::kBusy || state_.closed().has_value(),
             "what Close() wakes up for is there");
      if (closer_ == Closer::kWaits) closer_ = Closer::kNone;
      break;
    case Event::kCloserSeesArrival:
      patient_ = false;
      state_.Arrive();
      BeginDue(/*closer=*/true, /*on_closer=*/true);
      break;
    case Event::kCloserGivesUp:
      GiveUp();
      BeginDue(/*closer=*/true, /*on_closer=*/true);
      break;
    case Event::kRefused:
      return Returns(Hook::kRefuseRead, kNone);
    case Event::kEndOk:
      return Returns(Hook::kEndWrite, kNone);
    case Event::kEndError:
      return Returns(Hook::kEndWrite, kOfEnd);
    case Event::kEndLate:
      GiveUp();
      return Returns(Hook::kEndWrite, kOfEnd);
    case Event::kRemoteEnds:
      return Returns(Hook::kAwaitRemoteEnd, kNone);
    case Event::kRemoteError:
      return Returns(Hook::kAwaitRemoteEnd, kOfRemote);
    case Event::kRemoteLate:
      GiveUp();
      return Returns(Hook::kAwaitRemoteEnd, kOfRemote);
    case Event::kAborted:
      return Returns(Hook::kAbort, kNone);
    case Event::kFreed:
      return Returns(Hook::kFree, kNone);
    case Event::kFreeError:
      return Returns(Hook::kFree, kOfFree);
    case Event::kOther:
      other_ = true;
      state_.BeginOther();
      break;
    case Event::kOtherEnds:
      other_ = false;
      state_.EndOther();
      BeginDue(/*closer=*/false, /*on_closer=*/false);
      break;
  }
}

void FlowStateChecker::ReadReturns(size_t size, Reason error, bool passes) {
  Gate& gate = state_.read_gate();
  const int64_t before = gate.bytes();
  if (size != 0 && !passes && gate.undisturbed()) {
    gate.Count(size);
    read_ = Call::kCounted;
    return ExpectBytes(gate, before, size);
  }
  const bool is_late = InIsOver();
  const std::optional<Answer> answer =
      state_.FinishRead(size, StatusOf(error), passes);
  read_ = Call::kDecided;
  ExpectBytes(gate, before, is_late || passes ? 0 : size);
  Expect(answer.has_value() == is_late,
         "a read is discarded if its direction was over, and only then");
  if (is_late) {
    Expect(Equal(*answer, ReadAnswer()),
           "a read that is discarded gets what the direction came to");
  } else if (!passes && error == kOfRead) {
    in_error_ = error;
    Expect(!closing_ || FlowState(state_).TakeDue(/*closer=*/false).hook ==
                            Hook::kRefuseRead,
           "the error of a read lets Close() go on");
  } else if (!passes && error == kNone && size == 0) {
    end_of_file_ = true;
  }
}

void FlowStateChecker::WriteReturns(size_t accepted, Reason error) {
  Gate& gate = state_.write_gate();
  const int64_t before = gate.bytes();
  if (error == kNone && gate.undisturbed()) {
    gate.Count(accepted);
    write_ = Call::kCounted;
    return ExpectBytes(gate, before, accepted);
  }
  const Answer answer =
      state_.FinishWrite(accepted, StatusOf(error), StatusOf(kCut));
  Answer expected = {Answer::kOk, absl::OkStatus()};
  if (aborted_ != kNone) {
    expected = WriteAnswer();
  } else if (error != kNone) {
    expected = {Answer::kError, StatusOf(error)};
    if (error == kOfWrite) out_error_ = error;
    if (error == kTooLate && end_requested_) out_error_ = kCut;
  }
  Expect(Equal(answer, expected), "a write gets its own outcome, or the abort");
  ExpectBytes(gate, before, accepted);
  write_ = Call::kNone;
  state_.EndWrite();
  BeginDue(/*closer=*/false, /*on_closer=*/false);
}

void FlowStateChecker::Abort(Reason local, Reason remote) {
  aborted_ = local;
  told_ = remote;
  found_calls_ = !NothingRuns();
}

void FlowStateChecker::GiveUp() {
  if (!closed_.has_value() && aborted_ != kNone) {
    closed_ = aborted_;
  } else if (!closed_.has_value() && !state_.freed()) {
    closed_ = kTooLate;
    Abort(kAfterTooLate, kRemoteOfTooLate);
  }
  state_.GiveUpClose(StatusOf(kTooLate), StatusOf(kAfterTooLate),
                     StatusOf(kRemoteOfTooLate));
}

void FlowStateChecker::BeginDue(bool closer, bool on_closer) {
  const FlowState::Due due = state_.TakeDue(closer);
  if (due.hook == Hook::kNone) return;
  Expect(closer || due.hook != Hook::kAwaitRemoteEnd,
         "only the thread that closes waits for the remote");
  Expect(closer || due.hook != Hook::kEndWrite || !closing_ ||
             closes_ == Closes::kBlock,
         "only a started close sends its end");
  CheckBegin(due);
  hooks_[static_cast<size_t>(due.hook)] =
      on_closer ? Run::kRunsOnCloser : Run::kRuns;
  if (on_closer) closer_ = Closer::kBusy;
}

void FlowStateChecker::CheckBegin(const FlowState::Due& due) {
  const auto run = [this](Hook hook) {
    return hooks_[static_cast<size_t>(hook)];
  };
  Expect(run(due.hook) == Run::kNotYet,
         "each function of the transport but reads and writes runs once");
  Expect(run(Hook::kFree) == Run::kNotYet, "nothing begins after Free()");
  switch (due.hook) {
    case Hook::kNone:
      break;
    case Hook::kRefuseRead:
      Expect(refused_ || (closing_ && in_error_ != kNone),
             "RefuseRead() is for who refuses, or closes after an error");
      Expect(aborted_ == kNone, "nothing is refused after an abort");
      break;
    case Hook::kEndWrite:
      Expect(write_ == Call::kNone, "the end comes after the write");
      Expect(aborted_ == kNone, "no end after an abort");
      Expect(end_requested_ || out_error_ != kNone, "an end was asked for");
      Expect(due.status == StatusOf(out_error_),
             "the end tells how the direction ended");
      break;
    case Hook::kAwaitRemoteEnd:
      Expect(run(Hook::kEndWrite) == Run::kDone && closing_,
             "Close() waits for the remote after the end was sent");
      Expect(aborted_ == kNone, "nothing is waited for after an abort");
      break;
    case Hook::kAbort:
      Expect(due.status == StatusOf(told_), "the remote gets the reason");
      break;
    case Hook::kFree:
      Expect(NothingRuns(), "Free() runs alone");
      if (aborted_ != kNone) {
        Expect(run(Hook::kAbort) == Run::kDone, "Abort() comes before Free()");
        break;
      }
      Expect(closing_ && run(Hook::kEndWrite) == Run::kDone,
             "Free() comes after the end");
      Expect(run(Hook::kAwaitRemoteEnd) == Run::kDone || end_of_file_ ||
                 in_error_ != kNone,
             "Close() waits for the remote to end");
      Expect(!patient_, "PatientClose() waits for what is in transit");
      break;
  }
}

void FlowStateChecker::Returns(Hook hook, Reason error) {
  Run& run = hooks_[static_cast<size_t>(hook)];
  const bool on_closer = run == Run::kRunsOnCloser;
  run = Run::kDone;
  if (on_closer) closer_ = Closer::kWaits;
  if (aborted_ == kNone) {
    if (hook == Hook::kEndWrite && out_error_ == kNone) out_error_ = error;
    if (hook == Hook::kAwaitRemoteEnd) remote_error_ = error;
    if (hook == Hook::kFree) {
      closed_ = out_error_ != kNone      ? out_error_
                : in_error_ != kNone     ? in_error_
                : remote_error_ != kNone ? remote_error_
                                         : error;
    }
  }
  state_.Finish(hook, StatusOf(error));
  BeginDue(/*closer=*/false, on_closer);
}

// --- What always holds

bool FlowStateChecker::InIsOver() const {
  return end_of_file_ || refused_ || in_error_ != kNone || aborted_ != kNone;
}

bool FlowStateChecker::OutIsOver() const {
  return end_requested_ || out_error_ != kNone || aborted_ != kNone;
}

FlowState::Answer FlowStateChecker::ReadAnswer() const {
  if (in_error_ != kNone) return {Answer::kError, StatusOf(in_error_)};
  if (aborted_ != kNone) return {Answer::kError, StatusOf(aborted_)};
  if (closed_.has_value()) return {Answer::kClosed, absl::OkStatus()};
  if (end_of_file_ || refused_) return {Answer::kOk, absl::OkStatus()};
  // Close() is about to free.
  return {Answer::kClosed, absl::OkStatus()};
}

FlowState::Answer FlowStateChecker::WriteAnswer() const {
  if (out_error_ != kNone) return {Answer::kError, StatusOf(out_error_)};
  if (aborted_ != kNone) return {Answer::kError, StatusOf(aborted_)};
  return {Answer::kClosed, absl::OkStatus()};
}

void FlowStateChecker::Expect(bool holds, absl::string_view rule) {
  if (!holds && broken_.ok()) broken_ = absl::InternalError(rule);
}

void FlowStateChecker::ExpectBytes(const Gate& gate, int64_t before, size_t n) {
  Expect(gate.bytes() == before + static_cast<int64_t>(n),
         "every byte is counted once");
}

void FlowStateChecker::CheckState() {
  const Gate& reads = state_.read_gate();
  const Gate& writes = state_.write_gate();
  const bool is_freed =
      hooks_[static_cast<size_t>(Hook::kFree)] != Run::kNotYet;
  Expect(reads.busy() == (read_ != Call::kNone) &&
             writes.busy() == (write_ != Call::kNone),
         "one call at a time");
  Expect(!InIsOver() || reads.shut(), "no read begins after the end");
  Expect(!OutIsOver() || writes.shut(), "no write begins after the end");
  Expect(!is_freed || (reads.shut() && writes.shut()),
         "no call begins after Free()");
  Expect(InIsOver() || !reads.shut() ||
             (closing_ && !patient_ &&
              hooks_[static_cast<size_t>(Hook::kAwaitRemoteEnd)] == Run::kDone),
         "reads go on until the remote has ended");
  Expect(OutIsOver() || !writes.shut(), "writes go on until the end");
  Expect(!reads.shut() || Equal(state_.ReadAnswer(), ReadAnswer()),
         "what a direction came to stays, for reads");
  Expect(!writes.shut() || Equal(state_.WriteAnswer(), WriteAnswer()),
         "what a direction came to stays, for writes");
  Expect(state_.abort_reason() == StatusOf(aborted_), "the first abort counts");
  Expect((state_.in() == Direction::kBroken) == (in_error_ != kNone) &&
             (state_.out() == Direction::kBroken) == (out_error_ != kNone),
         "errors break their direction, and nothing else does");

  // Of a flow that was destroyed nobody asks it.
  if (!destroyed_) {
    Expect(state_.closed().has_value() == closed_.has_value() &&
               (!closed_.has_value() || *state_.closed() == StatusOf(*closed_)),
           "Close() returns the first reason");
  }
  if (NothingRuns()) {
    Expect(is_freed || !destroyed_, "destruction frees");
    Expect(is_freed || !state_.closed().has_value(), "Close() frees");
    Expect(is_freed || !found_calls_,
           "the last call that an abort found under way frees");
  }
}

void FlowStateChecker::EndAll() {
  static constexpr Event kEnds[] = {
      Event::kReadLate,          Event::kReadGivesBack,  Event::kReadEnds,
      Event::kWriteOk,           Event::kWriteGivesBack, Event::kOtherEnds,
      Event::kRefused,           Event::kEndOk,          Event::kRemoteEnds,
      Event::kAborted,           Event::kFreed,          Event::kCloserGoesOn,
      Event::kCloserSeesArrival,
  };
  for (bool goes_on = true; goes_on && broken_.ok();) {
    goes_on = false;
    for (Event event : kEnds) {
      if (!IsPossible(event)) continue;
      goes_on = true;
      Apply(event).IgnoreError();
    }
  }
}

absl::Status FlowStateChecker::CheckThatItCanClose() const {
  for (Event before : {Event::kClose, Event::kGiveUp, Event::kAbort}) {
    FlowStateChecker copy(*this);
    for (Event event : {before, Event::kClose}) {
      if (copy.IsPossible(event)) copy.Apply(event).IgnoreError();
    }
    copy.EndAll();
    copy.Expect(copy.closer_ == Closer::kNone && copy.NothingRuns() &&
                    copy.hooks_[static_cast<size_t>(Hook::kFree)] == Run::kDone,
                "Close() comes to its end when all that is under way has");
    if (copy.broken_.ok()) continue;
    return absl::InternalError(
        absl::StrCat(copy.broken_.message(), ", on the way to the end by ",
                     Name(before), ", ", copy.DebugString(), ", from"));
  }
  return absl::OkStatus();
}

std::string FlowStateChecker::Key() const {
  std::string key = state_.DebugString();
  const auto add = [&key](auto value) {
    key.push_back(static_cast<char>('a' + static_cast<int>(value)));
  };
  for (Call call : {read_, write_}) add(call);
  for (Run run : hooks_) add(run);
  add(closer_);
  for (bool flag : {other_, end_of_file_, refused_, end_requested_, closing_,
                    patient_, found_calls_, destroyed_}) {
    add(flag);
  }
  for (Reason reason : {in_error_, out_error_, remote_error_, aborted_, told_,
                        closed_.value_or(kNone)}) {
    add(reason);
  }
  add(closed_.has_value());
  return key;
}

}  // namespace flow::verification
