// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules of docs/started.md, each with a test that is named after it.

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::internal::FlowAccess;
using ::flow::testing::AllocationCounter;
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ShrinkBuffers;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(10);

struct Reader final : Flow::ReadOperation {
  void Done() override {
    ++done;
    if (then != nullptr) then();
  }
  int done = 0;
  std::function<void()> then;
};

struct Writer final : Flow::WriteOperation {
  void Done() override { ++done; }
  int done = 0;
};

struct Closer final : Flow::CloseOperation {
  void Done() override {
    ++done;
    if (then != nullptr) then();
  }
  int done = 0;
  std::function<void()> then;
};

// A pipe whose ends are on an engine that the test drives.
class StartedTest : public ::testing::Test {
 protected:
  explicit StartedTest(size_t capacity = size_t{256} << 10)
      : pipe_(MakePipe(capacity)) {
    left().SetEngine(&engine_);
    right().SetEngine(&engine_);
  }

  Flow& left() { return *pipe_.left; }
  Flow& right() { return *pipe_.right; }

  ManualEngine engine_;
  Pipe pipe_;
};

class RendezvousTest : public StartedTest {
 protected:
  RendezvousTest() : StartedTest(0) {}
};

// --- Outcomes

TEST_F(StartedTest, AStartThatIsOverAtOnceTellsNobody) {
  ASSERT_THAT(left().Write("data"), IsOk());
  Reader read;
  EXPECT_TRUE(right().StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
  engine_.RunAll();
  EXPECT_EQ(read.done, 0);
  EXPECT_EQ(right().bytes_read(), 4);
}

TEST_F(StartedTest, AReadThatWaitsIsToldWhatComes) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
}

TEST_F(StartedTest, DoneRunsInsideNoOtherCall) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Write("data"), IsOk());
  EXPECT_EQ(read.done, 0) << "the write told the reader on its own stack";
  left().Abort(absl::CancelledError("enough"));
  EXPECT_EQ(read.done, 0);
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
}

TEST_F(StartedTest, AReadOfAtMostIsHonoured) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read, 3));
  ASSERT_THAT(left().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(read.result, IsOkAndHolds("dat"));
  EXPECT_TRUE(right().StartRead(&read, 0));
  EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StartedTest, TheEndOfTheRemoteEndsAReadThatWaits) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(read.result, IsEof());
  EXPECT_TRUE(right().StartRead(&read));
  EXPECT_THAT(read.result, IsEof());
}

TEST_F(StartedTest, ARefusalOfThisEndEndsAReadThatWaits) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(right().Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
  EXPECT_THAT(read.result, IsEof());
}

TEST_F(RendezvousTest, AWriteThatWaitsIsToldWhenItIsTaken) {
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&write));
  EXPECT_THAT(right().Read(2), IsOkAndHolds("da"));
  engine_.RunAll();
  EXPECT_EQ(write.done, 0);
  EXPECT_THAT(right().Read(), IsOkAndHolds("ta"));
  engine_.RunAll();
  EXPECT_EQ(write.done, 1);
  EXPECT_THAT(write.status, IsOk());
  EXPECT_EQ(write.rest, "");
  EXPECT_EQ(left().bytes_written(), 4);
}

TEST_F(RendezvousTest, AStartedWriteMeetsAStartedRead) {
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&write));
  Reader read;
  EXPECT_TRUE(right().StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
  engine_.RunAll();
  EXPECT_EQ(write.done, 1);
}

TEST_F(StartedTest, AnEmptyWriteIsOverAtOnce) {
  Writer write;
  EXPECT_TRUE(left().StartWrite(&write));
  EXPECT_THAT(write.status, IsOk());
}

TEST_F(RendezvousTest, ARefusalOfTheRemoteEndsAWriteThatWaits) {
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&write));
  ASSERT_THAT(right().Read(1), IsOkAndHolds("d"));
  ASSERT_THAT(right().Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_EQ(write.done, 1);
  EXPECT_THAT(write.status, IsClosed());
  EXPECT_EQ(write.rest, "ata");
}

// --- Turns

