// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Defects of ends: Shutdown() and Close().

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/conformance/broken_flow.h"

namespace flow::testing::conformance {
namespace {

class ForgetsAnEndWithoutData : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok() && bytes_written() == 0) return absl::OkStatus();
    return FlawlessFlow::DoEndWrite(outcome);
  }
};

// Keeps the end of some streams until it is closed: those of 1000 bytes, since
// most checks need an end.
class KeepsItsEndUntilClose : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok() && bytes_written() == 1000) return absl::OkStatus();
    return FlawlessFlow::DoEndWrite(outcome);
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    FlawlessFlow::DoEndWrite(absl::OkStatus()).IgnoreError();
    return FlawlessFlow::DoAwaitRemoteEnd(deadline);
  }
};

// As shutdown(2) of a socket whose peer has gone.
class CannotEndAfterTheRemote : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    const bool remote_has_ended =
        FlawlessFlow::DoAwaitRemoteEnd(absl::InfinitePast()).ok();
    absl::Status status = FlawlessFlow::DoEndWrite(outcome);
    return remote_has_ended ? absl::UnknownError("ENOTCONN") : status;
  }
};

class EndsBothDirectionsAtOnce : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    DoShutdownRead();
    return FlawlessFlow::DoEndWrite(outcome);
  }
};

class TakesTheRemoteEndForItsOwn : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = FlawlessFlow::DoRead(max_bytes);
    if (data.ok() && data->empty()) {
      inner().Shutdown(ShutdownMode::kWrite).IgnoreError();
    }
    return data;
  }
};

class ForgetsWhatClosingFound : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoFree() override {
    FlawlessFlow::DoFree().IgnoreError();
    return absl::OkStatus();
  }
};

class EndsWellAfterAWriteThatFailed : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoEndWrite(const absl::Status&) override {
    return FlawlessFlow::DoEndWrite(absl::OkStatus());
  }
};

// Looks between its pieces whether the flow is being closed.
class DropsTheRestOfAWriteAtTheEnd : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    for (; !buffer.empty();
         buffer.remove_prefix(std::min<size_t>(buffer.size(), 1024))) {
      if (!Write("").ok()) break;
      absl::Status status =
          FlawlessFlow::DoWriteBorrowed(buffer.substr(0, 1024), accepted);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

class ClosesWithoutTheRemote : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time) override {
    return absl::OkStatus();
  }
  absl::Status DoFree() override { return absl::OkStatus(); }
};

class IgnoresTheDeadlineOfClose : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time) override {
    return FlawlessFlow::DoAwaitRemoteEnd(absl::InfiniteFuture());
  }
};

class TakesAnyDeadlineOfCloseForPast : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    if (deadline != absl::InfiniteFuture()) deadline = absl::InfinitePast();
    return FlawlessFlow::DoAwaitRemoteEnd(deadline);
  }
};

class ClosesBeyondItsDeadlineInSecret : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoAbort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "passed its deadline")) {
      inner().Shutdown(ShutdownMode::kReadWrite).IgnoreError();
    } else {
      FlawlessFlow::DoAbort(reason);
    }
  }
};

class IsSpoiledByUnreadData : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    absl::Status status = FlawlessFlow::DoAwaitRemoteEnd(deadline);
    inner().SetReadDeadline(absl::InfinitePast());
    const absl::StatusOr<absl::Cord> data = inner().Read();
    if (data.ok() && !data->empty()) return absl::DataLossError("unread data");
    return status;
  }
};

class RefusesNothing : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoShutdownRead() override {}
};

class RefusesAndEnds : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoShutdownRead() override {
    inner().Shutdown(ShutdownMode::kReadWrite).IgnoreError();
  }
};

class RefusesInSecret : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  void DoShutdownRead() override {
    refused_ = true;
    inner().SetReadDeadline(absl::InfinitePast());  // to wake it
  }
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (refused_) return absl::Cord();
    return FlawlessFlow::DoRead(max_bytes);
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    if (refused_) return absl::OkStatus();
    return FlawlessFlow::DoAwaitRemoteEnd(deadline);
  }
  std::atomic<bool> refused_{false};
};

}  // namespace

