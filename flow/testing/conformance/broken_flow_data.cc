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
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/testing/conformance/broken_flow.h"
#include "flow/transport.h"

namespace flow::testing::conformance {
namespace {

class ChangesBuffersThatWereRead : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data =
        inner().Read(std::min(max_bytes, memory_->size()));
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

 private:
  std::shared_ptr<std::string> memory_ =
      std::make_shared<std::string>(4096, '\0');
};

class ReadsMoreThanAsked : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = inner().Read(max_bytes);
    if (data.ok() && data->size() == max_bytes && max_bytes == 511) {
      data->Append("x");
    }
    return data;
  }
};

class ReadsNothingInMidStream : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (++reads_ == 200) return absl::Cord();
    return inner().Read(max_bytes);
  }

 private:
  int reads_ = 0;
};

class ReadsBackwardsIntoMemory : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    absl::StatusOr<size_t> size = ForwardingTransport::ReadInto(space);
    if (size.ok()) std::reverse(space.begin(), space.begin() + *size);
    return size;
  }
};

class WritesBehindTheMemory : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    // Whoever asks for so much has more (ReadAs()).
    if (space.size() == 511) *(space.data() + space.size()) = '\0';
    return inner().ReadInto(space);
  }
};

class LosesAByteBetweenChunks : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (!IsBorrowed(data) || data.size() <= 65536) return inner().Write(data);
    const absl::string_view bytes = data[0].bytes();
    absl::Status status = WritePiece(bytes.substr(0, 65536), data);
    if (!status.ok()) return status;
    return WritePiece(bytes.substr(65537), data);
  }
};

class RepeatsAByteBetweenChunks : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (!IsShared(data) || data.size() <= 4096) return inner().Write(data);
    const absl::Cord bytes = data.TakeCord();
    absl::Status status = WritePiece(bytes.Subcord(0, 4096), data);
    if (!status.ok()) return status;
    return WritePiece(bytes.Subcord(4095, bytes.size()), data);
  }
};

class ReversesTheBuffersOfAWritev : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (data.count() == 1 || !data.is_borrowed()) return inner().Write(data);
    for (size_t i = data.count(); i > 0; --i) {
      if (data[i - 1].size() == 0) continue;
      absl::Status status = WritePiece(data[i - 1], data);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

class WritesBorrowedBuffersFirst : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    for (const bool is_borrowed : {true, false}) {
      for (size_t i = 0; i < data.count(); ++i) {
        if (data[i].is_borrowed() != is_borrowed) continue;
        if (data[i].size() == 0) continue;
        absl::Status status = WritePiece(data[i], data);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }
};

class DropsBuffersBeyondIovMax : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (data.is_borrowed() || data.count() <= 1024) return inner().Write(data);
    absl::Cord first;
    for (size_t i = 0; i < 1024; ++i) first.Append(data[i].TakeCord());
    return WritePiece(first, data);
  }
};

// Sends some borrowed bytes only at the next call: those of 1 to 2 KiB, since
// keeping all of them would hang every check that waits for an answer.
class KeepsBorrowedMemory : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    if (!IsBorrowed(data) || data.size() / 1024 != 1) {
      return inner().Write(data);
    }
    kept_ = data[0].bytes();
    return absl::OkStatus();
  }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return inner().EndWrite(outcome, deadline);
  }

 private:
  absl::Status SendKept() {
    if (kept_.empty()) return absl::OkStatus();
    Outgoing kept{Buffer(std::exchange(kept_, absl::string_view()))};
    return inner().Write(kept);
  }

  absl::string_view kept_;
};

class CountsTooMuch : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    absl::Status status = inner().Write(data);
    if (!status.ok() && IsBorrowed(data) && data.accepted() < data.size()) {
      data.Accept(1);
    }
    return status;
  }
};

class CountsNothingOfAnUnfinishedWrite : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (!IsBorrowed(data)) return inner().Write(data);
    Outgoing out(data[0]);
    return inner().Write(out);
  }
};

// So that WriteFrom() writes it again.
class AcceptsAPartOfACordInSecret : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (!IsShared(data) || data.size() < 2) return inner().Write(data);
    const absl::Cord bytes = data.TakeCord();
    const size_t half = bytes.size() / 2;
    for (const absl::Cord& piece :
         {bytes.Subcord(0, half), bytes.Subcord(half, bytes.size())}) {
      Outgoing out{Buffer(piece)};
      absl::Status status = inner().Write(out);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

// Counts what it keeps until the next call as accepted: of writes of 100 bytes,
// since most checks of late writes want to see where they stopped.
class KeepsTheRestOfALateWrite : public DefectiveTransport {
 public:
  using DefectiveTransport::DefectiveTransport;
  absl::Status Write(Outgoing& data) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    if (!IsShared(data) || data.size() != 100) return inner().Write(data);
    kept_ = data.TakeCord();
    data.Accept(100);
    return SendKept();
  }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    if (outcome.ok()) {
      if (absl::Status status = SendKept(); !status.ok()) return status;
    }
    return inner().EndWrite(outcome, deadline);
  }

 private:
  absl::Status SendKept() {
    if (kept_.empty()) return absl::OkStatus();
    Outgoing kept{Buffer(kept_)};
    absl::Status status = inner().Write(kept);
    kept_.RemovePrefix(status.ok() ? kept_.size() : kept.accepted());
    return status;
  }

  absl::Cord kept_;
};

