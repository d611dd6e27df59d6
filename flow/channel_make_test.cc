// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// MakeChannel() of a flow that has a past: it goes on, with what it had.

#include <cstddef>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::StartsWith;

constexpr size_t kLimit = 100;  // of lines

TEST(MakeChannelTest, KeepsCounters) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("header, line\n"), IsOk());
  ASSERT_THAT(pipe.left->Read(8), HoldsData("header, "));
  ASSERT_THAT(pipe.left->Write("abc"), IsOk());
  const auto channel = MakeChannel(std::move(pipe.left));
  EXPECT_EQ(channel->bytes_read(), 8);
  EXPECT_EQ(channel->bytes_written(), 3);
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("line"));
  EXPECT_THAT(channel->WriteBuffered("de"), IsOk());
  EXPECT_EQ(channel->bytes_read(), 13);
  EXPECT_EQ(channel->bytes_written(), 5);
  EXPECT_THAT(channel->DebugString(),
              StartsWith("channel on pipe (left end) "
                         "[in: open, 13 bytes; out: open, 5 bytes]"));
}

TEST(MakeChannelTest, KeepsTheReadDeadline) {
  Pipe pipe = MakePipe();
  pipe.left->SetReadDeadline(absl::InfinitePast());
  const auto channel = MakeChannel(std::move(pipe.left));
  const auto late = StatusIs(absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(channel->Read(), late);
  EXPECT_THAT(channel->ReadLine(kLimit), late);
  channel->SetReadDeadline(absl::InfiniteFuture());
  ASSERT_THAT(pipe.right->Write("line\n"), IsOk());
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("line"));
}

TEST(MakeChannelTest, KeepsTheWriteDeadlineAndFlushesByIt) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  ASSERT_THAT(pipe.left->Write("x"), IsOk());
  pipe.left->SetWriteDeadline(absl::InfinitePast());
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->WriteBuffered("y"), IsOk());
  EXPECT_THAT(channel->Flush(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(channel->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kAborted));
}

TEST(MakeChannelTest, OfAHalfClosedFlowReadsOnAndWritesNoMore) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.right->Write("line\n"), IsOk());
  const auto channel = MakeChannel(std::move(pipe.left));
  EXPECT_THAT(channel->WriteBuffered("x"), IsClosed());
  EXPECT_THAT(channel->Flush(), IsClosed());
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("line"));
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(channel->Close(), IsOk());
}

TEST(MakeChannelTest, OfAFlowThatHasEndedIsAtItsEnd) {
  for (const bool refused : {false, true}) {
    Pipe pipe = MakePipe();
    if (refused) {
      ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kRead), IsOk());
    } else {
      ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
      ASSERT_THAT(pipe.left->Read(), IsEof());
    }
    const auto channel = MakeChannel(std::move(pipe.left));
    EXPECT_THAT(channel->Peek(1), IsEof());
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(std::nullopt));
    EXPECT_THAT(channel->ReadExactly(1),
                StatusIs(absl::StatusCode::kOutOfRange));
    EXPECT_THAT(channel->WriteBuffered("x"), IsOk());
    EXPECT_THAT(channel->Close(), IsOk());
    EXPECT_THAT(pipe.right->Read(), HoldsData("x"));
    EXPECT_THAT(pipe.right->Read(), IsEof());
  }
}

TEST(MakeChannelTest, OfAnAbortedFlowHasItsReason) {
  Pipe pipe = MakePipe();
  pipe.left->Abort(absl::CancelledError("enough"));
  const auto channel = MakeChannel(std::move(pipe.left));
  const auto cancelled = StatusIs(absl::StatusCode::kCancelled, "enough");
  EXPECT_THAT(channel->ReadLine(kLimit), cancelled);
  EXPECT_THAT(channel->Peek(1), cancelled);
  EXPECT_THAT(channel->WriteBuffered("x"), cancelled);
  EXPECT_THAT(channel->Flush(), cancelled);
  EXPECT_THAT(channel->Close(), cancelled);
}

TEST(MakeChannelTest, OfAClosedFlowIsClosed) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.left->Close(), IsOk());
  const auto channel = MakeChannel(std::move(pipe.left));
  EXPECT_THAT(channel->ReadLine(kLimit), IsClosed());
  EXPECT_THAT(channel->Peek(1), IsClosed());
  EXPECT_THAT(channel->WriteBuffered("x"), IsClosed());
  EXPECT_THAT(channel->Close(), IsOk());
  EXPECT_EQ(channel->bytes_in_transit(), 0);
}

TEST(MakeChannelTest, OfAChannelReadsWhatThatHasBufferedFirst) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("one\ntwo\nth"), IsOk());
  auto lower = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(lower->ReadLine(kLimit), IsOkAndHolds("one"));
  const auto channel = MakeChannel(std::move(lower));
  ASSERT_THAT(pipe.right->Write("ree\n"), IsOk());
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("two"));
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("three"));
  EXPECT_EQ(channel->bytes_read(), 14);
}

TEST(MakeChannelTest, OfAChannelWritesWhatThatHasBufferedFirst) {
  Pipe pipe = MakePipe();
  auto lower = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(lower->WriteBuffered("ab"), IsOk());
  const auto channel = MakeChannel(std::move(lower));
  EXPECT_EQ(channel->bytes_in_transit(), 2);
  ASSERT_THAT(channel->WriteBuffered("cd"), IsOk());
  EXPECT_EQ(channel->bytes_in_transit(), 4);
  ASSERT_THAT(channel->Flush(), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("abcd"));
  EXPECT_EQ(channel->bytes_in_transit(), 0);
}

// Even if nothing is written through the upper one.
TEST(MakeChannelTest, OfAChannelHandsOnWhatThatHasBufferedAtTheEnd) {
  for (const bool close : {false, true}) {
    Pipe pipe = MakePipe();
    auto lower = MakeChannel(std::move(pipe.left));
    ASSERT_THAT(lower->WriteBuffered("ab"), IsOk());
    const auto channel = MakeChannel(std::move(lower));
    ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(
        close ? channel->Close() : channel->Shutdown(ShutdownMode::kWrite),
        IsOk());
    EXPECT_THAT(pipe.right->Read(), HoldsData("ab"));
    EXPECT_THAT(pipe.right->Read(), IsEof());
  }
}

// The lower one has met it, and tells it when all was read.
TEST(MakeChannelTest, OfAChannelThatHasMetAnErrorComesToIt) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("ab"), IsOk());
  pipe.right->Abort(absl::DataLossError("torn"));
  auto lower = MakeChannel(std::move(pipe.left));
  const auto failed = StatusIs(absl::StatusCode::kDataLoss);
  ASSERT_THAT(lower->ReadLine(kLimit), failed);
  const auto channel = MakeChannel(std::move(lower));
  EXPECT_THAT(channel->ReadExactly(2), IsOkAndHolds("ab"));
  EXPECT_THAT(channel->Read(), failed);
  EXPECT_THAT(channel->Close(), failed);
}

TEST(MakeChannelDeathTest, OfNoFlowEndsTheProgram) {
  EXPECT_DEATH(MakeChannel(nullptr), "a channel on no flow");
}

}  // namespace
}  // namespace flow
