// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/pipe_listener.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow::testing {
namespace {

using ::flow::internal::MonotonicDeadline;

class AddressedTransport final : public ForwardingTransport {
 public:
  AddressedTransport(std::unique_ptr<Transport> inner, std::string local,
                     std::string remote)
      : ForwardingTransport(std::move(inner)),
        local_(std::move(local)),
        remote_(std::move(remote)) {}

  // Not by way of Read(): no bytes are changed.
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return inner().ReadInto(space);
  }
  bool CanStart() const override { return inner().CanStart(); }
  std::string LocalAddress() const override { return local_; }
  std::string RemoteAddress() const override { return remote_; }

 private:
  const std::string local_;
  const std::string remote_;
};

std::unique_ptr<Flow> WithAddresses(std::unique_ptr<Flow> flow,
                                    absl::string_view local,
                                    absl::string_view remote) {
  return DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> inner) {
    return std::make_unique<AddressedTransport>(
        std::move(inner), std::string(local), std::string(remote));
  });
}

absl::Status NobodyCame() {
  return absl::DeadlineExceededError("no connection before the deadline");
}

}  // namespace

// An accept that was started. It owns itself, by way of `started_`.
class PipeListener::Started final : public flow::internal::StartedCall {
 public:
  Started(PipeListener& listener, AcceptOperation& operation, Engine& engine,
          MonotonicDeadline deadline)
      : listener_(listener),
        operation_(operation),
        engine_(engine),
        deadline_(deadline) {}

 private:
  bool Try(bool is_late) override {
    {
      flow::internal::MutexLock lock(listener_.mu_);
      if (!listener_.IsReady()) {
        if (is_late) operation_.flow = NobodyCame();
        return is_late;
      }
      operation_.flow = listener_.Next();
    }
    if (operation_.flow.ok()) (*operation_.flow)->SetEngine(&engine_);
    return true;
  }
  MonotonicDeadline Deadline() override { return deadline_; }
  Engine& engine() const override { return engine_; }
  Operation* End() override {
    AcceptOperation* const operation = &operation_;
    std::unique_ptr<Started> self;  // freed without the lock
    flow::internal::MutexLock lock(listener_.mu_);
    auto& started = listener_.started_;
    const auto found = absl::c_find_if(
        started, [this](const auto& each) { return each.get() == this; });
    self = std::move(*found);
    started.erase(found);
    return operation;
  }

  PipeListener& listener_;
  AcceptOperation& operation_;
  Engine& engine_;
  const MonotonicDeadline deadline_;
};

PipeListener::PipeListener(size_t capacity)
    : fork_generation_(flow::internal::ForkGeneration()), capacity_(capacity) {}

bool PipeListener::IsCopy() const {
  return fork_generation_ != flow::internal::ForkGeneration();
}

PipeListener::~PipeListener() {
  // In a child of fork(2) no lock is to be trusted.
  if (IsCopy()) return;
  flow::internal::MutexLock lock(mu_);
  ABSL_CHECK(started_.empty()) << "a Listener is destroyed while a started "
                                  "accept is pending: Close() it, "
                                  "and wait for each Done()";
}

std::unique_ptr<Flow> PipeListener::Dial(absl::string_view from) {
  Pipe pipe = MakePipe(capacity_);
  pipe.left = WithAddresses(std::move(pipe.left), from, "");
  pipe.right = WithAddresses(std::move(pipe.right), "", from);
  Add(std::move(pipe.right));
  return std::move(pipe.left);
}

void PipeListener::Fail(absl::Status error) { Add(std::move(error)); }

void PipeListener::Add(Outcome outcome) {
  {
    flow::internal::MutexLock lock(mu_);
    if (!closed_) {
      waiting_.push_back(std::move(outcome));
      TellStarted();
      return;
    }
  }
  Refuse(outcome);
}

void PipeListener::Refuse(Outcome& outcome) {
  if (outcome.ok()) {
    (*outcome)->Abort(absl::UnavailableError("the listener is closed"));
  }
}

void PipeListener::TellStarted() {
  for (const std::unique_ptr<Started>& started : started_) started->Now();
}

PipeListener::Outcome PipeListener::Next() {
  if (closed_) return ClosedError("not listening anymore");
  Outcome next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

size_t PipeListener::waiting() const {
  flow::internal::MutexLock lock(mu_);
  return waiting_.size();
}

absl::StatusOr<std::unique_ptr<Flow>> PipeListener::Accept(
    absl::Time deadline) {
  flow::internal::MutexLock lock(mu_);
  if (!mu_.AwaitWithDeadline(absl::Condition(this, &PipeListener::IsReady),
                             deadline)) {
    return NobodyCame();
  }
  return Next();
}

bool PipeListener::StartAccept(AcceptOperation* operation, Engine& engine,
                               absl::Time deadline) {
  if (IsCopy()) {
    operation->flow = absl::FailedPreconditionError(
        "after fork(2) an accept cannot be started");
    return true;
  }
  auto added = std::make_unique<Started>(*this, *operation, engine,
                                         MonotonicDeadline(deadline));
  Started& started = *added;
  {
    flow::internal::MutexLock lock(mu_);
    started_.push_back(std::move(added));
  }
  return started.Start();
}

void PipeListener::Close() {
  std::deque<Outcome> refused;
  {
    flow::internal::MutexLock lock(mu_);
    closed_ = true;
    refused.swap(waiting_);
    TellStarted();
  }
  for (Outcome& outcome : refused) Refuse(outcome);
}

}  // namespace flow::testing
