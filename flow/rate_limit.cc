// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/rate_limit.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/outgoing_pieces.h"
#include "flow/internal/rate_queue.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {

RateLimiter::RateLimiter(int64_t bytes_per_second, int64_t burst)
    : burst_(burst), queue_(bytes_per_second, burst) {
  ABSL_CHECK_GE(bytes_per_second, 0) << "a negative rate";
  ABSL_CHECK_GE(burst, 1) << "a burst of nothing";
}

void RateLimiter::Grant(int64_t bytes) {
  ABSL_CHECK_GE(bytes, 0) << "a grant of less than nothing";
  queue_.Add(bytes);
}

class RateLimitedTransport final : public ForwardingTransport {
 public:
  RateLimitedTransport(std::unique_ptr<Transport> inner, RateLimits limits)
      : ForwardingTransport(std::move(inner)),
        reads_(std::move(limits.reads)),
        writes_(std::move(limits.writes)) {}

  // Reads pay afterwards: one that waits for the remote holds up no other flow.
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    max_bytes = reads_.AwaitUpTo(max_bytes);
    if (max_bytes == 0) return Late("read");
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) reads_.Pay(static_cast<int64_t>(data->size()));
    return data;
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    space = space.first(reads_.AwaitUpTo(space.size()));
    if (space.empty()) return Late("read");
    absl::StatusOr<size_t> size = inner().ReadInto(space);
    if (size.ok() && *size > space.size()) {
      return absl::InternalError(absl::StrCat(
          "a read of at most ", space.size(), " bytes was given ", *size));
    }
    if (size.ok()) reads_.Pay(static_cast<int64_t>(*size));
    return size;
  }

  absl::Status Write(Outgoing& data) override {
    if (writes_.AtMost(data.size()) == data.size()) return WritePart(data);
    internal::OutgoingPieces parts(data);
    while (parts.left() > 0) {
      Outgoing part = parts.Next(writes_.AtMost(parts.left()));
      const absl::Status status = WritePart(part);
      data.Accept(status.ok() ? part.size() : part.accepted());
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  bool CanStart() const override { return inner().CanStart(); }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    if (!may_read_.has_value()) may_read_ = reads_.TryUpTo(max_bytes, retry);
    if (!may_read_.has_value()) return std::nullopt;
    std::optional<absl::StatusOr<absl::Cord>> data = Late("read");
    if (*may_read_ > 0) data = ForwardingTransport::TryRead(*may_read_, retry);
    if (!data.has_value() && retry != nullptr) return std::nullopt;
    may_read_.reset();
    if (data.has_value() && data->ok()) {
      reads_.Pay(static_cast<int64_t>((*data)->size()));
    }
    return data;
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    while (!rest->empty()) {
      if (part_.empty()) {
        const size_t size = writes_.AtMost(rest->size());
        const std::optional<bool> taken = writes_.TryTake(size, retry);
        if (!taken.has_value()) return std::nullopt;
        if (!*taken) return Late("write");
        part_ = rest->Subcord(0, size);
      }
      const size_t size = part_.size();
      std::optional<absl::Status> status =
          ForwardingTransport::TryWrite(&part_, retry);
      rest->RemovePrefix(size - std::min(size, part_.size()));
      if (!status.has_value() && retry != nullptr) return std::nullopt;
      // What was paid for and not written.
      writes_.Pay(-static_cast<int64_t>(part_.size()));
      part_.Clear();
      if (!status.has_value() || !status->ok()) return status;
    }
    return absl::OkStatus();
  }

  std::string Describe() const override {
    return absl::StrCat("rate limit on ", ForwardingTransport::Describe());
  }

  // What ends a direction below comes first, so that a call that stops waiting
  // finds it.
  void RefuseRead() override {
    ForwardingTransport::RefuseRead();
    reads_.Stop();
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    absl::Status status = ForwardingTransport::AwaitRemoteEnd(deadline);
    // Close() waits for a Read that is under way.
    if (!absl::IsDeadlineExceeded(status)) reads_.Stop();
    return status;
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    std::optional<absl::Status> status =
        ForwardingTransport::TryAwaitRemoteEnd(retry);
    if (status.has_value()) reads_.Stop();
    return status;
  }

  void Abort(const absl::Status& reason) override {
    ForwardingTransport::Abort(reason);
    reads_.Stop();
    writes_.Stop();
  }

  void SetReadDeadline(absl::Time deadline) override {
    ForwardingTransport::SetReadDeadline(deadline);
    reads_.SetDeadline(deadline);
  }

  void SetWriteDeadline(absl::Time deadline) override {
    ForwardingTransport::SetWriteDeadline(deadline);
    writes_.SetDeadline(deadline);
  }

 private:
  // A direction, and its limiter, if it has one.
  class Direction {
   public:
    explicit Direction(std::shared_ptr<RateLimiter> limiter)
        : limiter_(std::move(limiter)) {}

    // How many of `bytes` pass at once: half of a burst, so that the bucket
    // need not be full, and nothing is wasted if a thread wakes late.
    size_t AtMost(size_t bytes) const {
      if (limiter_ == nullptr) return bytes;
      const int64_t most = limiter_->burst_ - limiter_->burst_ / 2;
      return std::min<uint64_t>(bytes, static_cast<uint64_t>(most));
    }

    bool Take(size_t bytes) {
      return limiter_ == nullptr ||
             limiter_->queue_.Take(caller_, static_cast<int64_t>(bytes));
    }
    // Returns how many of `bytes` may pass, and 0 if it is late.
    size_t AwaitUpTo(size_t bytes) {
      if (limiter_ == nullptr) return bytes;
      return static_cast<size_t>(limiter_->queue_.AwaitUpTo(
          caller_, static_cast<int64_t>(AtMost(bytes))));
    }

    // The same for a started call; nullopt as long as it waits.
    std::optional<bool> TryTake(size_t bytes, Retry* retry) {
      if (limiter_ == nullptr) return true;
      return limiter_->queue_.TryTake(caller_, static_cast<int64_t>(bytes),
                                      retry);
    }
    std::optional<size_t> TryUpTo(size_t bytes, Retry* retry) {
      if (limiter_ == nullptr) return bytes;
      return limiter_->queue_.TryUpTo(
          caller_, static_cast<int64_t>(AtMost(bytes)), retry);
    }

    // Gives tokens back, if that is negative.
    void Pay(int64_t bytes) {
      if (limiter_ != nullptr && bytes != 0) limiter_->queue_.Add(-bytes);
    }

    void SetDeadline(absl::Time deadline) {
      if (limiter_ != nullptr) limiter_->queue_.SetDeadline(caller_, deadline);
    }
    void Stop() {
      if (limiter_ != nullptr) limiter_->queue_.Stop(caller_);
    }

   private:
    const std::shared_ptr<RateLimiter> limiter_;
    internal::RateQueue::Caller caller_;
  };

  static absl::Status Late(absl::string_view what) {
    return absl::DeadlineExceededError(absl::StrCat(
        "the deadline has passed in the wait for the rate of ", what, "s"));
  }

  // Of at most half a burst.
  absl::Status WritePart(Outgoing& part) {
    if (!writes_.Take(part.size())) return Late("write");
    absl::Status status = ForwardingTransport::Write(part);
    if (!status.ok()) {
      writes_.Pay(-static_cast<int64_t>(part.size() - part.accepted()));
    }
    return status;
  }

  Direction reads_;
  Direction writes_;
  // Of started calls: how much one may read, and what was paid for and handed
  // on of one that writes.
  std::optional<size_t> may_read_;
  absl::Cord part_;
};

std::unique_ptr<Flow> LimitRate(std::unique_ptr<Flow> flow, RateLimits limits) {
  return DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> inner) {
    return std::make_unique<RateLimitedTransport>(std::move(inner),
                                                  std::move(limits));
  });
}

}  // namespace flow