TEST_F(StartedTest, ASecondReadIsTheSecondReaderHoweverItBegins) {
  Reader first;
  ASSERT_FALSE(right().StartRead(&first));
  Reader second;
  EXPECT_TRUE(right().StartRead(&second));
  EXPECT_THAT(second.result, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(right().Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(left().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(first.result, IsOkAndHolds("data")) << "nothing disturbed it";
}

TEST_F(RendezvousTest, ASecondWriteIsTheSecondWriterHoweverItBegins) {
  Writer first;
  first.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&first));
  Writer second;
  second.rest = absl::Cord("more");
  EXPECT_TRUE(left().StartWrite(&second));
  EXPECT_THAT(second.status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(second.rest, "more");
  EXPECT_THAT(left().Write("x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(right().Read(), IsOkAndHolds("data"));
  engine_.RunAll();
  EXPECT_THAT(first.status, IsOk());
}

TEST_F(StartedTest, BlockingAndStartedCallsTakeTurns) {
  for (int i = 0; i < 3; ++i) {
    Reader read;
    ASSERT_FALSE(right().StartRead(&read));
    ASSERT_THAT(left().Write("started"), IsOk());
    engine_.RunAll();
    EXPECT_THAT(read.result, IsOkAndHolds("started"));
    ASSERT_THAT(left().Write("blocking"), IsOk());
    EXPECT_THAT(right().Read(), IsOkAndHolds("blocking"));
  }
}

TEST_F(StartedTest, ABlockingWriteEndsAReadThatWasStartedOnAnotherThread) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  std::thread writer([&] { EXPECT_THAT(left().Write("data"), IsOk()); });
  writer.join();
  engine_.RunAll();
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
}

TEST_F(StartedTest, DoneMayStartTheNextCall) {
  Reader read;
  std::string all;
  read.then = [&] {
    while (read.result.ok() && !read.result->empty()) {
      all += std::string(*read.result);
      if (!right().StartRead(&read)) return;
    }
  };
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Write("one,"), IsOk());
  engine_.RunAll();
  ASSERT_THAT(left().Write("two"), IsOk());
  engine_.RunAll();
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(all, "one,two");
}

TEST_F(StartedTest, DoneMayDestroyTheFlow) {
  Reader read;
  read.then = [&] { pipe_.right.reset(); };
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_EQ(pipe_.right, nullptr);
  EXPECT_THAT(left().Read(), StatusIs(absl::StatusCode::kAborted));
}

// --- Giving up

TEST_F(StartedTest, ADeadlineInThePastGivesUpAReadAndLosesNothing) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  right().SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
  EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  right().SetReadDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
}

TEST_F(StartedTest, DataThatCameBeforeTheEngineLookedComesBeforeTheDeadline) {
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_THAT(left().Write("data"), IsOk());
  right().SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
}

TEST_F(RendezvousTest, ADeadlineInThePastGivesUpAWriteAndKeepsTheRest) {
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&write));
  ASSERT_THAT(right().Read(3), IsOkAndHolds("dat"));
  left().SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(write.done, 1);
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(write.rest, "a");
  EXPECT_EQ(left().bytes_written(), 3);
  // It goes on where it was.
  left().SetWriteDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(left().StartWrite(&write));
  EXPECT_THAT(right().Read(), IsOkAndHolds("a"));
  engine_.RunAll();
  EXPECT_THAT(write.status, IsOk());
}

TEST_F(RendezvousTest, AWriteThatWasTakenBeforeItsDeadlineIsNotLate) {
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&write));
  // Wakes it, and then the deadline passes before the engine runs it.
  ASSERT_THAT(right().Read(), IsOkAndHolds("data"));
  left().SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_THAT(write.status, IsOk());
  EXPECT_EQ(write.rest, "");
}

TEST_F(StartedTest, ADeadlineInTheFutureIsATimerOfTheEngine) {
  right().SetReadDeadline(absl::Now() + absl::Milliseconds(20));
  Reader read;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_EQ(engine_.timers(), 1u);
  engine_.FireTimers();  // too early
  engine_.RunAll();
  EXPECT_EQ(read.done, 0);
  absl::SleepFor(absl::Milliseconds(25));
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
  EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(StartedTest, AnAbortEndsEverythingThatWaitsWithItsReason) {
  Reader read;
  Closer close;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_FALSE(right().StartClose(&close));
  right().Abort(absl::CancelledError("enough"));
  engine_.RunAll();
  EXPECT_THAT(read.result,
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_THAT(close.status,
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_EQ(read.done + close.done, 2);
}

TEST_F(RendezvousTest, AnAbortEndsAWriteThatWaits) {
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(left().StartWrite(&write));
  left().Abort(absl::CancelledError("enough"));
  engine_.RunAll();
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(write.rest, "data");
}

using StartedDeathTest = StartedTest;

TEST_F(StartedDeathTest, AFlowIsNotDestroyedWhileACallIsPending) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Reader read;
        EXPECT_FALSE(right().StartRead(&read));
        pipe_.right.reset();
      },
      "destroyed while a call is under way");
  EXPECT_DEATH(
      {
        Closer close;
        EXPECT_FALSE(right().StartClose(&close));
        pipe_.right.reset();
      },
      "destroyed while a call is under way");
}

