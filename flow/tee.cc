// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/tee.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/outgoing_pieces.h"
#include "flow/internal/start_thread.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {
namespace {

using SlowSide = TeeOptions::SlowSide;

// The most that one write of the side has, so that room is made bit by bit.
constexpr size_t kMaxSideWrite = size_t{64} << 10;

// The side: what waits for it, and the thread that hands it on. Shared by that
// thread and by the transport, which waits for the thread before it goes.
class Side {
 public:
  Side(std::unique_ptr<Flow> flow, TeeOptions options)
      : options_(std::move(options)),
        capacity_(std::max(options_.buffer, size_t{1})),
        flow_(std::move(flow)) {
    ABSL_CHECK(flow_ != nullptr) << "a tee without a side";
  }

  static void Start(const std::shared_ptr<Side>& side) {
    absl::StatusOr<std::thread> thread =
        internal::StartThread([side] { side->Run(); });
    if (thread.ok()) {
      // A child of fork(2) could not join it.
      thread->detach();
      return;
    }
    side->Fail(thread.status());
    side->Run();  // only reports it
  }

  // Returns how much the next call may take. It may be more, if it has no
  // choice.
  absl::StatusOr<size_t> AwaitRoom() {
    if (options_.slow_side == SlowSide::kLose) {
      if (IsFull()) {
        Fail(absl::ResourceExhaustedError(absl::StrCat(
            "the side of a tee was too slow: ", capacity_, " bytes wait")));
      }
    } else if (!AwaitNotFull()) {
      return absl::DeadlineExceededError(
          "the deadline has passed while the side of a tee was full");
    }
    internal::MutexLock lock(mu_);
    if (!error_.ok() && options_.required) return error_;
    if (!error_.ok() || released_) return kNoLimit;
    return capacity_ - waiting();
  }

  void Append(absl::Cord data) {
    internal::MutexLock lock(mu_);
    if (error_.ok()) queue_.Append(std::move(data));
  }

  // The direction has ended, in good order or with an error. The first end
  // counts.
  void End(const absl::Status& outcome) {
    {
      internal::MutexLock lock(mu_);
      if (std::exchange(ended_, true)) return;
      if (!SetError(outcome)) return;
    }
    flow_->Abort(outcome);
  }

  // The copy will not be whole. The first reason counts.
  void Fail(const absl::Status& reason) {
    {
      internal::MutexLock lock(mu_);
      if (!SetError(reason)) return;
    }
    flow_->Abort(reason);
  }

  // From now on no call waits.
  void Release() {
    internal::MutexLock lock(mu_);
    released_ = true;
  }

  void SetDeadline(absl::Time deadline) {
    internal::MutexLock lock(mu_);
    deadline_ = internal::MonotonicDeadline(deadline);
  }

  // Waits for the thread and frees the flow. Returns an error if the copy is
  // not whole and had to be.
  absl::Status Finish() {
    if (!AwaitDone(options_.close_timeout)) {
      Fail(absl::AbortedError(absl::StrCat(
          "the side of a tee has not taken everything within ",
          absl::FormatDuration(options_.close_timeout), " of Close()")));
      AwaitDone(absl::InfiniteDuration());
    }
    flow_ = nullptr;
    internal::MutexLock lock(mu_);
    return options_.required ? error_ : absl::OkStatus();
  }

  // In a child of fork(2) there is no thread, and no lock is to be trusted.
  void FreeInChild() { flow_ = nullptr; }

 private:
  void Run() {
    absl::Status status;
    for (absl::Cord data = Next(); !data.empty(); data = Next()) {
      status = flow_->Write(std::move(data));
      if (!status.ok()) Fail(status);
    }
    // Who has set the error may come to abort the flow too late.
    status = error();
    if (!status.ok()) flow_->Abort(status);
    flow_->Shutdown(ShutdownMode::kRead).IgnoreError();
    status = flow_->Close();
    if (!status.ok()) Fail(status);
    status = error();
    if (options_.on_side_end != nullptr) options_.on_side_end(status);
    options_.on_side_end = nullptr;  // not on this thread after Close()
    internal::MutexLock lock(mu_);
    done_ = true;
  }

  // Returns what to write next, or nothing if that was all.
  absl::Cord Next() {
    absl::Cord discarded;
    const auto has_work = [this] {
      mu_.AssertReaderHeld();
      return !queue_.empty() || ended_ || !error_.ok();
    };
    internal::MutexLock lock(mu_);
    writing_ = 0;
    mu_.Await(absl::Condition(&has_work));
    if (!error_.ok()) {
      discarded = queue_.TakeAll();
      return absl::Cord();
    }
    writing_ = std::min(queue_.size(), kMaxSideWrite);
    return queue_.Take(writing_);
  }

  absl::Status error() const {
    internal::MutexLock lock(mu_);
    return error_;
  }

  // Returns whether `reason` is the first error. It must not look like the
  // deadline of a call that it is returned by.
  bool SetError(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (done_ || !error_.ok() || reason.ok()) return false;
    error_ = internal::Lasting(reason);
    return true;
  }

