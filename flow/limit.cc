// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/limit.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/decorate_input.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/size_of.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::MonotonicDeadline;
using internal::SizeOf;

// How much Close() reads at once of what it drops, in bytes.
constexpr size_t kSkip = size_t{256} << 10;
// How often a started Close() does that without giving others a turn.
constexpr int kSkipsInARow = 16;

// Only the call that reads touches `left_` and `ended_`: a read, or the
// skipping in Close(), which comes after the last read. Then Free() does.
class LimitTransport final : public ForwardingTransport {
 public:
  LimitTransport(std::unique_ptr<Transport> inner, int64_t limit, bool exact)
      : ForwardingTransport(std::move(inner)),
        limit_(std::max(limit, int64_t{0})),
        exact_(exact),
        is_lent_(ForwardingTransport::IsLent()),
        left_(limit_) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return ReadBy(max_bytes, [this](size_t max) {
      return ForwardingTransport::Read(max);
    });
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return ReadBy(space.size(), [&](size_t max) {
      return inner().ReadInto(space.first(max));
    });
  }

  bool CanStart() const override { return inner().CanStart(); }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    if (!is_lent_) return TryReadPart(max_bytes, retry);
    {
      internal::MutexLock lock(mu_);
      if (!tries_) {
        if (refused_) return absl::Cord();
        if (skipping_) return SkipHasBegun();
        reading_ = tries_ = true;
      }
      if (refused_) retry = nullptr;
    }
    std::optional<absl::StatusOr<absl::Cord>> data =
        TryReadPart(max_bytes, retry);
    if (!data.has_value() && retry != nullptr) return std::nullopt;
    internal::MutexLock lock(mu_);
    reading_ = tries_ = false;
    if (closer_ != nullptr) closer_->Now();
    if (!data.has_value()) return absl::DeadlineExceededError("no data");
    return data;
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    if (is_lent_) {
      std::optional<absl::Status> status = TrySkipRest(retry);
      if (!status.has_value()) return std::nullopt;
      if (retry != nullptr) status = internal::Lasting(*std::move(status));
      if (status->ok() && left_ > 0) status = EndTooEarly();
      if (!status->ok()) return status;
    }
    return ForwardingTransport::TryAwaitRemoteEnd(retry);
  }

  void RefuseRead() override {
    if (!is_lent_) return RefuseOnce();
    {
      internal::MutexLock lock(mu_);
      refused_ = true;
    }
    // What is left is skipped in Close(), so it cannot be refused underneath.
    SetInnerDeadline();
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    if (is_lent_) {
      const MonotonicDeadline until(deadline);
      absl::Status status = SkipRest(until);
      // If its deadline has not passed, this is not to be taken for it.
      if (!until.has_passed()) status = internal::Lasting(std::move(status));
      if (status.ok() && left_ > 0) status = EndTooEarly();
      if (!status.ok()) return status;
    }
    return ForwardingTransport::AwaitRemoteEnd(deadline);
  }

  absl::Status Free() override {
    // What is left must not be taken for what follows.
    if (is_lent_ && left_ > 0 && !ended_) RefuseLender();
    return ForwardingTransport::Free();
  }

  void SetReadDeadline(absl::Time deadline) override {
    {
      internal::MutexLock lock(mu_);
      read_deadline_ = MonotonicDeadline(deadline);
    }
    SetInnerDeadline();
  }

  // What follows is refused, or is for the lender.
  bool EndsEarly() const override { return true; }

  std::string Describe() const override {
    return absl::StrCat("first ", limit_, " bytes of ",
                        ForwardingTransport::Describe());
  }

 private:
  template <typename Read>
  auto ReadBy(size_t max_bytes, Read read) -> decltype(read(max_bytes)) {
    using Data = std::decay_t<decltype(*read(max_bytes))>;
    if (!is_lent_) return ReadPart(max_bytes, read);
    {
      internal::MutexLock lock(mu_);
      if (refused_) return Data();
      if (skipping_) return SkipHasBegun();
      reading_ = true;
    }
    auto data = ReadPart(max_bytes, read);
    internal::MutexLock lock(mu_);
    reading_ = false;
    if (closer_ != nullptr) closer_->Now();
    return data;
  }

  template <typename Read>
  auto ReadPart(size_t max_bytes, Read read) -> decltype(read(max_bytes)) {
    using Data = std::decay_t<decltype(*read(max_bytes))>;
    if (left_ == 0) {
      RefuseOnce();
      return Data();
    }
    const size_t max = AtMost(max_bytes);
    auto data = read(max);
    if (!data.ok()) return data;
    absl::Status status = Count(SizeOf(*data), max);
    if (!status.ok()) return status;
    return data;
  }

  std::optional<absl::StatusOr<absl::Cord>> TryReadPart(size_t max_bytes,
                                                        Retry* retry) {
    if (left_ == 0) {
      RefuseOnce();
      return absl::Cord();
    }
    const size_t max = AtMost(max_bytes);
    std::optional<absl::StatusOr<absl::Cord>> data =
        ForwardingTransport::TryRead(max, retry);
    if (!data.has_value() || !data->ok()) return data;
    absl::Status status = Count((*data)->size(), max);
    if (!status.ok()) return status;
    return data;
  }

  size_t AtMost(size_t bytes) const {
    return static_cast<size_t>(
        std::min(uint64_t{bytes}, static_cast<uint64_t>(left_)));
  }

  // A read of at most `max` bytes has returned `size`. Returns its error.
  absl::Status Count(size_t size, size_t max) {
    if (size > max) {
      return absl::InternalError(
          absl::StrCat("a read of at most ", max, " bytes was given ", size));
    }
    left_ -= static_cast<int64_t>(size);
    if (size > 0) return absl::OkStatus();
    ended_ = true;
    return EndTooEarly();
  }

  absl::Status EndTooEarly() const {
    if (!exact_) return absl::OkStatus();
    return absl::OutOfRangeError(absl::StrCat(
        "the stream ended after ", limit_ - left_, " of ", limit_, " bytes"));
  }

  // Reads what is left, or up to the end of the stream.
  absl::Status SkipRest(MonotonicDeadline deadline) {
    const auto may_begin = [this] {
      mu_.AssertReaderHeld();
      return !reading_;
    };
    {
      internal::MutexLock lock(mu_);
      if (!AwaitUntil(mu_, absl::Condition(&may_begin), deadline)) {
        return ReadIsUnderWay();
      }
      skipping_ = true;
      skip_deadline_ = deadline;
    }
    SetInnerDeadline();
    while (left_ > 0 && !ended_) {
      const absl::StatusOr<absl::Cord> data =
          ForwardingTransport::Read(AtMost(kSkip));
      if (absl::IsDeadlineExceeded(data.status()) && deadline.has_passed()) {
        return SkipIsLate();
      }
      if (!data.ok()) return data.status();
      ended_ = data->empty();
      left_ -= static_cast<int64_t>(data->size());
    }
    return absl::OkStatus();
  }

  // The same without waiting. The Flow watches the deadline.
  std::optional<absl::Status> TrySkipRest(Retry* retry) {
    bool begins = false;
    {
      internal::MutexLock lock(mu_);
      closer_ = reading_ ? retry : nullptr;
      if (reading_) {
        if (retry != nullptr) return std::nullopt;
        return ReadIsUnderWay();
      }
      begins = !std::exchange(skipping_, true);
    }
    if (begins) SetInnerDeadline();
    for (int round = 0; left_ > 0 && !ended_; ++round) {
      if (round == kSkipsInARow && retry != nullptr) {
        retry->After(absl::ZeroDuration());  // when others had their turn
        return std::nullopt;
      }
      const std::optional<absl::StatusOr<absl::Cord>> data =
          ForwardingTransport::TryRead(AtMost(kSkip), retry);
      if (!data.has_value()) {
        if (retry != nullptr) return std::nullopt;
        return SkipIsLate();
      }
      if (!data->ok()) return data->status();
      ended_ = (*data)->empty();
      left_ -= static_cast<int64_t>((*data)->size());
    }
    return absl::OkStatus();
  }

  absl::Status SkipIsLate() const {
    return absl::DeadlineExceededError(
        absl::StrCat("deadline exceeded skipping the last ", left_, " of ",
                     limit_, " bytes"));
  }
  static absl::Status SkipHasBegun() {
    return ClosedError("Close() has begun to skip what was not read");
  }
  static absl::Status ReadIsUnderWay() {
    return absl::DeadlineExceededError(
        "deadline exceeded waiting for a Read that is under way");
  }

  void RefuseOnce() {
    if (!refused_inner_.exchange(true)) ForwardingTransport::RefuseRead();
  }

  void SetInnerDeadline() {
    internal::TellLatest([this] { return InnerDeadline(); },
                         [this](absl::Time deadline) {
                           ForwardingTransport::SetReadDeadline(deadline);
                         });
  }
  MonotonicDeadline InnerDeadline() {
    internal::MutexLock lock(mu_);
    if (skipping_) return skip_deadline_;
    // Wakes a read that was refused.
    if (refused_) return MonotonicDeadline(absl::InfinitePast());
    return read_deadline_;
  }

  const int64_t limit_;
  const bool exact_;
  const bool is_lent_;
  int64_t left_;
  bool ended_ = false;  // the stream, within the limit
  std::atomic<bool> refused_inner_{false};

  absl::Mutex mu_;
  MonotonicDeadline read_deadline_ ABSL_GUARDED_BY(mu_);
  // These are set only if the flow is lent.
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
  bool skipping_ ABSL_GUARDED_BY(mu_) = false;
  bool tries_ ABSL_GUARDED_BY(mu_) = false;  // that read, as it was started
  Retry* closer_ ABSL_GUARDED_BY(mu_) = nullptr;  // waits until it has ended
  MonotonicDeadline skip_deadline_ ABSL_GUARDED_BY(mu_);
};

std::unique_ptr<Flow> Limit(std::unique_ptr<Flow> flow, int64_t n, bool exact) {
  return internal::DecorateInput(
      std::move(flow), [&](std::unique_ptr<Transport> inner) {
        return std::make_unique<LimitTransport>(std::move(inner), n, exact);
      });
}

}  // namespace

std::unique_ptr<Flow> LimitInput(std::unique_ptr<Flow> flow, int64_t n) {
  return Limit(std::move(flow), n, /*exact=*/false);
}

std::unique_ptr<Flow> ExactInput(std::unique_ptr<Flow> flow, int64_t n) {
  return Limit(std::move(flow), n, /*exact=*/true);
}

}  // namespace flow