TEST_F(StartedDeathTest, AFlowHasOneEngine) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ManualEngine other;
  EXPECT_DEATH(right().SetEngine(&other), "bound to a second engine");
}

// --- Closing

TEST_F(StartedTest, ACloseWaitsForTheRemote) {
  Closer close;
  ASSERT_FALSE(right().StartClose(&close));
  EXPECT_THAT(left().Read(), IsEof());
  engine_.RunAll();
  EXPECT_EQ(close.done, 0);
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
  EXPECT_TRUE(right().StartClose(&close));
  EXPECT_THAT(close.status, IsOk()) << "and so is every later one";
}

TEST_F(StartedTest, BothEndsCloseOnOneThread) {
  Closer here;
  Closer there;
  ASSERT_FALSE(left().StartClose(&here));
  if (right().StartClose(&there)) there.Done();
  engine_.RunAll();
  EXPECT_THAT(here.status, IsOk());
  EXPECT_THAT(there.status, IsOk());
}

TEST_F(StartedTest, ACloseBeyondItsDeadlineAborts) {
  Closer close;
  EXPECT_TRUE(right().StartClose(&close, absl::InfinitePast()));
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(left().Write("x"), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(StartedTest, ACloseWaitsForAReadThatIsPending) {
  Reader read;
  Closer close;
  ASSERT_FALSE(right().StartRead(&read));
  ASSERT_FALSE(right().StartClose(&close));
  ASSERT_THAT(left().Write("data"), IsOk());
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read.done, 1);
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(RendezvousTest, ACloseSendsItsEndAfterAWriteThatIsPending) {
  Writer write;
  write.rest = absl::Cord("data");
  Closer close;
  ASSERT_FALSE(left().StartWrite(&write));
  ASSERT_FALSE(left().StartClose(&close));
  engine_.RunAll();
  EXPECT_THAT(right().Read(), IsOkAndHolds("data"));
  engine_.RunAll();
  EXPECT_THAT(right().Read(), IsEof());
  ASSERT_THAT(right().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(write.status, IsOk());
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(RendezvousTest, AWriteThatFailsBeforeACloseIsNotEndedByIt) {
  Writer write;
  write.rest = absl::Cord("data");
  Closer close;
  ASSERT_FALSE(left().StartWrite(&write));
  ASSERT_FALSE(left().StartClose(&close));
  EXPECT_THAT(right().Read(2), IsOkAndHolds("da"));
  left().SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(right().Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(close.done, 0) << "it waits for the end of the remote";
  ASSERT_THAT(right().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kAborted));
}

TEST_F(StartedTest, AStartedCloseJoinsOneThatBlocks) {
  std::thread blocking(
      [&] { EXPECT_THAT(right().Close(absl::Now() + kPatience), IsOk()); });
  EXPECT_THAT(left().Read(), IsEof());  // it has begun
  Closer close;
  ASSERT_FALSE(right().StartClose(&close));
  engine_.RunAll();
  EXPECT_EQ(close.done, 0);
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  blocking.join();
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(StartedTest, ACloseThatBlocksJoinsAStartedOne) {
  Closer close;
  ASSERT_FALSE(right().StartClose(&close));
  std::thread blocking(
      [&] { EXPECT_THAT(right().Close(absl::Now() + kPatience), IsOk()); });
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  blocking.join();
  EXPECT_EQ(close.done, 1);
}

TEST_F(StartedTest, StartedClosesJoinAndTheEarliestDeadlineCounts) {
  Closer first;
  ASSERT_FALSE(right().StartClose(&first));
  Closer second;
  ASSERT_FALSE(right().StartClose(&second));
  EXPECT_EQ(first.done + second.done, 0);
  Closer hasty;
  EXPECT_TRUE(right().StartClose(&hasty, absl::InfinitePast()));
  engine_.RunAll();
  EXPECT_EQ(first.done + second.done, 2);
  EXPECT_THAT(hasty.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(first.status, hasty.status);
  EXPECT_EQ(second.status, hasty.status);
}

// --- What cannot start

TEST(StartedOtherwiseTest, AFlowWithoutAnEngineStartsNothing) {
  Pipe pipe = MakePipe();
  Reader read;
  EXPECT_TRUE(pipe.left->StartRead(&read));
  EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kFailedPrecondition));
  Writer write;
  write.rest = absl::Cord("data");
  EXPECT_TRUE(pipe.left->StartWrite(&write));
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  Closer close;
  EXPECT_TRUE(pipe.left->StartClose(&close));
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(pipe.left->Write("it still works"), IsOk());
}

TEST(StartedOtherwiseTest, AFlowOnFunctionsStartsNothing) {
  ManualEngine engine;
  const std::unique_ptr<Flow> flow = MakeFunctionFlow({});
  flow->SetEngine(&engine);
  Reader read;
  EXPECT_TRUE(flow->StartRead(&read));
  EXPECT_THAT(read.result, StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(flow->Read(), IsEof()) << "and nothing broke";
}

// --- Sockets

TEST(StartedSocketTest, AReadThatWaitsIsToldWhatComes) {
  EngineThreads threads(1);
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> left = FlowOf(pair.left);
  const std::unique_ptr<Flow> right = FlowOf(pair.right);
  right->SetEngine(threads.engine());
  for (int i = 0; i < 3; ++i) {
    absl::Notification told;
    Reader read;
    read.then = [&] { told.Notify(); };
    if (!right->StartRead(&read)) {
      ASSERT_THAT(left->Write("data"), IsOk());
      ASSERT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
    }
    EXPECT_THAT(read.result, IsOkAndHolds("data"));
  }
}

TEST(StartedSocketTest, AnEndThatCameWithTheLastBytesIsNotMissed) {
  EngineThreads threads(1);
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> left = FlowOf(pair.left);
  const std::unique_ptr<Flow> right = FlowOf(pair.right);
  right->SetEngine(threads.engine());
  ASSERT_THAT(left->Write("data"), IsOk());
  ASSERT_THAT(left->Shutdown(ShutdownMode::kWrite), IsOk());
  absl::SleepFor(absl::Milliseconds(20));  // both are there
  Reader read;
  ASSERT_TRUE(right->StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
  absl::Notification told;
  read.then = [&] { told.Notify(); };
  if (!right->StartRead(&read)) {
    ASSERT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
  }
  EXPECT_THAT(read.result, IsEof());
}

TEST(StartedSocketTest, AShortReadNeedNotBeAllThereIs) {
  ManualEngine engine;
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> right = FlowOf(pair.right);
  right->SetEngine(&engine);
  Reader read;
  ASSERT_FALSE(right->StartRead(&read));  // the engine knows it from here on
  ABSL_PCHECK(::send(pair.left, "be", 2, 0) == 2);
  ABSL_PCHECK(::send(pair.left, "f", 1, MSG_OOB) == 1);
  ABSL_PCHECK(::send(pair.left, "ore", 3, 0) == 3);
  absl::SleepFor(absl::Milliseconds(20));  // all of it is there
  engine.MakeReady(pair.right);
  engine.RunAll();
  ASSERT_EQ(read.done, 1);
  std::string all(*read.result);
  // No edge comes any more.
  while (all.size() < 6) {
    ASSERT_TRUE(right->StartRead(&read)) << "waits though there is more";
    ASSERT_THAT(read.result, IsOk());
    all += std::string(*read.result);
  }
  EXPECT_EQ(all, "before");
  ::close(pair.left);
}

TEST(StartedSocketTest, AFlowThatIsTakenApartLeavesNothingAtTheEngine) {
  ManualEngine engine;
  const RawPair pair = RawUnix();
  const std::unique_ptr<Flow> left = FlowOf(pair.left);
  std::unique_ptr<Flow> right = FlowOf(pair.right);
  right->SetEngine(&engine);
  Reader read;
  ASSERT_FALSE(right->StartRead(&read));
  ASSERT_THAT(left->Write("data"), IsOk());
  engine.MakeReady(pair.right);
  engine.RunAll();
  ASSERT_EQ(read.done, 1);
  EXPECT_TRUE(engine.knows(pair.right));
  std::unique_ptr<Channel> channel = MakeChannel(std::move(right));
  EXPECT_FALSE(engine.knows(pair.right));
  // It starts on the same engine.
  ASSERT_FALSE(channel->StartRead(&read));
  ASSERT_THAT(left->Write("more"), IsOk());
  engine.MakeReady(pair.right);
  engine.RunAll();
  EXPECT_THAT(read.result, IsOkAndHolds("more"));
}

// That is what it was before calls could be started: the pointer took the place
// of padding.
TEST(StartedSizeTest, AFlowThatStartsNothingIsNoLarger) {
  EXPECT_LE(sizeof(Flow), size_t{7} * ABSL_CACHELINE_SIZE);
}

TEST_F(StartedTest, TheSameEngineCanBeNamedTwice) {
  left().SetEngine(&engine_);
  Reader read;
  ASSERT_FALSE(left().StartRead(&read));
  left().SetEngine(&engine_);
  ASSERT_THAT(right().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(read.result, IsOkAndHolds("data"));
}

TEST(StartedSocketTest, AReadThatFailsEndsACloseThatDiscards) {
  ManualEngine engine;
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> left = FlowOf(pair.left);
  std::unique_ptr<Flow> right = FlowOf(pair.right);
  right->SetEngine(&engine);
  ASSERT_THAT(right->Shutdown(ShutdownMode::kRead), IsOk());
  Closer close;
  ASSERT_FALSE(right->StartClose(&close));
  // Only the end of the peer, or this, can end it.
  FlowAccess::Core(*right).transport().LoseRead();
  engine.FireTimers();
  engine.RunAll();
  EXPECT_EQ(close.done, 1);
}

TEST(StartedSocketTest, ARefusalOfThisEndEndsAReadThatWaits) {
  for (const RawPair& pair : {RawTcp(), RawUnix()}) {
    ManualEngine engine;
    const std::unique_ptr<Flow> left = FlowOf(pair.left);
    const std::unique_ptr<Flow> right = FlowOf(pair.right);
    right->SetEngine(&engine);
    Reader read;
    ASSERT_FALSE(right->StartRead(&read));
    ASSERT_THAT(right->Shutdown(ShutdownMode::kRead), IsOk());
    engine.RunAll();  // and the kernel need not say anything
    EXPECT_EQ(read.done, 1);
    EXPECT_THAT(read.result, IsEof());
  }
}

TEST(StartedSocketTest, ADescriptorIsOpenUntilItsLastReport) {
  for (const bool reads : {false, true}) {
    ManualEngine engine;
    const RawPair pair = RawTcp();
    const std::unique_ptr<Flow> left = FlowOf(pair.left);
    const std::unique_ptr<Flow> right = FlowOf(pair.right);
    right->SetEngine(&engine);
    Reader read;
    Closer close;
    if (reads) {
      ASSERT_FALSE(right->StartRead(&read));
    }
    ASSERT_FALSE(right->StartClose(&close));
    EXPECT_EQ(engine.watches(), reads ? 2u : 1u);
    right->Abort(absl::CancelledError("enough"));
    engine.RunAll();  // which complains
    EXPECT_EQ(read.done, reads ? 1 : 0);
    EXPECT_EQ(close.done, 1);
    EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_FALSE(engine.knows(pair.right));
  }
}

TEST(StartedSocketTest, AFullSocketTakesTheRestWhenThereIsRoom) {
  EngineThreads threads(1);
  const RawPair pair = RawUnix();
  ShrinkBuffers(pair.left);
  const std::unique_ptr<Flow> left = FlowOf(pair.left);
  const std::unique_ptr<Flow> right = FlowOf(pair.right);
  left->SetEngine(threads.engine());
  const std::string data(1 << 20, 'x');
  absl::Notification told;
  struct NotifyingWriter final : Flow::WriteOperation {
    explicit NotifyingWriter(absl::Notification& told) : told(told) {}
    void Done() override { told.Notify(); }
    absl::Notification& told;
  } write(told);
  write.rest = absl::Cord(data);
  ASSERT_FALSE(left->StartWrite(&write));
  size_t received = 0;
  while (received < data.size()) {
    absl::StatusOr<absl::Cord> part = right->Read();
    ASSERT_THAT(part, IsOk());
    received += part->size();
  }
  ASSERT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
  EXPECT_THAT(write.status, IsOk());
  EXPECT_EQ(left->bytes_written(), 1 << 20);
}

// --- Costs

TEST_F(StartedTest, AReadThatWaitsAllocatesNothingBesidesTheData) {
  Reader read;
  const auto cycle = [&] {
    if (right().StartRead(&read)) return false;
    return left().Write("data").ok() && engine_.RunOne() && read.result.ok();
  };
  ASSERT_TRUE(cycle());  // the first one makes room in the test's engine
  AllocationCounter counter;
  ASSERT_TRUE(cycle());
  EXPECT_EQ(counter.blocks(), 0);
}

}  // namespace
}  // namespace flow
