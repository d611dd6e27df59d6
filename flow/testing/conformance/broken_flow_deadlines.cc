// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Defects of deadlines.

#include <atomic>
#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/testing/conformance/broken_flow.h"
#include "flow/transport.h"

namespace flow::testing::conformance {
namespace {

class IgnoresReadDeadlines : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void SetReadDeadline(absl::Time) override {}
};

class IgnoresWriteDeadlines : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void SetWriteDeadline(absl::Time) override {}
};

class AppliesReadDeadlinesToWrites : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void SetReadDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
    inner().SetWriteDeadline(deadline);
  }
};

class AppliesWriteDeadlinesToReads : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void SetWriteDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
    inner().SetWriteDeadline(deadline);
  }
};

class StaysLate : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (!late_.ok()) return late_;
    absl::StatusOr<absl::Cord> data = inner().Read(max_bytes);
    if (absl::IsDeadlineExceeded(data.status())) late_ = data.status();
    return data;
  }

 private:
  absl::Status late_;
};

// Takes a deadline for a reason to break.
class BreaksAtTheWriteDeadline : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status Write(Outgoing& data) override {
    absl::Status status = inner().Write(data);
    if (!absl::IsDeadlineExceeded(status)) return status;
    return absl::UnavailableError(status.message());
  }
};

class IsLateWithoutTrying : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (past_) return absl::DeadlineExceededError("late");
    return inner().Read(max_bytes);
  }
  void SetReadDeadline(absl::Time deadline) override {
    past_ = deadline < absl::Now();
    inner().SetReadDeadline(deadline);
  }

 private:
  std::atomic<bool> past_{false};
};

class IsLateTooEarly : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void SetReadDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline - absl::Hours(1));
  }
};

class TakesNoDeadlineBack : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  void SetReadDeadline(absl::Time deadline) override {
    if (!reading_) inner().SetReadDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    if (!writing_) inner().SetWriteDeadline(deadline);
  }
};

class SetsDeadlinesOfTheNextReadOnly : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    {
      flow::internal::MutexLock lock(mu_);
      inner().SetReadDeadline(deadline_);
      reading_ = true;
    }
    return WatchingTransport::Read(max_bytes);
  }
  void SetReadDeadline(absl::Time deadline) override {
    flow::internal::MutexLock lock(mu_);
    deadline_ = deadline;
  }

 private:
  absl::Mutex mu_;
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

// Waits for room for its end, until it is aborted: after a late write only, so
// that not every check hangs.
class EndsInItsOwnTime : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status Write(Outgoing& data) override {
    absl::Status status = inner().Write(data);
    late_ = absl::IsDeadlineExceeded(status);
    return status;
  }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    while (outcome.ok() && late_ && !aborted_ && inner().BytesInTransit() > 0) {
      absl::SleepFor(absl::Microseconds(100));
    }
    return inner().EndWrite(outcome, deadline);
  }
  void Abort(const absl::Status& reason) override {
    aborted_ = true;
    inner().Abort(reason);
  }

 private:
  std::atomic<bool> late_{false};
  std::atomic<bool> aborted_{false};
};

}  // namespace

std::vector<Defect> DefectsOfDeadlines() {
  return {
      Defect::Of<EndsInItsOwnTime>("EndsInItsOwnTime")
          .Hangs({"CloseWithoutRoomForTheEndReturnsAtItsDeadline",
                  "ShutdownWaitsForRoomUpToTheWriteDeadline",
                  "WhatALateWriteCountsIsWhatArrives"}),
      Defect::Of<IgnoresReadDeadlines>("IgnoresReadDeadlines")
          .Hangs({"ANewReadDeadlineAppliesToABlockedRead",
                  "ReadsThatRaceWithANewDeadlineReturn",
                  "APastReadDeadlineFailsOnlyReadsThatWouldBlock",
                  "AFutureReadDeadlineIsWaitedFor", "ReadsGoOnAfterADeadline",
                  "AReadDeadlineLeavesABlockedWriteAlone"}),
      Defect::Of<IgnoresWriteDeadlines>("IgnoresWriteDeadlines")
          .Hangs({"ANewWriteDeadlineAppliesToABlockedWrite",
                  "AWriteThatFailsAfterShutdownIsNotEndedByIt",
                  "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
                  "AFutureWriteDeadlineIsWaitedFor", "WritesGoOnAfterADeadline",
                  "WhatALateWriteCountsIsWhatArrives",
                  "WhatALateWriteOfAFewBytesCountsArrivesWithoutAnother",
                  "ShutdownWaitsForRoomUpToTheWriteDeadline",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline",
                  "WriteFromAfterADeadlineNeitherLosesNorRepeats"}),
      Defect::Of<AppliesReadDeadlinesToWrites>("AppliesReadDeadlinesToWrites")
          .Fails({"AReadDeadlineLeavesWritesAlone",
                  "AReadDeadlineLeavesABlockedWriteAlone"}),
      Defect::Of<AppliesWriteDeadlinesToReads>("AppliesWriteDeadlinesToReads")
          .Fails({"AWriteDeadlineLeavesReadsAlone",
                  "AWriteThatFailsAfterShutdownIsNotEndedByIt"}),
      Defect::Of<StaysLate>("StaysLate")
          .Fails({"ReadsGoOnAfterADeadline", "AFutureReadDeadlineIsWaitedFor"})
          .Hangs({"APastReadDeadlineFailsOnlyReadsThatWouldBlock"}),
      Defect::Of<BreaksAtTheWriteDeadline>("BreaksAtTheWriteDeadline")
          .Fails({"WritesGoOnAfterADeadline",
                  "AWriteThatFailsAfterShutdownIsNotEndedByIt",
                  "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
                  "ANewWriteDeadlineAppliesToABlockedWrite",
                  "AFutureWriteDeadlineIsWaitedFor",
                  "WhatALateWriteCountsIsWhatArrives",
                  "WhatALateWriteOfAFewBytesCountsArrivesWithoutAnother",
                  "ShutdownWaitsForRoomUpToTheWriteDeadline",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline",
                  "WriteFromAfterADeadlineNeitherLosesNorRepeats"}),
      Defect::Of<IsLateWithoutTrying>("IsLateWithoutTrying")
          .Hangs({"APastReadDeadlineFailsOnlyReadsThatWouldBlock"}),
      Defect::Of<IsLateTooEarly>("IsLateTooEarly")
          .Fails({"AReadDeadlineThatIsTakenBackDoesNotPass",
                  "AFutureReadDeadlineIsWaitedFor"}),
      Defect::Of<TakesNoDeadlineBack>("TakesNoDeadlineBack")
          .Fails({"AReadDeadlineThatIsTakenBackDoesNotPass",
                  "AWriteDeadlineThatIsTakenBackDoesNotPass"})
          .Hangs({"AWriteThatFailsAfterShutdownIsNotEndedByIt",
                  "WhatALateWriteCountsIsWhatArrives",
                  "ANewReadDeadlineAppliesToABlockedRead",
                  "ReadsThatRaceWithANewDeadlineReturn",
                  "ANewWriteDeadlineAppliesToABlockedWrite"}),
      Defect::Of<SetsDeadlinesOfTheNextReadOnly>(
          "SetsDeadlinesOfTheNextReadOnly")
          .Fails({"AReadDeadlineThatIsTakenBackDoesNotPass"})
          .Hangs({"ANewReadDeadlineAppliesToABlockedRead",
                  "ReadsThatRaceWithANewDeadlineReturn"}),
  };
}

}  // namespace flow::testing::conformance
