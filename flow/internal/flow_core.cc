// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/flow_core.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/base/optimization.h"
#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/patience.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

using ClosePhase = FlowState::ClosePhase;
using Hook = FlowState::Hook;

absl::Status NoRefusal() {
  return absl::DeadlineExceededError("no refusal before the deadline");
}

}  // namespace

FlowCore::FlowCore(Parts parts)
    : state_(parts.state),
      fork_generation_(parts.fork_generation),
      read_deadline_(parts.read_deadline),
      write_deadline_(parts.write_deadline),
      transport_(std::move(parts.transport)) {
  ABSL_CHECK(transport_ != nullptr) << "a flow on no transport";
}

FlowCore::Parts FlowCore::TakeParts() {
  {
    MutexLock lock(mu_);
    CheckIdle("taken apart");
  }
  // Whoever closes the descriptors then knows no engine.
  Engine* engine = nullptr;
  if (pending_calls_ != nullptr) {
    pending_calls_->Forget();
    engine = &pending_calls_->engine();
  }
  MutexLock lock(mu_);
  return {std::move(transport_),  state_,           read_deadline_.load(),
          write_deadline_.load(), fork_generation_, engine};
}

void FlowCore::CheckIdle(absl::string_view what) const {
  ABSL_CHECK(state_.idle() && closers_ == 0)
      << Describe() << ": " << what << " while a call is under way";
  ABSL_CHECK(loans_ == 0) << Describe() << ": " << what << " while it is lent";
}

void FlowCore::Decorate(TransportDecorator decorate) {
  MonotonicDeadline read_deadline;
  MonotonicDeadline write_deadline;
  {
    MutexLock lock(mu_);
    CheckIdle("decorated");
    if (!state_.freed()) {
      read_deadline = read_deadline_;
      write_deadline = write_deadline_;
    }
  }
  transport_ = decorate(std::move(transport_));
  ABSL_CHECK(transport_ != nullptr) << "decorated with no transport";
  if (!read_deadline.is_never()) {
    transport_->SetReadDeadline(read_deadline.ToTime());
  }
  if (!write_deadline.is_never()) {
    transport_->SetWriteDeadline(write_deadline.ToTime());
  }
}

FlowCore::~FlowCore() {
  if (transport_ == nullptr) return;  // another one has taken over
  // In a child of fork(2) no lock is to be trusted.
  if (ABSL_PREDICT_FALSE(ForkGeneration() != fork_generation_)) {
    transport_->FreeInChild();
    return;
  }
  Task task;
  {
    MutexLock lock(mu_);
    CheckIdle("destroyed");
    state_.Destroy(
        absl::AbortedError(absl::StrCat(Describe(), ": ", kDestroyed)));
    task = TakeTask();
  }
  Run(std::move(task));
}

// --- What is due

FlowCore::Task FlowCore::TakeTask(bool closer) {
  Task task{state_.TakeDue(closer), close_limit_};
  if (task.due.hook != Hook::kNone) inside_.push_back(ThisThread());
  if (!closer) WakeClosers();
  if (pending_calls_ != nullptr && write_gate().shut()) {
    pending_calls_->TryToAwaitRefusal();
  }
  return task;
}

void FlowCore::Run(Task task) {
  while (task.due.hook != Hook::kNone) {
    // Freed without the lock, as a payload can run a user's code then.
    const absl::Status status = Perform(task);
    MutexLock lock(mu_);
    inside_.erase(absl::c_find(inside_, ThisThread()));
    Finish(task, status);
    task = TakeTask();
  }
}

void FlowCore::Move(absl::FunctionRef<void(FlowState& state)> move) {
  Task task;
  {
    MutexLock lock(mu_);
    move(state_);
    task = TakeTask();
  }
  Run(std::move(task));
}

