// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/async/operations.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/async/task.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::async {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AllocationCounter;
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;

// Answers with what comes until the end. Returns how it ended.
Task<absl::Status> Echo(Flow& flow) {
  for (int round = 1;; ++round) {
    absl::StatusOr<absl::Cord> data = co_await Read(flow);
    if (!data.ok()) co_return data.status();
    if (data->empty()) break;
    absl::Status status = co_await Write(flow, *std::move(data));
    if (!status.ok()) co_return status;
    // One who sends without pause leaves the others their turn.
    if (round % 16 == 0) co_await Yield(*flow.engine());
  }
  co_return co_await Close(flow, absl::Now() + absl::Seconds(10));
}

// Owns a flow as long as it is served.
Task<void> Own(std::unique_ptr<Flow> flow) {
  const absl::Status status = co_await Echo(*flow);
  ABSL_LOG_IF(ERROR, !status.ok()) << status;
}

Task<void> EchoInto(Flow& flow, std::optional<absl::Status>& result) {
  result = co_await Echo(flow);
}

class OperationsTest : public ::testing::Test {
 protected:
  OperationsTest() {
    left().SetEngine(&engine_);
    right().SetEngine(&engine_);
  }
  Flow& left() { return *pipe_.left; }
  Flow& right() { return *pipe_.right; }

  ManualEngine engine_;
  Pipe pipe_ = MakePipe();
};

TEST_F(OperationsTest, ACoroutineGoesOnWithWhatComes) {
  std::optional<absl::Status> result;
  Spawn(EchoInto(right(), result));
  for (const std::string word : {"one", "two"}) {
    ASSERT_THAT(left().Write(word), IsOk());
    engine_.RunAll();
    EXPECT_THAT(left().Read(), IsOkAndHolds(word));
  }
  EXPECT_EQ(result, std::nullopt);
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(left().Read(), IsEof());
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, IsOk());
}

Task<void> ClosePatiently(Flow& flow, std::optional<absl::Status>& result) {
  result = co_await PatientClose(flow, absl::Hours(1));
}

TEST_F(OperationsTest, APatientCloseIsTold) {
  std::optional<absl::Status> result;
  Spawn(ClosePatiently(right(), result));
  EXPECT_EQ(result, std::nullopt);
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, IsOk());
}

Task<void> YieldTwice(Engine& engine, int& turns) {
  co_await Yield(engine);
  ++turns;
  co_await Yield(engine);
  ++turns;
}

TEST_F(OperationsTest, ACoroutineCanOwnItsFlow) {
  Flow* const left = pipe_.left.get();
  Spawn(Own(std::move(pipe_.right)));
  ASSERT_THAT(left->Write("data"), IsOk());
  ASSERT_THAT(left->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(left->Read(), IsOkAndHolds("data"));
  EXPECT_THAT(left->Close(), IsOk());
}

TEST_F(OperationsTest, AYieldGivesOthersTheirTurn) {
  int turns = 0;
  Spawn(YieldTwice(engine_, turns));
  EXPECT_EQ(turns, 0);
  engine_.Post([&] { EXPECT_EQ(turns, 1); });
  engine_.RunAll();
  EXPECT_EQ(turns, 2);
}

TEST_F(OperationsTest, WhatIsThereNeedsNoEngineToRun) {
  ASSERT_THAT(left().Write("data"), IsOk());
  ASSERT_THAT(left().Shutdown(ShutdownMode::kWrite), IsOk());
  std::optional<absl::Status> result;
  Spawn(EchoInto(right(), result));
  EXPECT_EQ(engine_.posted(), 0u);
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, IsOk());
}

TEST_F(OperationsTest, ADeadlineInThePastCancelsAndLosesNothing) {
  absl::StatusOr<absl::Cord> result;
  const auto read = [&]() -> Task<void> { result = co_await Read(right()); };
  Spawn(read());
  right().SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  right().SetReadDeadline(absl::InfiniteFuture());
  Spawn(read());
  ASSERT_THAT(left().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(result, IsOkAndHolds("data"));
}

TEST_F(OperationsTest, AnAbortEndsACoroutineWithItsReason) {
  std::optional<absl::Status> result;
  Spawn(EchoInto(right(), result));
  right().Abort(absl::CancelledError("enough"));
  engine_.RunAll();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(OperationsTest, WriteFromKeepsWhatWasNotAccepted) {
  Pipe narrow = MakePipe(0);
  narrow.left->SetEngine(&engine_);
  absl::Cord message("data");
  std::optional<absl::Status> result;
  const auto write = [&]() -> Task<void> {
    result = co_await WriteFrom(*narrow.left, &message);
  };
  Spawn(write());
  EXPECT_THAT(narrow.right->Read(3), IsOkAndHolds("dat"));
  narrow.left->SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(message, "a");
}

TEST_F(OperationsTest, AwaitingAllocatesNothingBesidesTheFrame) {
  std::optional<absl::Status> result;
  Spawn(EchoInto(right(), result));
  const auto cycle = [&] {
    return left().Write("data").ok() && engine_.RunOne() && left().Read().ok();
  };
  ASSERT_TRUE(cycle());
  AllocationCounter counter;
  ASSERT_TRUE(cycle());
  EXPECT_EQ(counter.blocks(), 0);
  right().Abort(absl::CancelledError("enough"));
  engine_.RunAll();
}

using OperationsDeathTest = OperationsTest;

TEST_F(OperationsDeathTest, ACoroutineIsNotDestroyedWhileItWaits) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ReadAwaitable read = Read(right());
        read.await_suspend(std::noop_coroutine());
      },
      "a coroutine is destroyed while it waits");
}

TEST_F(OperationsDeathTest, ATaskIsAwaitedOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Task<absl::Status> task = Echo(right());
        const auto twice = [&task]() -> Task<void> {
          (co_await std::move(task)).IgnoreError();
        };
        Spawn(twice());
        Spawn(twice());
      },
      "a Task is awaited twice");
}

Task<void> Hold(std::shared_ptr<int> held, Engine& engine) {
  co_await Yield(engine);
  *held += 1;
}

TEST_F(OperationsTest, ASpawnedTaskIsDestroyedWhenItHasEnded) {
  const auto held = std::make_shared<int>(0);
  Spawn(Hold(held, engine_));
  EXPECT_EQ(held.use_count(), 2) << "its frame has a copy";
  engine_.RunAll();
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(OperationsTest, ATaskThatEndsAtOnceIsDestroyedBySpawn) {
  const auto held = std::make_shared<int>(0);
  const auto add = [](std::shared_ptr<int> to) -> Task<void> {
    *to += 1;
    co_return;
  };
  Spawn(add(held));
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(OperationsOnSocketsTest, ACoroutineOnSeveralThreadsEchoes) {
  EngineThreads threads(2);
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> left = FlowOf(pair.left);
  const std::unique_ptr<Flow> right = FlowOf(pair.right);
  right->SetEngine(threads.engine());
  absl::Notification ended;
  absl::Status result;
  const auto serve = [&]() -> Task<void> {
    result = co_await Echo(*right);
    ended.Notify();
  };
  Spawn(serve());
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(left->Write("data"), IsOk());
    ASSERT_THAT(left->Read(), IsOkAndHolds("data"));
  }
  EXPECT_THAT(left->Close(), IsOk());
  ended.WaitForNotification();
  EXPECT_THAT(result, IsOk());
}

}  // namespace
}  // namespace flow::async
