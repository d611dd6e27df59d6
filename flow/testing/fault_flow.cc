// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/fault_flow.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::testing {
namespace {

using internal::MonotonicDeadline;
using Side = FaultPlace::Side;
using Unit = FaultPlace::Unit;
using Kind = Fault::Kind;

class FaultTransport final : public ForwardingTransport {
 public:
  FaultTransport(std::unique_ptr<Transport> inner, FaultOptions options)
      : ForwardingTransport(std::move(inner)),
        max_read_(std::max(options.max_read, size_t{1})),
        max_write_(std::max(options.max_write, size_t{1})),
        observer_(std::move(options.observer)) {
    for (Fault& fault : options.faults) {
      (fault.place.side == Side::kRead ? reading_ : writing_)
          .faults.push_back(std::move(fault));
    }
  }

 private:
  // What one direction has done. Only its call under way touches it.
  struct Progress {
    std::vector<Fault> faults;  // that have not happened
    int64_t operations = 0;
    int64_t bytes = 0;

    // --- Of a started operation, from its first try to its last

    std::optional<MonotonicDeadline> delay;  // until when it is delayed
    bool is_handed_on = false;               // the delay is over
    size_t size = 0;                         // of the write
    // What was handed on of it, without what was accepted of that.
    absl::Cord piece;
  };

  // Started calls that can wait at the same time.
  enum Call { kReads, kWrites, kAwaitsEnd, kAwaitsRefusal, kCalls };

  // What is to happen in an operation: the fault, if there is one, after
  // `limit` bytes.
  struct Decision {
    std::vector<Fault>::iterator fault;
    size_t limit;
  };

  // `size` is the most that the operation moves; 0 if it sends the end.
  static Decision Decide(Progress& progress, size_t size) {
    Decision decision{progress.faults.end(), size};
    for (auto fault = progress.faults.begin(); fault != progress.faults.end();
         ++fault) {
      if (fault->kind == Kind::kDelay) continue;
      size_t limit = std::min(fault->accepted, size);
      if (fault->place.unit == Unit::kOperation) {
        if (fault->place.at != progress.operations) continue;
      } else {
        const int64_t ahead = fault->place.at - progress.bytes;
        if (ahead < 0 || static_cast<uint64_t>(ahead) >= size) continue;
        limit = static_cast<size_t>(ahead);
      }
      if (decision.fault == progress.faults.end() || limit < decision.limit) {
        decision = {fault, limit};
      }
    }
    return decision;
  }

  // Returns how long the delays for this operation are together, which happen
  // now.
  static absl::Duration TakeDelays(Progress& progress, size_t size) {
    absl::Duration duration;
    for (auto fault = progress.faults.begin();
         fault != progress.faults.end();) {
      const bool here = fault->place.unit == Unit::kOperation
                            ? fault->place.at == progress.operations
                            : fault->place.at >= progress.bytes &&
                                  static_cast<uint64_t>(fault->place.at -
                                                        progress.bytes) < size;
      if (fault->kind != Kind::kDelay || !here) {
        ++fault;
        continue;
      }
      duration += fault->duration;
      fault = progress.faults.erase(fault);
    }
    return duration;
  }

  // Waits as long as the delays for this operation say. An error means that a
  // deadline has passed meanwhile: if that is `limit`, what remains is for the
  // next try.
  absl::Status Delay(Side side, Progress& progress, size_t size,
                     MonotonicDeadline limit = MonotonicDeadline()) {
    const absl::Duration duration = TakeDelays(progress, size);
    if (duration <= absl::ZeroDuration()) return absl::OkStatus();
    const auto until = MonotonicDeadline::In(duration);
    flow::internal::MutexLock lock(mu_);
    const bool reads = side == Side::kRead;
    MonotonicDeadline& deadline = reads ? read_deadline_ : write_deadline_;
    const bool& woken = reads ? read_woken_ : write_woken_;
    while (!woken && !until.has_passed()) {
      const bool is_over = limit.has_passed();
      if (is_over) {
        progress.faults.push_back(
            Fault::Delay(WriteOperation(progress.operations), until.left()));
      }
      if (is_over || deadline.has_passed()) {
        return absl::DeadlineExceededError("the deadline passed in a delay");
      }
      const MonotonicDeadline waits_for = deadline;
      const auto changed = [&] { return woken || !(deadline == waits_for); };
      internal::AwaitUntil(mu_, absl::Condition(&changed),
                           std::min({until, limit, waits_for}));
    }
    // An abort may not have reached the transport underneath yet.
    return abort_reason_;
  }

