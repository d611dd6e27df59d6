// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of a flow that is lent, while they are pending. Each is a call of its
// lender. Their outcomes are those of calls that block, which borrow_test.cc
// and borrow_refusal_test.cc test in both ways.

#include <unistd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/borrow.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Counted;
using ::flow::testing::FlowOf;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::Soon;

class StartedBorrowTest : public ::testing::Test {
 protected:
  StartedBorrowTest() : pipe_(MakePipe(/*capacity=*/1)) {
    lender().SetEngine(&engine_);
    borrower_ = BorrowFlow(lender());
    write_.rest = absl::Cord("abc");
  }

  Flow& lender() { return *pipe_.left; }
  Flow& remote() { return *pipe_.right; }

  // Leaves no room, so that writes wait. (A pipe with any takes all of a Cord.)
  void Fill() { ASSERT_THAT(lender().Write("x"), IsOk()); }

  ManualEngine engine_;
  Pipe pipe_;
  std::unique_ptr<Flow> borrower_;
  Counted<Flow::ReadOperation> read_;
  Counted<Flow::WriteOperation> write_;
  Counted<Flow::RefusalOperation> refusal_;
  Counted<Flow::CloseOperation> close_;
};

TEST_F(StartedBorrowTest, HasTheEngineOfItsLender) {
  EXPECT_EQ(borrower_->engine(), &engine_);
}

TEST_F(StartedBorrowTest, StartsNothingOnALenderThatCannot) {
  const auto lender = MakeFunctionFlow({});
  lender->SetEngine(&engine_);
  const auto borrower = BorrowFlow(*lender);
  EXPECT_TRUE(borrower->StartRead(&read_));
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(borrower->Close(), IsOk());
}

