// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/pipe.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/attributes.h"
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
#include "flow/internal/brief_wait.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/compact.h"
#include "flow/internal/gather.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/pipe_state.h"
#include "flow/internal/spare_block.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

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
    internal::MutexLock lock(mu_);
    waiting(call).deadline = until;
    Wake(call);
  }

  // Takes `step(state, discarded, wakes)` until it has a result, which it
  // returns, or until the deadline of `call`, which is what the step is of.
  // What steps discard is freed without the lock.
  template <typename Step>
  absl::Status Await(PipeState::Wakes call, Step step) {
    absl::Cord discarded;
    PipeState::Wakes wakes = 0;
    internal::Lock(mu_);
    std::optional<absl::Status> result = step(state_, &discarded, &wakes);
    bool has_looked = false;
    while (ABSL_PREDICT_FALSE(!result.has_value())) {
      // A write that waits may have handed over a part.
      WakeStarted(&wakes);
      Wake(std::exchange(wakes, 0));
      const absl::Duration left = waiting(call).deadline.left();
      if (left <= absl::ZeroDuration()) {
        state_.Stop(call);
        result = absl::DeadlineExceededError("the deadline has passed");
      } else {
        // Whoever wakes a call does so without the lock. So after a brief wait
        // it looks again before it sleeps, or it would sleep through that.
        Waiting& me = waiting(call);
        if (!has_looked && me.brief.is_worthwhile()) {
          const uint32_t seen = me.brief.wakes();
          internal::Unlock(mu_);
          has_looked = !me.brief.Await(seen);
          internal::Lock(mu_);
        } else {
          me.woken.WaitWithTimeout(&mu_, left);
          has_looked = false;
        }
        result = step(state_, &discarded, &wakes);
      }
    }
    WakeStarted(&wakes);
    internal::Unlock(mu_);
    Wake(wakes);
    return *std::move(result);
  }

  // The same for a step that never waits.
  template <typename Step>
  auto Do(Step step) {
    absl::Cord discarded;
    PipeState::Wakes wakes = 0;
    const auto wake = absl::MakeCleanup([&] { Wake(wakes); });
    internal::MutexLock lock(mu_);
    const auto wake_started = absl::MakeCleanup([&] {
      mu_.AssertHeld();
      WakeStarted(&wakes);
    });
    return step(state_, &discarded, &wakes);
  }

  // The same for a started call: takes the step once. If it has to wait, and
  // `retry` is not null, that is told when it is worth another try.
  template <typename Step>
  std::optional<absl::Status> Try(PipeState::Wakes call, Retry* retry,
                                  Step step) {
    absl::Cord discarded;
    PipeState::Wakes wakes = 0;
    const auto wake = absl::MakeCleanup([&] { Wake(wakes); });
    internal::MutexLock lock(mu_);
    std::optional<absl::Status> result = step(state_, &discarded, &wakes);
    if (!result.has_value() && retry == nullptr) state_.Stop(call);
    const bool waits = !result.has_value() && retry != nullptr;
    waiting(call).started = waits ? retry : nullptr;
    any_started_ = any_started_ || waits;
    WakeStarted(&wakes);
    return result;
  }

 private:
  // How a call waits; it is alone. It has a cache line of its own, because it
  // looks at that again and again.
  struct alignas(ABSL_CACHELINE_SIZE) Waiting {
    absl::CondVar woken;
    internal::MonotonicDeadline deadline;  // guarded by `mu_`
    Retry* started = nullptr;              // guarded by `mu_`
    internal::BriefWait brief;
  };

  // That of the lowest bit of `calls`.
  Waiting& waiting(PipeState::Wakes calls) {
    return waiting_[static_cast<size_t>(absl::countr_zero(calls))];
  }

  // Wakes those of `*calls` that were started, and removes them. With the lock,
  // because otherwise they could be over, and gone.
  void WakeStarted(PipeState::Wakes* calls) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (ABSL_PREDICT_TRUE(!any_started_)) return;
    for (PipeState::Wakes left = *calls; left != 0; left &= left - 1) {
      Retry* const started = std::exchange(waiting(left).started, nullptr);
      if (started == nullptr) continue;
      started->Now();
      *calls &= ~(left & -left);
    }
  }

  void Wake(PipeState::Wakes calls) {
    for (; ABSL_PREDICT_FALSE(calls != 0); calls &= calls - 1) {
      Waiting& call = waiting(calls);
      call.brief.Wake();
      call.woken.Signal();
    }
  }

  const size_t capacity_;
  absl::Mutex mu_;
  PipeState state_ ABSL_GUARDED_BY(mu_);
  bool any_started_ ABSL_GUARDED_BY(mu_) = false;  // since the beginning
  std::array<Waiting, 8> waiting_;                 // by bit
};