  // The same for a started operation, which the first try begins. Returns
  // nullopt as long as it has to wait. What ends a `delay` early is for its
  // caller, but for the end of a direction, which is then sent at once.
  std::optional<absl::Status> TryDelay(Side side, Progress& progress,
                                       size_t size, bool is_end, Retry* retry) {
    if (!progress.delay.has_value()) {
      progress.delay = MonotonicDeadline::In(TakeDelays(progress, size));
    }
    flow::internal::MutexLock lock(mu_);
    MonotonicDeadline until = *progress.delay;
    if (is_end) until = std::min(until, write_deadline_);
    const bool woken = side == Side::kRead ? read_woken_ : write_woken_;
    if (!progress.is_handed_on && !woken && !until.has_passed()) {
      if (retry != nullptr) retry->After(until.left());
      return std::nullopt;
    }
    // What was handed on is over only when the transport underneath says so. If
    // nothing was, an abort may not have reached that yet.
    if (std::exchange(progress.is_handed_on, true)) return absl::OkStatus();
    return abort_reason_;
  }

  // Whether a started operation of this direction is under way.
  static bool IsUnderWay(const Progress& progress) {
    return progress.delay.has_value();
  }

  // Keeps `retry` for Abort(), while a call may have to wait.
  void Keep(Call call, Retry* retry) {
    flow::internal::MutexLock lock(mu_);
    waiting_[call] = retry;
  }

  // The outcome of an operation in which `fault` happens.
  absl::Status Fail(Progress& progress, std::vector<Fault>::iterator fault) {
    const Fault happened = std::move(*fault);
    progress.faults.erase(fault);
    if (happened.kind == Kind::kError) return happened.status;
    Abort(happened.status);
    return abort_reason();
  }

  // Ends an operation.
  void Done(Side side, Progress& progress, bool is_end, size_t bytes,
            bool failed_here) {
    const int64_t number = progress.operations++;
    progress.delay.reset();
    progress.is_handed_on = false;
    progress.piece.Clear();
    if (observer_) observer_({side, number, is_end, bytes, failed_here});
  }

  // Ok, or what all calls get since the abort.
  absl::Status abort_reason() {
    flow::internal::MutexLock lock(mu_);
    return abort_reason_;
  }

  // What a call gets that has failed with `status`.
  absl::Status Failed(const absl::Status& status) {
    absl::Status reason = abort_reason();
    return reason.ok() ? status : reason;
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (absl::Status reason = abort_reason(); !reason.ok()) return reason;
    if (absl::Status late = Delay(Side::kRead, reading_, max_bytes);
        !late.ok()) {
      Done(Side::kRead, reading_, false, 0, false);
      return late;
    }
    return *ReadBy(max_bytes, [this](size_t limit) {
      return std::optional(ForwardingTransport::Read(limit));
    });
  }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    if (absl::Status reason = abort_reason();
        !reason.ok() && !IsUnderWay(reading_)) {
      return reason;
    }
    Keep(kReads, retry);
    std::optional<absl::StatusOr<absl::Cord>> data;
    std::optional<absl::Status> delayed =
        TryDelay(Side::kRead, reading_, max_bytes, /*is_end=*/false, retry);
    if (delayed.has_value() && delayed->ok()) {
      data = ReadBy(max_bytes, [this, retry](size_t limit) {
        return ForwardingTransport::TryRead(limit, retry);
      });
    } else if (delayed.has_value()) {
      data = *std::move(delayed);
      Done(Side::kRead, reading_, false, 0, false);
    }
    if (!data.has_value() && retry != nullptr) return std::nullopt;
    if (!data.has_value()) Done(Side::kRead, reading_, false, 0, false);
    Keep(kReads, nullptr);
    return data;
  }

