// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/pipe.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/numeric/bits.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/compact.h"
#include "flow/internal/gather.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/pipe_state.h"

namespace flow {
namespace {

using ::flow::internal::PipeState;

// What the two ends share: the rules, and what lets threads wait for them.
class SharedState {
 public:
  explicit SharedState(size_t capacity)
      : capacity_(capacity), state_(capacity) {}

  size_t capacity() const { return capacity_; }

  // Also for a call that waits.
  void SetDeadline(PipeState::Wakes call, absl::Time deadline) {
    const internal::MonotonicDeadline until(deadline);
    absl::MutexLock lock(&mu_);
    waiting(call).deadline = until;
    Wake(call);
  }

  // Takes `step(state, discarded, wakes)` until it has a result, which it
  // returns, or until the deadline of `call`, which is what the step is of.
  // What steps discard is freed without the lock.
  template <typename Step>
  auto Await(PipeState::Wakes call, Step step) {
    absl::Cord discarded;
    PipeState::Wakes wakes = 0;
    mu_.Lock();
    auto result = step(state_, &discarded, &wakes);
    while (ABSL_PREDICT_FALSE(!result.has_value())) {
      // A write that waits may have handed over a part.
      Wake(std::exchange(wakes, 0));
      const absl::Duration left = waiting(call).deadline.left();
      if (left <= absl::ZeroDuration()) {
        state_.Stop(call);
        result = absl::DeadlineExceededError("the deadline has passed");
      } else {
        waiting(call).woken.WaitWithTimeout(&mu_, left);
        result = step(state_, &discarded, &wakes);
      }
    }
    mu_.Unlock();
    Wake(wakes);
    return *std::move(result);
  }

  // The same for a step that never waits.
  template <typename Step>
  auto Do(Step step) {
    absl::Cord discarded;
    PipeState::Wakes wakes = 0;
    const auto wake = absl::MakeCleanup([&] { Wake(wakes); });
    absl::MutexLock lock(&mu_);
    return step(state_, &discarded, &wakes);
  }

 private:
  // How a call waits; it is alone.
  struct Waiting {
    absl::CondVar woken;
    internal::MonotonicDeadline deadline;  // guarded by `mu_`
  };

  // That of the lowest bit of `calls`.
  Waiting& waiting(PipeState::Wakes calls) {
    return waiting_[absl::countr_zero(calls)];
  }

  void Wake(PipeState::Wakes calls) {
    for (; ABSL_PREDICT_FALSE(calls != 0); calls &= calls - 1) {
      waiting(calls).woken.Signal();
    }
  }

  const size_t capacity_;
  absl::Mutex mu_;
  PipeState state_ ABSL_GUARDED_BY(mu_);
  std::array<Waiting, 6> waiting_;  // by bit
};

class PipeEnd final : public Flow {
 public:
  PipeEnd(std::shared_ptr<SharedState> shared, PipeState::Side side)
      : shared_(std::move(shared)), side_(side) {}
  ~PipeEnd() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    bool is_a_part = false;
    absl::StatusOr<absl::Cord> result = shared_->Await(
        PipeState::Reader(side_),
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          auto data = state.Read(side_, max_bytes, discarded, wakes);
          is_a_part = state.read_a_part(side_);
          return data;
        });
    if (ABSL_PREDICT_TRUE(result.ok())) {
      returned_ += result->size();
      if (is_a_part) *result = internal::Compact(*std::move(result));
    }
    return result;
  }

  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    return Put(PipeState::Offer(std::move(buffer), /*copied=*/false), accepted);
  }

  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    if (buffer.size() <= internal::kMaxCopied) {
      return Put(PipeState::Offer(buffer), accepted);
    }
    return DoWritevBorrowed(absl::MakeConstSpan(&buffer, 1), accepted);
  }

  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    internal::ByteQueue all;
    for (const absl::Cord& buffer : buffers) all.Append(absl::Cord(buffer));
    return DoWrite(all.TakeAll(), accepted);
  }

  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    internal::Gatherer gatherer(buffers);
    if (gatherer.remaining() <= internal::kMaxCopied) {
      char bytes[internal::kMaxCopied];
      const size_t size = gatherer.remaining();
      gatherer.TakeInto(absl::MakeSpan(bytes, size));
      return Put(PipeState::Offer(absl::string_view(bytes, size)), accepted);
    }
    // Copied as far as the queue can take it at once, but not by tiny pieces.
    const size_t piece = std::max(shared_->capacity(), internal::kMaxBlock);
    while (gatherer.remaining() > 0) {
      absl::Status status = Put(
          PipeState::Offer(gatherer.Take(piece), /*copied=*/true), accepted);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Adds to `*accepted`.
  absl::Status Put(PipeState::Offer offer, size_t* accepted) {
    absl::Status status = shared_->Await(
        PipeState::Writer(side_),
        [&](PipeState& state, absl::Cord*, PipeState::Wakes* wakes) {
          return state.Write(side_, &offer, wakes);
        });
    *accepted += offer.accepted;
    return status;
  }

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    return shared_->Do(
        [&](PipeState& state, absl::Cord*, PipeState::Wakes* wakes) {
          return state.EndWrite(side_, outcome, wakes);
        });
  }

  void DoShutdownRead() override {
    shared_->Do(
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          state.Refuse(side_, discarded, wakes);
        });
  }

  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Closer(side_), deadline);
    return shared_->Await(
        PipeState::Closer(side_),
        [&](PipeState& state, absl::Cord*, PipeState::Wakes*) {
          return state.AwaitEnd(side_);
        });
  }

  void DoAbort(const absl::Status& reason) override {
    shared_->Do(
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          state.Abort(side_, reason, discarded, wakes);
        });
  }

  absl::Status DoFree() override {
    // What a Read brought back too late for its user was lost.
    const bool saw_all = returned_ == bytes_read();
    return shared_->Do(
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes*) {
          return state.Leave(side_, saw_all, discarded);
        });
  }

  void DoSetReadDeadline(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Reader(side_), deadline);
  }

  void DoSetWriteDeadline(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Writer(side_), deadline);
  }

  int64_t DoBytesInTransit() const override {
    return shared_->Do(
        [&](const PipeState& state, absl::Cord*, PipeState::Wakes*) {
          return static_cast<int64_t>(state.queued(side_));
        });
  }

  std::string DoDescribe() const override {
    return side_ == PipeState::kLeft ? "pipe (left end)" : "pipe (right end)";
  }

  const std::shared_ptr<SharedState> shared_;
  const PipeState::Side side_;
  int64_t returned_ = 0;  // by DoRead()
};

}  // namespace

Pipe MakePipe(size_t capacity) {
  auto shared = std::make_shared<SharedState>(capacity);
  Pipe pipe;
  pipe.left = std::make_unique<PipeEnd>(shared, PipeState::kLeft);
  pipe.right = std::make_unique<PipeEnd>(std::move(shared), PipeState::kRight);
  return pipe;
}

}  // namespace flow