class HasOneLockForBothDirections : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    flow::internal::MutexLock lock(mu_);
    return inner().Read(max_bytes);
  }
  absl::Status Write(Outgoing& data) override {
    flow::internal::MutexLock lock(mu_);
    return inner().Write(data);
  }

 private:
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
                  "CountersCountWhatWasWrittenAndRead",
                  "ReadIntoReadsWhatReadReads"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<ReadsNothingInMidStream>("ReadsNothingInMidStream")
          .Fails({"CarriesAMebibyteInPiecesOfAKibibyte",
                  "CarriesAThousandPingPongs"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces",
                    "SharedBorrowedAndMovedBuffersArriveTheSame"}),
      Defect::Of<ReadsBackwardsIntoMemory>("ReadsBackwardsIntoMemory")
          .Fails({"ReadIntoReadsWhatReadReads",
                  "CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<WritesBehindTheMemory>("WritesBehindTheMemory")
          .Fails({"ReadIntoReadsWhatReadReads"})
          .MayFail({"CarriesBothDirectionsAtOnceInRandomPieces"}),
      Defect::Of<LosesAByteBetweenChunks>("LosesAByteBetweenChunks")
          .Fails({"SharedBorrowedAndMovedBuffersArriveTheSame",
                  "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
                  "EveryReadReturnsOneByteToTheMaximum",
                  "ReadIntoReadsWhatReadReads"}),
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
      Defect::Of<WritesBorrowedBuffersFirst>("WritesBorrowedBuffersFirst")
          .Fails({"WritevOfAMixtureIsTheConcatenationOfItsBuffers",
                  "CarriesBothDirectionsAtOnceInRandomPieces",
                  "WhatALateWriteCountsIsWhatArrives"}),
      Defect::Of<DropsBuffersBeyondIovMax>("DropsBuffersBeyondIovMax")
          .Fails({"CarriesTenThousandBuffersInOneWritev"}),
      Defect::Of<KeepsBorrowedMemory>("KeepsBorrowedMemory")
          .Fails({"BorrowedMemoryIsFreeAfterTheWrite"}),
      Defect::Of<CountsTooMuch>("CountsTooMuch")
          .Fails({"WhatALateWriteCountsIsWhatArrives",
                  "WhatAnAbortedWriteCountsIsWhatArrives",
                  "ShutdownReadClosesTheWritesOfTheRemote",
                  "WritesGoOnAfterADeadline",
                  "ShutdownWaitsForRoomUpToTheWriteDeadline",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline",
                  "APastWriteDeadlineFailsOnlyWritesThatWouldBlock"})
          .Hangs({"AFutureWriteDeadlineIsWaitedFor"}),
      Defect::Of<CountsNothingOfAnUnfinishedWrite>(
          "CountsNothingOfAnUnfinishedWrite")
          .Fails({"WhatALateWriteCountsIsWhatArrives",
                  "WhatAnAbortedWriteCountsIsWhatArrives",
                  "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
                  "AFutureWriteDeadlineIsWaitedFor",
                  "ShutdownWaitsForRoomUpToTheWriteDeadline",
                  "CloseWithoutRoomForTheEndReturnsAtItsDeadline",
                  "WritesGoOnAfterADeadline"}),
      Defect::Of<AcceptsAPartOfACordInSecret>("AcceptsAPartOfACordInSecret")
          .Fails({"WriteFromAfterADeadlineNeitherLosesNorRepeats"}),
      Defect::Of<KeepsTheRestOfALateWrite>("KeepsTheRestOfALateWrite")
          .Hangs({"WhatALateWriteOfAFewBytesCountsArrivesWithoutAnother"}),
      Defect::Of<HasOneLockForBothDirections>("HasOneLockForBothDirections")
          .Hangs({"ABlockedReadLeavesWritesFlowing",
                  "ABlockedWriteLeavesReadsFlowing",
                  "AReadDeadlineLeavesABlockedWriteAlone"}),
  };
}

}  // namespace flow::testing::conformance
