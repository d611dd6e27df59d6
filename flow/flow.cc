// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/flow.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::FlowCore;
using internal::FlowState;
using internal::Gate;
using internal::MonotonicDeadline;
using Answer = FlowState::Answer;

// The most that one call can write: what a count can hold. The largest size_t
// stands for more.
constexpr size_t kMaxWrite =
    std::min<uint64_t>(std::numeric_limits<int64_t>::max(),
                       std::numeric_limits<size_t>::max() - 1);

// --- The rare rest of a call: it was refused, is empty or much too large, has
// failed, or something happened to the direction meanwhile.

absl::StatusOr<size_t> ReadOutcome(const FlowCore& core, const Answer& answer)
    ABSL_SHARED_LOCKS_REQUIRED(core.mu()) {
  if (answer.kind == Answer::kError) return answer.error;
  if (answer.kind == Answer::kOk) return size_t{0};
  return ClosedError(absl::StrCat(core.Describe(), ": Read after Close()"));
}

absl::Status WriteOutcome(const FlowCore& core, const Answer& answer)
    ABSL_SHARED_LOCKS_REQUIRED(core.mu()) {
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

// Returns 0 for end-of-file.
absl::StatusOr<size_t> ReadRefused(const FlowCore& core) {
  internal::MutexLock lock(core.mu());
  if (!core.read_gate().shut()) {
    return absl::InvalidArgumentError(absl::StrCat(
        core.Describe(), ": Read while another Read is under way"));
  }
  return ReadOutcome(core, core.state().ReadAnswer());
}

absl::Status WriteRefused(const FlowCore& core) {
  internal::MutexLock lock(core.mu());
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
  internal::MutexLock lock(core.mu());
  return WriteOutcome(core, core.state().WriteAnswer());
}

// Ends a read of `result` bytes. Returns what the call gets: if that is fewer
// bytes, what was read is discarded.
absl::StatusOr<size_t> FinishRead(FlowCore& core, absl::StatusOr<size_t> result,
                                  size_t max_bytes, bool passes) {
  bool is_lost = false;
  // A payload can be a user's, and run the user's code when it is freed.
  absl::StatusOr<size_t> discarded;
  {
    internal::MutexLock lock(core.mu());
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

// Returns what the call gets of a write of which `accepted` bytes were
// accepted.
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
    internal::MutexLock lock(core.mu());
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

ABSL_ATTRIBUTE_NOINLINE void EndDisturbedRead(FlowCore& core) {
  core.Move([](FlowState& state) { state.EndRead(); });
}

ABSL_ATTRIBUTE_NOINLINE void EndDisturbedWrite(FlowCore& core) {
  core.Move([](FlowState& state) { state.EndWrite(); });
}

// Does what most reads need at their end, and returns whether that was all.
inline bool EndRead(FlowCore& core, size_t size, size_t max_bytes) {
  Gate& gate = core.read_gate();
  // 1 to `max_bytes` bytes, and nothing has happened meanwhile?
  if (ABSL_PREDICT_FALSE(size - 1 >= max_bytes || !gate.undisturbed())) {
    return false;
  }
  gate.Count(size);
  if (ABSL_PREDICT_FALSE(!gate.Give())) EndDisturbedRead(core);
  return true;
}

ABSL_ATTRIBUTE_NOINLINE void FinishReadOfCord(FlowCore& core,
                                              absl::StatusOr<absl::Cord>& data,
                                              size_t max_bytes, bool passes) {
  const absl::StatusOr<size_t> size = FinishRead(
      core, data.ok() ? absl::StatusOr<size_t>(data->size()) : data.status(),
      max_bytes, passes);
  if (!size.ok()) {
    data = size.status();
  } else if (!data.ok() || *size != data->size()) {
    data = absl::Cord();
  }
}

// Reads by `read(bool* passes)`, between its two ends. There is one variable to
// return, so it is made where the caller wants it: to move a Cord that has just
// been made, the processor waits until it is in memory.
template <typename Read>
absl::StatusOr<absl::Cord> ReadCord(FlowCore& core, size_t max_bytes,
                                    Read read) {
  bool passes = false;
  absl::StatusOr<absl::Cord> data = read(&passes);
  if (ABSL_PREDICT_FALSE(passes || !data.ok() ||
                         !EndRead(core, data->size(), max_bytes))) {
    FinishReadOfCord(core, data, max_bytes, passes);
  }
  return data;
}

ABSL_ATTRIBUTE_NOINLINE absl::StatusOr<absl::Cord> ReadOfCordRefused(
    FlowCore& core) {
  const absl::StatusOr<size_t> end = ReadRefused(core);
  if (!end.ok()) return end.status();
  return absl::Cord();
}

// Of a transport that has accepted a part, as write(2) does, and says Ok.
ABSL_ATTRIBUTE_NOINLINE absl::Status NotAll(const Outgoing& data) {
  return absl::InternalError(absl::StrCat(
      "said Ok and accepted ", data.accepted(), " of ", data.size(), " bytes"));
}

// Does what most writes need at their end, and returns whether that was all.
inline bool EndWrite(FlowCore& core, size_t size) {
  Gate& gate = core.write_gate();
  // Nothing has happened meanwhile?
  if (ABSL_PREDICT_FALSE(!gate.undisturbed())) return false;
  gate.Count(size);
  if (ABSL_PREDICT_FALSE(!gate.Give())) EndDisturbedWrite(core);
  return true;
}

}  // namespace

// --- Reading

absl::StatusOr<absl::Cord> Flow::Read(size_t max_bytes) {
  if (ABSL_PREDICT_FALSE(max_bytes == 0)) return ReadOfNothing(core_);
  if (ABSL_PREDICT_FALSE(!core_.read_gate().Take(internal::ThisThread()))) {
    return ReadOfCordRefused(core_);
  }
  return ReadCord(core_, max_bytes, [this, max_bytes](bool*) {
    return core_.transport().Read(max_bytes);
  });
}

absl::StatusOr<size_t> Flow::ReadInto(absl::Span<char> space) {
  if (ABSL_PREDICT_FALSE(space.empty())) return ReadOfNothing(core_);
  if (ABSL_PREDICT_FALSE(!core_.read_gate().Take(internal::ThisThread()))) {
    return ReadRefused(core_);
  }
  absl::StatusOr<size_t> size = core_.transport().ReadInto(space);
  if (ABSL_PREDICT_TRUE(size.ok() && EndRead(core_, *size, space.size()))) {
    return size;
  }
  return FinishRead(core_, std::move(size), space.size(), /*passes=*/false);
}

absl::StatusOr<absl::Cord> Flow::ReadWith(
    size_t max_bytes,
    absl::FunctionRef<absl::StatusOr<absl::Cord>(bool* passes)> function) {
  if (max_bytes == 0) return ReadOfNothing(core_);
  if (ABSL_PREDICT_FALSE(!core_.read_gate().Take(internal::ThisThread()))) {
    return ReadOfCordRefused(core_);
  }
  return ReadCord(core_, max_bytes, function);
}

// --- Writing

absl::Status Flow::WriteAll(Outgoing&& data) {
  if (ABSL_PREDICT_FALSE(data.size() - 1 >= kMaxWrite)) {
    return OddWrite(core_, data.size());
  }
  if (ABSL_PREDICT_FALSE(!core_.write_gate().Take(internal::ThisThread()))) {
    return WriteRefused(core_);
  }
  absl::Status status = core_.transport().Write(data);
  if (ABSL_PREDICT_FALSE(status.ok() && data.accepted() != 0 &&
                         data.accepted() != data.size())) {
    status = NotAll(data);
  }
  if (ABSL_PREDICT_TRUE(status.ok())) {
    if (ABSL_PREDICT_TRUE(EndWrite(core_, data.size()))) return status;
    data.Accept(data.size() - data.accepted());
  }
  return FinishWrite(core_, data.size(), data.accepted(), std::move(status));
}

absl::Status Flow::WriteNothing() { return OddWrite(core_, 0); }

absl::Status Flow::WriteFrom(absl::Cord* source) {
  if (source == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(DebugString(), ": WriteFrom(nullptr)"));
  }
  Outgoing data{Buffer(*source)};
  absl::Status status = WriteAll(std::move(data));  // which stays as it is
  const size_t accepted = status.ok() ? data.size() : data.accepted();
  // Not Clear(): the transport may have appended to `*source`. More than there
  // was is none.
  if (accepted <= data.size()) source->RemovePrefix(accepted);
  return status;
}

absl::Status Flow::WriteWith(
    size_t size, absl::FunctionRef<absl::Status(size_t* accepted)> function) {
  if (size > kMaxWrite) return OddWrite(core_, size);
  if (ABSL_PREDICT_FALSE(!core_.write_gate().Take(internal::ThisThread()))) {
    return WriteRefused(core_);
  }
  size_t accepted = 0;
  absl::Status status = function(&accepted);
  if (status.ok()) {
    if (EndWrite(core_, size)) return status;
    accepted = size;
  }
  return FinishWrite(core_, size, accepted, std::move(status));
}

// --- Ends

absl::Status Flow::Shutdown(ShutdownMode mode) {
  if (mode != ShutdownMode::kRead && mode != ShutdownMode::kWrite &&
      mode != ShutdownMode::kReadWrite) {
    return absl::InvalidArgumentError(
        absl::StrCat(DebugString(), ": Shutdown with the unknown mode ",
                     static_cast<int>(mode)));
  }
  absl::Status status;
  for (const ShutdownMode direction :
       {ShutdownMode::kRead, ShutdownMode::kWrite}) {
    if (mode != direction && mode != ShutdownMode::kReadWrite) continue;
    const bool reads = direction == ShutdownMode::kRead;
    core_.Move([reads](FlowState& state) {
      if (reads) {
        state.RefuseRead();
      } else {
        state.RequestEnd();
      }
    });
    internal::MutexLock lock(core_.mu());
    const FlowState& state = core_.state();
    status.Update(state.aborted() ? state.abort_reason()
                  : reads         ? state.in_error()
                                  : state.out_error());
  }
  return status;
}

absl::Status Flow::AwaitRefusal(absl::Time deadline) {
  absl::Status status = core_.AwaitRefusal(MonotonicDeadline(deadline));
  if (!core_.write_gate().shut()) return status;
  internal::MutexLock lock(core_.mu());
  return WriteOutcome(core_, core_.state().WriteAnswer());
}

bool Flow::can_be_refused() const {
  internal::MutexLock lock(core_.mu());
  return !core_.state().freed() && core_.transport().CanBeRefused();
}

void Flow::Abort(absl::Status reason) {
  if (reason.ok()) reason = absl::AbortedError("aborted");
  reason = internal::Lasting(std::move(reason));
  core_.Move([&](FlowState& state) { state.Abort(reason); });
}

absl::Status Flow::Close(absl::Time deadline) {
  return core_.Close({MonotonicDeadline(deadline)});
}

absl::Status Flow::PatientClose(absl::Duration idle_timeout) {
  return core_.Close({MonotonicDeadline(), idle_timeout});
}

absl::Status Flow::CloseAfterRead(absl::Time deadline) {
  return core_.CloseAfterRead(MonotonicDeadline(deadline));
}

void Flow::SetReadDeadline(absl::Time deadline) {
  core_.SetDeadline(/*reads=*/true, deadline);
}

void Flow::SetWriteDeadline(absl::Time deadline) {
  core_.SetDeadline(/*reads=*/false, deadline);
}

// --- Questions

int64_t Flow::bytes_in_transit() const {
  internal::MutexLock lock(core_.mu());
  return core_.InTransit();
}

std::string Flow::local_address() const {
  internal::MutexLock lock(core_.mu());
  return core_.state().freed() ? "" : core_.transport().LocalAddress();
}

std::string Flow::remote_address() const {
  internal::MutexLock lock(core_.mu());
  return core_.state().freed() ? "" : core_.transport().RemoteAddress();
}

absl::StatusOr<PeerCredentials> Flow::peer() const {
  internal::MutexLock lock(core_.mu());
  if (core_.state().freed()) {
    return ClosedError(
        absl::StrCat(core_.Describe(), ": peer() after Close()"));
  }
  absl::StatusOr<PeerCredentials> peer = core_.transport().Peer();
  if (!peer.ok()) return core_.InContext("peer()", peer.status());
  return peer;
}

std::string Flow::DebugString() const { return core_.DebugString(); }

// --- Making

Flow::Flow(internal::FlowCore::Parts parts) : core_(std::move(parts)) {}

Flow::Flow(std::unique_ptr<Flow> flow, TransportDecorator decorate)
    : core_(DecorateFlow(std::move(flow), decorate)->core_.TakeParts()) {}

Flow::~Flow() = default;

std::unique_ptr<Flow> MakeFlow(std::unique_ptr<Transport> transport) {
  return std::unique_ptr<Flow>(new Flow({std::move(transport)}));
}

std::unique_ptr<Flow> DecorateFlow(std::unique_ptr<Flow> flow,
                                   TransportDecorator decorate) {
  ABSL_CHECK(flow != nullptr) << "no flow to decorate";
  flow->core_.Decorate(decorate);
  return flow;
}

}  // namespace flow
