// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Accepts of a listener in memory that are started. Their rules are those of
// sockets (started_accept_test.cc).

#include <atomic>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "flow/testing/pipe_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;

class StartedPipeListenerTest : public ::testing::Test {
 protected:
  ManualEngine engine_;
  PipeListener listener_;
  Counted<AcceptOperation> first_;
  Counted<AcceptOperation> second_;
};

TEST_F(StartedPipeListenerTest, WhoIsThereIsTakenAtOnceAndNobodyIsTold) {
  const auto client = listener_.Dial("tcp:10.0.0.1:1");
  ASSERT_TRUE(listener_.StartAccept(&first_, engine_, absl::InfinitePast()));
  ASSERT_THAT(first_.flow, IsOk());
  EXPECT_EQ((*first_.flow)->remote_address(), "tcp:10.0.0.1:1");
  EXPECT_EQ(engine_.posted() + engine_.timers(), 0u);
  EXPECT_EQ(first_.done, 0);
}

TEST_F(StartedPipeListenerTest, WhoComesLaterIsTakenOnTheEngine) {
  ASSERT_FALSE(listener_.StartAccept(&first_, engine_));
  const auto client = listener_.Dial();
  EXPECT_EQ(first_.done, 0);
  engine_.RunAll();
  EXPECT_EQ(first_.done, 1);
  EXPECT_THAT(first_.flow, IsOk());
  EXPECT_EQ(listener_.waiting(), 0u);
}

TEST_F(StartedPipeListenerTest, BothEndsOfItsPipesCanStart) {
  ASSERT_FALSE(listener_.StartAccept(&first_, engine_));
  const auto client = listener_.Dial();
  engine_.RunAll();
  ASSERT_THAT(first_.flow, IsOk());
  Flow& server = **first_.flow;
  EXPECT_EQ(server.engine(), &engine_);
  client->SetEngine(&engine_);
  Counted<ReadOperation> of_server;
  Counted<ReadOperation> of_client;
  ASSERT_FALSE(server.StartRead(&of_server));
  ASSERT_FALSE(client->StartRead(&of_client));
  EXPECT_THAT(client->Write("question"), IsOk());
  EXPECT_THAT(server.Write("answer"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(of_server.result, HoldsData("question"));
  EXPECT_THAT(of_client.result, HoldsData("answer"));
}

TEST_F(StartedPipeListenerTest, OfSeveralEachGetsOne) {
  ASSERT_FALSE(listener_.StartAccept(&first_, engine_));
  ASSERT_FALSE(listener_.StartAccept(&second_, engine_));
  const auto client = listener_.Dial();
  engine_.RunAll();
  EXPECT_EQ(first_.done + second_.done, 1);
  const auto another = listener_.Dial();
  engine_.RunAll();
  EXPECT_EQ(first_.done + second_.done, 2);
  EXPECT_THAT(first_.flow, IsOk());
  EXPECT_THAT(second_.flow, IsOk());
}

TEST_F(StartedPipeListenerTest, AnErrorIsThatOfOneAccept) {
  ASSERT_FALSE(listener_.StartAccept(&first_, engine_));
  listener_.Fail(absl::ResourceExhaustedError("no descriptors"));
  engine_.RunAll();
  EXPECT_EQ(first_.done, 1);
  EXPECT_THAT(first_.flow, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(listener_.StartAccept(&second_, engine_));
  listener_.Close();
  engine_.RunAll();
}

TEST_F(StartedPipeListenerTest, ItsDeadlineEndsIt) {
  ASSERT_TRUE(listener_.StartAccept(&first_, engine_, absl::InfinitePast()));
  EXPECT_THAT(first_.flow, StatusIs(absl::StatusCode::kDeadlineExceeded));
  const absl::Time deadline = absl::Now() + absl::Milliseconds(20);
  ASSERT_FALSE(listener_.StartAccept(&second_, engine_, deadline));
  absl::SleepFor(deadline - absl::Now() + absl::Milliseconds(10));
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(second_.done, 1);
  EXPECT_THAT(second_.flow, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(StartedPipeListenerTest, CloseEndsAllAndDoesNotWaitForTheEngine) {
  ASSERT_FALSE(listener_.StartAccept(&first_, engine_));
  ASSERT_FALSE(listener_.StartAccept(&second_, engine_));
  listener_.Close();
  EXPECT_EQ(first_.done + second_.done, 0);
  engine_.RunAll();
  EXPECT_EQ(first_.done + second_.done, 2);
  EXPECT_THAT(first_.flow, IsClosed());
  EXPECT_THAT(second_.flow, IsClosed());
  EXPECT_TRUE(listener_.StartAccept(&first_, engine_));
  EXPECT_THAT(first_.flow, IsClosed());
}

// Each starts the next one, until the listener is closed.
struct Chain final : AcceptOperation {
  Chain(Listener& listener, Engine& engine, std::atomic<int>& count)
      : listener(listener), engine(engine), count(count) {}
  void Start() {
    if (listener.StartAccept(this, engine)) Done();
  }
  void Done() override {
    do {
      if (!flow.ok()) return ended.Notify();
      ++count;
    } while (listener.StartAccept(this, engine));
  }
  Listener& listener;
  Engine& engine;
  std::atomic<int>& count;
  absl::Notification ended;
};

TEST(StartedPipeListenerThreadsTest, StartedOnesAndOnesThatBlockShareWhoComes) {
  constexpr int kClients = 200;
  for (const int threads : {1, 2}) {
    EngineThreads engine(threads);
    PipeListener listener;
    std::atomic<int> count{0};
    Chain first(listener, *engine.engine(), count);
    Chain second(listener, *engine.engine(), count);
    first.Start();
    second.Start();
    std::thread blocked([&] {
      while (listener.Accept().ok()) ++count;
    });
    for (int i = 0; i < kClients; ++i) listener.Dial();
    while (count < kClients) std::this_thread::yield();
    listener.Close();
    blocked.join();
    first.ended.WaitForNotification();
    second.ended.WaitForNotification();
    EXPECT_EQ(count, kClients);
  }
}

struct Destroyer final : AcceptOperation {
  void Done() override {
    listener = nullptr;
    over.Notify();
  }
  std::unique_ptr<PipeListener> listener = std::make_unique<PipeListener>();
  absl::Notification over;
};

TEST(StartedPipeListenerThreadsTest, DoneMayDestroyTheListener) {
  EngineThreads engine(1);
  Destroyer accepting;
  PipeListener& listener = *accepting.listener;
  ASSERT_FALSE(listener.StartAccept(&accepting, *engine.engine(), Patience()));
  // On the engine, so that the listener is destroyed after this.
  engine.engine()->Post([&] { listener.Dial(); });
  accepting.over.WaitForNotification();
  EXPECT_THAT(accepting.flow, IsOk());
}

TEST(StartedPipeListenerDeathTest, IsNotDestroyedWhileAnAcceptIsPending) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ManualEngine engine;
        Counted<AcceptOperation> accepting;
        auto listener = std::make_unique<PipeListener>();
        if (!listener->StartAccept(&accepting, engine)) listener = nullptr;
      },
      "a Listener is destroyed while a started accept is pending");
}

}  // namespace
}  // namespace flow::testing
