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
#include "flow/internal/pipe_state.h"
#include "flow/status.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {
namespace {

using Kind = PipeOperation::Kind;

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
  static constexpr absl::string_view kCalls[] = {"Read", "Write", "Close"};
  return absl::StrJoin(ended, ", ",
                       [](std::string* out, const PipeModel::Ended& e) {
                         absl::StrAppend(out, EndName(e.end), ".",
                                         kCalls[static_cast<int>(e.call)],
                                         " = ", e.outcome.ToString());
                       });
}

// One byte of PipeBytes(), for ever.
absl::string_view Borrowed(int end, size_t begin) {
  static const auto* const kBytes =
      new std::string[2]{PipeBytes(0, 0, 26), PipeBytes(1, 0, 26)};
  return absl::string_view(kBytes[end]).substr(begin % 26, 1);
}

}  // namespace

PipeChecker::PipeChecker(const PipeChecker& other)
    : state_(other.state_), model_(other.model_), ends_(other.ends_) {
  // A write that waits shows its offer again, now that of this copy.
  for (int end : {0, 1}) {
    if (ends_[end].offer.has_value()) {
      state_.Write(Side(end), &*ends_[end].offer, &wakes_);
    }
  }
}

bool PipeChecker::IsLegal(PipeOperation operation) const {
  const int end = operation.end;
  if (model_.destroyed(end)) return false;
  const bool reads = model_.Waits(end, Call::kRead);
  const bool writes = model_.Waits(end, Call::kWrite);
  const bool closes = model_.Waits(end, Call::kClose);
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
      return !reads && !writes && !closes;
    case Kind::kLateRead:
      return reads;
    case Kind::kLateWrite:
      return writes;
    case Kind::kLateClose:
      return closes;
    default:
      return true;
  }
}

// --- As flow::Flow does it

PipeChecker::Outcome PipeChecker::ToOutcome(const absl::Status& status) {
  if (status.ok()) return Outcome::Of(Outcome::kOk);
  if (IsClosed(status)) return Outcome::Of(Outcome::kClosed);
  return Outcome::Reason(std::string(status.message()));
}

void PipeChecker::Done(int end, Call call, Outcome outcome) {
  // What an aborted end gets it knows itself.
  if (ends_[end].aborted.has_value()) {
    const size_t bytes = call == Call::kWrite ? outcome.bytes : 0;
    outcome = *ends_[end].aborted;
    outcome.bytes = bytes;
  }
  done_.push_back({end, call, std::move(outcome)});
}

void PipeChecker::Read(int end) {
  End& e = ends_[end];
  absl::Cord discarded;
  std::optional<absl::StatusOr<absl::Cord>> result =
      state_.Read(Side(end), *e.read, &discarded, &wakes_);
  if (!result.has_value()) return;
  e.read.reset();
  if (!result->ok()) {
    const Outcome error = ToOutcome(result->status());
    if (!e.in_over && !e.aborted) e.in_error = error;
    e.in_over = true;
    Done(end, Call::kRead, error);
  } else if ((*result)->empty()) {
    e.in_over = true;
    Done(end, Call::kRead, Outcome::Of(Outcome::kEof));
  } else {
    const std::string expected =
        PipeBytes(1 - end, e.bytes_read, (*result)->size());
    if (**result != expected) {
      difference_ = absl::StrCat(EndName(end), " read ", std::string(**result),
                                 ", not ", expected);
    }
    e.bytes_read += (*result)->size();
    Done(end, Call::kRead, Outcome::Of(Outcome::kData, (*result)->size()));
  }
  LeaveIfLast(end);
}

void PipeChecker::Write(int end) {
  End& e = ends_[end];
  const std::optional<absl::Status> result =
      state_.Write(Side(end), &*e.offer, &wakes_);
  if (!result.has_value()) return;
  const size_t accepted = e.offer->accepted;
  e.offer.reset();
  e.bytes_written += accepted;
  Outcome outcome = ToOutcome(*result);
  if (!result->ok() && !e.aborted) e.out_error = outcome;
  outcome.bytes = accepted;
  Done(end, Call::kWrite, outcome);
  if ((e.end_requested || !result->ok()) && !e.aborted) SendEnd(end, *result);
  LeaveIfLast(end);
}

void PipeChecker::SendEnd(int end, const absl::Status& outcome) {
  End& e = ends_[end];
  const absl::Status status = state_.EndWrite(Side(end), outcome, &wakes_);
  if (!status.ok() && !e.out_error) e.out_error = ToOutcome(status);
  e.end_sent = true;
  if (e.closing) GoOnClosing(end);
}