TEST_F(StartedBorrowTest, ACallThatIsPendingIsOneOfTheLender) {
  Fill();
  ASSERT_FALSE(borrower_->StartRead(&read_));
  ASSERT_FALSE(borrower_->StartWrite(&write_));
  EXPECT_THAT(lender().Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(lender().Write("x"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(remote().Write(absl::Cord("in")), IsOk());
  EXPECT_THAT(remote().Read(), HoldsData("x"));
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, HoldsData("in"));
  EXPECT_EQ(write_.done, 1);
  EXPECT_THAT(write_.status, IsOk());
  EXPECT_EQ(borrower_->bytes_read(), 2);
  EXPECT_EQ(lender().bytes_read(), 2);
  EXPECT_EQ(borrower_->bytes_written(), 3);
  EXPECT_EQ(lender().bytes_written(), 4);
  EXPECT_TRUE(borrower_->StartClose(&close_));
  EXPECT_THAT(close_.status, IsOk());
}

TEST_F(StartedBorrowTest, AnAbortOfEitherEndsAllThatIsPending) {
  for (const bool of_lender : {false, true}) {
    Pipe pipe = MakePipe(/*capacity=*/1);
    pipe.left->SetEngine(&engine_);
    const auto borrower = BorrowFlow(*pipe.left);
    ASSERT_THAT(borrower->Write("x"), IsOk());
    Counted<Flow::ReadOperation> read;
    Counted<Flow::WriteOperation> write;
    Counted<Flow::RefusalOperation> refusal;
    write.rest = absl::Cord("abc");
    ASSERT_FALSE(borrower->StartRead(&read));
    ASSERT_FALSE(borrower->StartWrite(&write));
    ASSERT_FALSE(borrower->StartAwaitRefusal(&refusal));
    (of_lender ? *pipe.left : *borrower).Abort(absl::DataLossError("no"));
    engine_.RunAll();
    EXPECT_EQ(read.done + write.done + refusal.done, 3);
    EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(refusal.status, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// An engine may still watch the descriptor for a call that is over.
TEST_F(StartedBorrowTest, AnAbortFreesNothingThatIsWatched) {
  for (const bool is_tcp : {false, true}) {
    for (const bool of_lender : {false, true}) {
      const RawPair pair = is_tcp ? RawTcp() : RawUnix();
      const auto owner = FlowOf(pair.left);
      owner->SetEngine(&engine_);
      const auto borrower = BorrowFlow(*owner);
      Counted<Flow::ReadOperation> read;
      Counted<Flow::RefusalOperation> refusal;
      ASSERT_FALSE(borrower->StartRead(&read));
      ASSERT_FALSE(borrower->StartAwaitRefusal(&refusal));
      (of_lender ? *owner : *borrower).Abort(absl::DataLossError("no"));
      engine_.RunAll();
      engine_.FireTimers();
      engine_.RunAll();
      EXPECT_EQ(read.done, 1);
      EXPECT_EQ(refusal.done, 1);
      EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_FALSE(engine_.knows(pair.left));
      ::close(pair.right);
    }
  }
}

// As any flow that is idle when it is aborted.
TEST_F(StartedBorrowTest, AnAbortedLenderThatWasIdleIsFreedByItsClose) {
  lender().Abort(absl::DataLossError("no"));
  EXPECT_THAT(borrower_->Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_TRUE(lender().can_be_refused());
  EXPECT_THAT(lender().Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(lender().can_be_refused());
}

// Of the borrower, or one that the owner sets meanwhile.
TEST_F(StartedBorrowTest, ADeadlineInThePastLosesNothing) {
  Fill();
  for (Flow* const owner : {borrower_.get(), &lender()}) {
    read_.done = write_.done = 0;
    ASSERT_FALSE(borrower_->StartRead(&read_));
    ASSERT_FALSE(borrower_->StartWrite(&write_));
    owner->SetReadDeadline(absl::InfinitePast());
    owner->SetWriteDeadline(absl::InfinitePast());
    engine_.RunAll();
    EXPECT_EQ(read_.done, 1);
    EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(write_.done, 1);
    EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(write_.rest, "abc");
    owner->SetReadDeadline(absl::InfiniteFuture());
    owner->SetWriteDeadline(absl::InfiniteFuture());
  }
  ASSERT_THAT(remote().Write(absl::Cord("in")), IsOk());
  EXPECT_THAT(lender().Read(), HoldsData("in"));
  EXPECT_THAT(borrower_->Close(), IsOk());
}

// Also if the owner has set the same one before.
TEST_F(StartedBorrowTest, TheOwnerCanGiveUpOneCallAfterTheOther) {
  for (int i = 0; i < 2; ++i) {
    borrower_->SetReadDeadline(absl::InfiniteFuture());
    borrower_->SetWriteDeadline(absl::InfiniteFuture());
    Fill();
    read_.done = write_.done = 0;
    ASSERT_FALSE(borrower_->StartRead(&read_));
    ASSERT_FALSE(borrower_->StartWrite(&write_));
    lender().SetReadDeadline(absl::InfinitePast());
    lender().SetWriteDeadline(absl::InfinitePast());
    engine_.RunAll();
    EXPECT_EQ(read_.done, 1);
    EXPECT_EQ(write_.done, 1);
    EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(remote().Read(), HoldsData("x"));
  }
  EXPECT_THAT(borrower_->Close(), IsOk());
}

// It needs a timer, as nothing is set when it passes.
TEST_F(StartedBorrowTest, ADeadlineThatTheOwnerSetsIsNoticedWhenItPasses) {
  ASSERT_FALSE(borrower_->StartRead(&read_));
  lender().SetReadDeadline(absl::Now() + absl::Hours(1));
  engine_.RunAll();
  EXPECT_EQ(engine_.timers(), 1u);
  const absl::Time deadline = Soon();
  lender().SetReadDeadline(deadline);
  engine_.RunAll();
  absl::SleepFor(deadline - absl::Now() + absl::Milliseconds(20));
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(borrower_->Close(), IsOk());
}

TEST_F(StartedBorrowTest, ADeadlineOfTheLenderFromBeforeIsOverruled) {
  EXPECT_THAT(borrower_->Close(), IsOk());
  lender().SetReadDeadline(absl::InfinitePast());
  borrower_ = BorrowFlow(lender());
  borrower_->SetReadDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(borrower_->StartRead(&read_));
  ASSERT_THAT(remote().Write(absl::Cord("in")), IsOk());
  engine_.RunAll();
  EXPECT_THAT(read_.result, HoldsData("in"));
  EXPECT_THAT(borrower_->Close(), IsOk());
}

TEST_F(StartedBorrowTest, ARefusalEndsAPendingReadAndTheLenderGoesOn) {
  ASSERT_FALSE(borrower_->StartRead(&read_));
  EXPECT_THAT(borrower_->Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, IsEof());
  ASSERT_THAT(remote().Write(absl::Cord("next")), IsOk());
  EXPECT_THAT(borrower_->Close(), IsOk());
  EXPECT_THAT(lender().Read(), HoldsData("next"));
}

TEST_F(StartedBorrowTest, AnEndOfTheBorrowerEndsItsWaitForARefusal) {
  ASSERT_FALSE(borrower_->StartAwaitRefusal(&refusal_));
  EXPECT_THAT(borrower_->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(refusal_.done, 1);
  EXPECT_THAT(refusal_.status, IsClosed());
  EXPECT_THAT(borrower_->Close(), IsOk());
  EXPECT_THAT(lender().Write("x"), IsOk());
}

TEST_F(StartedBorrowTest, OwnerAndBorrowerBothAwaitARefusal) {
  Counted<Flow::RefusalOperation> of_lender;
  ASSERT_FALSE(lender().StartAwaitRefusal(&of_lender));
  ASSERT_FALSE(borrower_->StartAwaitRefusal(&refusal_));
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_EQ(of_lender.done, 1);
  EXPECT_THAT(of_lender.status, IsClosed());
  EXPECT_EQ(refusal_.done, 1);
  EXPECT_THAT(refusal_.status, IsClosed());
  EXPECT_THAT(borrower_->Close(), IsOk());
}

TEST_F(StartedBorrowTest, ALoanOfALoanStarts) {
  auto second = BorrowFlow(*borrower_);
  ASSERT_FALSE(second->StartRead(&read_));
  lender().SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  lender().SetReadDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(second->StartRead(&read_));
  ASSERT_THAT(remote().Write(absl::Cord("in")), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 2);
  EXPECT_THAT(read_.result, HoldsData("in"));
  EXPECT_THAT(second->Close(), IsOk());
  EXPECT_THAT(borrower_->Close(), IsOk());
}

// The pipe may still know whom it told last.
TEST_F(StartedBorrowTest, ABorrowerThatIsGoneIsNotTold) {
  ASSERT_FALSE(borrower_->StartAwaitRefusal(&refusal_));
  ASSERT_FALSE(borrower_->StartRead(&read_));
  EXPECT_THAT(borrower_->Shutdown(ShutdownMode::kReadWrite), IsOk());
  engine_.RunAll();
  ASSERT_EQ(read_.done + refusal_.done, 2);
  EXPECT_THAT(borrower_->Close(), IsOk());
  borrower_.reset();
  lender().SetReadDeadline(absl::InfinitePast());
  ASSERT_THAT(remote().Write(absl::Cord("next")), IsOk());
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kReadWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read_.done + refusal_.done, 2);
}

// --- A part of a flow that is lent (limit.h)

TEST_F(StartedBorrowTest, ACloseOfAPartWaitsForItsReadAndLeavesOffBehindIt) {
  auto part = ExactInput(std::move(borrower_), 4);
  ASSERT_FALSE(part->StartRead(&read_));
  ASSERT_THAT(part->Shutdown(ShutdownMode::kRead), IsOk());
  ASSERT_FALSE(part->StartClose(&close_));
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, IsEof());
  EXPECT_EQ(close_.done, 0);
  ASSERT_THAT(remote().Write(absl::Cord("bo")), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close_.done, 0);
  ASSERT_THAT(remote().Write(absl::Cord("dynext")), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close_.done, 1);
  EXPECT_THAT(close_.status, IsOk());
  EXPECT_THAT(lender().Read(), HoldsData("next"));
}

TEST_F(StartedBorrowTest, ACloseOfAPartThatIsLateEndsTheInboundDirection) {
  auto part = ExactInput(std::move(borrower_), 4);
  const absl::Time deadline = Soon();
  if (!part->StartClose(&close_, deadline)) {
    absl::SleepFor(deadline - absl::Now() + absl::Milliseconds(20));
    engine_.FireTimers();
    engine_.RunAll();
  }
  EXPECT_THAT(close_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(remote().Write("x"), IsClosed());
  EXPECT_THAT(lender().Write("x"), IsOk());
}

// So that others have their turn.
TEST_F(StartedBorrowTest, ACloseOfALongPartSkipsItInSeveralRounds) {
  constexpr int64_t kSize = int64_t{16} << 20;
  auto part = LimitInput(std::move(borrower_), kSize);
  const absl::Cord megabyte(std::string(1 << 20, 'x'));
  absl::Cord all("x");
  while (all.size() < kSize) all.Append(megabyte);
  ASSERT_THAT(remote().Write(all), IsOk());
  ASSERT_FALSE(part->StartClose(&close_));
  EXPECT_LT(lender().bytes_read(), kSize);
  while (close_.done == 0) {
    engine_.FireTimers();
    engine_.RunAll();
  }
  EXPECT_THAT(close_.status, IsOk());
  EXPECT_THAT(lender().Read(), HoldsData("x"));
}

// --- Descriptors

// The owner may watch it, and whoever closes it is to forget it.
TEST_F(StartedBorrowTest, TheDescriptorIsForgottenWithTheLender) {
  const RawPair raw = RawUnix();
  auto far = FlowOf(raw.right);
  auto near = FlowOf(raw.left);
  near->SetEngine(&engine_);
  auto borrower = MakeChannel(BorrowFlow(*near));
  Counted<Flow::ReadOperation> of_owner;
  ASSERT_FALSE(borrower->StartRead(&read_));
  ASSERT_THAT(far->Write("in"), IsOk());
  engine_.MakeReady(raw.left);
  engine_.RunAll();
  EXPECT_THAT(read_.result, HoldsData("in"));
  ASSERT_FALSE(near->StartRead(&of_owner));
  EXPECT_THAT(borrower->Close(), IsOk());
  EXPECT_TRUE(engine_.knows(raw.left));
  ASSERT_THAT(far->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.MakeReady(raw.left);
  engine_.RunAll();
  EXPECT_THAT(of_owner.result, IsEof());
  // Only the borrower has watched this one.
  const RawPair other = RawUnix();
  auto lender = FlowOf(other.left);
  auto peer = FlowOf(other.right);
  lender->SetEngine(&engine_);
  auto reader = BorrowFlow(*lender);
  ASSERT_FALSE(reader->StartRead(&of_owner));
  ASSERT_THAT(peer->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.MakeReady(other.left);
  engine_.RunAll();
  EXPECT_THAT(reader->Close(), IsOk());
  EXPECT_TRUE(engine_.knows(other.left));
  EXPECT_THAT(lender->Close(), IsOk());
  EXPECT_FALSE(engine_.knows(other.left));
}

}  // namespace
}  // namespace flow