absl::Status FlowCore::Perform(const Task& task) {
  const CloseLimit& limit = task.limit;
  const auto end_write = [&](absl::Time deadline) {
    return transport_->EndWrite(task.due.status, deadline);
  };
  const auto await_remote = [&](absl::Time deadline) {
    return transport_->AwaitRemoteEnd(deadline);
  };
  switch (task.due.hook) {
    case Hook::kNone:
      break;
    case Hook::kRefuseRead:
      transport_->RefuseRead();
      if (pending_calls_ != nullptr) pending_calls_->TryAgain();
      break;
    case Hook::kEndWrite:
      if (limit.is_patient()) return Patiently(limit.idle_timeout, end_write);
      return end_write(limit.deadline.ToTime());
    case Hook::kAwaitRemoteEnd:
      if (limit.is_patient()) {
        return Patiently(limit.idle_timeout, await_remote);
      }
      return await_remote(limit.deadline.ToTime());
    case Hook::kAbort:
      transport_->Abort(task.due.status);
      if (pending_calls_ != nullptr) pending_calls_->TryAgain();
      break;
    case Hook::kFree:
      if (pending_calls_ != nullptr) pending_calls_->Forget();
      return transport_->Free();
  }
  return absl::OkStatus();
}

// A moment at a time, as long as bytes arrive.
absl::Status FlowCore::Patiently(
    absl::Duration idle_timeout,
    absl::FunctionRef<absl::Status(absl::Time)> wait) {
  const auto aborted = [this] {
    mu_.AssertReaderHeld();
    return state_.aborted();
  };
  Patience patience(idle_timeout, transport_->BytesInTransit());
  absl::Status status;
  do {
    const MonotonicDeadline look = patience.NextLook();
    status = wait(look.ToTime());
    if (!absl::IsDeadlineExceeded(status)) break;
    // What cannot wait has said so too early.
    MutexLock lock(mu_);
    if (AwaitUntil(mu_, absl::Condition(&aborted), look)) break;
  } while (patience.GoesOn(transport_->BytesInTransit()));
  return status;
}

void FlowCore::Finish(const Task& task, const absl::Status& status) {
  const CloseLimit& limit = task.limit;
  const bool is_late = absl::IsDeadlineExceeded(status) && !limit.is_never();
  bool stays = false;  // as kDeadlineExceeded, which is that of Close()
  absl::string_view tried = "closing";
  switch (task.due.hook) {
    case Hook::kEndWrite:
      if (is_late && (limit.is_patient() || limit.deadline.has_passed())) {
        GiveUpClose(CloseWaitsFor());
      }
      tried = "ending the outbound direction";
      break;
    case Hook::kAwaitRemoteEnd:
      if (transport_->IsLent()) {
        // The outbound direction of the lender goes on, so no abort.
        tried = "Close()";
        stays = is_late;
      } else {
        if (is_late) GiveUpClose(CloseWaitsFor());
        tried = "waiting for the remote to end";
      }
      break;
    default:
      break;
  }
  if (status.ok()) return state_.Finish(task.due.hook, status);
  state_.Finish(task.due.hook,
                InContext(tried, stays ? status : Lasting(status)));
}

void FlowCore::SetDeadline(bool reads, absl::Time deadline) {
  {
    MutexLock lock(mu_);
    (reads ? read_deadline_ : write_deadline_) = MonotonicDeadline(deadline);
    ++(reads ? read_deadlines_set_ : write_deadlines_set_);
    if (!BeginOther()) return;
  }
  Tell(reads, deadline);
  EndOther();
}

uint32_t FlowCore::deadlines_set(bool reads) const {
  MutexLock lock(mu_);
  return reads ? read_deadlines_set_ : write_deadlines_set_;
}

bool FlowCore::BeginToKeep() {
  MutexLock lock(mu_);
  if (state_.freed()) return false;
  state_.BeginToKeep();
  return true;
}

void FlowCore::EndToKeep() {
  Move([](FlowState& state) { state.EndToKeep(); });
}

