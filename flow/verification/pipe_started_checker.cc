// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/pipe_started_checker.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/verification/pipe_ends_checker.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {
namespace {

using Kind = PipeOperation::Kind;

std::string AbortReason(int end) { return absl::StrCat(end, " aborts"); }

}  // namespace

PipeStartedChecker::PipeStartedChecker(size_t capacity) : model_(capacity) {
  Pipe pipe = MakePipe(capacity);
  ends_[0].flow = std::move(pipe.left);
  ends_[1].flow = std::move(pipe.right);
  for (End& end : ends_) end.flow->SetEngine(&engine_);
}

PipeStartedChecker::~PipeStartedChecker() {
  for (End& end : ends_) {
    if (end.flow != nullptr) end.flow->Abort(absl::CancelledError("over"));
  }
  engine_.RunAll();
}

bool PipeStartedChecker::IsLegal(PipeOperation operation) const {
  const int end = operation.end;
  if (model_.destroyed(end)) return false;
  const bool reads = model_.Waits(end, Call::kRead);
  const bool writes = model_.Waits(end, Call::kWrite);
  const bool closes = model_.Waits(end, Call::kClose);
  switch (operation.kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      return !reads;
    case Kind::kWrite0:
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
    case Kind::kAwaitRefusal:
    case Kind::kLateRefusal:
      return false;
    default:
      return true;
  }
}

absl::Status PipeStartedChecker::Apply(PipeOperation operation) {
  std::vector<PipeModel::Ended> expected;
  const Outcome outcome = Expect(operation, &expected);
  const absl::Status status = Do(operation);
  engine_.RunAll();
  switch (operation.kind) {
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth:
      if (!Matches(status, outcome)) {
        return absl::InternalError(
            absl::StrCat(status.message(), " instead of ", outcome.ToString()));
      }
      break;
    default:
      break;
  }
  return CompareAll(expected);
}

PipeModel::Outcome PipeStartedChecker::Expect(
    PipeOperation operation, std::vector<PipeModel::Ended>* expected) {
  const int end = operation.end;
  const Kind kind = operation.kind;
  // A call that is over at once is in the list as well.
  const auto call = [&](Call which, Outcome outcome) {
    if (outcome.kind != Outcome::kWaits) {
      expected->push_back({end, which, outcome});
    }
    return outcome;
  };
  switch (kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      return call(Call::kRead, model_.Read(end, ReadSize(kind), expected));
    case Kind::kWrite0:
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2:
      // A started write is that of a Cord.
      return call(Call::kWrite,
                  model_.Write(end, WriteSize(kind), /*cord=*/true, expected));
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth:
      return model_.Shutdown(end, ShutdownModeOf(kind), expected);
    case Kind::kClose:
      return call(Call::kClose, model_.Close(end, expected));
    case Kind::kAbort:
      model_.Abort(end, AbortReason(end), expected);
      break;
    case Kind::kDestroy:
      model_.Destroy(end, expected);
      break;
    case Kind::kLateRead:
      model_.PassDeadline(end, Call::kRead, expected);
      break;
    case Kind::kLateWrite:
      model_.PassDeadline(end, Call::kWrite, expected);
      break;
    case Kind::kLateClose:
      model_.PassDeadline(end, Call::kClose, expected);
      break;
    case Kind::kAwaitRefusal:
    case Kind::kLateRefusal:
      break;
  }
  return Outcome::Of(Outcome::kOk);
}

absl::Status PipeStartedChecker::Do(PipeOperation operation) {
  const Kind kind = operation.kind;
  End& end = ends_[operation.end];
  Flow* const flow = end.flow.get();
  switch (kind) {
    case Kind::kRead1:
    case Kind::kReadAll:
      Begin(end.read, flow->StartRead(&end.read, ReadSize(kind)));
      break;
    case Kind::kWrite0:
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2:
      end.write.rest = absl::Cord(
          PipeBytes(operation.end, static_cast<size_t>(flow->bytes_written()),
                    WriteSize(kind)));
      Begin(end.write, flow->StartWrite(&end.write));
      break;
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth:
      return flow->Shutdown(ShutdownModeOf(kind));
    case Kind::kClose:
      Begin(end.close, flow->StartClose(&end.close));
      break;
    case Kind::kAbort:
      flow->Abort(absl::DataLossError(AbortReason(operation.end)));
      break;
    case Kind::kDestroy:
      end.flow = nullptr;
      break;
    case Kind::kLateRead:
      flow->SetReadDeadline(absl::InfinitePast());
      engine_.RunAll();
      flow->SetReadDeadline(absl::InfiniteFuture());
      break;
    case Kind::kLateWrite:
      flow->SetWriteDeadline(absl::InfinitePast());
      engine_.RunAll();
      flow->SetWriteDeadline(absl::InfiniteFuture());
      break;
    case Kind::kLateClose:
      // It joins the one that waits, and has the same result.
      Begin(end.late_close,
            flow->StartClose(&end.late_close, absl::InfinitePast()));
      break;
    case Kind::kAwaitRefusal:
    case Kind::kLateRefusal:
      break;
  }
  return absl::OkStatus();
}