  // A Read after its delays. Nothing has happened if `read` returns nullopt.
  template <typename ReadFunction>
  std::optional<absl::StatusOr<absl::Cord>> ReadBy(size_t max_bytes,
                                                   ReadFunction read) {
    const Decision decision = Decide(reading_, max_bytes);
    if (decision.fault != reading_.faults.end() &&
        (decision.limit == 0 ||
         decision.fault->place.unit == Unit::kOperation)) {
      absl::Status status = Fail(reading_, decision.fault);
      // The transport underneath knows nothing of it; see Free().
      if (!absl::IsDeadlineExceeded(status)) read_error_ = status;
      Done(Side::kRead, reading_, false, 0, true);
      return status;
    }
    std::optional<absl::StatusOr<absl::Cord>> data =
        read(std::min({max_bytes, max_read_, decision.limit}));
    if (!data.has_value()) return std::nullopt;
    const size_t size = data->ok() ? (*data)->size() : 0;
    if (absl::Status reason = abort_reason(); size == 0 && !reason.ok()) {
      data = std::move(reason);
    }
    reading_.bytes += static_cast<int64_t>(size);
    Done(Side::kRead, reading_, false, size, false);
    return data;
  }

  absl::Status Write(Outgoing& data) override {
    if (absl::Status reason = abort_reason(); !reason.ok()) return reason;
    const size_t size = data.size();
    absl::Status status = Delay(Side::kWrite, writing_, size);
    bool failed_here = false;
    if (status.ok()) {
      const Decision decision = Decide(writing_, size);
      if (decision.limit == size && size <= max_write_) {
        status = ForwardingTransport::Write(data);
        if (status.ok()) data.Accept(size - data.accepted());
      } else {
        absl::Cord rest = data.TakeCord();
        rest.RemoveSuffix(size - decision.limit);
        while (status.ok() && !rest.empty()) {
          const absl::Cord piece = rest.Subcord(0, max_write_);
          Outgoing out{Buffer(piece)};
          status = ForwardingTransport::Write(out);
          data.Accept(status.ok() ? piece.size() : out.accepted());
          rest.RemovePrefix(piece.size());
        }
      }
      if (!status.ok()) {
        status = Failed(status);
      } else if (decision.fault != writing_.faults.end()) {
        status = Fail(writing_, decision.fault);
        failed_here = true;
      }
    }
    writing_.bytes += static_cast<int64_t>(data.accepted());
    Done(Side::kWrite, writing_, false, size, failed_here);
    return status;
  }