void FlowCore::TellDeadline(bool reads, std::optional<absl::Time> deadline) {
  absl::Time told;
  {
    MutexLock lock(mu_);
    told = deadline.has_value() ? *deadline : this->deadline(reads).ToTime();
    if (!BeginOther()) return;
  }
  Tell(reads, told);
  EndOther();
}

void FlowCore::Tell(bool reads, absl::Time deadline) {
  const auto try_again = absl::MakeCleanup([&] {
    if (pending_calls_ != nullptr) pending_calls_->TryAgain();
  });
  if (!reads) return transport_->SetWriteDeadline(deadline);
  // A thread that begins or ends to hold may come in between. Then this is not
  // the last word.
  bool held = reads_held_;
  do {
    transport_->SetReadDeadline(held ? absl::InfinitePast() : deadline);
  } while (std::exchange(held, reads_held_) != held);
}

absl::Status FlowCore::AbortReason() const {
  MutexLock lock(mu_);
  return state_.abort_reason();
}

void FlowCore::LoseRead() {
  {
    MutexLock lock(mu_);
    if (!BeginOther()) return;
  }
  transport_->LoseRead();
  EndOther();
}

bool FlowCore::BeginOther() {
  if (state_.freed()) return false;
  state_.BeginOther();
  inside_.push_back(ThisThread());
  return true;
}

void FlowCore::EndOther() {
  Move([this](FlowState& state) {
    mu_.AssertHeld();
    inside_.erase(absl::c_find(inside_, ThisThread()));
    state.EndOther();
  });
}

// --- Refusals

absl::Status FlowCore::AwaitRefusal(MonotonicDeadline until) {
  const auto is_over = [this] { return write_gate().shut(); };
  const auto is_turn = [this] {
    mu_.AssertReaderHeld();
    return !awaits_refusal_ || write_gate().shut();
  };
  bool asks = false;
  {
    MutexLock lock(mu_);
    // Nothing is freed before the gate is shut.
    if (write_gate().shut() || !BeginOther()) return NoRefusal();
    asks = AwaitUntil(mu_, absl::Condition(&is_turn), until) &&
           !write_gate().shut();
    if (asks) awaits_refusal_ = true;
  }
  std::optional<absl::Status> said = NoRefusal();
  if (asks) said = transport_->AwaitRefusal(until.ToTime());
  absl::Status result;
  {
    MutexLock lock(mu_);
    if (!said.has_value()) {
      AwaitUntil(mu_, absl::Condition(&is_over), until);
    }
    result = Refusal(std::move(said));
    if (asks) LeaveRefusal();
  }
  EndOther();
  return result;
}

bool FlowCore::BeginAwaitRefusal() {
  MutexLock lock(mu_);
  if (write_gate().shut() || state_.freed()) return false;
  state_.BeginOther();
  return true;
}

std::optional<absl::Status> FlowCore::TryAwaitRefusal(bool& asks,
                                                      Retry* retry) {
  {
    MutexLock lock(mu_);
    // Then this is over, and the transport is to forget it.
    if (write_gate().shut()) retry = nullptr;
    if (!asks && !awaits_refusal_ && retry != nullptr) {
      asks = awaits_refusal_ = true;
    }
    if (asks) inside_.push_back(ThisThread());
  }
  std::optional<absl::Status> said;
  if (asks) said = transport_->TryAwaitRefusal(retry);
  MutexLock lock(mu_);
  if (asks) inside_.erase(absl::c_find(inside_, ThisThread()));
  if (!said.has_value() && retry != nullptr) return std::nullopt;
  if (std::exchange(asks, false)) LeaveRefusal();
  return Refusal(std::move(said));
}

void FlowCore::EndAwaitRefusal() {
  Move([](FlowState& state) { state.EndOther(); });
}

absl::Status FlowCore::Refusal(std::optional<absl::Status> said) const {
  if (!said.has_value()) said = NoRefusal();
  if (said->ok()) said = absl::InternalError("said that all is well");
  return InContext("AwaitRefusal", *said);
}

