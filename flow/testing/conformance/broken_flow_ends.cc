// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Defects of ends: Shutdown() and Close().

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/testing/conformance/broken_flow.h"
#include "flow/transport.h"

namespace flow::testing::conformance {
namespace {

// Until it is freed, so that not every check hangs.
class ForgetsAnEndWithoutData : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    forgotten_ = outcome.ok() && written_ == 0;
    return forgotten_ ? absl::OkStatus() : inner().EndWrite(outcome, deadline);
  }
  absl::Status Free() override {
    if (forgotten_) {
      inner().EndWrite(absl::OkStatus(), absl::InfiniteFuture()).IgnoreError();
    }
    return inner().Free();
  }

 private:
  bool forgotten_ = false;
};

// Keeps the end of some streams until it is closed: those of 1000 bytes, since
// most checks need an end.
class KeepsItsEndUntilClose : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    if (outcome.ok() && written_ == 1000) return absl::OkStatus();
    return inner().EndWrite(outcome, deadline);
  }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    inner().EndWrite(absl::OkStatus(), deadline).IgnoreError();
    return WatchingTransport::AwaitRemoteEnd(deadline);
  }
};

// As shutdown(2) of a socket whose peer has gone.
class CannotEndAfterTheRemote : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    const bool remote_has_ended =
        inner().AwaitRemoteEnd(absl::InfinitePast()).ok();
    absl::Status status = inner().EndWrite(outcome, deadline);
    return remote_has_ended ? absl::UnknownError("ENOTCONN") : status;
  }
};

class EndsBothDirectionsAtOnce : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    inner().RefuseRead();
    return inner().EndWrite(outcome, deadline);
  }
};

class TakesTheRemoteEndForItsOwn : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = inner().Read(max_bytes);
    if (data.ok() && data->empty()) {
      inner().EndWrite(absl::OkStatus(), absl::InfiniteFuture()).IgnoreError();
    }
    return data;
  }
};

class ForgetsWhatClosingFound : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status Free() override {
    inner().Free().IgnoreError();
    return absl::OkStatus();
  }
};

class EndsWellAfterAWriteThatFailed : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status EndWrite(const absl::Status&, absl::Time deadline) override {
    return inner().EndWrite(absl::OkStatus(), deadline);
  }
};

// Asks between its pieces whether the flow is being closed, which no transport
// should.
class DropsTheRestOfAWriteAtTheEnd : public DefectiveTransport {
 public:
  DropsTheRestOfAWriteAtTheEnd(std::unique_ptr<Transport> inner, Flow& flow)
      : DefectiveTransport(std::move(inner)), flow_(flow) {}
  static std::unique_ptr<Flow> Plant(std::unique_ptr<Flow> flow) {
    Flow& same = *flow;
    return DecorateFlow(std::move(flow),
                        [&same](std::unique_ptr<Transport> inner) {
                          return std::make_unique<DropsTheRestOfAWriteAtTheEnd>(
                              std::move(inner), same);
                        });
  }
  absl::Status Write(Outgoing& data) override {
    if (!IsBorrowed(data)) return inner().Write(data);
    absl::string_view rest = data[0].bytes();
    while (!rest.empty() && flow_.Write("").ok()) {
      const absl::string_view piece = rest.substr(0, 1024);
      absl::Status status = WritePiece(piece, data);
      if (!status.ok()) return status;
      rest.remove_prefix(piece.size());
    }
    return absl::OkStatus();
  }

 private:
  Flow& flow_;
};

class ClosesWithoutTheRemote : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status AwaitRemoteEnd(absl::Time) override { return absl::OkStatus(); }
  absl::Status Free() override {
    inner().RefuseRead();  // so that the remote does not notice
    return inner().Free();
  }
};

class IgnoresTheDeadlineOfClose : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status AwaitRemoteEnd(absl::Time) override {
    return inner().AwaitRemoteEnd(absl::InfiniteFuture());
  }
};

class TakesAnyDeadlineOfCloseForPast : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    if (deadline != absl::InfiniteFuture()) deadline = absl::InfinitePast();
    return inner().AwaitRemoteEnd(deadline);
  }
};

