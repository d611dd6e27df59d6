// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// StartCopy().

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/internal/copy_ends.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/kernel_copy.h"
#include "flow/internal/kernel_end.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/operation.h"

namespace flow {
namespace {

using ::flow::internal::MonotonicDeadline;
using Side = CopyResult::Side;

// How many steps it takes, and how many bytes, until it is the turn of others.
constexpr int kStepsAtOnce = 64;
constexpr int64_t kBytesAtOnce = int64_t{1} << 20;

// One StartCopy(). At any time one call of it is pending, or one thread runs
// it, so it needs no lock.
class StartedCopy {
 public:
  StartedCopy(CopyOperation& operation, Flow& source, Flow& sink,
              const CopyOptions& options)
      : operation_(operation),
        source_(source),
        sink_(sink),
        options_(options),
        may_move_(!options.through_memory &&
                  options.max_read >= internal::kMinSplice),
        start_(std::chrono::steady_clock::now()),
        read_(this),
        write_(this),
        close_(this) {}

  // Finds what makes a copy impossible. Precondition: nothing has begun.
  bool CanBegin() {
    if (options_.exactly && options_.max_bytes == CopyOptions().max_bytes) {
      result().status = internal::NoMaxBytes(source_);
      if (options_.close_timeout.has_value()) {
        internal::AbortSink(sink_, result().status);
      }
      return false;
    }
    for (const Flow* flow : {&source_, &sink_}) {
      result().status = internal::FlowAccess::CanStart(*flow, "StartCopy");
      if (result().status.ok()) continue;
      result().failed = flow == &sink_ ? Side::kSink : Side::kSource;
      return false;
    }
    return true;
  }

  // Takes step after step until a call is pending. Returns whether the copy is
  // over. If not, another thread may have gone on, and this may be gone.
  bool Run() {
    const int64_t turn_ends = copied_ + kBytesAtOnce;
    for (int i = 0; i < kStepsAtOnce && copied_ < turn_ends; ++i) {
      switch (next_) {
        case Step::kRead:
          if (!ReadIsOver()) return false;
          break;
        case Step::kTakeRead:
          TakeRead();
          break;
        case Step::kWrite:
          if (!WriteIsOver()) return false;
          break;
        case Step::kDrain:
          if (!DrainIsOver()) return false;
          break;
        case Step::kTakeDrain:
          in_kernel_->EndDrain(write_);
          TakeWrite();
          break;
        case Step::kTakeWrite:
          TakeWrite();
          break;
        case Step::kEnd:
          if (!EndIsOver()) return false;
          break;
        case Step::kTakeClose:
          result().status = std::move(close_.status);
          if (!result().status.ok()) result().failed = Side::kSink;
          next_ = Step::kOver;
          break;
        case Step::kOver:
          return true;
      }
    }
    source_.engine()->Post([this] { GoOn(); });
    return false;
  }

 private:
  enum class Step {
    kRead,
    kTakeRead,
    kWrite,
    kTakeWrite,
    kDrain,
    kTakeDrain,
    kEnd,
    kTakeClose,
    kOver
  };

  template <typename Operation>
  struct Call final : Operation {
    explicit Call(StartedCopy* copy) : copy(copy) {}
    void Done() override { copy->GoOn(); }
    StartedCopy* const copy;
  };

  CopyResult& result() { return operation_.result; }

  void GoOn() {
    if (!Run()) return;
    CopyOperation& operation = operation_;
    delete this;
    operation.Done();
  }

  bool ReadIsOver() {
    const int64_t left = options_.max_bytes - copied_;
    if (left <= 0) {
      next_ = Step::kEnd;
      return true;
    }
    has_begun_ = true;
    const size_t max_read = std::min<uint64_t>(
        std::max(options_.max_read, size_t{1}), static_cast<uint64_t>(left));
    if (in_kernel_ != nullptr) {
      size_ = in_kernel_->TryFill(max_read);
      if (size_ != 0) {
        CountRead(size_);
        next_ = Step::kDrain;
        return true;
      }
    }
    if (BoundsReads()) {
      source_.SetReadDeadline(
          MonotonicDeadline::In(options_.read_timeout).ToTime());
    }
    next_ = Step::kTakeRead;
    return source_.StartRead(&read_, max_read);
  }

