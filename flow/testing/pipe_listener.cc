// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/pipe_listener.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow::testing {
namespace {

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

}  // namespace

std::unique_ptr<Flow> PipeListener::Dial(absl::string_view from) {
  Pipe pipe = MakePipe();
  pipe.left = WithAddresses(std::move(pipe.left), from, "");
  pipe.right = WithAddresses(std::move(pipe.right), "", from);
  flow::internal::MutexLock lock(mu_);
  if (!closed_) waiting_.push_back(std::move(pipe.right));
  return std::move(pipe.left);
}

void PipeListener::Fail(absl::Status error) {
  flow::internal::MutexLock lock(mu_);
  if (!closed_) waiting_.push_back(std::move(error));
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
    return absl::DeadlineExceededError("no connection before the deadline");
  }
  if (closed_) return ClosedError("not listening anymore");
  absl::StatusOr<std::unique_ptr<Flow>> next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

void PipeListener::Close() {
  std::deque<absl::StatusOr<std::unique_ptr<Flow>>> reset;
  flow::internal::MutexLock lock(mu_);
  closed_ = true;
  reset.swap(waiting_);
}

}  // namespace flow::testing
