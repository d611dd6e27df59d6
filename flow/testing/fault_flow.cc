// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/fault_flow.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
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
#include "flow/forwarding_flow.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow::testing {
namespace {

using internal::MonotonicDeadline;
using Side = FaultPlace::Side;
using Unit = FaultPlace::Unit;
using Kind = Fault::Kind;

class FaultFlow final : public ForwardingFlow {
 public:
  FaultFlow(std::unique_ptr<Flow> inner, FaultOptions options)
      : ForwardingFlow(std::move(inner)),
        max_read_(std::max(options.max_read, size_t{1})),
        max_write_(std::max(options.max_write, size_t{1})),
        observer_(std::move(options.observer)) {
    for (Fault& fault : options.faults) {
      (fault.place.side == Side::kRead ? reading_ : writing_)
          .faults.push_back(std::move(fault));
    }
  }

  ~FaultFlow() override { Destroy(); }

 private:
  // What one direction has done. Only its call under way touches it.
  struct Progress {
    std::vector<Fault> faults;  // that have not happened
    int64_t operations = 0;
    int64_t bytes = 0;
  };

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

  // Waits as long as the delays for this operation say. An error means that a
  // deadline has passed meanwhile.
  absl::Status Delay(Side side, Progress& progress, size_t size) {
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
    if (duration <= absl::ZeroDuration()) return absl::OkStatus();
    const auto until = MonotonicDeadline::In(duration);
    absl::MutexLock lock(&mu_);
    const bool reads = side == Side::kRead;
    MonotonicDeadline& deadline = reads ? read_deadline_ : write_deadline_;
    const bool& woken = reads ? read_woken_ : write_woken_;
    while (!woken && !until.has_passed()) {
      if (deadline.has_passed()) {
        return absl::DeadlineExceededError("the deadline passed in a delay");
      }
      const MonotonicDeadline waits_for = deadline;
      const auto changed = [&] { return woken || !(deadline == waits_for); };
      internal::AwaitUntil(mu_, absl::Condition(&changed),
                           std::min(until, waits_for));
    }
    return absl::OkStatus();
  }

  // The outcome of an operation in which `fault` happens.
  absl::Status Fail(Progress& progress, std::vector<Fault>::iterator fault) {
    const Fault happened = std::move(*fault);
    progress.faults.erase(fault);
    if (happened.kind == Kind::kAbort) Abort(happened.status);
    return happened.status;
  }

  // Ends an operation.
  void Done(Side side, Progress& progress, bool is_end, size_t bytes,
            bool failed_here) {
    const int64_t number = progress.operations++;
    if (observer_) observer_({side, number, is_end, bytes, failed_here});
  }

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (absl::Status late = Delay(Side::kRead, reading_, max_bytes);
        !late.ok()) {
      Done(Side::kRead, reading_, false, 0, false);
      return late;
    }
    const Decision decision = Decide(reading_, max_bytes);
    if (decision.fault != reading_.faults.end() &&
        (decision.limit == 0 ||
         decision.fault->place.unit == Unit::kOperation)) {
      absl::Status status = Fail(reading_, decision.fault);
      // The inner flow knows nothing of it; see DoFree().
      if (!absl::IsDeadlineExceeded(status)) read_error_ = status;
      Done(Side::kRead, reading_, false, 0, true);
      return status;
    }
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(
        std::min({max_bytes, max_read_, decision.limit}));
    const size_t size = data.ok() ? data->size() : 0;
    reading_.bytes += static_cast<int64_t>(size);
    Done(Side::kRead, reading_, false, size, false);
    return data;
  }

  absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted) override {
    const size_t size = data.size();
    absl::Status status = Delay(Side::kWrite, writing_, size);
    bool failed_here = false;
    if (status.ok()) {
      const Decision decision = Decide(writing_, size);
      if (decision.limit == size && size <= max_write_) {
        status = ForwardingFlow::DoForwardWrite(data, accepted);
      } else {
        absl::Cord rest;
        data.AppendTo(&rest);
        rest.RemoveSuffix(size - decision.limit);
        while (status.ok() && !rest.empty()) {
          const absl::Cord piece = rest.Subcord(0, max_write_);
          size_t taken = 0;
          status = ForwardingFlow::DoForwardWrite(Outgoing(piece), &taken);
          *accepted += taken;
          rest.RemovePrefix(piece.size());
        }
      }
      if (status.ok() && decision.fault != writing_.faults.end()) {
        status = Fail(writing_, decision.fault);
        failed_here = true;
      }
    }
    writing_.bytes += static_cast<int64_t>(*accepted);
    Done(Side::kWrite, writing_, false, size, failed_here);
    return status;
  }

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (!outcome.ok()) return ForwardingFlow::DoEndWrite(outcome);
    // The end is sent nevertheless if a deadline cuts the delay short.
    Delay(Side::kWrite, writing_, 0).IgnoreError();
    absl::Status status;
    const Decision decision = Decide(writing_, 0);
    const bool failed_here = decision.fault != writing_.faults.end();
    if (failed_here) status = Fail(writing_, decision.fault);
    const absl::Status ended = ForwardingFlow::DoEndWrite(status);
    if (status.ok()) status = ended;
    Done(Side::kWrite, writing_, true, 0, failed_here);
    return status;
  }

  void DoShutdownRead() override {
    ForwardingFlow::DoShutdownRead();
    absl::MutexLock lock(&mu_);
    read_woken_ = true;
  }

  void DoAbort(const absl::Status& reason) override {
    ForwardingFlow::DoAbort(reason);
    absl::MutexLock lock(&mu_);
    read_woken_ = true;
    write_woken_ = true;
  }

  absl::Status DoFree() override {
    if (!read_error_.ok()) inner().Abort(read_error_);
    return ForwardingFlow::DoFree();
  }

  void DoSetReadDeadline(absl::Time deadline) override {
    ForwardingFlow::DoSetReadDeadline(deadline);
    absl::MutexLock lock(&mu_);
    read_deadline_ = MonotonicDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    ForwardingFlow::DoSetWriteDeadline(deadline);
    absl::MutexLock lock(&mu_);
    write_deadline_ = MonotonicDeadline(deadline);
  }

  // The errors of the inner flow name it.
  std::string DoDescribe() const override { return "fault flow"; }

  const size_t max_read_;
  const size_t max_write_;
  const std::function<void(const FaultOperation&)> observer_;
  Progress reading_;
  Progress writing_;
  absl::Status read_error_;  // a lasting one that the inner flow has not seen

  // For delays.
  absl::Mutex mu_;
  MonotonicDeadline read_deadline_ ABSL_GUARDED_BY(mu_);
  MonotonicDeadline write_deadline_ ABSL_GUARDED_BY(mu_);
  bool read_woken_ ABSL_GUARDED_BY(mu_) = false;
  bool write_woken_ ABSL_GUARDED_BY(mu_) = false;
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
  return {place, Kind::kAbort, std::move(reason), accepted,
          absl::ZeroDuration()};
}

Fault Fault::Delay(FaultPlace place, absl::Duration duration) {
  return {place, Kind::kDelay, absl::OkStatus(), 0, duration};
}

std::unique_ptr<Flow> MakeFaultFlow(std::unique_ptr<Flow> inner,
                                    FaultOptions options) {
  ABSL_CHECK(inner != nullptr) << "a fault flow around no flow";
  return std::make_unique<FaultFlow>(std::move(inner), std::move(options));
}

std::unique_ptr<Flow> MakeFaultFlow(std::unique_ptr<Flow> inner,
                                    std::vector<Fault> faults) {
  FaultOptions options;
  options.faults = std::move(faults);
  return MakeFaultFlow(std::move(inner), std::move(options));
}

}  // namespace flow::testing
