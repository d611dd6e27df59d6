// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Accepts that are started and wait without a thread.

#include <atomic>
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
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/operation.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/listeners.h"
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
using ::flow::testing::DescriptorLimit;
using ::flow::testing::EngineThreads;
using ::flow::testing::IsClosed;
using ::flow::testing::ListenOn;
using ::flow::testing::ManualEngine;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;

struct Accepting final : AcceptOperation {
  void Done() override {
    ++done;
    if (then != nullptr) then();
    over.Notify();
  }
  int done = 0;
  std::function<void()> then;
  absl::Notification over;
};

struct Reading final : ReadOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

std::unique_ptr<Flow> DialTo(const Listener& listener) {
  auto flow = Dial(listener.address(), Patience());
  EXPECT_THAT(flow, IsOk());
  return *std::move(flow);
}

TEST(StartedAcceptTest, WhoIsThereIsTakenAtOnceAndNobodyIsTold) {
  ManualEngine engine;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const auto client = DialTo(*listener);
  Accepting accepting;
  ASSERT_TRUE(listener->StartAccept(&accepting, engine, absl::InfinitePast()));
  EXPECT_THAT(accepting.flow, IsOk());
  EXPECT_EQ(accepting.done, 0);
  EXPECT_EQ(engine.posted() + engine.watches() + engine.timers(), 0u);
}

TEST(StartedAcceptTest, WhoComesLaterIsTakenOnTheEngine) {
  EngineThreads threads(1);
  for (const char* address : {"tcp:127.0.0.1:0", "unix:@started_accept_test"}) {
    auto listener = ListenOn(address);
    for (int i = 0; i < 3; ++i) {
      Accepting accepting;
      ASSERT_FALSE(listener->StartAccept(&accepting, *threads.engine()));
      const auto client = DialTo(*listener);
      accepting.over.WaitForNotification();
      ASSERT_THAT(accepting.flow, IsOk());
      EXPECT_EQ(accepting.done, 1);
    }
  }
}

TEST(StartedAcceptTest, EverySocketOfAListenerIsWatched) {
  EngineThreads threads(1);
  auto listener = ListenOn("tcp:localhost:0");
  const std::string port =
      listener->address().substr(listener->address().rfind(':'));
  for (const char* host : {"tcp:127.0.0.1", "tcp:[::1]"}) {
    Accepting accepting;
    ASSERT_FALSE(listener->StartAccept(&accepting, *threads.engine()));
    auto client = Dial(host + port, Patience());
    // A machine without IPv6 has one of them.
    if (!client.ok()) client = Dial(listener->address(), Patience());
    accepting.over.WaitForNotification();
    EXPECT_THAT(accepting.flow, IsOk());
  }
}

TEST(StartedAcceptTest, TheFlowIsBoundToTheEngine) {
  EngineThreads threads(1);
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting accepting;
  ASSERT_FALSE(listener->StartAccept(&accepting, *threads.engine()));
  const auto client = DialTo(*listener);
  accepting.over.WaitForNotification();
  ASSERT_THAT(accepting.flow, IsOk());
  Reading reading;
  ASSERT_FALSE((*accepting.flow)->StartRead(&reading));
  EXPECT_THAT(client->Write("hello"), IsOk());
  reading.over.WaitForNotification();
  EXPECT_THAT(reading.result, IsOkAndHolds("hello"));
}

TEST(StartedAcceptTest, OfSeveralOneWatchesAndEachGetsOne) {
  ManualEngine engine;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting first;
  Accepting second;
  ASSERT_FALSE(listener->StartAccept(&first, engine));
  ASSERT_FALSE(listener->StartAccept(&second, engine));
  EXPECT_EQ(engine.watches(), 1u);
  listener->Close();
  engine.RunAll();
  EXPECT_THAT(first.flow, IsClosed());
  EXPECT_THAT(second.flow, IsClosed());
  EXPECT_EQ(first.done + second.done, 2);
}

