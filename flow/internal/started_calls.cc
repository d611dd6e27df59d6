// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/started_calls.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
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
#include "flow/operation.h"

namespace flow::internal {

StartedCalls::StartedCalls(FlowCore& core, Engine& engine)
    : core_(core),
      engine_(engine),
      reader_(core, engine),
      writer_(core, engine) {}

void StartedCalls::TryAgain() {
  reader_.Now();
  writer_.Now();
  MutexLock lock(core_.mu());
  for (const std::unique_ptr<Closer>& closer : closers_) closer->Now();
}

void StartedCalls::TryToAwaitRefusal() {
  for (const std::unique_ptr<Refusal>& refusal : refusals_) refusal->Now();
}

void StartedCalls::TryToClose(bool is_known, bool is_for_first) {
  for (const std::unique_ptr<Closer>& closer : closers_) {
    if (is_known || (is_for_first && closer->closing_.is_first)) closer->Now();
  }
}

void StartedCalls::Forget() {
  reader_.Forget();
  writer_.Forget();
  MutexLock lock(core_.mu());
  // Here a Close() runs that has nothing to watch any more.
  for (const std::unique_ptr<Closer>& closer : closers_) closer->Forget();
  if (other_fd_ >= 0) engine_.Forget(std::exchange(other_fd_, -1));
}

template <typename Call>
std::unique_ptr<Call> StartedCalls::Remove(Call& call, Calls<Call>& calls) {
  const auto found = absl::c_find_if(
      calls, [&](const auto& pending) { return pending.get() == &call; });
  std::unique_ptr<Call> removed = std::move(*found);
  calls.erase(found);
  if (call.watched_fd() >= 0) other_fd_ = call.watched_fd();
  return removed;
}

// --- Reading

bool StartedCalls::Read(ReadOperation& operation, size_t max_bytes) {
  return Read(operation, operation.result, /*attempt=*/nullptr, max_bytes);
}

bool StartedCalls::Read(ReadAttempt& attempt, size_t max_bytes) {
  return Read(attempt, attempt.read, &attempt, max_bytes);
}

bool StartedCalls::Read(Operation& operation,
                        absl::StatusOr<absl::Cord>& result,
                        ReadAttempt* attempt, size_t max_bytes) {
  if (max_bytes == 0) {
    result = ReadOfNothing(core_);
  } else if (!core_.read_gate().Take(ThisThread())) {
    result = ReadOfCordRefused(core_);
  } else {
    reader_.operation_ = &operation;
    reader_.result_ = &result;
    reader_.attempt_ = attempt;
    reader_.max_bytes_ = max_bytes;
    reader_.passes_ = false;
    return reader_.Start();
  }
  if (attempt != nullptr) attempt->Finish();
  return true;
}

bool StartedCalls::Reader::Try(bool is_late) {
  Gate::Visit inside(core_.read_gate(), ThisThread());
  Retry* const retry = is_late ? nullptr : this;
  std::optional<absl::StatusOr<absl::Cord>> data =
      attempt_ == nullptr ? core_.transport().TryRead(max_bytes_, retry)
                          : attempt_->Try(retry, &passes_);
  if (data.has_value()) {
    *result_ = *std::move(data);
  } else if (is_late) {
    *result_ = absl::DeadlineExceededError("no data before the deadline");
  } else {
    return false;
  }
  return true;
}

MonotonicDeadline StartedCalls::Reader::Deadline() {
  return core_.deadline(/*reads=*/true).value_or(MonotonicDeadline());
}

Operation* StartedCalls::Reader::End() {
  // Once the gate is given back, this can be used again.
  Operation* const operation = operation_;
  ReadAttempt* const attempt = attempt_;
  absl::StatusOr<absl::Cord>& data = *result_;
  if (passes_ || !data.ok() || !EndRead(core_, data->size(), max_bytes_)) {
    FinishReadOfCord(core_, data, max_bytes_, passes_);
  }
  if (attempt != nullptr) attempt->Finish();
  return operation;
}

// --- Writing

bool StartedCalls::Write(WriteOperation& operation, WriteAttempt* attempt) {
  const size_t size = operation.rest.size();
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
  Gate::Visit inside(core_.write_gate(), ThisThread());
  Retry* const retry = is_late ? nullptr : this;
  absl::Cord* const rest = &operation_->rest;
  std::optional<absl::Status> status =
      attempt_ == nullptr ? core_.transport().TryWrite(rest, retry)
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
  return core_.deadline(/*reads=*/false).value_or(MonotonicDeadline());
}

Operation* StartedCalls::Writer::End() {
  WriteOperation* const operation = operation_;
  absl::Status& status = operation->status;
  // If `rest` has grown, this is more than there was, which is refused.
  const size_t accepted = size_ - operation->rest.size();
  if (status.ok() && accepted != size_) {
    status = absl::InternalError(absl::StrCat("said Ok and accepted ", accepted,
                                              " of ", size_, " bytes"));
  }
  if (!status.ok() || !EndWrite(core_, size_)) {
    status = FinishWrite(core_, size_, accepted, std::move(status));
  }
  return operation;
}

// --- Closing

bool StartedCalls::Close(CloseOperation& operation, const CloseLimit& limit) {
  auto added = std::make_unique<Closer>(*this, operation, limit.deadline);
  Closer& closer = *added;
  if (auto result =
          core_.EnterClose(limit, closer.closing_, /*blocks=*/false)) {
    operation.status = *std::move(result);
    return true;
  }
  {
    MutexLock lock(core_.mu());
    closers_.push_back(std::move(added));
  }
  return closer.Start();
}

bool StartedCalls::Closer::Try(bool is_late) {
  std::optional<absl::Status> result = calls_.core_.StepClose(
      closing_, is_late ? nullptr : this, [this] { return Unwatch(); });
  if (!result.has_value()) return false;
  operation_.status = *std::move(result);
  return true;
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
  auto added = std::make_unique<Refusal>(*this, operation, deadline);
  Refusal& refusal = *added;
  {
    MutexLock lock(core_.mu());
    refusals_.push_back(std::move(added));
  }
  return refusal.Start();
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
