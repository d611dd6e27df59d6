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
#include "flow/internal/mutex_lock.h"
#include "flow/testing/conformance/broken_flow.h"
#include "flow/transport.h"

namespace flow::testing::conformance {
namespace {

class AbortsWithEndOfFile : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status& reason) override {
    inner().EndWrite(absl::OkStatus(), absl::InfiniteFuture()).IgnoreError();
    inner().Abort(reason);
  }
};

class IsDestroyedWithEndOfFile : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "destroyed")) {
      inner().EndWrite(absl::OkStatus(), absl::InfiniteFuture()).IgnoreError();
    }
    inner().Abort(reason);
  }
};

class LosesTheReason : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status&) override {
    inner().Abort(absl::AbortedError("somehow"));
  }
};

class LosesThePayload : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status& reason) override {
    inner().Abort(absl::Status(reason.code(), reason.message()));
  }
};

class RefusesWhenDestroyed : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "destroyed")) {
      inner().RefuseRead();
    }
    inner().Abort(reason);
  }
};

class AbortsOnlyItsWrites : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status& reason) override {
    inner().EndWrite(reason, absl::InfiniteFuture()).IgnoreError();
    inner().RefuseRead();
  }
};

// An error overtakes the data that came before it.
class ReadsErrorsFirst : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data =
        ahead_.empty() ? inner().Read(max_bytes) : ahead_;
    ahead_.Clear();
    if (!data.ok() || data->empty()) return data;
    if (data->size() <= max_bytes) {
      flow::internal::MutexLock lock(mu_);
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
  void SetReadDeadline(absl::Time deadline) override {
    flow::internal::MutexLock lock(mu_);
    deadline_ = deadline;
    inner().SetReadDeadline(deadline);
  }

 private:
  absl::Cord ahead_;
  absl::Mutex mu_;
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

class AbortWakesNoRead : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  void Abort(const absl::Status& reason) override {
    if (!reading_) WatchingTransport::Abort(reason);
  }
};

class AbortWakesNoWrite : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  void Abort(const absl::Status& reason) override {
    if (!writing_) WatchingTransport::Abort(reason);
  }
};

class AbortWakesNoClose : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  void Abort(const absl::Status& reason) override {
    if (!awaiting_) WatchingTransport::Abort(reason);
  }
};

// Wakes a read that has begun to wait, but leaves no mark for one that is about
// to; which takes a while here, so that no luck is needed.
class LeavesNoMark : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (is_first_) {
      about_to_read_ = true;
      absl::SleepFor(absl::Milliseconds(1));
      about_to_read_ = false;
      is_first_ = false;
    }
    return inner().Read(max_bytes);
  }
  void Abort(const absl::Status& reason) override {
    if (!about_to_read_) inner().Abort(reason);
  }
  void RefuseRead() override {
    if (!about_to_read_) inner().RefuseRead();
  }

 private:
  bool is_first_ = true;
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
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "WhatAnAbortedWriteCountsIsWhatArrives",
                  "CloseBeyondItsDeadlineAbortsABlockedWrite"})
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