template <typename Operation>
void PipeStartedChecker::Begin(Started<Operation>& call, bool is_over) {
  if (is_over) {
    call.is_over = true;
  } else {
    ++call.starts;
  }
}

template <typename Operation>
absl::StatusOr<bool> PipeStartedChecker::Look(Started<Operation>& call) {
  if (call.done > call.starts || (call.is_over && call.done != call.starts)) {
    return absl::InternalError("a call was told twice, or in vain");
  }
  // One that was pending, and has ended now?
  const bool was_told = call.starts > 0 && call.done == call.starts;
  if (was_told) call.starts = call.done = 0;
  return std::exchange(call.is_over, false) || was_told;
}

absl::Status PipeStartedChecker::Compare(const PipeModel::Ended& expected) {
  const int end = expected.end;
  End& e = ends_[end];
  absl::Status status;
  std::string data;
  bool equal = false;
  switch (expected.call) {
    case Call::kRead: {
      status = e.read.result.status();
      const size_t size = expected.outcome.bytes;
      const bool is_data = expected.outcome.kind == Outcome::kData;
      if (!is_data && expected.outcome.kind != Outcome::kEof) {
        equal = Matches(status, expected.outcome);
      } else if (status.ok()) {
        data = std::string(*e.read.result);
        equal =
            data ==
            (is_data ? PipeBytes(1 - end, model_.bytes_read(end) - size, size)
                     : "");
      }
      break;
    }
    case Call::kWrite:
      status = e.write.status;
      data = std::string(e.write.rest);
      equal = Matches(status, expected.outcome) &&
              data == PipeBytes(end, model_.bytes_written(end), data.size()) &&
              (!status.ok() || data.empty());
      break;
    case Call::kClose:
      status = e.close.status;
      equal = Matches(status, expected.outcome);
      break;
    case Call::kAwaitRefusal:
      break;
  }
  if (equal) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("\"", data, "\" ", status.message(),
                                          " instead of ",
                                          expected.outcome.ToString()));
}

absl::Status PipeStartedChecker::CompareAll(
    const std::vector<PipeModel::Ended>& expected) {
  for (const int end : {0, 1}) {
    End& e = ends_[end];
    const absl::StatusOr<bool> over[] = {Look(e.read), Look(e.write),
                                         Look(e.close)};
    for (const Call call : {Call::kRead, Call::kWrite, Call::kClose}) {
      const absl::StatusOr<bool>& is_over = over[static_cast<int>(call)];
      if (!is_over.ok()) return is_over.status();
      const PipeModel::Ended* found = nullptr;
      for (const PipeModel::Ended& one : expected) {
        if (one.end == end && one.call == call) found = &one;
      }
      if (*is_over != (found != nullptr)) {
        return absl::InternalError(
            absl::StrCat(EndName(end), ": call ", static_cast<int>(call),
                         *is_over ? " is over, and was to wait"
                                  : " waits, and was to be over"));
      }
      if (found == nullptr) continue;
      if (absl::Status s = Compare(*found); !s.ok()) return s;
    }
    const absl::StatusOr<bool> joined = Look(e.late_close);
    if (!joined.ok()) return joined.status();
    if (*joined && e.late_close.status != e.close.status) {
      return absl::InternalError("two closes differ");
    }
    if (e.late_close.starts > 0) {
      return absl::InternalError("a close that is late waits");
    }
    if (e.flow == nullptr) continue;
    const auto read = static_cast<size_t>(e.flow->bytes_read());
    const auto written = static_cast<size_t>(e.flow->bytes_written());
    if (read != model_.bytes_read(end) ||
        (!model_.Waits(end, Call::kWrite) &&
         written != model_.bytes_written(end))) {
      return absl::InternalError(absl::StrCat(
          e.flow->DebugString(), " instead of ", model_.bytes_read(end),
          " bytes read and ", model_.bytes_written(end), " written"));
    }
  }
  return absl::OkStatus();
}

}  // namespace flow::verification
