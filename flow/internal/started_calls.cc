// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/started_calls.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "flow/engine.h"
#include "flow/internal/attempts.h"
#include "flow/internal/call_end.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/patience.h"
#include "flow/internal/relays.h"
#include "flow/operation.h"

namespace flow::internal {

template <typename Call, typename Function>
void StartedCalls::ForEach(const std::unique_ptr<Call>& first,
                           Function function) {
  for (Call* call = first.get(); call != nullptr; call = call->next_.get()) {
    function(*call);
  }
}

void StartedCalls::TryAgain() {
  reader_.Now();
  writer_.Now();
  MutexLock lock(core_.mu());
  ForEach(closers_, [](Closer& closer) { closer.Now(); });
  if (rare_ != nullptr) rare_->relays.TellAll();
}

void StartedCalls::TryToAwaitRefusal() {
  ForEach(refusals_, [](Refusal& refusal) { refusal.Now(); });
  if (rare_ != nullptr) rare_->relays.TellAll();
}

void StartedCalls::TryToClose(bool is_known, bool is_for_first) {
  ForEach(closers_, [&](Closer& closer) {
    if (is_known || (is_for_first && closer.closing_.is_first)) closer.Now();
  });
}

void StartedCalls::Forget() {
  reader_.Forget();
  writer_.Forget();
  MutexLock lock(core_.mu());
  // Here a Close() runs that has nothing to watch any more.
  ForEach(closers_, [](Closer& closer) { closer.Forget(); });
  if (other_fd_ >= 0) engine_.Forget(std::exchange(other_fd_, -1));
  if (rare_ == nullptr) return;
  for (const int fd : rare_->further_fds) engine_.Forget(fd);
  rare_->further_fds.clear();
  rare_->relays.Forget(engine_);
}

Relays& StartedCalls::relays() {
  MutexLock lock(core_.mu());
  return rare().relays;
}

StartedCalls::Rare& StartedCalls::rare() {
  if (rare_ == nullptr) rare_ = std::make_unique<Rare>();
  return *rare_;
}

void StartedCalls::Remember(int fd) {
  if (other_fd_ < 0) other_fd_ = fd;
  if (other_fd_ == fd) return;
  absl::InlinedVector<int, 2>& further = rare().further_fds;
  if (!absl::c_linear_search(further, fd)) further.push_back(fd);
}

template <typename Call>
Call& StartedCalls::Add(std::unique_ptr<Call> call,
                        std::unique_ptr<Call>& first) {
  MutexLock lock(core_.mu());
  std::unique_ptr<Call>* last = &first;
  while (*last != nullptr) last = &(*last)->next_;
  *last = std::move(call);
  return **last;
}

template <typename Call>
std::unique_ptr<Call> StartedCalls::Remove(Call& call,
                                           std::unique_ptr<Call>& first) {
  std::unique_ptr<Call>* place = &first;
  while (place->get() != &call) place = &(*place)->next_;
  std::unique_ptr<Call> removed = std::move(*place);
  *place = std::move(removed->next_);
  if (call.watched_fd() >= 0) Remember(call.watched_fd());
  return removed;
}

// --- Reading

bool StartedCalls::Read(ReadOperation& operation, size_t max_bytes) {
  if (max_bytes != 0 && core_.read_gate().Take(ThisThread())) {
    return StartReader(&operation, /*attempt=*/nullptr, max_bytes);
  }
  operation.result =
      max_bytes == 0 ? ReadOfNothing(core_) : ReadOfCordRefused(core_);
  return true;
}

bool StartedCalls::Read(ReadAttempt& attempt, size_t max_bytes) {
  if (max_bytes != 0 && core_.read_gate().Take(ThisThread())) {
    return StartReader(/*operation=*/nullptr, &attempt, max_bytes);
  }
  attempt.read =
      max_bytes == 0 ? ReadOfNothing(core_) : ReadOfCordRefused(core_);
  attempt.Finish();
  return true;
}

bool StartedCalls::StartReader(ReadOperation* operation, ReadAttempt* attempt,
                               size_t max_bytes) {
  reader_.operation_ = operation;
  reader_.attempt_ = attempt;
  reader_.max_bytes_ = max_bytes;
  reader_.passes_ = false;
  return reader_.Start();
}

bool StartedCalls::Reader::Try(bool is_late) {
  FlowCore& core = calls_.core_;
  Gate::Visit inside(core.read_gate(), ThisThread());
  Retry* const retry = is_late ? nullptr : this;
  std::optional<absl::StatusOr<absl::Cord>> data =
      attempt_ == nullptr ? core.transport().TryRead(max_bytes_, retry)
                          : attempt_->Try(retry, &passes_);
  if (!data.has_value()) {
    if (!is_late) return false;
    data = absl::DeadlineExceededError("no data before the deadline");
  }
  result() = *std::move(data);
  return true;
}

MonotonicDeadline StartedCalls::Reader::Deadline() {
  return calls_.core_.deadline(/*reads=*/true);
}

Operation* StartedCalls::Reader::End() {
  // Once the gate is given back, this can be used again.
  FlowCore& core = calls_.core_;
  ReadOperation* const operation = operation_;
  ReadAttempt* const attempt = attempt_;
  absl::StatusOr<absl::Cord>& data = result();
  if (passes_ || !data.ok() || !EndRead(core, data->size(), max_bytes_)) {
    FinishReadOfCord(core, data, max_bytes_, passes_);
  }
  if (attempt == nullptr) return operation;
  attempt->Finish();
  return attempt;
}

// --- Writing

bool StartedCalls::Write(WriteOperation& operation, WriteAttempt* attempt) {
  const size_t size = attempt == nullptr ? operation.rest.size()
                                         : attempt->Left(operation.rest);
  if (attempt == nullptr ? size - 1 >= kMaxWrite : size > kMaxWrite) {
    operation.status = OddWrite(core_, size);
    return true;
  }
  if (!core_.write_gate().Take(ThisThread())) {
    operation.status = WriteRefused(core_);
    return true;
  }
  writer_.operation_ = &operation;
  writer_.attempt_ = attempt;
  writer_.size_ = size;
  return writer_.Start();
}

bool StartedCalls::Writer::Try(bool is_late) {
  FlowCore& core = calls_.core_;
  Gate::Visit inside(core.write_gate(), ThisThread());
  Retry* const retry = is_late ? nullptr : this;
  absl::Cord* const rest = &operation_->rest;
  std::optional<absl::Status> status =
      attempt_ == nullptr ? core.transport().TryWrite(rest, retry)
                          : attempt_->Try(rest, retry);
  if (status.has_value()) {
    operation_->status = *std::move(status);
  } else if (is_late) {
    operation_->status =
        absl::DeadlineExceededError("not all was accepted before the deadline");
  } else {
    return false;
  }
  return true;
}

MonotonicDeadline StartedCalls::Writer::Deadline() {
  return calls_.core_.deadline(/*reads=*/false);
}

Operation* StartedCalls::Writer::End() {
  WriteOperation* const operation = operation_;
  absl::Status& status = operation->status;
  // If `rest` has grown, this is more than there was, which is refused.
  const size_t accepted =
      size_ - (attempt_ == nullptr ? operation->rest.size()
                                   : attempt_->Left(operation->rest));
  if (status.ok() && accepted != size_) {
    status = absl::InternalError(absl::StrCat("said Ok and accepted ", accepted,
                                              " of ", size_, " bytes"));
  }
  FlowCore& core = calls_.core_;
  if (!status.ok() || !EndWrite(core, size_)) {
    status = FinishWrite(core, size_, accepted, std::move(status));
  }
  return operation;
}

// --- Closing

bool StartedCalls::Close(CloseOperation& operation, const CloseLimit& limit) {
  auto added = std::make_unique<Closer>(*this, operation, limit);
  if (auto result =
          core_.EnterClose(limit, added->closing_, /*blocks=*/false)) {
    operation.status = *std::move(result);
    return true;
  }
  return Add(std::move(added), closers_).Start();
}

bool StartedCalls::Closer::Try(bool is_late) {
  std::optional<absl::Status> result = calls_.core_.StepClose(
      closing_, is_late ? nullptr : this, [this] { return Unwatch(); });
  if (!result.has_value()) return false;
  operation_.status = *std::move(result);
  return true;
}

MonotonicDeadline StartedCalls::Closer::Deadline() {
  if (!limit_.is_patient()) return limit_.deadline;
  MutexLock lock(calls_.core_.mu());
  const int64_t in_transit = calls_.core_.InTransit();
  // An end that nothing in transit can hold up is told by the transport.
  if (in_transit > 0 || !closing_.waiting.has_value()) After(Patience::kLook);
  return patience_.Look(in_transit);
}

// Of a flow that has two (join.h), the second is watched when the first ended.
void StartedCalls::Closer::LeaveBehind(int fd) {
  MutexLock lock(calls_.core_.mu());
  calls_.Remember(fd);
}

Operation* StartedCalls::Closer::End() {
  CloseOperation& operation = operation_;
  std::unique_ptr<Closer> self;  // freed without the lock
  MutexLock lock(calls_.core_.mu());
  self = calls_.Remove(*this, calls_.closers_);
  calls_.core_.LeaveClose();
  return &operation;
}

// --- Refusals

bool StartedCalls::AwaitRefusal(RefusalOperation& operation,
                                MonotonicDeadline deadline) {
  if (!core_.BeginAwaitRefusal()) {
    MutexLock lock(core_.mu());
    operation.status = WriteOutcome(core_, core_.state().WriteAnswer());
    return true;
  }
  return Add(std::make_unique<Refusal>(*this, operation, deadline), refusals_)
      .Start();
}

bool StartedCalls::Refusal::Try(bool is_late) {
  std::optional<absl::Status> result =
      calls_.core_.TryAwaitRefusal(asks_, is_late ? nullptr : this);
  if (!result.has_value()) return false;
  operation_.status = *std::move(result);
  return true;
}

Operation* StartedCalls::Refusal::End() {
  RefusalOperation& operation = operation_;
  FlowCore& core = calls_.core_;
  std::unique_ptr<Refusal> self;  // freed without the lock
  {
    MutexLock lock(core.mu());
    self = calls_.Remove(*this, calls_.refusals_);
    if (core.write_gate().shut()) {
      operation.status = WriteOutcome(core, core.state().WriteAnswer());
    }
  }
  core.EndAwaitRefusal();
  return &operation;
}

}  // namespace flow::internal