std::vector<Defect> DefectsOfEnds() {
  return {
      Defect::Of<ForgetsAnEndWithoutData>("ForgetsAnEndWithoutData")
          .Hangs({"ADestructionWakesABlockedCloseOfTheRemote",
                  "DataThatADestroyedReaderLeftSpoilsClose",
                  "TheEndWakesABlockedRead",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "ARepeatedShutdownIsOk", "WritesAfterShutdownAreClosed",
                  "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "CloseReturnsAtOnceIfTheRemoteHasEndedItsDirection",
                  "ClosesJoinAndReturnTheSame"}),
      Defect::Of<KeepsItsEndUntilClose>("KeepsItsEndUntilClose")
          .Fails({"ADirectionThatHasEndedOutlivesAnAbort"})
          .Hangs({"HalfCloseLeavesTheReverseDirectionToItsOwnEnd"}),
      Defect::Of<CannotEndAfterTheRemote>("CannotEndAfterTheRemote")
          .Fails({"DataThatADestroyedReaderLeftSpoilsClose",
                  "CloseReturnsAtOnceIfTheRemoteHasEndedItsDirection",
                  "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "ARepeatedShutdownIsOk",
                  "ShutdownReadLeavesTheOtherDirectionFlowing",
                  "CloseDoesNotWaitForARemoteThatIsRefused",
                  "WhatWasSentBeforeCloseArrivesWhole",
                  "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "DataThatIsLeftUnreadDoesNotSpoilClose",
                  "CloseFinishesABlockedWriteFirst", "ReadsGoOnWhileCloseWaits",
                  "ClosesJoinAndReturnTheSame", "CloseBeforeItsDeadlineIsOk"})
          .MayFail({"BothEndsMayCloseAtTheSameTime",
                    "AfterCloseReadsAndWritesAreClosed",
                    "TheResultOfCloseStays",
                    "CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<EndsBothDirectionsAtOnce>("EndsBothDirectionsAtOnce")
          .Fails({"HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "AbortWakesABlockedClose",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "ReadsGoOnWhileCloseWaits", "ClosesJoinAndReturnTheSame",
                  "CloseBeyondItsDeadlineAborts", "CloseBeforeItsDeadlineIsOk"})
          .MayFail({"DataThatADestroyedReaderLeftSpoilsClose",
                    "ADestructionWakesABlockedCloseOfTheRemote",
                    "AReaderThatIsDestroyedTooEarlySpoilsClose",
                    "ClosesThatRaceWithAbortReturn",
                    "CarriesBothDirectionsAtOnceInRandomPieces",
                    "TheEarliestDeadlineOfSeveralClosesCounts"}),
      Defect::Of<TakesTheRemoteEndForItsOwn>("TakesTheRemoteEndForItsOwn")
          .Fails({"ADestructionWakesABlockedCloseOfTheRemote",
                  "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "ClosesJoinAndReturnTheSame"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<ForgetsWhatClosingFound>("ForgetsWhatClosingFound")
          .Fails({"DataThatADestroyedReaderLeftSpoilsClose"}),
      Defect::Of<EndsWellAfterAWriteThatFailed>("EndsWellAfterAWriteThatFailed")
          .Fails({"AWriteThatFailsAfterShutdownIsNotEndedByIt"}),
      Defect::Of<DropsTheRestOfAWriteAtTheEnd>("DropsTheRestOfAWriteAtTheEnd")
          .Fails({"CloseFinishesABlockedWriteFirst",
                  "ShutdownDuringABlockedWriteSendsTheEndAfterIt"})
          .MayFail({"AWriteThatFailsAfterShutdownIsNotEndedByIt"}),
      Defect::Of<ClosesWithoutTheRemote>("ClosesWithoutTheRemote")
          .Fails({"NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "AbortWakesABlockedClose",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "ReadsGoOnWhileCloseWaits", "ClosesJoinAndReturnTheSame",
                  "CloseBeyondItsDeadlineAborts", "CloseBeforeItsDeadlineIsOk"})
          .MayFail({"DataThatADestroyedReaderLeftSpoilsClose",
                    "ADestructionWakesABlockedCloseOfTheRemote",
                    "AReaderThatIsDestroyedTooEarlySpoilsClose",
                    "ClosesThatRaceWithAbortReturn",
                    "TheEarliestDeadlineOfSeveralClosesCounts"}),
      Defect::Of<IgnoresTheDeadlineOfClose>("IgnoresTheDeadlineOfClose")
          .Hangs({"CloseBeyondItsDeadlineAborts"}),
      Defect::Of<TakesAnyDeadlineOfCloseForPast>(
          "TakesAnyDeadlineOfCloseForPast")
          .Fails({"CloseBeforeItsDeadlineIsOk"})
          .MayFail({"CloseBeyondItsDeadlineAborts"}),
      Defect::Of<ClosesBeyondItsDeadlineInSecret>(
          "ClosesBeyondItsDeadlineInSecret")
          .Fails({"CloseBeyondItsDeadlineAborts"})
          .Hangs({"CloseBeyondItsDeadlineAbortsABlockedWrite"}),
      Defect::Of<IsSpoiledByUnreadData>("IsSpoiledByUnreadData")
          .Fails({"DataThatIsLeftUnreadDoesNotSpoilClose"}),
      Defect::Of<RefusesNothing>("RefusesNothing")
          .Fails({"ShutdownReadClosesTheWritesOfTheRemote"})
          .Hangs({"CloseDoesNotWaitForARemoteThatIsRefused",
                  "ShutdownReadWakesABlockedReadWithEndOfFile",
                  "ReadsThatRaceWithShutdownReadReturn",
                  "ShutdownReadWakesABlockedWriteOfTheRemote"}),
      Defect::Of<RefusesAndEnds>("RefusesAndEnds")
          .Fails({"ShutdownReadLeavesTheOtherDirectionFlowing"}),
      Defect::Of<RefusesInSecret>("RefusesInSecret")
          .Fails({"ShutdownReadClosesTheWritesOfTheRemote",
                  "CloseDoesNotWaitForARemoteThatIsRefused"})
          .Hangs({"ShutdownReadWakesABlockedWriteOfTheRemote"}),
  };
}

}  // namespace flow::testing::conformance
