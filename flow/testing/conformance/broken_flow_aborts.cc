// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Defects of aborts.

#include <atomic>
#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/conformance/broken_flow.h"

namespace flow::testing::conformance {
namespace {

class AbortsWithEndOfFile : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status& reason) override {
    inner().Shutdown(ShutdownMode::kWrite).IgnoreError();
    FlawlessFlow::DoAbort(reason);
  }
};

class IsDestroyedWithEndOfFile : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "destroyed")) {
      inner().Shutdown(ShutdownMode::kWrite).IgnoreError();
    }
    FlawlessFlow::DoAbort(reason);
  }
};

class LosesTheReason : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status&) override {
    FlawlessFlow::DoAbort(absl::AbortedError("somehow"));
  }
};

class LosesThePayload : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status& reason) override {
    inner().Abort(absl::Status(reason.code(), reason.message()));
  }
};

class RefusesWhenDestroyed : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "destroyed")) DoShutdownRead();
    FlawlessFlow::DoAbort(reason);
  }
};

class AbortsOnlyItsWrites : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status& reason) override {
    HooksOf::EndWrite(inner(), reason).IgnoreError();
    DoShutdownRead();
  }
};

// An error overtakes the data that came before it.
class ReadsErrorsFirst : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data =
        ahead_.empty() ? FlawlessFlow::DoRead(max_bytes) : ahead_;
    ahead_.Clear();
    if (!data.ok() || data->empty()) return data;
    if (data->size() <= max_bytes) {
      absl::MutexLock lock(&mu_);
      inner().SetReadDeadline(absl::InfinitePast());
      absl::StatusOr<absl::Cord> more = inner().Read(100);
      inner().SetReadDeadline(deadline_);
      if (more.ok()) {
        data->Append(*more);
      } else if (!absl::IsDeadlineExceeded(more.status())) {
        return more;
      }
    }
    absl::Cord front = data->Subcord(0, max_bytes);
    ahead_ = data->Subcord(front.size(), data->size());
    return front;
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    deadline_ = deadline;
    inner().SetReadDeadline(deadline);
  }
  absl::Cord ahead_;
  absl::Mutex mu_;
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

class AbortWakesNoRead : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (!reading_) WatchingFlow::DoAbort(reason);
  }
};

class AbortWakesNoWrite : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (!writing_) WatchingFlow::DoAbort(reason);
  }
};

class AbortWakesNoClose : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (!awaiting_) WatchingFlow::DoAbort(reason);
  }
};

// Wakes a read that has begun to wait, but leaves no mark for one that is about
// to; which takes a while here, so that no luck is needed.
class LeavesNoMark : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (bytes_read() == 0) {
      about_to_read_ = true;
      absl::SleepFor(absl::Milliseconds(1));
      about_to_read_ = false;
    }
    return FlawlessFlow::DoRead(max_bytes);
  }
  void DoAbort(const absl::Status& reason) override {
    if (!about_to_read_) FlawlessFlow::DoAbort(reason);
  }
  void DoShutdownRead() override {
    if (!about_to_read_) FlawlessFlow::DoShutdownRead();
  }
  std::atomic<bool> about_to_read_{false};
};

}  // namespace

std::vector<Defect> DefectsOfAborts() {
  return {
      Defect::Of<AbortsWithEndOfFile>("AbortsWithEndOfFile")
          .Fails({"ADestructionWakesABlockedCloseOfTheRemote",
                  "AnAbortedStreamNeverEndsInEndOfFile",
                  "AnAbortForAnOkOrDeadlineReasonIsAborted",
                  "ADestroyedStreamNeverEndsInEndOfFile",
                  "AcceptedBytesPrecedeTheReason", "ErrorsStay",
                  "AnAbortWakesABlockedReadOfTheRemote",
                  "AnAbortWakesABlockedCloseOfTheRemote"})
          .MayFail({"AReaderThatIsDestroyedTooEarlySpoilsClose"}),
      Defect::Of<IsDestroyedWithEndOfFile>("IsDestroyedWithEndOfFile")
          .Fails({"ADestructionWakesABlockedCloseOfTheRemote",
                  "ADestroyedStreamNeverEndsInEndOfFile",
                  "AcceptedBytesPrecedeTheReason",
                  "AnAbortWakesABlockedReadOfTheRemote"})
          .MayFail({"AReaderThatIsDestroyedTooEarlySpoilsClose"}),
      Defect::Of<LosesTheReason>("LosesTheReason")
          .Fails({"AnAbortedStreamNeverEndsInEndOfFile",
                  "AcceptedBytesPrecedeTheReason",
                  "WhatAnAbortedWriteCountsIsWhatArrives", "ErrorsStay",
                  "AnAbortEndsTheWritesOfTheRemote",
                  "AnAbortWakesABlockedReadOfTheRemote",
                  "AnAbortWakesABlockedWriteOfTheRemote",
                  "AnAbortWakesABlockedCloseOfTheRemote"}),
      Defect::Of<LosesThePayload>("LosesThePayload")
          .Fails({"AnAbortedStreamNeverEndsInEndOfFile",
                  "AcceptedBytesPrecedeTheReason",
                  "WhatAnAbortedWriteCountsIsWhatArrives", "ErrorsStay",
                  "AnAbortEndsTheWritesOfTheRemote",
                  "AnAbortWakesABlockedReadOfTheRemote",
                  "AnAbortWakesABlockedWriteOfTheRemote",
                  "AnAbortWakesABlockedCloseOfTheRemote"}),
      Defect::Of<RefusesWhenDestroyed>("RefusesWhenDestroyed")
          .Fails({"DataThatADestroyedReaderLeftSpoilsClose",
                  "ADestructionWakesABlockedWriteOfTheRemote"}),
      Defect::Of<AbortsOnlyItsWrites>("AbortsOnlyItsWrites")
          .Fails({"ADestructionWakesABlockedWriteOfTheRemote",
                  "DataThatADestroyedReaderLeftSpoilsClose",
                  "AnAbortEndsTheWritesOfTheRemote",
                  "AnAbortWakesABlockedWriteOfTheRemote",
                  "CloseBeyondItsDeadlineAborts"}),
      Defect::Of<ReadsErrorsFirst>("ReadsErrorsFirst")
          .Fails({"AcceptedBytesPrecedeTheReason",
                  "WhatAnAbortedWriteCountsIsWhatArrives"}),
      Defect::Of<AbortWakesNoRead>("AbortWakesNoRead")
          .Hangs({"AbortWakesABlockedRead", "ReadsThatRaceWithAbortReturn"}),
      Defect::Of<AbortWakesNoWrite>("AbortWakesNoWrite")
          .Hangs({"AbortWakesABlockedWrite",
                  "WhatAnAbortedWriteCountsIsWhatArrives",
                  "WritesThatRaceWithAbortReturn",
                  "CloseBeyondItsDeadlineAbortsABlockedWrite"}),
      Defect::Of<AbortWakesNoClose>("AbortWakesNoClose")
          .Hangs({"AbortWakesABlockedClose", "ClosesThatRaceWithAbortReturn",
                  "TheEarliestDeadlineOfSeveralClosesCounts"}),
      Defect::Of<LeavesNoMark>("LeavesNoMark")
          .Hangs({"ReadsThatRaceWithAbortReturn",
                  "ReadsThatRaceWithShutdownReadReturn"})
          .MayFail({"AbortWakesABlockedRead",
                    "ShutdownReadWakesABlockedReadWithEndOfFile"}),
  };
}

}  // namespace flow::testing::conformance
