// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/pipe_listener.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"

namespace flow::testing {

std::unique_ptr<Flow> PipeListener::Dial() {
  Pipe pipe = MakePipe();
  absl::MutexLock lock(&mu_);
  if (!closed_) waiting_.push_back(std::move(pipe.right));
  return std::move(pipe.left);
}

void PipeListener::Fail(absl::Status error) {
  absl::MutexLock lock(&mu_);
  if (!closed_) waiting_.push_back(std::move(error));
}

size_t PipeListener::waiting() const {
  absl::MutexLock lock(&mu_);
  return waiting_.size();
}

absl::StatusOr<std::unique_ptr<Flow>> PipeListener::Accept(
    absl::Time deadline) {
  absl::MutexLock lock(&mu_);
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
  absl::MutexLock lock(&mu_);
  closed_ = true;
  reset.swap(waiting_);
}

}  // namespace flow::testing
