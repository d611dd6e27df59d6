// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What is particular to the pipe: capacities, gathering, sharing, locks. The
// contract at large: pipe_state_exhaustive_test, pipe_exhaustive_test,
// pipe_threads_test and the conformance suite.

#include "flow/pipe.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/status.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/copied_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::Not;

// Neither end of it ever waits: what would block fails at once.
Pipe MakeImpatientPipe(size_t capacity) {
  Pipe pipe = MakePipe(capacity);
  for (Flow* end : {pipe.left.get(), pipe.right.get()}) {
    end->SetReadDeadline(absl::InfinitePast());
    end->SetWriteDeadline(absl::InfinitePast());
  }
  return pipe;
}

constexpr absl::StatusCode kLate = absl::StatusCode::kDeadlineExceeded;

TEST(PipeTest, CarriesBytesBothWays) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("ping"), IsOk());
  ASSERT_THAT(pipe.right->Write("pong"), IsOk());
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("ping"));
  EXPECT_THAT(pipe.left->Read(), IsOkAndHolds("pong"));
}

// --- Capacity

TEST(PipeTest, AcceptsBorrowedBytesUpToItsCapacityExactly) {
  Pipe pipe = MakeImpatientPipe(4);
  EXPECT_THAT(pipe.left->Write("123456"), StatusIs(kLate));
  EXPECT_EQ(pipe.left->bytes_written(), 4);
  EXPECT_THAT(pipe.left->Writev({"5", "6"}), StatusIs(kLate));
  EXPECT_EQ(pipe.left->bytes_written(), 4);
  EXPECT_THAT(pipe.right->Read(1), IsOkAndHolds("1"));
  EXPECT_THAT(pipe.left->Writev({"", "5", "6"}), StatusIs(kLate));
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("2345"));
}

TEST(PipeTest, AcceptsACordWholeWhileThereIsRoomForOneByte) {
  Pipe pipe = MakeImpatientPipe(4);
  EXPECT_THAT(pipe.left->Write("123"), IsOk());
  EXPECT_THAT(pipe.left->Write(absl::Cord("456789")), IsOk());
  EXPECT_THAT(pipe.left->Write(absl::Cord("x")), StatusIs(kLate));
  EXPECT_THAT(pipe.right->Read(5), IsOkAndHolds("12345"));
  EXPECT_THAT(pipe.left->Write(absl::Cord("x")), StatusIs(kLate));
  EXPECT_THAT(pipe.right->Read(1), IsOkAndHolds("6"));
  EXPECT_THAT(pipe.left->Writev({absl::Cord("x"), absl::Cord("yz")}), IsOk());
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("789xyz"));
}

TEST(PipeTest, WithoutALimitAWriteNeverWaits) {
  Pipe pipe = MakeImpatientPipe(kNoLimit);
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) ASSERT_THAT(pipe.left->Write(large), IsOk());
  size_t read = 0;
  while (read < 64 * large.size()) {
    absl::StatusOr<absl::Cord> data = pipe.right->Read();
    ASSERT_THAT(data, IsOk());
    read += data->size();
  }
  EXPECT_THAT(pipe.right->Read(), StatusIs(kLate));
}

TEST(PipeTest, EachDirectionHasACapacityOfItsOwn) {
  Pipe pipe = MakeImpatientPipe(1);
  EXPECT_THAT(pipe.left->Write("1"), IsOk());
  EXPECT_THAT(pipe.left->Write("2"), StatusIs(kLate));
  EXPECT_THAT(pipe.right->Write("1"), IsOk());
}

// --- Rendezvous

TEST(PipeTest, ARendezvousAcceptsNothingIfNobodyReads) {
  Pipe pipe = MakeImpatientPipe(0);
  EXPECT_THAT(pipe.left->Write("x"), StatusIs(kLate));
  EXPECT_THAT(pipe.left->Write(absl::Cord("x")), StatusIs(kLate));
  EXPECT_EQ(pipe.left->bytes_written(), 0);
}