  // Hands the write on piece by piece, each a Cord that stays the same until it
  // is accepted.
  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    if (!IsUnderWay(writing_)) {
      if (absl::Status reason = abort_reason(); !reason.ok()) return reason;
      writing_.size = rest->size();
    }
    Keep(kWrites, retry);
    const size_t size = writing_.size;
    bool failed_here = false;
    std::optional<absl::Status> status =
        TryDelay(Side::kWrite, writing_, size, /*is_end=*/false, retry);
    if (status.has_value() && status->ok()) {
      const Decision decision = Decide(writing_, size);
      const size_t behind = size - decision.limit;  // what is not handed on
      while (status.has_value() && status->ok() && rest->size() > behind) {
        absl::Cord& piece = writing_.piece;
        if (piece.empty()) {
          piece = rest->Subcord(0, std::min(max_write_, rest->size() - behind));
        }
        const size_t before = piece.size();
        status = ForwardingTransport::TryWrite(&piece, retry);
        rest->RemovePrefix(before - std::min(before, piece.size()));
      }
      if (status.has_value() && !status->ok()) {
        status = Failed(*status);
      } else if (status.has_value() &&
                 decision.fault != writing_.faults.end()) {
        status = Fail(writing_, decision.fault);
        failed_here = true;
      }
    }
    if (!status.has_value() && retry != nullptr) return std::nullopt;
    writing_.bytes += static_cast<int64_t>(size - rest->size());
    Done(Side::kWrite, writing_, false, size, failed_here);
    Keep(kWrites, nullptr);
    return status;
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    if (absl::Status reason = abort_reason(); !reason.ok()) return reason;
    if (!outcome.ok()) return ForwardingTransport::EndWrite(outcome, deadline);
    const MonotonicDeadline limit(deadline);
    // The end is sent nevertheless if the write deadline cuts the delay short.
    if (absl::Status late = Delay(Side::kWrite, writing_, 0, limit);
        !late.ok() && limit.has_passed()) {
      return late;
    }
    return *EndBy([&](const absl::Status& how) {
      return std::optional(ForwardingTransport::EndWrite(how, deadline));
    });
  }

  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override {
    if (absl::Status reason = abort_reason();
        !reason.ok() && !IsUnderWay(writing_)) {
      return reason;
    }
    if (!outcome.ok()) return ForwardingTransport::TryEndWrite(outcome, retry);
    Keep(kWrites, retry);
    std::optional<absl::Status> status =
        TryDelay(Side::kWrite, writing_, 0, /*is_end=*/true, retry);
    if (status.has_value() && !status->ok()) {
      Done(Side::kWrite, writing_, true, 0, false);
    } else if (status.has_value()) {
      status = EndBy([this, retry](const absl::Status& how) {
        return ForwardingTransport::TryEndWrite(how, retry);
      });
    }
    if (status.has_value() || retry == nullptr) Keep(kWrites, nullptr);
    return status;
  }

  // Sends the end after its delays. It is not over, and goes on at the next
  // try, if `end` returns nullopt or kDeadlineExceeded.
  template <typename EndFunction>
  std::optional<absl::Status> EndBy(EndFunction end) {
    absl::Status status;
    const Decision decision = Decide(writing_, 0);
    const bool failed_here = decision.fault != writing_.faults.end();
    if (failed_here) {
      status = internal::Lasting(Fail(writing_, decision.fault));
    }
    if (absl::Status reason = abort_reason(); !reason.ok()) {
      status = std::move(reason);
    } else {
      const std::optional<absl::Status> ended = end(status);
      if (!failed_here) {
        if (!ended.has_value() || absl::IsDeadlineExceeded(*ended)) {
          return ended;
        }
        status = ended->ok() ? *ended : Failed(*ended);
      }
    }
    Done(Side::kWrite, writing_, true, 0, failed_here);
    return status;
  }

  void RefuseRead() override {
    if (!abort_reason().ok()) return;
    ForwardingTransport::RefuseRead();
    flow::internal::MutexLock lock(mu_);
    read_woken_ = true;
  }

  bool CanStart() const override { return inner().CanStart(); }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    return Failed(ForwardingTransport::AwaitRemoteEnd(deadline));
  }

  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    std::optional<absl::Status> status =
        ForwardingTransport::AwaitRefusal(deadline);
    if (status.has_value()) status = Failed(*status);
    return status;
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    Keep(kAwaitsEnd, retry);
    std::optional<absl::Status> status =
        ForwardingTransport::TryAwaitRemoteEnd(retry);
    if (status.has_value()) status = Failed(*status);
    if (status.has_value()) Keep(kAwaitsEnd, nullptr);
    return status;
  }

  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    Keep(kAwaitsRefusal, retry);
    std::optional<absl::Status> status =
        ForwardingTransport::TryAwaitRefusal(retry);
    if (status.has_value()) status = Failed(*status);
    if (status.has_value()) Keep(kAwaitsRefusal, nullptr);
    return status;
  }

  // Of the Flow, or of a fault. The first counts.
  void Abort(const absl::Status& reason) override {
    {
      flow::internal::MutexLock lock(mu_);
      if (!abort_reason_.ok()) return;
      abort_reason_ = reason;
      read_woken_ = true;
      write_woken_ = true;
    }
    ForwardingTransport::Abort(reason);
    // Of an abort by a fault the Flow does not know.
    flow::internal::MutexLock lock(mu_);
    for (Retry* const retry : waiting_) {
      if (retry != nullptr) retry->Now();
    }
  }

  absl::Status Free() override {
    if (!read_error_.ok()) Abort(read_error_);
    return ForwardingTransport::Free();
  }

  void SetReadDeadline(absl::Time deadline) override {
    ForwardingTransport::SetReadDeadline(deadline);
    flow::internal::MutexLock lock(mu_);
    read_deadline_ = MonotonicDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    ForwardingTransport::SetWriteDeadline(deadline);
    flow::internal::MutexLock lock(mu_);
    write_deadline_ = MonotonicDeadline(deadline);
  }

  std::string Describe() const override {
    return absl::StrCat("fault flow on ", ForwardingTransport::Describe());
  }

  const size_t max_read_;
  const size_t max_write_;
  const std::function<void(const FaultOperation&)> observer_;
  Progress reading_;
  Progress writing_;
  absl::Status read_error_;  // a lasting one that is not known underneath

  absl::Mutex mu_;
  absl::Status abort_reason_ ABSL_GUARDED_BY(mu_);
  // For delays.
  MonotonicDeadline read_deadline_ ABSL_GUARDED_BY(mu_);
  MonotonicDeadline write_deadline_ ABSL_GUARDED_BY(mu_);
  bool read_woken_ ABSL_GUARDED_BY(mu_) = false;
  bool write_woken_ ABSL_GUARDED_BY(mu_) = false;
  // Of started calls.
  std::array<Retry*, kCalls> waiting_ ABSL_GUARDED_BY(mu_) = {};
};

}  // namespace