class ClosesBeyondItsDeadlineInSecret : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "passed its deadline")) {
      inner().RefuseRead();
    } else {
      inner().Abort(reason);
    }
  }
};

class IsSpoiledByUnreadData : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    flow::internal::MutexLock lock(reader_);
    return inner().Read(max_bytes);
  }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    absl::Status status = inner().AwaitRemoteEnd(deadline);
    if (!flow::internal::TryLock(reader_)) return status;
    inner().SetReadDeadline(absl::InfinitePast());
    const absl::StatusOr<absl::Cord> data = inner().Read(kNoLimit);
    flow::internal::Unlock(reader_);
    if (data.ok() && !data->empty()) return absl::DataLossError("unread data");
    return status;
  }

 private:
  absl::Mutex reader_;  // held by the one reader
};

class RefusesNothing : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void RefuseRead() override {}
};

class RefusesAndEnds : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void RefuseRead() override {
    inner().RefuseRead();
    inner().EndWrite(absl::OkStatus(), absl::InfiniteFuture()).IgnoreError();
  }
};

class RefusesInSecret : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void RefuseRead() override {
    refused_ = true;
    inner().SetReadDeadline(absl::InfinitePast());  // to wake it
  }
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (refused_) return absl::Cord();
    return inner().Read(max_bytes);
  }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    if (refused_) return absl::OkStatus();
    return inner().AwaitRemoteEnd(deadline);
  }

 private:
  std::atomic<bool> refused_{false};
};

class CannotTellThatItIsRefused : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  std::optional<absl::Status> AwaitRefusal(absl::Time) override {
    return std::nullopt;
  }
};

class AwaitsARefusalBeyondTheDeadline : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  std::optional<absl::Status> AwaitRefusal(absl::Time) override {
    return inner().AwaitRefusal(absl::InfiniteFuture());
  }
};

class AwaitsARefusalBeyondItsEnd : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    ended_ = true;
    return inner().EndWrite(outcome, deadline);
  }
  void Abort(const absl::Status& reason) override {
    inner().Abort(reason);
    aborted_.Notify();
  }
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    const std::optional<absl::Status> status = inner().AwaitRefusal(deadline);
    if (ended_) aborted_.WaitForNotification();
    return status;
  }

 private:
  std::atomic<bool> ended_{false};
  absl::Notification aborted_;
};

class TakesTheRemoteEndForARefusal : public WatchingTransport {
 public:
  using WatchingTransport::WatchingTransport;
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    if (inner().AwaitRemoteEnd(absl::InfinitePast()).ok()) {
      return ClosedError("it has ended");
    }
    return inner().AwaitRefusal(deadline);
  }
};

}  // namespace

