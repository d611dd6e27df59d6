// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Defects of data: what is written is not what is read.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/testing/conformance/broken_flow.h"

namespace flow::testing::conformance {
namespace {

class ChangesBuffersThatWereRead : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data =
        FlawlessFlow::DoRead(std::min(max_bytes, memory_->size()));
    if (!data.ok() || data->empty()) return data;
    // The same memory each time.
    size_t size = 0;
    for (absl::string_view chunk : data->Chunks()) {
      chunk.copy(memory_->data() + size, chunk.size());
      size += chunk.size();
    }
    return absl::MakeCordFromExternal(absl::string_view(memory_->data(), size),
                                      [memory = memory_] {});
  }
  std::shared_ptr<std::string> memory_ =
      std::make_shared<std::string>(4096, '\0');
};

class ReadsMoreThanAsked : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = FlawlessFlow::DoRead(max_bytes);
    if (data.ok() && data->size() == max_bytes && max_bytes == 511) {
      data->Append("x");
    }
    return data;
  }
};

class ReadsNothingInMidStream : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (++reads_ == 200) return absl::Cord();
    return FlawlessFlow::DoRead(max_bytes);
  }
  int reads_ = 0;
};

class LosesAByteBetweenChunks : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    if (buffer.size() <= 65536) {
      return FlawlessFlow::DoWriteBorrowed(buffer, accepted);
    }
    absl::Status status =
        FlawlessFlow::DoWriteBorrowed(buffer.substr(0, 65536), accepted);
    if (!status.ok()) return status;
    return FlawlessFlow::DoWriteBorrowed(buffer.substr(65537), accepted);
  }
};

class RepeatsAByteBetweenChunks : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (buffer.size() <= 4096) return FlawlessFlow::DoWrite(buffer, accepted);
    absl::Status status =
        FlawlessFlow::DoWrite(buffer.Subcord(0, 4096), accepted);
    if (!status.ok()) return status;
    buffer.RemovePrefix(4095);
    return FlawlessFlow::DoWrite(std::move(buffer), accepted);
  }
};

class ReversesTheBuffersOfAWritev : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    const std::vector<absl::string_view> reversed(buffers.rbegin(),
                                                  buffers.rend());
    return FlawlessFlow::DoWritevBorrowed(reversed, accepted);
  }
};

class DropsBuffersBeyondIovMax : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    return FlawlessFlow::DoWritev(buffers.subspan(0, 1024), accepted);
  }
};

// Sends some borrowed bytes only at the next call: those of 1 to 2 KiB, since
// keeping all of them would hang every check that waits for an answer.
class KeepsBorrowedMemory : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    if (buffer.size() / 1024 != 1) {
      return FlawlessFlow::DoWriteBorrowed(buffer, accepted);
    }
    kept_ = buffer;
    return absl::OkStatus();
  }
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return FlawlessFlow::DoWrite(std::move(buffer), accepted);
  }
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return FlawlessFlow::DoWritev(buffers, accepted);
  }
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return FlawlessFlow::DoWritevBorrowed(buffers, accepted);
  }
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return FlawlessFlow::DoEndWrite(outcome);
  }
  absl::Status SendKept() {
    if (kept_.empty()) return absl::OkStatus();
    size_t accepted = 0;
    return FlawlessFlow::DoWriteBorrowed(
        std::exchange(kept_, absl::string_view()), &accepted);
  }
  absl::string_view kept_;
};

class CountsTooMuch : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::Status status = FlawlessFlow::DoWriteBorrowed(buffer, accepted);
    if (!status.ok() && *accepted < buffer.size()) ++*accepted;
    return status;
  }
};

class CountsNothingOfAnUnfinishedWrite : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::Status status = FlawlessFlow::DoWriteBorrowed(buffer, accepted);
    if (!status.ok()) *accepted = 0;
    return status;
  }
};

// So that WriteFrom() writes it again.
class AcceptsAPartOfACordInSecret : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (buffer.size() < 2) {
      return FlawlessFlow::DoWrite(std::move(buffer), accepted);
    }
    const size_t half = buffer.size() / 2;
    size_t ignored = 0;
    absl::Status status =
        FlawlessFlow::DoWrite(buffer.Subcord(0, half), &ignored);
    if (!status.ok()) return status;
    buffer.RemovePrefix(half);
    return FlawlessFlow::DoWrite(std::move(buffer), &ignored);
  }
};

