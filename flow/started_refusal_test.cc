// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// StartAwaitRefusal() as a call that is pending: who is told, when, and once.
// Its outcomes are those of AwaitRefusal(), which await_refusal_test.cc tests
// in both ways.

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
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
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::Soon;

struct Watcher final : Flow::RefusalOperation {
  void Done() override { ++done; }
  int done = 0;
};

struct Closer final : Flow::CloseOperation {
  void Done() override { ++done; }
  int done = 0;
};

class StartedRefusalTest : public ::testing::Test {
 protected:
  StartedRefusalTest() : pipe_(MakePipe()) { here().SetEngine(&engine_); }

  Flow& here() { return *pipe_.left; }
  Flow& there() { return *pipe_.right; }

  ManualEngine engine_;
  Pipe pipe_;
};

TEST_F(StartedRefusalTest, WhatIsKnownIsOverAtOnceAndNobodyIsTold) {
  ASSERT_THAT(there().Shutdown(ShutdownMode::kRead), IsOk());
  Watcher watcher;
  EXPECT_TRUE(here().StartAwaitRefusal(&watcher));
  EXPECT_THAT(watcher.status, IsClosed());
  engine_.RunAll();
  EXPECT_EQ(watcher.done, 0);
}

TEST_F(StartedRefusalTest, ARefusalIsToldOnceOnTheEngine) {
  Watcher watcher;
  ASSERT_FALSE(here().StartAwaitRefusal(&watcher));
  ASSERT_THAT(there().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_EQ(watcher.done, 0);
  engine_.RunAll();
  EXPECT_EQ(watcher.done, 1);
  EXPECT_THAT(watcher.status, IsClosed());
}

TEST_F(StartedRefusalTest, ADeadlineEndsItAndChangesNothing) {
  Watcher watcher;
  EXPECT_TRUE(here().StartAwaitRefusal(&watcher, absl::InfinitePast()));
  EXPECT_THAT(watcher.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_FALSE(here().StartAwaitRefusal(&watcher, Soon()));
  absl::SleepFor(absl::Milliseconds(100));
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(watcher.done, 1);
  EXPECT_THAT(watcher.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(here().Write("data"), IsOk());
}

TEST_F(StartedRefusalTest, EachOfSeveralIsTold) {
  Watcher watchers[3];
  for (Watcher& watcher : watchers) {
    ASSERT_FALSE(here().StartAwaitRefusal(&watcher));
  }
  there().Abort(absl::DataLossError("gone"));
  engine_.RunAll();
  for (const Watcher& watcher : watchers) {
    EXPECT_EQ(watcher.done, 1);
    EXPECT_THAT(watcher.status, StatusIs(absl::StatusCode::kDataLoss));
  }
}

// The first one asks the transport. Its end gives the turn to the next one.
TEST_F(StartedRefusalTest, TheNextOneAsksWhenTheFirstOneIsLate) {
  Watcher first;
  Watcher second;
  ASSERT_FALSE(here().StartAwaitRefusal(&first, Soon()));
  ASSERT_FALSE(here().StartAwaitRefusal(&second));
  absl::SleepFor(absl::Milliseconds(100));
  engine_.FireTimers();
  engine_.RunAll();
  ASSERT_EQ(first.done, 1);
  ASSERT_EQ(second.done, 0);
  ASSERT_THAT(there().Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_EQ(second.done, 1);
  EXPECT_THAT(second.status, IsClosed());
}

TEST_F(StartedRefusalTest, TheEndOfTheWritesEndsIt) {
  Watcher watcher;
  ASSERT_FALSE(here().StartAwaitRefusal(&watcher));
  ASSERT_THAT(here().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(watcher.done, 1);
  EXPECT_THAT(watcher.status, IsClosed());
}

TEST_F(StartedRefusalTest, AStartedCloseAndItsOwnEndBothCome) {
  Watcher watcher;
  Closer closer;
  ASSERT_FALSE(here().StartAwaitRefusal(&watcher));
  ASSERT_FALSE(here().StartClose(&closer));
  engine_.RunAll();
  EXPECT_EQ(watcher.done, 1);
  EXPECT_EQ(closer.done, 0) << "the other end is open";
  ASSERT_THAT(there().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(closer.done, 1);
  EXPECT_THAT(closer.status, IsOk());
}

// What the engine watches for it is let go before the descriptor is closed.
TEST_F(StartedRefusalTest, ASocketIsWatchedUntilTheReport) {
  const RawPair raw = RawTcp();
  const int fd = raw.left;
  const std::unique_ptr<Flow> left = FlowOf(raw.left);
  const std::unique_ptr<Flow> right = FlowOf(raw.right);
  left->SetEngine(&engine_);
  Watcher watcher;
  ASSERT_FALSE(left->StartAwaitRefusal(&watcher));
  EXPECT_EQ(engine_.watches(), 1u);
  left->Abort(absl::CancelledError("stop"));
  engine_.RunAll();
  EXPECT_EQ(watcher.done, 1);
  EXPECT_THAT(watcher.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(left->Close(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(engine_.watches(), 0u);
  EXPECT_FALSE(engine_.knows(fd));
}

TEST_F(StartedRefusalTest, AFlowThatCanOnlyBlockIsUnimplemented) {
  std::unique_ptr<Flow> flow = MakeFunctionFlow({});
  flow->SetEngine(&engine_);
  Watcher watcher;
  EXPECT_TRUE(flow->StartAwaitRefusal(&watcher));
  EXPECT_THAT(watcher.status, StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(StartedRefusalDeathTest, AFlowIsNotDestroyedWhileOneIsPending) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ManualEngine engine;
        Watcher watcher;
        Pipe pipe = MakePipe();
        pipe.left->SetEngine(&engine);
        if (!pipe.left->StartAwaitRefusal(&watcher)) pipe.left = nullptr;
      },
      "destroyed while a call is under way");
}

}  // namespace
}  // namespace flow