TEST(StartedAcceptTest, TheNextOneWatchesWhenTheFirstHasEnded) {
  ManualEngine engine;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting first;
  Accepting second;
  ASSERT_FALSE(listener->StartAccept(&first, engine,
                                     absl::Now() + absl::Milliseconds(20)));
  ASSERT_FALSE(listener->StartAccept(&second, engine));
  absl::SleepFor(absl::Milliseconds(30));
  engine.FireTimers();
  engine.RunAll();
  EXPECT_THAT(first.flow, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(second.done, 0);
  EXPECT_EQ(engine.watches(), 1u);
  listener->Close();
  engine.RunAll();
  EXPECT_EQ(second.done, 1);
}

TEST(StartedAcceptTest, ItsDeadlineEndsIt) {
  EngineThreads threads(1);
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting past;
  ASSERT_TRUE(
      listener->StartAccept(&past, *threads.engine(), absl::InfinitePast()));
  EXPECT_THAT(past.flow, StatusIs(absl::StatusCode::kDeadlineExceeded));
  Accepting soon;
  ASSERT_FALSE(listener->StartAccept(&soon, *threads.engine(),
                                     absl::Now() + absl::Milliseconds(100)));
  soon.over.WaitForNotification();
  EXPECT_THAT(soon.flow, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(StartedAcceptTest, StartedOnesAndOnesThatBlockShareWhoComes) {
  constexpr int kEach = 50;
  EngineThreads threads(2);
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::atomic<int> started{0};
  std::atomic<int> blocking{0};
  // Each starts the next one, until it is closed.
  struct Chain final : AcceptOperation {
    void Done() override {
      do {
        if (!flow.ok()) return ended.Notify();
        // Destroyed at once, it could reset a connection that is dialed yet.
        flows.push_back(*std::move(flow));
        ++*count;
      } while (listener->StartAccept(this, *engine));
    }
    Listener* listener;
    Engine* engine;
    std::atomic<int>* count;
    std::vector<std::unique_ptr<Flow>> flows;
    absl::Notification ended;
  };
  Chain chains[3];
  for (Chain& chain : chains) {
    chain.listener = listener.get();
    chain.engine = threads.engine();
    chain.count = &started;
    ASSERT_FALSE(listener->StartAccept(&chain, *threads.engine()));
  }
  std::thread blocked([&] {
    std::vector<std::unique_ptr<Flow>> flows;
    while (true) {
      auto flow = listener->Accept();
      if (!flow.ok()) break;
      flows.push_back(*std::move(flow));
      ++blocking;
    }
  });
  for (int i = 0; i < kEach; ++i) {
    const auto client = DialTo(*listener);
    while (started + blocking <= i) std::this_thread::yield();
  }
  listener->Close();
  blocked.join();
  for (Chain& chain : chains) chain.ended.WaitForNotification();
  EXPECT_EQ(started + blocking, kEach);
}

TEST(StartedAcceptTest, WhatIsWatchedIsOpenUntilTheLastReport) {
  ManualEngine engine;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting accepting;
  ASSERT_FALSE(listener->StartAccept(&accepting, engine));
  ASSERT_EQ(engine.watches(), 1u);
  const size_t before = OpenDescriptors();
  listener->Close();
  EXPECT_EQ(OpenDescriptors(), before - 1);  // the socket
  engine.RunAll();
  EXPECT_EQ(OpenDescriptors(), before - 2);  // and what was watched
  EXPECT_THAT(accepting.flow, IsClosed());
}

TEST(StartedAcceptTest, CloseDoesNotWaitForTheEngine) {
  ManualEngine engine;
  const size_t before = OpenDescriptors();
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const std::string address = listener->address();
  Accepting accepting;
  ASSERT_FALSE(listener->StartAccept(&accepting, engine));
  listener->Close();
  EXPECT_EQ(accepting.done, 0);
  EXPECT_THAT(Dial(address, Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Listen(address), IsOk());
  engine.RunAll();
  EXPECT_EQ(accepting.done, 1);
  EXPECT_THAT(accepting.flow, IsClosed());
  listener = nullptr;
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(StartedAcceptTest, TheThreadOfTheEngineMayClose) {
  EngineThreads threads(1);
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting accepting;
  ASSERT_FALSE(listener->StartAccept(&accepting, *threads.engine()));
  threads.engine()->Post([&] { listener->Close(); });
  accepting.over.WaitForNotification();
  EXPECT_THAT(accepting.flow, IsClosed());
  Accepting late;
  ASSERT_TRUE(listener->StartAccept(&late, *threads.engine()));
  EXPECT_THAT(late.flow, IsClosed());
}

TEST(StartedAcceptTest, DoneMayDestroyTheListener) {
  EngineThreads threads(1);
  auto listener = ListenOn("tcp:127.0.0.1:0");
  Accepting accepting;
  accepting.then = [&] { listener = nullptr; };
  ASSERT_FALSE(listener->StartAccept(&accepting, *threads.engine()));
  const auto client = DialTo(*listener);
  accepting.over.WaitForNotification();
  EXPECT_EQ(listener, nullptr);
}

TEST(StartedAcceptTest, WithoutADescriptorIsExhaustedAndTheConnectionWaits) {
  EngineThreads threads(1);
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const auto client = DialTo(*listener);
  Accepting at_once;
  Accepting later;
  bool over = false;
  {
    const DescriptorLimit none(0);
    over = listener->StartAccept(&at_once, *threads.engine(),
                                 absl::InfinitePast());
    if (!listener->StartAccept(&later, *threads.engine())) {
      later.over.WaitForNotification();
    }
  }
  EXPECT_TRUE(over);
  EXPECT_THAT(at_once.flow, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(later.flow, StatusIs(absl::StatusCode::kResourceExhausted));
  Accepting again;
  EXPECT_TRUE(listener->StartAccept(&again, *threads.engine()));
  EXPECT_THAT(again.flow, IsOk());
}

TEST(StartedAcceptDeathTest, AListenerIsNotDestroyedWhileOneIsPending) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        ManualEngine engine;
        Accepting accepting;
        auto listener = ListenOn("tcp:127.0.0.1:0");
        if (!listener->StartAccept(&accepting, engine)) listener = nullptr;
      },
      "a Listener is destroyed while a started accept is pending");
}

}  // namespace
}  // namespace flow
