// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/flow.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/engine.h"
#include "flow/internal/attempts.h"
#include "flow/internal/call_end.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/started_calls.h"
#include "flow/operation.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::FlowCore;
using internal::FlowState;
using internal::MonotonicDeadline;

// A call that blocks by starting another one.
template <typename Operation>
class Parked final : public Operation {
 public:
  void Done() override { done_.Notify(); }
  // `is_over` is what the start has returned.
  void Wait(bool is_over) {
    if (!is_over) done_.WaitForNotification();
  }

 private:
  absl::Notification done_;
};

// Calls that block do so in tests of started calls. None of these is inlined,
// so that the others keep no operation on the stack.
ABSL_ATTRIBUTE_NOINLINE absl::StatusOr<absl::Cord> ParkedRead(
    Flow& flow, size_t max_bytes) {
  Parked<ReadOperation> read;
  read.Wait(flow.StartRead(&read, max_bytes));
  return std::move(read.result);
}

ABSL_ATTRIBUTE_NOINLINE absl::StatusOr<size_t> ParkedReadInto(
    Flow& flow, absl::Span<char> space) {
  const absl::StatusOr<absl::Cord> data = ParkedRead(flow, space.size());
  if (!data.ok()) return data.status();
  char* end = space.data();
  for (absl::string_view piece : data->Chunks()) {
    end = std::copy(piece.begin(), piece.end(), end);
  }
  return data->size();
}

ABSL_ATTRIBUTE_NOINLINE absl::Status ParkedWrite(Flow& flow, Outgoing& data) {
  Parked<WriteOperation> write;
  for (size_t i = 0; i < data.count(); ++i) {
    write.rest.Append(data[i].TakeCord());
  }
  write.Wait(flow.StartWrite(&write));
  data.Accept(data.size() - write.rest.size());
  return write.status;
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
                         !internal::EndRead(core, data->size(), max_bytes))) {
    internal::FinishReadOfCord(core, data, max_bytes, passes);
  }
  return data;
}

// Of a transport that has accepted a part, as write(2) does, and says Ok.
ABSL_ATTRIBUTE_NOINLINE absl::Status NotAll(const Outgoing& data) {
  return absl::InternalError(absl::StrCat(
      "said Ok and accepted ", data.accepted(), " of ", data.size(), " bytes"));
}

}  // namespace

// --- Reading

absl::StatusOr<absl::Cord> Flow::Read(size_t max_bytes) {
  if (core_.blocks_by_starting()) {
    return ParkedRead(*this, max_bytes);
  }
  if (ABSL_PREDICT_FALSE(max_bytes == 0)) return internal::ReadOfNothing(core_);
  if (ABSL_PREDICT_FALSE(!core_.read_gate().Take(internal::ThisThread()))) {
    return internal::ReadOfCordRefused(core_);
  }
  return ReadCord(core_, max_bytes, [this, max_bytes](bool*) {
    return core_.transport().Read(max_bytes);
  });
}

absl::StatusOr<size_t> Flow::ReadInto(absl::Span<char> space) {
  if (core_.blocks_by_starting()) {
    return ParkedReadInto(*this, space);
  }
  if (ABSL_PREDICT_FALSE(space.empty())) return internal::ReadOfNothing(core_);
  if (ABSL_PREDICT_FALSE(!core_.read_gate().Take(internal::ThisThread()))) {
    return internal::ReadRefused(core_);
  }
  absl::StatusOr<size_t> size = core_.transport().ReadInto(space);
  if (ABSL_PREDICT_TRUE(size.ok() &&
                        internal::EndRead(core_, *size, space.size()))) {
    return size;
  }
  return internal::FinishRead(core_, std::move(size), space.size(),
                              /*passes=*/false);
}

absl::StatusOr<absl::Cord> Flow::ReadWith(
    size_t max_bytes,
    absl::FunctionRef<absl::StatusOr<absl::Cord>(bool* passes)> function) {
  if (max_bytes == 0) return internal::ReadOfNothing(core_);
  if (ABSL_PREDICT_FALSE(!core_.read_gate().Take(internal::ThisThread()))) {
    return internal::ReadOfCordRefused(core_);
  }
  return ReadCord(core_, max_bytes, function);
}

// --- Writing

absl::Status Flow::WriteAll(Outgoing&& data) {
  if (core_.blocks_by_starting()) {
    return ParkedWrite(*this, data);
  }
  if (ABSL_PREDICT_FALSE(data.size() - 1 >= internal::kMaxWrite)) {
    return internal::OddWrite(core_, data.size());
  }
  if (ABSL_PREDICT_FALSE(!core_.write_gate().Take(internal::ThisThread()))) {
    return internal::WriteRefused(core_);
  }
  absl::Status status = core_.transport().Write(data);
  if (ABSL_PREDICT_FALSE(status.ok() && data.accepted() != 0 &&
                         data.accepted() != data.size())) {
    status = NotAll(data);
  }
  if (ABSL_PREDICT_TRUE(status.ok())) {
    if (ABSL_PREDICT_TRUE(internal::EndWrite(core_, data.size())))
      return status;
    data.Accept(data.size() - data.accepted());
  }
  return internal::FinishWrite(core_, data.size(), data.accepted(),
                               std::move(status));
}