void PipeChecker::Abort(int end, Outcome local, const std::string& remote) {
  ends_[end].aborted = std::move(local);
  absl::Cord discarded;
  state_.Abort(Side(end), absl::AbortedError(remote), &discarded, &wakes_);
  // In AwaitEnd() it is woken like any call.
  if (ends_[end].closing && !ends_[end].awaiting) GoOnClosing(end);
}

void PipeChecker::ShutdownWrite(int end) {
  End& e = ends_[end];
  if (e.aborted || e.out_error || e.end_requested) return;
  e.end_requested = true;
  if (!e.offer.has_value()) SendEnd(end, absl::OkStatus());
}

// A Close that waits goes as far as it can.
void PipeChecker::GoOnClosing(int end) {
  End& e = ends_[end];
  Outcome outcome = Outcome::Of(Outcome::kOk);
  if (!e.aborted) {
    if (!e.end_sent) return;
    absl::Status status;
    if (!e.in_over) {
      const std::optional<absl::Status> remote = state_.AwaitEnd(Side(end));
      e.awaiting = !remote.has_value();
      if (e.awaiting) return;
      status = *remote;
    }
    const absl::Status left = Leave(end);
    outcome = ToOutcome(status.ok() ? left : status);
    if (e.in_error) outcome = *e.in_error;
    if (e.out_error) outcome = *e.out_error;
  }
  e.closing = false;
  e.awaiting = false;
  Done(end, Call::kClose, outcome);
  e.closed = done_.back().outcome;
  LeaveIfLast(end);
}

absl::Status PipeChecker::Leave(int end) {
  if (std::exchange(ends_[end].left, true)) return absl::OkStatus();
  absl::Cord discarded;
  return state_.Leave(Side(end), /*saw_all=*/true, &discarded);
}

// After an abort, the last call to return frees.
void PipeChecker::LeaveIfLast(int end) {
  const End& e = ends_[end];
  if (e.aborted && !e.read && !e.offer && !e.closing) Leave(end).IgnoreError();
}

void PipeChecker::Wake() {
  while (wakes_ != 0) {
    const internal::PipeState::Wakes wakes = std::exchange(wakes_, 0);
    for (int end : {0, 1}) {
      End& e = ends_[end];
      const internal::PipeState::Side side = Side(end);
      if ((wakes & internal::PipeState::Reader(side)) != 0) {
        if (e.read) Read(end);
        if (e.read) difference_ = "a Read was woken in vain";
      }
      if ((wakes & internal::PipeState::Writer(side)) != 0) {
        if (e.offer) Write(end);
        if (e.offer) difference_ = "a Write was woken in vain";
      }
      if ((wakes & internal::PipeState::Closer(side)) != 0) {
        if (e.awaiting) GoOnClosing(end);
        if (e.awaiting) difference_ = "a Close was woken in vain";
      }
    }
  }
}

// --- Operations