class HasOneLockForBothDirections : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::MutexLock lock(&mu_);
    return FlawlessFlow::DoRead(max_bytes);
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::MutexLock lock(&mu_);
    return FlawlessFlow::DoWriteBorrowed(buffer, accepted);
  }
  absl::Mutex mu_;
};

}  // namespace

std::vector<Defect> DefectsOfData() {
  return {
      Defect::Of<ChangesBuffersThatWereRead>("ChangesBuffersThatWereRead")
          .Fails({"BuffersReadEarlierNeverChange"}),
      Defect::Of<ReadsMoreThanAsked>("ReadsMoreThanAsked")
          .Fails({"EveryReadReturnsOneByteToTheMaximum",
                  "SharedBorrowedAndMovedBuffersArriveTheSame",
                  "CountersCountWhatWasWrittenAndRead"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<ReadsNothingInMidStream>("ReadsNothingInMidStream")
          .Fails({"CarriesAMebibyteInPiecesOfAKibibyte",
                  "CarriesAThousandPingPongs"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces",
                    "SharedBorrowedAndMovedBuffersArriveTheSame"}),
      Defect::Of<LosesAByteBetweenChunks>("LosesAByteBetweenChunks")
          .Fails({"SharedBorrowedAndMovedBuffersArriveTheSame",
                  "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "EveryReadReturnsOneByteToTheMaximum"}),
      Defect::Of<RepeatsAByteBetweenChunks>("RepeatsAByteBetweenChunks")
          .Fails({"SharedBorrowedAndMovedBuffersArriveTheSame",
                  "CarriesBothDirectionsAtOnceInRandomPieces",
                  "WriteFromAfterADeadlineNeitherLosesNorRepeats"}),
      Defect::Of<ReversesTheBuffersOfAWritev>("ReversesTheBuffersOfAWritev")
          .Fails({"WritevIsTheConcatenationOfItsBuffers",
                  "CarriesBothDirectionsAtOnceInRandomPieces",
                  "CarriesTenThousandBuffersInOneWritev",
                  "BorrowedMemoryIsFreeAfterTheWrite",
                  "WhatALateWriteCountsIsWhatArrives"}),
      Defect::Of<DropsBuffersBeyondIovMax>("DropsBuffersBeyondIovMax")
          .Fails({"CarriesTenThousandBuffersInOneWritev"}),
      Defect::Of<KeepsBorrowedMemory>("KeepsBorrowedMemory")
          .Fails({"BorrowedMemoryIsFreeAfterTheWrite"}),
      Defect::Of<CountsTooMuch>("CountsTooMuch")
          .Fails({"WhatALateWriteCountsIsWhatArrives",
                  "WhatAnAbortedWriteCountsIsWhatArrives",
                  "ShutdownReadClosesTheWritesOfTheRemote",
                  "WritesGoOnAfterADeadline"})
          .Hangs({"APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
                  "AFutureWriteDeadlineIsWaitedFor"}),
      Defect::Of<CountsNothingOfAnUnfinishedWrite>(
          "CountsNothingOfAnUnfinishedWrite")
          .Fails({"WhatALateWriteCountsIsWhatArrives",
                  "WhatAnAbortedWriteCountsIsWhatArrives",
                  "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
                  "AFutureWriteDeadlineIsWaitedFor",
                  "WritesGoOnAfterADeadline"}),
      Defect::Of<AcceptsAPartOfACordInSecret>("AcceptsAPartOfACordInSecret")
          .Fails({"WriteFromAfterADeadlineNeitherLosesNorRepeats"}),
      Defect::Of<HasOneLockForBothDirections>("HasOneLockForBothDirections")
          .Hangs({"ABlockedReadLeavesWritesFlowing",
                  "ABlockedWriteLeavesReadsFlowing",
                  "AReadDeadlineLeavesABlockedWriteAlone"}),
  };
}

}  // namespace flow::testing::conformance