TEST(PipeTest, ARendezvousAcceptsWhatAReadTakes) {
  Pipe pipe = MakePipe(0);
  absl::Status written;
  std::thread writer([&] { written = pipe.left->Write(absl::Cord("12345")); });
  EXPECT_THAT(pipe.right->Read(2), IsOkAndHolds("12"));
  EXPECT_THAT(pipe.right->Read(2), IsOkAndHolds("34"));
  pipe.left->SetWriteDeadline(absl::InfinitePast());
  writer.join();
  EXPECT_THAT(written, StatusIs(kLate));
  EXPECT_EQ(pipe.left->bytes_written(), 4);
}

TEST(PipeTest, ARendezvousWritesAtOnceToAReadThatWaits) {
  Pipe pipe = MakePipe(0);
  pipe.left->SetWriteDeadline(absl::InfinitePast());
  absl::StatusOr<absl::Cord> data;
  std::thread reader([&] { data = pipe.right->Read(2); });
  absl::Cord message("123");
  while (message.size() == 3) {
    ASSERT_THAT(pipe.left->WriteFrom(&message), StatusIs(kLate));
  }
  reader.join();
  EXPECT_THAT(data, IsOkAndHolds("12"));
  EXPECT_EQ(message, "3");
}

// --- Buffers

TEST(PipeTest, SharesCords) {
  Pipe pipe = MakePipe();
  const absl::Cord large(std::string(1 << 20, 'x'));
  testing::AllocationCounter counter;
  ASSERT_TRUE(pipe.left->Write(large).ok());
  absl::StatusOr<absl::Cord> data = pipe.right->Read();
  EXPECT_EQ(counter.blocks(), 0);
  ASSERT_THAT(data, IsOk());
  EXPECT_EQ(testing::CopiedBytes(large, *data), 0u);
}

TEST(PipeTest, ReadsOfAPartShareToo) {
  Pipe pipe = MakePipe();
  const absl::Cord large(std::string(1 << 20, 'x'));
  ASSERT_THAT(pipe.left->Write(large), IsOk());
  absl::Cord all;
  while (all.size() < large.size()) {
    absl::StatusOr<absl::Cord> data = pipe.right->Read(1000);
    ASSERT_THAT(data, IsOk());
    ASSERT_LE(data->size(), 1000u);
    all.Append(*std::move(data));
  }
  EXPECT_EQ(testing::CopiedBytes(large, all), 0u);
}

TEST(PipeTest, GathersSmallWrites) {
  Pipe pipe = MakePipe();
  constexpr int kWrites = 10000;
  testing::AllocationCounter counter;
  for (int i = 0; i < kWrites; ++i) {
    ASSERT_TRUE(pipe.left->Write("x").ok());
  }
  // Not a node for each.
  EXPECT_LT(counter.blocks(), kWrites / 100);
  EXPECT_LT(counter.bytes(), 3 * kWrites);
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds(std::string(kWrites, 'x')));
}

TEST(PipeTest, CopiesBorrowedBytesOnce) {
  Pipe pipe = MakePipe();
  const std::string large(100000, 'x');
  testing::AllocationCounter counter;
  ASSERT_TRUE(pipe.left->Write(large).ok());
  EXPECT_LT(counter.bytes(), 2 * 100000);
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds(large));
}

TEST(PipeTest, ALongWriteOfBorrowedBytesArrivesWhole) {
  Pipe pipe = MakePipe(1000);
  std::string large;
  for (int i = 0; i < 100000; ++i) large += std::to_string(i);
  absl::Status written;
  std::thread writer([&] {
    written = pipe.left->Writev(std::vector<absl::string_view>{
        absl::string_view(large).substr(0, 12345), "",
        absl::string_view(large).substr(12345)});
    pipe.left->Shutdown(ShutdownMode::kWrite).IgnoreError();
  });
  std::string all;
  while (true) {
    absl::StatusOr<absl::Cord> data = pipe.right->Read();
    ASSERT_THAT(data, IsOk());
    if (data->empty()) break;
    EXPECT_LE(data->size(), 1000u);
    all += std::string(*data);
  }
  writer.join();
  EXPECT_THAT(written, IsOk());
  EXPECT_TRUE(all == large);
}

// A buffer of `size` bytes; calls `freed` when it is freed.
absl::Cord Buffer(size_t size, std::function<void()> freed) {
  auto bytes = std::make_shared<std::string>(size, 'x');
  return absl::MakeCordFromExternal(
      *bytes, [bytes, freed = std::move(freed)] { freed(); });
}