absl::Status PipeChecker::Apply(PipeOperation operation) {
  const int end = operation.end;
  End& e = ends_[end];
  done_.clear();
  difference_.clear();
  std::vector<PipeModel::Ended> expected_done;
  // What the call itself returns, unless it waits and is then among the others.
  Outcome expected = Outcome::Of(Outcome::kOk);
  Outcome outcome = expected;
  const Kind kind = operation.kind;
  switch (kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      expected = model_.Read(end, ReadSize(kind), &expected_done);
      outcome = Outcome::Of(Outcome::kWaits);
      if (e.in_error) {
        outcome = *e.in_error;
      } else if (e.aborted) {
        outcome = *e.aborted;
      } else if (e.closed) {
        outcome = Outcome::Of(Outcome::kClosed);
      } else if (e.in_over) {
        outcome = Outcome::Of(Outcome::kEof);
      } else {
        e.read = ReadSize(kind);
        Read(end);
      }
      break;
    case Kind::kWrite0:
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2: {
      const size_t size = WriteSize(kind);
      expected = model_.Write(end, size, kind == Kind::kCord2, &expected_done);
      outcome = Outcome::Of(Outcome::kWaits);
      if (e.out_error) {
        outcome = *e.out_error;
      } else if (e.aborted) {
        outcome = *e.aborted;
      } else if (e.end_requested) {
        outcome = Outcome::Of(Outcome::kClosed);
      } else if (size == 0) {
        outcome = Outcome::Of(Outcome::kOk);
      } else {
        const std::string bytes = PipeBytes(end, e.bytes_written, size);
        if (kind == Kind::kCord2) {
          e.offer.emplace(absl::Cord(bytes), /*copied=*/false);
        } else if (kind == Kind::kWrite2) {
          e.offer.emplace(absl::Cord(bytes), /*copied=*/true);
        } else {
          e.offer.emplace(Borrowed(end, e.bytes_written));
        }
        Write(end);
      }
      break;
    }
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth: {
      const ShutdownMode mode = ShutdownModeOf(kind);
      expected = model_.Shutdown(end, mode, &expected_done);
      if (e.aborted) {
        outcome = *e.aborted;
        break;
      }
      if (mode != ShutdownMode::kWrite) {
        if (!e.in_over && !e.left) {
          e.in_over = true;
          absl::Cord discarded;
          state_.Refuse(Side(end), &discarded, &wakes_);
        }
        if (e.in_error) outcome = *e.in_error;
      }
      if (mode != ShutdownMode::kRead) {
        ShutdownWrite(end);
        if (outcome.kind == Outcome::kOk && e.out_error) outcome = *e.out_error;
      }
      break;
    }
    case Kind::kClose:
      expected = model_.Close(end, &expected_done);
      outcome = Outcome::Of(Outcome::kWaits);
      if (e.closed) {
        outcome = *e.closed;
      } else {
        e.closing = true;
        ShutdownWrite(end);
        // Sending the end may have taken it along.
        if (e.closing && !e.awaiting) GoOnClosing(end);
      }
      break;
    case Kind::kAbort:
    case Kind::kDestroy: {
      const bool destroy = kind == Kind::kDestroy;
      const std::string reason = destroy
                                     ? std::string(PipeModel::kDestroyed)
                                     : absl::StrCat(EndName(end), " aborts");
      if (destroy) {
        model_.Destroy(end, &expected_done);
      } else {
        model_.Abort(end, reason, &expected_done);
      }
      if (!e.aborted && !e.closed) {
        Abort(end, Outcome::Reason(reason), reason);
      }
      if (destroy) Leave(end).IgnoreError();
      break;
    }
    case Kind::kLateRead:
      model_.PassDeadline(end, Call::kRead, &expected_done);
      state_.Stop(internal::PipeState::Reader(Side(end)));
      e.read.reset();
      Done(end, Call::kRead, Outcome::Of(Outcome::kLate));
      break;
    case Kind::kLateWrite: {
      model_.PassDeadline(end, Call::kWrite, &expected_done);
      state_.Stop(internal::PipeState::Writer(Side(end)));
      const size_t accepted = e.offer->accepted;
      e.offer.reset();
      e.bytes_written += accepted;
      Done(end, Call::kWrite, Outcome::Of(Outcome::kLate, accepted));
      if (e.end_requested) {
        const absl::Status error = absl::AbortedError(PipeModel::kCutWrite);
        e.out_error = ToOutcome(error);
        SendEnd(end, error);
      }
      break;
    }
    case Kind::kLateClose:
      model_.PassDeadline(end, Call::kClose, &expected_done);
      state_.Stop(internal::PipeState::Closer(Side(end)));
      e.closing = false;
      e.awaiting = false;
      e.closed = Outcome::Of(Outcome::kLate);
      Done(end, Call::kClose, *e.closed);
      Abort(end, Outcome::Of(Outcome::kClosed), PipeModel::kGaveUpClosing);
      LeaveIfLast(end);
      break;
  }
  Wake();
  return Compare(outcome, expected, expected_done);
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
    const size_t written =
        e.bytes_written + (e.offer ? e.offer->accepted : size_t{0});
    if (e.bytes_read != model_.bytes_read(end) ||
        written != model_.bytes_written(end)) {
      return Difference(
          absl::StrCat(e.bytes_read, " read and ", written, " written"),
          absl::StrCat(model_.bytes_read(end), " and ",
                       model_.bytes_written(end)));
    }
    if (e.read.has_value() != model_.Waits(end, Call::kRead) ||
        e.offer.has_value() != model_.Waits(end, Call::kWrite) ||
        e.closing != model_.Waits(end, Call::kClose)) {
      return Difference("another call waits", model_.Key());
    }
    if (e.left != model_.left(end)) return Difference("left", "not left");
  }
  if (!difference_.empty()) return absl::InternalError(difference_);
  return absl::OkStatus();
}

absl::Status PipeChecker::Difference(absl::string_view got,
                                     absl::string_view expected) const {
  return absl::InternalError(absl::StrCat(got, " instead of ", expected, "; ",
                                          difference_, " ",
                                          state_.DebugString()));
}

std::string PipeChecker::Key() const {
  std::string key = absl::StrCat(state_.DebugString(), model_.Key());
  for (const End& e : ends_) {
    absl::StrAppend(&key, e.closing, e.awaiting, e.end_requested, e.end_sent,
                    e.in_over, e.in_error ? e.in_error->ToString() : "",
                    e.out_error ? e.out_error->ToString() : "");
  }
  return key;
}

}  // namespace flow::verification
