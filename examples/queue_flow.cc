// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/queue_flow.h"

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/status.h"

namespace flow::examples {
namespace {

// The bytes of one direction. Everything that a waiting Put() or Take() must
// hear of is a mark that stays.
class Queue {
 public:
  explicit Queue(size_t capacity) : capacity_(capacity) {}

  absl::Status Put(absl::Cord bytes) {
    std::unique_lock<std::mutex> lock(mu_);
    while (!end_ && !refusal_ && bytes_.size() >= capacity_) {
      if (absl::Now() >= put_deadline_) {
        return absl::DeadlineExceededError("the queue is full");
      }
      changed_.wait_until(lock, absl::ToChronoTime(put_deadline_));
    }
    if (refusal_) return *refusal_;
    if (end_) return *end_;
    bytes_.Append(std::move(bytes));
    changed_.notify_all();
    return absl::OkStatus();
  }

  absl::StatusOr<absl::Cord> Take(size_t max_bytes) {
    std::unique_lock<std::mutex> lock(mu_);
    while (!end_ && !refusal_ && bytes_.empty()) {
      if (absl::Now() >= take_deadline_) {
        return absl::DeadlineExceededError("the queue is empty");
      }
      changed_.wait_until(lock, absl::ToChronoTime(take_deadline_));
    }
    // What was put comes before the end.
    if (bytes_.empty() && end_ && !end_->ok()) return *end_;
    absl::Cord taken = bytes_.Subcord(0, max_bytes);
    bytes_.RemovePrefix(taken.size());
    changed_.notify_all();
    return taken;
  }

  // Nothing is put any more: Ok, or why. The first counts.
  void End(const absl::Status& outcome) {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!end_) end_ = outcome;
    changed_.notify_all();
  }

  // Nothing is taken any more. The first counts.
  void Refuse(const absl::Status& reason) {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!refusal_) refusal_ = reason;
    bytes_.Clear();
    changed_.notify_all();
  }

  void SetPutDeadline(absl::Time deadline) {
    const std::lock_guard<std::mutex> lock(mu_);
    put_deadline_ = deadline;
    changed_.notify_all();
  }

  void SetTakeDeadline(absl::Time deadline) {
    const std::lock_guard<std::mutex> lock(mu_);
    take_deadline_ = deadline;
    changed_.notify_all();
  }

 private:
  const size_t capacity_;
  std::mutex mu_;  // guards all that follow
  std::condition_variable changed_;
  absl::Cord bytes_;
  std::optional<absl::Status> end_;
  std::optional<absl::Status> refusal_;
  absl::Time put_deadline_ = absl::InfiniteFuture();
  absl::Time take_deadline_ = absl::InfiniteFuture();
};

std::unique_ptr<Flow> MakeEnd(std::shared_ptr<Queue> in,
                              std::shared_ptr<Queue> out) {
  FunctionFlowOptions options;
  options.name = "queue";
  options.input =
      Input::Buffers([in](size_t max_bytes) { return in->Take(max_bytes); });
  options.output = Output::Buffers(
      [out](absl::Cord bytes) { return out->Put(std::move(bytes)); },
      [out] { out->End(absl::OkStatus()); });
  options.interrupt = [in, out](const Interruption& interruption) {
    using Cause = Interruption::Cause;
    switch (interruption.cause) {
      case Cause::kReadDeadline:
        return in->SetTakeDeadline(interruption.deadline);
      case Cause::kWriteDeadline:
        return out->SetPutDeadline(interruption.deadline);
      case Cause::kEndDeadline:
        return;  // End() does not wait
      case Cause::kRefuse:
        return in->Refuse(ClosedError("the reader wants no more"));
      case Cause::kBroken:
        return out->End(interruption.reason);
      case Cause::kAbort:
        in->Refuse(interruption.reason);
        return out->End(interruption.reason);
    }
  };
  options.close = [in, out] {
    in->Refuse(ClosedError("the reader is gone"));
    // After Close() there was one already, which counts.
    out->End(absl::AbortedError("the writer is gone"));
  };
  return MakeFunctionFlow(std::move(options));
}

}  // namespace

QueueFlows MakeQueueFlows(size_t capacity) {
  auto to_left = std::make_shared<Queue>(capacity);
  auto to_right = std::make_shared<Queue>(capacity);
  return {MakeEnd(to_left, to_right), MakeEnd(to_right, to_left)};
}

}  // namespace flow::examples