std::vector<Defect> DefectsOfEnds() {
  return {
      Defect::Of<CannotTellThatItIsRefused>("CannotTellThatItIsRefused")
          .Hangs({"ShutdownReadEndsAwaitRefusalOfTheRemote"}),
      Defect::Of<AwaitsARefusalBeyondTheDeadline>(
          "AwaitsARefusalBeyondTheDeadline")
          .Hangs({"AwaitRefusalObeysItsDeadlineAndChangesNothing"}),
      Defect::Of<AwaitsARefusalBeyondItsEnd>("AwaitsARefusalBeyondItsEnd")
          .Hangs({"AwaitRefusalEndsWithTheWritesOfThisEnd"}),
      Defect::Of<TakesTheRemoteEndForARefusal>("TakesTheRemoteEndForARefusal")
          .Fails({"AwaitRefusalObeysItsDeadlineAndChangesNothing"}),
      Defect::Of<ForgetsAnEndWithoutData>("ForgetsAnEndWithoutData")
          .Hangs({"AwaitRefusalObeysItsDeadlineAndChangesNothing",
                  "AwaitRefusalEndsWithTheWritesOfThisEnd",
                  "ADestructionWakesABlockedCloseOfTheRemote",
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
          .Fails({"AwaitRefusalObeysItsDeadlineAndChangesNothing",
                  "DataThatADestroyedReaderLeftSpoilsClose",
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
          .Fails({"AwaitRefusalObeysItsDeadlineAndChangesNothing",
                  "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "AbortWakesABlockedClose",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "ReadsGoOnWhileCloseWaits", "ClosesJoinAndReturnTheSame",
                  "CloseBeyondItsDeadlineAborts", "CloseBeforeItsDeadlineIsOk",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline",
                  "AWriteThatFailsAfterShutdownIsNotEndedByIt"})
          .MayFail({"DataThatADestroyedReaderLeftSpoilsClose",
                    "ADestructionWakesABlockedCloseOfTheRemote",
                    "AReaderThatIsDestroyedTooEarlySpoilsClose",
                    "ClosesThatRaceWithAbortReturn",
                    "CarriesBothDirectionsAtOnceInRandomPieces",
                    "TheEarliestDeadlineOfSeveralClosesCounts"}),
      Defect::Of<TakesTheRemoteEndForItsOwn>("TakesTheRemoteEndForItsOwn")
          .Fails({"AwaitRefusalObeysItsDeadlineAndChangesNothing",
                  "ADestructionWakesABlockedCloseOfTheRemote",
                  "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "ClosesJoinAndReturnTheSame"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<ForgetsWhatClosingFound>("ForgetsWhatClosingFound")
          .Fails({"DataThatADestroyedReaderLeftSpoilsClose"}),
      Defect::Of<EndsWellAfterAWriteThatFailed>("EndsWellAfterAWriteThatFailed")
          .Fails({"AWriteThatFailsAfterShutdownIsNotEndedByIt"}),
      Defect::By("DropsTheRestOfAWriteAtTheEnd",
                 DropsTheRestOfAWriteAtTheEnd::Plant)
          .Fails({"CloseFinishesABlockedWriteFirst",
                  "ShutdownDuringABlockedWriteSendsTheEndAfterIt"})
          .MayFail({"AWriteThatFailsAfterShutdownIsNotEndedByIt",
                    "WhatAnAbortedWriteCountsIsWhatArrives"}),
      Defect::Of<ClosesWithoutTheRemote>("ClosesWithoutTheRemote")
          .Fails({"NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
                  "AbortWakesABlockedClose",
                  "AnAbortWakesABlockedCloseOfTheRemote",
                  "ReadsGoOnWhileCloseWaits", "ClosesJoinAndReturnTheSame",
                  "CloseBeyondItsDeadlineAborts", "CloseBeforeItsDeadlineIsOk",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline"})
          .MayFail({"DataThatADestroyedReaderLeftSpoilsClose",
                    "ADestructionWakesABlockedCloseOfTheRemote",
                    "AReaderThatIsDestroyedTooEarlySpoilsClose",
                    "ClosesThatRaceWithAbortReturn",
                    "TheEarliestDeadlineOfSeveralClosesCounts"}),
      Defect::Of<IgnoresTheDeadlineOfClose>("IgnoresTheDeadlineOfClose")
          .Hangs({"CloseBeyondItsDeadlineAborts",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline"}),
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
          .Hangs({"ShutdownReadEndsAwaitRefusalOfTheRemote",
                  "CloseDoesNotWaitForARemoteThatIsRefused",
                  "ShutdownReadWakesABlockedReadWithEndOfFile",
                  "ReadsThatRaceWithShutdownReadReturn",
                  "ShutdownReadWakesABlockedWriteOfTheRemote"}),
      Defect::Of<RefusesAndEnds>("RefusesAndEnds")
          .Fails({"ShutdownReadLeavesTheOtherDirectionFlowing"}),
      Defect::Of<RefusesInSecret>("RefusesInSecret")
          .Fails({"ShutdownReadClosesTheWritesOfTheRemote"})
          .Hangs({"ShutdownReadEndsAwaitRefusalOfTheRemote",
                  "ShutdownReadWakesABlockedWriteOfTheRemote"}),
  };
}

}  // namespace flow::testing::conformance