void FlowCore::LeaveRefusal() {
  awaits_refusal_ = false;
  if (pending_calls_ != nullptr) pending_calls_->TryToAwaitRefusal();
}

bool FlowCore::IsInside() const {
  const void* const me = ThisThread();
  return read_gate().caller() == me || write_gate().caller() == me ||
         absl::c_linear_search(inside_, me);
}

// --- Closing

absl::Status FlowCore::Close(CloseLimit limit) {
  Closing closing;
  if (const auto result = EnterClose(limit, closing, /*blocks=*/true)) {
    return *result;
  }
  return closing.is_first ? RunClose(limit) : JoinClose(limit);
}

std::optional<absl::Status> FlowCore::EnterClose(const CloseLimit& limit,
                                                 Closing& closing,
                                                 bool blocks) {
  Task task;
  std::optional<absl::Status> result;
  {
    MutexLock lock(mu_);
    if (state_.closed().has_value()) return *state_.closed();
    if (IsInside()) {
      result = state_.CloseInside(absl::InvalidArgumentError(absl::StrCat(
          Describe(),
          ": Close() from inside one of the flow's own functions")));
    } else {
      ++closers_;
      closing.is_first = !state_.closing();
      if (closing.is_first) {
        close_limit_ = limit;
        state_.BeginClose(limit.is_patient(),
                          !state_.freed() && transport_->EndsEarly(), blocks);
      }
    }
    task = TakeTask();
  }
  Run(std::move(task));
  return result;
}

absl::Status FlowCore::RunClose(const CloseLimit& limit) {
  const auto can_go_on = [this] {
    mu_.AssertReaderHeld();
    const ClosePhase phase = state_.close_phase();
    return phase == ClosePhase::kNothing ||
           (phase == ClosePhase::kTransit && InTransit() == 0);
  };
  while (true) {
    Task task;
    {
      MutexLock lock(mu_);
      if (!AwaitWithin(limit, absl::Condition(&can_go_on))) {
        GiveUpClose(CloseWaitsFor());
      } else if (state_.close_phase() == ClosePhase::kTransit) {
        state_.Arrive();
      }
      task = TakeTask(/*closer=*/true);
      if (task.due.hook == Hook::kNone && state_.closed().has_value()) {
        --closers_;
        return *state_.closed();
      }
    }
    Run(std::move(task));
  }
}

absl::Status FlowCore::JoinClose(const CloseLimit& limit) {
  const auto closed = [this] {
    mu_.AssertReaderHeld();
    return state_.closed().has_value();
  };
  Task task;
  {
    MutexLock lock(mu_);
    if (!AwaitWithin(limit, absl::Condition(&closed))) {
      GiveUpClose(CloseWaitsFor());
    }
    task = TakeTask();
  }
  Run(std::move(task));
  MutexLock lock(mu_);
  // All may be done except the clean-up, which nothing can interrupt.
  mu_.Await(absl::Condition(&closed));
  --closers_;
  return *state_.closed();
}

void FlowCore::WakeClosers() {
  if (pending_calls_ == nullptr || !pending_calls_->is_closing()) return;
  pending_calls_->TryToClose(state_.closed().has_value(),
                             state_.close_phase() == ClosePhase::kNothing);
}

bool FlowCore::Suspend(Task& task, Closing& closing) {
  if (task.due.hook != Hook::kEndWrite &&
      task.due.hook != Hook::kAwaitRemoteEnd) {
    return false;
  }
  inside_.erase(absl::c_find(inside_, ThisThread()));
  closing.waiting = std::move(task);
  return true;
}