std::string FaultPlace::ToString() const {
  const bool reads = side == Side::kRead;
  if (unit == Unit::kOperation) {
    return absl::StrCat(reads ? "read " : "write ", at);
  }
  return absl::StrCat(reads ? "read" : "written", " byte ", at);
}

Fault Fault::Error(FaultPlace place, absl::Status status, size_t accepted) {
  ABSL_CHECK(!status.ok()) << "a fault whose status is Ok";
  return {place, Kind::kError, std::move(status), accepted,
          absl::ZeroDuration()};
}

Fault Fault::Abort(FaultPlace place, absl::Status reason, size_t accepted) {
  if (reason.ok()) reason = absl::AbortedError("aborted");
  return {place, Kind::kAbort, internal::Lasting(std::move(reason)), accepted,
          absl::ZeroDuration()};
}

Fault Fault::Delay(FaultPlace place, absl::Duration duration) {
  return {place, Kind::kDelay, absl::OkStatus(), 0, duration};
}

std::unique_ptr<Flow> MakeFaultFlow(std::unique_ptr<Flow> inner,
                                    FaultOptions options) {
  ABSL_CHECK(inner != nullptr) << "a fault flow around no flow";
  return DecorateFlow(std::move(inner),
                      [&](std::unique_ptr<Transport> underneath) {
                        return std::make_unique<FaultTransport>(
                            std::move(underneath), std::move(options));
                      });
}

std::unique_ptr<Flow> MakeFaultFlow(std::unique_ptr<Flow> inner,
                                    std::vector<Fault> faults) {
  FaultOptions options;
  options.faults = std::move(faults);
  return MakeFaultFlow(std::move(inner), std::move(options));
}

}  // namespace flow::testing