absl::Status Flow::WriteNothing() { return internal::OddWrite(core_, 0); }

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
  if (size > internal::kMaxWrite) return internal::OddWrite(core_, size);
  if (ABSL_PREDICT_FALSE(!core_.write_gate().Take(internal::ThisThread()))) {
    return internal::WriteRefused(core_);
  }
  size_t accepted = 0;
  absl::Status status = function(&accepted);
  if (status.ok()) {
    if (internal::EndWrite(core_, size)) return status;
    accepted = size;
  }
  return internal::FinishWrite(core_, size, accepted, std::move(status));
}

// --- Started calls

namespace {

// Those that SetEngine() has made.
internal::StartedCalls& Started(const FlowCore& core) {
  return static_cast<internal::StartedCalls&>(*core.pending_calls());
}

// Returns whether CanStart() is Ok.
bool Starts(const FlowCore& core) {
  return core.pending_calls() != nullptr && core.transport().CanStart();
}

}  // namespace

absl::Status Flow::CanStart(absl::string_view what) const {
  if (core_.pending_calls() == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        DebugString(), ": ", what, " without an engine (SetEngine())"));
  }
  if (!core_.transport().CanStart()) {
    return absl::UnimplementedError(absl::StrCat(
        DebugString(), ": ", what, " on a transport that can only block"));
  }
  return absl::OkStatus();
}

bool Flow::StartRead(ReadOperation* operation, size_t max_bytes) {
  if (ABSL_PREDICT_FALSE(!Starts(core_))) {
    operation->result = CanStart("StartRead");
    return true;
  }
  return Started(core_).Read(*operation, max_bytes);
}

bool Flow::StartWrite(WriteOperation* operation) {
  if (ABSL_PREDICT_FALSE(!Starts(core_))) {
    operation->status = CanStart("StartWrite");
    return true;
  }
  operation->status = absl::OkStatus();
  return Started(core_).Write(*operation, /*attempt=*/nullptr);
}

bool Flow::StartAwaitRefusal(RefusalOperation* operation, absl::Time deadline) {
  operation->status = CanStart("StartAwaitRefusal");
  return !operation->status.ok() ||
         Started(core_).AwaitRefusal(*operation, MonotonicDeadline(deadline));
}

bool Flow::StartReadWith(size_t max_bytes, internal::ReadAttempt& attempt) {
  return Started(core_).Read(attempt, max_bytes);
}

bool Flow::StartWriteWith(WriteOperation& operation,
                          internal::WriteAttempt& attempt) {
  return Started(core_).Write(operation, &attempt);
}

bool Flow::StartClose(CloseOperation* operation, absl::Time deadline) {
  operation->status = CanStart("StartClose");
  return !operation->status.ok() ||
         Started(core_).Close(*operation, {MonotonicDeadline(deadline)});
}

bool Flow::StartPatientClose(CloseOperation* operation,
                             absl::Duration idle_timeout) {
  operation->status = CanStart("StartPatientClose");
  return !operation->status.ok() ||
         Started(core_).Close(*operation, {MonotonicDeadline(), idle_timeout});
}

void Flow::SetEngine(Engine* engine) {
  ABSL_CHECK(engine != nullptr) << DebugString() << ": SetEngine(nullptr)";
  if (engine == this->engine()) return;
  core_.SetPendingCalls(
      std::make_unique<internal::StartedCalls>(core_, *engine));
}

Engine* Flow::engine() const {
  const internal::PendingCalls* const calls = core_.pending_calls();
  return calls == nullptr ? nullptr : &calls->engine();
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
  if (core_.blocks_by_starting()) {
    Parked<RefusalOperation> refusal;
    refusal.Wait(StartAwaitRefusal(&refusal, deadline));
    return refusal.status;
  }
  absl::Status status = core_.AwaitRefusal(MonotonicDeadline(deadline));
  if (!core_.write_gate().shut()) return status;
  internal::MutexLock lock(core_.mu());
  return internal::WriteOutcome(core_, core_.state().WriteAnswer());
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
  if (core_.blocks_by_starting()) {
    Parked<CloseOperation> close;
    close.Wait(StartClose(&close, deadline));
    return close.status;
  }
  return core_.Close({MonotonicDeadline(deadline)});
}

absl::Status Flow::PatientClose(absl::Duration idle_timeout) {
  if (core_.blocks_by_starting()) {
    Parked<CloseOperation> close;
    close.Wait(StartPatientClose(&close, idle_timeout));
    return close.status;
  }
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

Flow::Flow(internal::FlowCore::Parts parts)
    : Flow(std::move(parts), parts.engine) {}

Flow::Flow(internal::FlowCore::Parts&& parts, Engine* engine)
    : core_(std::move(parts)) {
  if (engine != nullptr) SetEngine(engine);
}

Flow::Flow(std::unique_ptr<Flow> flow, TransportDecorator decorate)
    : Flow(DecorateFlow(std::move(flow), decorate)->core_.TakeParts()) {}

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