  void TakeRead() {
    next_ = Step::kRead;
    if (!read_.result.ok()) {
      if (!GoesOn(read_.result.status(), source_)) {
        Fail(std::move(read_.result).status(), Side::kSource);
      }
      return;
    }
    if (read_.result->empty()) {
      next_ = Step::kEnd;
      if (!options_.exactly) return;
      return Fail(internal::EndedEarly(source_, copied_, options_.max_bytes),
                  Side::kSource);
    }
    CountRead(read_.result->size());
    MoveIfBulk(read_.result->size());
    write_.rest = *std::move(read_.result);
    next_ = Step::kWrite;
  }

  void CountRead(size_t size) {
    ++result().statistics.reads;
    copied_ += static_cast<int64_t>(size);
  }

  // If a read has found much, more may come, and that moves inside the kernel.
  // A copy of small messages holds nothing for it.
  void MoveIfBulk(size_t size) {
    if (size >= internal::kMinSplice && may_move_ && in_kernel_ == nullptr) {
      may_move_ = internal::KernelCopy::IsPossible(source_, sink_);
      if (!may_move_) return;
      in_kernel_ = std::make_unique<internal::KernelCopy>(source_, sink_);
    }
    if (in_kernel_ != nullptr) in_kernel_->Tell(size);
  }

  bool DrainIsOver() {
    BoundWrite();
    next_ = Step::kTakeDrain;
    return in_kernel_->StartDrain(write_);
  }

  void BoundWrite() {
    if (!BoundsWrites()) return;
    sink_.SetWriteDeadline(
        MonotonicDeadline::In(options_.write_timeout).ToTime());
  }

  bool WriteIsOver() {
    BoundWrite();
    size_ = write_.rest.size();
    next_ = Step::kTakeWrite;
    return sink_.StartWrite(&write_);
  }

  void TakeWrite() {
    ++result().statistics.writes;
    const auto accepted = static_cast<int64_t>(size_ - write_.rest.size());
    result().statistics.bytes += accepted;
    if (options_.on_write != nullptr && accepted > 0) {
      options_.on_write(accepted);
    }
    next_ = Step::kRead;
    if (write_.status.ok()) return;
    next_ = Step::kWrite;
    if (GoesOn(write_.status, sink_)) return;
    result().unwritten = std::move(write_.rest);
    Fail(std::move(write_.status), Side::kSink);
  }

  // Ends the sink, if it is to be ended.
  bool EndIsOver() {
    if (has_begun_ && BoundsReads()) {
      source_.SetReadDeadline(absl::InfiniteFuture());
    }
    if (has_begun_ && BoundsWrites()) {
      sink_.SetWriteDeadline(absl::InfiniteFuture());
    }
    result().statistics.duration =
        absl::FromChrono(std::chrono::steady_clock::now() - start_);
    in_kernel_.reset();
    next_ = Step::kOver;
    if (!options_.close_timeout.has_value()) return true;
    if (!result().status.ok()) {
      internal::AbortSink(sink_, result().status);
      return true;
    }
    next_ = Step::kTakeClose;
    const auto deadline = MonotonicDeadline::In(*options_.close_timeout);
    return sink_.StartClose(&close_, deadline.ToTime());
  }

  void Fail(absl::Status error, Side failed) {
    result().status = std::move(error);
    result().failed = failed;
    next_ = Step::kEnd;
  }

  bool GoesOn(const absl::Status& status, Flow& flow) const {
    return absl::IsDeadlineExceeded(status) &&
           options_.on_deadline != nullptr && options_.on_deadline(flow);
  }

  bool BoundsReads() const {
    return options_.read_timeout != absl::InfiniteDuration();
  }
  bool BoundsWrites() const {
    return options_.write_timeout != absl::InfiniteDuration();
  }

  CopyOperation& operation_;
  Flow& source_;
  Flow& sink_;
  const CopyOptions options_;
  bool may_move_;                                    // inside the kernel
  std::unique_ptr<internal::KernelCopy> in_kernel_;  // from when much came on
  // Not the wall clock, which can be set while this runs.
  const std::chrono::steady_clock::time_point start_;
  Step next_ = Step::kRead;
  bool has_begun_ = false;
  int64_t copied_ = 0;  // read, and not all of it written yet
  size_t size_ = 0;     // of the write that is under way
  Call<ReadOperation> read_;
  Call<WriteOperation> write_;
  Call<CloseOperation> close_;
};

}  // namespace

bool StartCopy(CopyOperation* operation, Flow& source, Flow& sink,
               const CopyOptions& options) {
  operation->result = CopyResult();
  auto copy = std::make_unique<StartedCopy>(*operation, source, sink, options);
  if (!copy->CanBegin()) return true;
  // From the first call that is pending it owns itself.
  StartedCopy* const running = copy.release();
  if (!running->Run()) return false;
  delete running;
  return true;
}

}  // namespace flow
