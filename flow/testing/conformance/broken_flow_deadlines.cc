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
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/conformance/broken_flow.h"

namespace flow::testing::conformance {
namespace {

class IgnoresReadDeadlines : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoSetReadDeadline(absl::Time) override {}
};

class IgnoresWriteDeadlines : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoSetWriteDeadline(absl::Time) override {}
};

class AppliesReadDeadlinesToWrites : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoSetReadDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
    inner().SetWriteDeadline(deadline);
  }
};

class AppliesWriteDeadlinesToReads : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoSetWriteDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
    inner().SetWriteDeadline(deadline);
  }
};

class IsLateForEver : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (!late_.ok()) return late_;
    absl::StatusOr<absl::Cord> data = FlawlessFlow::DoRead(max_bytes);
    if (absl::IsDeadlineExceeded(data.status())) late_ = data.status();
    return data;
  }
  absl::Status late_;
};

// Takes a deadline for a reason to break.
class BreaksAtTheWriteDeadline : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::Status status = FlawlessFlow::DoWriteBorrowed(buffer, accepted);
    if (!absl::IsDeadlineExceeded(status)) return status;
    return absl::UnavailableError(status.message());
  }
};

class IsLateWithoutTrying : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (past_) return absl::DeadlineExceededError("late");
    return FlawlessFlow::DoRead(max_bytes);
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    past_ = deadline < absl::Now();
    FlawlessFlow::DoSetReadDeadline(deadline);
  }
  std::atomic<bool> past_{false};
};

class IsLateTooEarly : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoSetReadDeadline(absl::Time deadline) override {
    FlawlessFlow::DoSetReadDeadline(deadline - absl::Hours(1));
  }
};

class TakesNoDeadlineBack : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoSetReadDeadline(absl::Time deadline) override {
    if (!reading_) FlawlessFlow::DoSetReadDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    if (!writing_) FlawlessFlow::DoSetWriteDeadline(deadline);
  }
};

class SetsDeadlinesOfTheNextReadOnly : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    {
      absl::MutexLock lock(&mu_);
      inner().SetReadDeadline(deadline_);
      reading_ = true;
    }
    return WatchingFlow::DoRead(max_bytes);
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    deadline_ = deadline;
  }
  absl::Mutex mu_;
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

}  // namespace

std::vector<Defect> DefectsOfDeadlines() {
  return {
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
                  "WriteFromAfterADeadlineNeitherLosesNorRepeats"}),
      Defect::Of<AppliesReadDeadlinesToWrites>("AppliesReadDeadlinesToWrites")
          .Fails({"AReadDeadlineLeavesWritesAlone",
                  "AReadDeadlineLeavesABlockedWriteAlone"}),
      Defect::Of<AppliesWriteDeadlinesToReads>("AppliesWriteDeadlinesToReads")
          .Fails({"AWriteDeadlineLeavesReadsAlone"}),
      Defect::Of<IsLateForEver>("IsLateForEver")
          .Fails({"ReadsGoOnAfterADeadline", "AFutureReadDeadlineIsWaitedFor"})
          .Hangs({"APastReadDeadlineFailsOnlyReadsThatWouldBlock"}),
      Defect::Of<BreaksAtTheWriteDeadline>("BreaksAtTheWriteDeadline")
          .Fails({"WritesGoOnAfterADeadline",
                  "AWriteThatFailsAfterShutdownIsNotEndedByIt",
                  "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
                  "ANewWriteDeadlineAppliesToABlockedWrite",
                  "AFutureWriteDeadlineIsWaitedFor",
                  "WhatALateWriteCountsIsWhatArrives"}),
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