// That can run code of the user's, which may use either end.
TEST(PipeTest, BuffersAreFreedWithoutALock) {
  for (size_t size : {1, 10, 400, 1000}) {
    for (absl::string_view way :
         {"read", "read by the byte", "refuse", "abort", "abort there",
          "destroy", "write after the end"}) {
      SCOPED_TRACE(absl::StrCat(size, " bytes, ", way));
      Pipe pipe = MakePipe();
      Flow* const left = pipe.left.get();
      Flow* right = pipe.right.get();
      int freed = 0;
      const auto write = [&] {
        return left->Write(Buffer(size, [&] {
          ++freed;
          left->SetReadDeadline(absl::InfiniteFuture());
          if (right != nullptr) right->SetReadDeadline(absl::InfiniteFuture());
        }));
      };
      for (int i = 0; i < 3; ++i) ASSERT_THAT(write(), IsOk());
      if (way == "read") {
        EXPECT_THAT(right->Read(), IsOk());
      } else if (way == "read by the byte") {
        for (size_t i = 0; i < 3 * size; ++i) {
          ASSERT_THAT(right->Read(1), IsOk());
        }
      } else if (way == "refuse") {
        EXPECT_THAT(right->Shutdown(ShutdownMode::kRead), IsOk());
      } else if (way == "abort") {
        right->Abort(absl::AbortedError("enough"));
      } else if (way == "abort there") {
        left->Abort(absl::AbortedError("enough"));
        EXPECT_THAT(right->Read(), IsOk());
      } else if (way == "destroy") {
        right = nullptr;
        pipe.right = nullptr;
      } else {
        EXPECT_THAT(right->Shutdown(ShutdownMode::kRead), IsOk());
        EXPECT_THAT(write(), Not(IsOk()));
        EXPECT_EQ(freed, 4);
        continue;
      }
      EXPECT_EQ(freed, 3);
    }
  }
}

TEST(PipeTest, WhatWasReadNeverChanges) {
  Pipe pipe = MakePipe();
  std::string buffer = "first";
  ASSERT_THAT(pipe.left->Write(absl::string_view(buffer)), IsOk());
  absl::StatusOr<absl::Cord> first = pipe.right->Read();
  buffer = "other";
  ASSERT_THAT(pipe.left->Write(absl::string_view(buffer)), IsOk());
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("other"));
  EXPECT_THAT(first, IsOkAndHolds("first"));
}

// --- Ends

TEST(PipeTest, TheOtherEndOutlivesThisOne) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("last words"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.left->Close(), IsOk());
  pipe.left.reset();
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("last words"));
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds(""));
  EXPECT_THAT(pipe.right->Close(), IsOk());
}

TEST(PipeTest, DataThatADestroyedReaderLeftIsNoSuccessOfItsWriter) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("not read"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe.left->Read(), IsOkAndHolds(""));
  pipe.right.reset();
  EXPECT_THAT(pipe.left->Close(), StatusIs(absl::StatusCode::kAborted));
}

TEST(PipeTest, AReaderThatReadAllMayBeDestroyed) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("read"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("read"));
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  pipe.right.reset();
  EXPECT_THAT(pipe.left->Close(), IsOk());
}

TEST(PipeTest, AReaderMayCloseWithoutReading) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("not wanted"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe.right->Close(), IsOk());
  EXPECT_THAT(pipe.left->Close(), IsOk());
}

TEST(PipeTest, AnAbortCarriesItsReasonAfterTheData) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("data"), IsOk());
  pipe.left->Abort(absl::DataLossError("disk on fire"));
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("data"));
  EXPECT_THAT(pipe.right->Read(),
              StatusIs(absl::StatusCode::kDataLoss,
                       ::testing::HasSubstr("disk on fire")));
  EXPECT_THAT(pipe.right->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.right->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(PipeTest, ErrorsSayWhichEndAndHowFar) {
  Pipe pipe = MakeImpatientPipe(2);
  EXPECT_THAT(pipe.left->Write("123"),
              StatusIs(kLate, ::testing::AllOf(
                                  ::testing::HasSubstr("pipe (left end)"),
                                  ::testing::HasSubstr("2 of them accepted"))));
  EXPECT_THAT(pipe.left->Read(),
              StatusIs(kLate, ::testing::HasSubstr("Read at byte 0")));
}

}  // namespace
}  // namespace flow