class PipeTransport final : public Transport {
 public:
  PipeTransport(std::shared_ptr<SharedState> shared, PipeState::Side side)
      : shared_(std::move(shared)), side_(side) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    bool is_a_part = false;
    absl::StatusOr<absl::Cord> result{absl::Cord()};
    // Not shared with ReadInto(): a step that is used once is inline.
    absl::Status status = shared_->Await(
        PipeState::Reader(side_),
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          auto outcome =
              state.Read(side_, max_bytes, &*result, discarded, wakes);
          is_a_part = state.read_a_part(side_);
          return outcome;
        });
    if (ABSL_PREDICT_FALSE(!status.ok())) {
      result = std::move(status);
    } else if (ABSL_PREDICT_FALSE(is_a_part)) {
      *result = internal::Compact(*std::move(result));
    }
    return result;
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    // May be a part of a larger buffer, which is not kept.
    absl::Cord data;
    size_t few = 0;
    const absl::Status status = shared_->Await(
        PipeState::Reader(side_),
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          return state.ReadInto(side_, space, &few, &data, discarded, wakes);
        });
    if (!status.ok()) return status;
    if (few != 0) return few;
    char* end = space.data();
    for (absl::string_view piece : data.Chunks()) {
      std::memcpy(end, piece.data(), piece.size());
      end += piece.size();
    }
    return data.size();
  }

  absl::Status Write(Outgoing& data) override {
    if (data.is_one() && !data.is_borrowed()) {
      const auto take = [&] { return data.TakeCord(); };
      return Put(PipeState::Offer(take, /*copied=*/false), data);
    }
    if (data.is_one() && data.size() <= internal::kMaxCopied) {
      return Put(PipeState::Offer(data.bytes()), data);
    }
    if (data.is_one() && data.size() <= internal::SpareBlock::kMost) {
      return PutCopy(data.size(), data, [&](absl::Span<char> space) {
        std::memcpy(space.data(), data.bytes().data(), space.size());
      });
    }
    return WriteList(data);
  }

  absl::Status EndWrite(const absl::Status& outcome, absl::Time) override {
    return shared_->Do(
        [&](PipeState& state, absl::Cord*, PipeState::Wakes* wakes) {
          return state.EndWrite(side_, outcome, wakes);
        });
  }

  void RefuseRead() override {
    shared_->Do(
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          state.Refuse(side_, discarded, wakes);
        });
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Closer(side_), deadline);
    return shared_->Await(
        PipeState::Closer(side_),
        [&](PipeState& state, absl::Cord*, PipeState::Wakes*) {
          return state.AwaitEnd(side_);
        });
  }

  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Watcher(side_), deadline);
    return shared_->Await(
        PipeState::Watcher(side_),
        [&](PipeState& state, absl::Cord*, PipeState::Wakes*) {
          return state.AwaitRefusal(side_);
        });
  }

  bool CanBeRefused() const override { return true; }

  void Abort(const absl::Status& reason) override {
    shared_->Do(
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          state.Abort(side_, reason, discarded, wakes);
        });
  }

  void LoseRead() override { saw_all_ = false; }

  absl::Status Free() override {
    return shared_->Do(
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          return state.Leave(side_, saw_all_, discarded, wakes);
        });
  }

  void SetReadDeadline(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Reader(side_), deadline);
  }

  void SetWriteDeadline(absl::Time deadline) override {
    shared_->SetDeadline(PipeState::Writer(side_), deadline);
  }

  bool CanStart() const override { return true; }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    bool is_a_part = false;
    absl::Cord data;
    std::optional<absl::Status> status = shared_->Try(
        PipeState::Reader(side_), retry,
        [&](PipeState& state, absl::Cord* discarded, PipeState::Wakes* wakes) {
          auto outcome = state.Read(side_, max_bytes, &data, discarded, wakes);
          is_a_part = state.read_a_part(side_);
          return outcome;
        });
    if (!status.has_value()) return std::nullopt;
    if (!status->ok()) return *std::move(status);
    return is_a_part ? internal::Compact(std::move(data)) : std::move(data);
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    // Reads accept from it until the write is over.
    if (!offer_.has_value()) {
      offer_.emplace([rest] { return *rest; }, /*copied=*/false);
    }
    size_t accepted = 0;
    std::optional<absl::Status> status = shared_->Try(
        PipeState::Writer(side_), retry,
        [&](PipeState& state, absl::Cord*, PipeState::Wakes* wakes) {
          auto written = state.Write(side_, &*offer_, wakes);
          accepted = offer_->accepted;
          return written;
        });
    rest->RemovePrefix(accepted - (offer_->size - rest->size()));
    // Only now is nobody else at the offer.
    if (status.has_value() || retry == nullptr) offer_.reset();
    return status;
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    return shared_->Try(PipeState::Closer(side_), retry,
                        [&](PipeState& state, absl::Cord*, PipeState::Wakes*) {
                          return state.AwaitEnd(side_);
                        });
  }

  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    return shared_->Try(PipeState::Watcher(side_), retry,
                        [&](PipeState& state, absl::Cord*, PipeState::Wakes*) {
                          return state.AwaitRefusal(side_);
                        });
  }

  int64_t BytesInTransit() const override {
    return shared_->Do(
        [&](const PipeState& state, absl::Cord*, PipeState::Wakes*) {
          return static_cast<int64_t>(state.queued(side_));
        });
  }

  std::string Describe() const override {
    return side_ == PipeState::kLeft ? "pipe (left end)" : "pipe (right end)";
  }

 private:
  // What is shared is one offer, and so is what is borrowed, as far as they
  // come in a row. Apart, so that one buffer does not pay for its frame.
  ABSL_ATTRIBUTE_NOINLINE absl::Status WriteList(Outgoing& data) {
    for (size_t i = 0; i < data.count();) {
      const size_t first = i;
      const bool is_borrowed = data[i].is_borrowed();
      while (i < data.count() && data[i].is_borrowed() == is_borrowed) ++i;
      absl::Status status =
          is_borrowed ? PutBorrowed(data, first, i) : PutShared(data, first, i);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Put(PipeState::Offer offer, Outgoing& data) {
    absl::Status status = shared_->Await(
        PipeState::Writer(side_),
        [&](PipeState& state, absl::Cord*, PipeState::Wakes* wakes) {
          return state.Write(side_, &offer, wakes);
        });
    data.Accept(offer.accepted);
    return status;
  }

  // Puts `size` bytes, which `fill(absl::Span<char>)` writes.
  template <typename Fill>
  absl::Status PutCopy(size_t size, Outgoing& data, Fill fill) {
    const auto copy = [&] { return spare_.MakeCord(size, fill); };
    return Put(PipeState::Offer(copy, /*copied=*/true), data);
  }

  // Both put the buffers from `first` to before `end`.
  absl::Status PutShared(Outgoing& data, size_t first, size_t end) {
    internal::ByteQueue all;
    for (size_t i = first; i < end; ++i) all.Append(data[i].TakeCord());
    if (all.empty()) return absl::OkStatus();
    return Put(PipeState::Offer(all.TakeAll(), /*copied=*/false), data);
  }

  absl::Status PutBorrowed(Outgoing& data, size_t first, size_t end) {
    internal::Gatherer gatherer(data, first, end);
    if (gatherer.remaining() <= internal::kMaxCopied) {
      char bytes[internal::kMaxCopied];
      const size_t size = gatherer.remaining();
      if (size == 0) return absl::OkStatus();
      gatherer.TakeInto(absl::MakeSpan(bytes, size));
      return Put(PipeState::Offer(absl::string_view(bytes, size)), data);
    }
    if (gatherer.remaining() <= internal::SpareBlock::kMost) {
      return PutCopy(gatherer.remaining(), data,
                     [&](absl::Span<char> space) { gatherer.TakeInto(space); });
    }
    // Copied as far as the queue can take it at once, but not by tiny pieces.
    const size_t piece = std::max(shared_->capacity(), internal::kMaxBlock);
    while (gatherer.remaining() > 0) {
      absl::Status status =
          Put(PipeState::Offer(gatherer.Take(piece), /*copied=*/true), data);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<SharedState> shared_;
  const PipeState::Side side_;
  internal::SpareBlock spare_;             // of the write under way
  std::optional<PipeState::Offer> offer_;  // of a write that was started
  std::atomic<bool> saw_all_{true};        // no Read() was lost
};

}  // namespace

Pipe MakePipe(size_t capacity) {
  auto shared = std::make_shared<SharedState>(capacity);
  Pipe pipe;
  pipe.left =
      MakeFlow(std::make_unique<PipeTransport>(shared, PipeState::kLeft));
  pipe.right = MakeFlow(
      std::make_unique<PipeTransport>(std::move(shared), PipeState::kRight));
  return pipe;
}

}  // namespace flow