std::optional<absl::Status> FlowCore::StepClose(
    Closing& closing, Retry* retry, absl::FunctionRef<bool()> unwatch) {
  while (true) {
    Task task;
    if (closing.waiting.has_value()) {
      const FlowState::Due& due = closing.waiting->due;
      std::optional<absl::Status>& outcome = closing.outcome;
      if (!outcome.has_value()) {
        outcome = due.hook == Hook::kEndWrite
                      ? transport_->TryEndWrite(due.status, retry)
                      : transport_->TryAwaitRemoteEnd(retry);
      }
      if (!outcome.has_value()) {
        if (retry != nullptr) return std::nullopt;
        outcome = absl::DeadlineExceededError("not before the deadline");
      }
      // Afterwards somebody may free.
      if (!unwatch()) return std::nullopt;
      MutexLock lock(mu_);
      Finish(*std::exchange(closing.waiting, std::nullopt),
             *std::exchange(outcome, std::nullopt));
      task = TakeTask();
    } else {
      MutexLock lock(mu_);
      if (closing.is_first && state_.close_phase() == ClosePhase::kTransit &&
          InTransit() == 0) {
        state_.Arrive();
      } else if (retry == nullptr) {
        GiveUpClose(CloseWaitsFor());
      }
      task = TakeTask(closing.is_first);
      if (Suspend(task, closing)) continue;
      if (task.due.hook == Hook::kNone) {
        // Only the clean-up may still be under way, and that ends soon.
        return state_.closed();
      }
    }
    Run(std::move(task));
  }
}

void FlowCore::SetPendingCalls(std::unique_ptr<PendingCalls> calls) {
  MutexLock lock(mu_);
  CheckIdle("bound to an engine");
  ABSL_CHECK(pending_calls_ == nullptr)
      << Describe() << ": bound to a second engine";
  pending_calls_ = std::move(calls);
}

bool FlowCore::NextStarts() {
  // Fibonacci hashing of the number of the call.
  const uint32_t number = next_starts_.fetch_add(1, std::memory_order_relaxed);
  return (number * uint32_t{0x9E3779B9} >> 31) != 0;
}

absl::Status FlowCore::CloseAfterRead(MonotonicDeadline until) {
  Task task;
  bool waits = false;
  {
    MutexLock lock(mu_);
    waits = !state_.closing() && !IsInside();
    if (waits) {
      ++closers_;
      if (!state_.end_requested()) close_limit_.deadline = until;  // of a flush
      state_.RequestEnd();
      task = TakeTask();
    }
  }
  Run(std::exchange(task, Task()));
  if (waits) {
    MutexLock lock(mu_);
    const auto was_read = [this] {
      mu_.AssertReaderHeld();
      return state_.in() != FlowState::Direction::kOpen || state_.closing() ||
             state_.aborted() || state_.closed().has_value();
    };
    if (!AwaitUntil(mu_, absl::Condition(&was_read), until)) {
      GiveUpClose("another thread to read to the end");
    }
    --closers_;
    task = TakeTask();
  }
  Run(std::move(task));
  return Close({until});
}

bool FlowCore::AwaitWithin(const CloseLimit& limit,
                           const absl::Condition& condition) {
  if (!limit.is_patient()) return AwaitUntil(mu_, condition, limit.deadline);
  Patience patience(limit.idle_timeout, InTransit());
  while (!AwaitUntil(mu_, condition, patience.NextLook())) {
    if (!patience.GoesOn(InTransit())) return condition.Eval();
  }
  return true;
}

void FlowCore::GiveUpClose(absl::string_view waited_for) {
  const std::string name = Describe();
  state_.GiveUpClose(
      absl::DeadlineExceededError(absl::StrCat(
          name, ": Close() deadline exceeded waiting for ", waited_for)),
      ClosedError(absl::StrCat(name,
                               ": after Close(), which passed its "
                               "deadline")),
      absl::AbortedError(
          absl::StrCat(transport_->IsLent() ? Name() : "the other end",
                       " passed its deadline in Close()")));
}

int64_t FlowCore::InTransit() const {
  return state_.freed() ? 0 : transport_->BytesInTransit();
}

}  // namespace flow::internal