  size_t waiting() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return queue_.size() + writing_;
  }
  bool is_full() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return waiting() >= capacity_ && error_.ok() && !released_;
  }

  bool IsFull() const {
    internal::MutexLock lock(mu_);
    return is_full();
  }

  // Returns false if the deadline has passed.
  bool AwaitNotFull() {
    internal::MutexLock lock(mu_);
    while (is_full()) {
      const internal::MonotonicDeadline until = deadline_;
      const auto has_news = [this, until] {
        mu_.AssertReaderHeld();
        return !is_full() || !(deadline_ == until);
      };
      if (!internal::AwaitUntil(mu_, absl::Condition(&has_news), until)) {
        return false;
      }
    }
    return true;
  }

  bool AwaitDone(absl::Duration timeout) {
    internal::MutexLock lock(mu_);
    return mu_.AwaitWithTimeout(absl::Condition(&done_), timeout);
  }

  TeeOptions options_;
  const size_t capacity_;
  std::unique_ptr<Flow> flow_;

  mutable absl::Mutex mu_;
  internal::ByteQueue queue_ ABSL_GUARDED_BY(mu_);
  size_t writing_ ABSL_GUARDED_BY(mu_) = 0;  // by the thread, at the moment
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status error_ ABSL_GUARDED_BY(mu_);  // why the copy is not whole
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  internal::MonotonicDeadline deadline_ ABSL_GUARDED_BY(mu_);
  bool done_ ABSL_GUARDED_BY(mu_) = false;  // the thread uses nothing any more
};

// What both directions have in common.
class TeeTransport : public ForwardingTransport {
 public:
  TeeTransport(std::unique_ptr<Transport> inner, std::shared_ptr<Side> side)
      : ForwardingTransport(std::move(inner)), side_(std::move(side)) {}

  std::string Describe() const override {
    return absl::StrCat("tee on ", ForwardingTransport::Describe());
  }

  void Abort(const absl::Status& reason) override {
    aborted_ = true;
    ForwardingTransport::Abort(reason);
    side_->Fail(reason);
    side_->Release();
  }

  absl::Status Free() override {
    if (!refusal_.ok() && !aborted_) ForwardingTransport::Abort(refusal_);
    const absl::Status status = ForwardingTransport::Free();
    side_->End(absl::AbortedError("closed before the end of the stream"));
    const absl::Status copied = side_->Finish();
    return status.ok() ? copied : status;
  }

  void FreeInChild() override {
    ForwardingTransport::FreeInChild();
    side_->FreeInChild();
  }

 protected:
  const std::shared_ptr<Side> side_;
  // The error of a read that the flow underneath does not know of.
  absl::Status refusal_;

 private:
  bool aborted_ = false;
};

class ReadTeeTransport final : public TeeTransport {
 public:
  using TeeTransport::TeeTransport;

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (const auto room = side_->AwaitRoom(); !room.ok()) {
      if (!absl::IsDeadlineExceeded(room.status())) refusal_ = room.status();
      return room.status();
    }
    absl::StatusOr<absl::Cord> data = TeeTransport::Read(max_bytes);
    if (data.ok() && !data->empty()) {
      side_->Append(*data);
    } else if (!absl::IsDeadlineExceeded(data.status())) {
      side_->End(data.status());
    }
    return data;
  }

  void RefuseRead() override {
    // In this order, as the Read that this wakes is at an end that is none.
    side_->End(absl::AbortedError("the reader has refused the rest"));
    TeeTransport::RefuseRead();
    side_->Release();
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    absl::Status status = TeeTransport::AwaitRemoteEnd(deadline);
    // Close() waits for a Read that is under way.
    if (!absl::IsDeadlineExceeded(status)) side_->Release();
    return status;
  }

  void SetReadDeadline(absl::Time deadline) override {
    TeeTransport::SetReadDeadline(deadline);
    side_->SetDeadline(deadline);
  }
};

class WriteTeeTransport final : public TeeTransport {
 public:
  using TeeTransport::TeeTransport;

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return inner().ReadInto(space);
  }

  absl::Status Write(Outgoing& data) override {
    internal::OutgoingPieces pieces(data);
    while (pieces.left() > 0) {
      const absl::StatusOr<size_t> room = side_->AwaitRoom();
      if (!room.ok()) return room.status();
      // A transport accepts a Cord whole, where it has any room.
      Outgoing piece = pieces.Next(pieces.borrows() ? *room : kNoLimit);
      const absl::Status status = TeeTransport::Write(piece);
      const size_t accepted = status.ok() ? piece.size() : piece.accepted();
      data.Accept(accepted);
      if (accepted > 0) side_->Append(pieces.Keep(accepted));
      if (status.ok()) continue;
      if (!absl::IsDeadlineExceeded(status)) side_->End(status);
      return status;
    }
    return absl::OkStatus();
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    absl::Status status = TeeTransport::EndWrite(outcome, deadline);
    if (!absl::IsDeadlineExceeded(status)) {
      side_->End(outcome.ok() ? status : outcome);
    }
    return status;
  }

  void SetWriteDeadline(absl::Time deadline) override {
    TeeTransport::SetWriteDeadline(deadline);
    side_->SetDeadline(deadline);
  }
};

template <typename SomeTeeTransport>
std::unique_ptr<Flow> MakeTee(std::unique_ptr<Flow> flow,
                              std::unique_ptr<Flow> side_flow,
                              TeeOptions options) {
  auto side = std::make_shared<Side>(std::move(side_flow), std::move(options));
  Side::Start(side);
  return DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> inner) {
    return std::make_unique<SomeTeeTransport>(std::move(inner),
                                              std::move(side));
  });
}

}  // namespace

std::unique_ptr<Flow> TeeReads(std::unique_ptr<Flow> flow,
                               std::unique_ptr<Flow> side, TeeOptions options) {
  return MakeTee<ReadTeeTransport>(std::move(flow), std::move(side),
                                   std::move(options));
}

std::unique_ptr<Flow> TeeWrites(std::unique_ptr<Flow> flow,
                                std::unique_ptr<Flow> side,
                                TeeOptions options) {
  return MakeTee<WriteTeeTransport>(std::move(flow), std::move(side),
                                    std::move(options));
}

}  // namespace flow
