// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/pipe_ends_checker.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/verification/pipe_model.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {
namespace {

using Kind = PipeOperation::Kind;
using Call = PipeModel::Call;
using Outcome = PipeModel::Outcome;

}  // namespace

bool Matches(const absl::Status& status, const Outcome& expected) {
  switch (expected.kind) {
    case Outcome::kOk:
      return status.ok();
    case Outcome::kClosed:
      return IsClosed(status);
    case Outcome::kReason:
      return !status.ok() && !IsClosed(status) &&
             !absl::IsDeadlineExceeded(status) &&
             absl::StrContains(status.message(), expected.reason);
    case Outcome::kLate:
      return absl::IsDeadlineExceeded(status);
    default:
      return false;
  }
}

PipeEndsChecker::PipeEndsChecker(size_t capacity) : model_(capacity) {
  Pipe pipe = MakePipe(capacity);
  ends_[0] = std::move(pipe.left);
  ends_[1] = std::move(pipe.right);
  for (auto& end : ends_) {
    end->SetReadDeadline(absl::InfinitePast());
    end->SetWriteDeadline(absl::InfinitePast());
  }
}

bool PipeEndsChecker::IsLegal(PipeOperation operation) const {
  return !model_.destroyed(operation.end) && operation.kind < Kind::kLateRead;
}

absl::Status PipeEndsChecker::Apply(PipeOperation operation) {
  const int end = operation.end;
  const Kind kind = operation.kind;
  Flow* flow = ends_[end].get();
  const size_t read_before = model_.bytes_read(end);
  const size_t written_before = model_.bytes_written(end);
  std::vector<PipeModel::Ended> ended;
  Outcome expected;
  // The call's own outcome; its deadline passes at once.
  const auto await = [&](Call call) {
    if (expected.kind != Outcome::kWaits) return;
    if (model_.Waits(end, call)) model_.PassDeadline(end, call, &ended);
    for (const PipeModel::Ended& e : ended) {
      if (e.end == end && e.call == call) expected = e.outcome;
    }
  };
  absl::Status status;
  std::string data;
  bool equal = false;
  switch (kind) {
    case Kind::kRead1:
    case Kind::kReadAll: {
      expected = model_.Read(end, ReadSize(kind), &ended);
      await(Call::kRead);
      const absl::StatusOr<absl::Cord> result = flow->Read(ReadSize(kind));
      status = result.status();
      if (!result.ok()) {
        equal = Matches(status, expected);
      } else {
        data = std::string(*result);
        equal =
            expected.kind == Outcome::kEof
                ? data.empty()
                : expected.kind == Outcome::kData &&
                      data == PipeBytes(1 - end, read_before, expected.bytes);
      }
      break;
    }
    case Kind::kWrite0:
    case Kind::kWrite1:
    case Kind::kWrite2:
    case Kind::kCord2: {
      const bool cord = kind == Kind::kCord2;
      const std::string bytes = PipeBytes(end, written_before, WriteSize(kind));
      expected = model_.Write(end, bytes.size(), cord, &ended);
      await(Call::kWrite);
      status = cord ? flow->Write(absl::Cord(bytes)) : flow->Write(bytes);
      equal = Matches(status, expected);
      break;
    }
    case Kind::kShutdownRead:
    case Kind::kShutdownWrite:
    case Kind::kShutdownBoth: {
      const ShutdownMode mode = ShutdownModeOf(kind);
      expected = model_.Shutdown(end, mode, &ended);
      status = flow->Shutdown(mode);
      equal = Matches(status, expected);
      break;
    }
    case Kind::kClose:
      expected = model_.Close(end, &ended);
      await(Call::kClose);
      status = flow->Close(absl::InfinitePast());
      equal = Matches(status, expected);
      break;
    case Kind::kAbort: {
      const std::string reason = absl::StrCat(end, " aborts");
      model_.Abort(end, reason, &ended);
      flow->Abort(absl::DataLossError(reason));
      equal = true;
      break;
    }
    case Kind::kDestroy:
      model_.Destroy(end, &ended);
      ends_[end] = nullptr;
      return absl::OkStatus();
    case Kind::kAwaitRefusal:
      expected = model_.AwaitRefusal(end, &ended);
      await(Call::kAwaitRefusal);
      status = flow->AwaitRefusal(absl::InfinitePast());
      equal = Matches(status, expected);
      break;
    case Kind::kLateRead:
    case Kind::kLateWrite:
    case Kind::kLateClose:
    case Kind::kLateRefusal:
      break;
  }
  if (equal &&
      flow->bytes_read() == static_cast<int64_t>(model_.bytes_read(end)) &&
      flow->bytes_written() ==
          static_cast<int64_t>(model_.bytes_written(end))) {
    return absl::OkStatus();
  }
  return absl::InternalError(
      absl::StrCat("\"", data, "\" ", status.message(), " instead of ",
                   expected.ToString(), "; ", model_.bytes_read(end),
                   " bytes read and ", model_.bytes_written(end),
                   " written by now expected of ", flow->DebugString()));
}

}  // namespace flow::verification
