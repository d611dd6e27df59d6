// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The calls of a connection that are under way at once.

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/no_threads.h"
#include "flow/testing/internal/server_runner.h"
#include "flow/testing/pipe_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AwaitReader;
using ::flow::testing::NoThreads;
using ::flow::testing::PipeListener;
using ::flow::testing::ServerRunner;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Time kNever = absl::InfiniteFuture();
constexpr absl::Time kAtOnce = absl::InfinitePast();

// Runs `handler` for one connection.
ServerReport RunOne(const std::function<void(ServerConnection&)>& handler) {
  PipeListener listener;
  absl::Notification returned;
  ServerOptions options;
  options.keep_threads = absl::InfiniteDuration();
  Server server(
      [&](std::unique_ptr<Flow> client, ServerConnection& connection) {
        handler(connection);
        client->Close(kAtOnce).IgnoreError();
        returned.Notify();
      },
      options);
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  returned.WaitForNotification();
  return runner.Stop(kNever);
}

TEST(ServerCallsTest, SeveralAreUnderWayAtOnce) {
  RunOne([](ServerConnection& connection) {
    absl::Notification first;
    absl::Notification second;
    ServerCalls calls(connection, 2);
    EXPECT_THAT(calls.Start([&] {
      first.Notify();
      second.WaitForNotification();
    }),
                IsOk());
    EXPECT_THAT(calls.Start([&] {
      second.Notify();
      first.WaitForNotification();
    }),
                IsOk());
  });
}

TEST(ServerCallsTest, OneMoreWaitsForRoom) {
  RunOne([](ServerConnection& connection) {
    std::atomic<int> under_way{0};
    std::atomic<int> total{0};
    ServerCalls calls(connection, 2);
    for (int i = 0; i < 50; ++i) {
      EXPECT_THAT(calls.Start([&] {
        EXPECT_LE(++under_way, 2);
        ++total;
        --under_way;
      }),
                  IsOk());
    }
    calls.Join();
    EXPECT_EQ(total, 50);
  });
}

TEST(ServerCallsTest, WithoutRoomUntilTheDeadlineItIsNotRun) {
  RunOne([](ServerConnection& connection) {
    absl::Notification go_on;
    ServerCalls calls(connection, 1);
    EXPECT_THAT(calls.Start([&] { go_on.WaitForNotification(); }), IsOk());
    for (const absl::Time deadline : {kAtOnce, testing::Soon()}) {
      EXPECT_THAT(calls.Start([] { ADD_FAILURE(); }, deadline),
                  StatusIs(absl::StatusCode::kResourceExhausted,
                           HasSubstr("are under way (1)")));
    }
    go_on.Notify();
  });
}

TEST(ServerCallsTest, WithoutAThreadItIsNotRun) {
  RunOne([](ServerConnection& connection) {
    ServerCalls calls(connection, 1);
    const NoThreads none;
    EXPECT_THAT(calls.Start([] { ADD_FAILURE(); }),
                StatusIs(absl::StatusCode::kResourceExhausted));
    calls.Join();
  });
}

TEST(ServerCallsTest, TheDestructorWaitsForCallsAndForWhatTheyHold) {
  RunOne([](ServerConnection& connection) {
    // Its destructor says that the call has let go of it.
    bool is_gone = false;
    std::shared_ptr<int> held(new int, [&](const int* number) {
      delete number;
      absl::SleepFor(absl::Milliseconds(5));
      is_gone = true;
    });
    {
      ServerCalls calls(connection, 1);
      EXPECT_THAT(calls.Start([held = std::exchange(held, nullptr)] {}),
                  IsOk());
    }
    EXPECT_TRUE(is_gone);
  });
}

TEST(ServerCallsTest, AThreadServesOneCallAfterTheOther) {
  std::set<std::thread::id> threads;
  RunOne([&](ServerConnection& connection) {
    ServerCalls calls(connection, 1);
    for (int i = 0; i < 10; ++i) {
      EXPECT_THAT(
          calls.Start([&] { threads.insert(std::this_thread::get_id()); }),
          IsOk());
    }
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 2);
}

// Waits for a request, with a call under way until `answer`.
ServerReport StopWithACall(absl::Time deadline) {
  PipeListener listener;
  std::atomic<Channel*> waits{nullptr};
  absl::Notification answer;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    ServerCalls calls(me, 1);
    AtCancel give_up(me.canceller(),
                     [&](const absl::Status&) { answer.Notify(); });
    EXPECT_THAT(calls.Start([&] { answer.WaitForNotification(); }), IsOk());
    waits = channel.get();
    EXPECT_FALSE(me.AwaitRequest(*channel));
    if (deadline == kNever) answer.Notify();
    calls.Join();
    channel->Close(kAtOnce).IgnoreError();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  AwaitReader(waits);
  return runner.Stop(deadline);
}

TEST(ServerCallsTest, AConnectionWithACallUnderWayIsNotIdle) {
  const ServerReport report = StopWithACall(kNever);
  EXPECT_EQ(report.in_time, 1);
  EXPECT_EQ(report.idle, 0);
}

TEST(ServerCallsTest, AConnectionWithACallUnderWayIsAbortedAtTheDeadline) {
  EXPECT_EQ(StopWithACall(kAtOnce).aborted, 1);
}

// --- The idle time

// A call is under way for longer than a connection may be idle.
TEST(ServerCallsTest, AConnectionWithACallUnderWayIsNotLate) {
  constexpr absl::Duration kIdle = absl::Milliseconds(10);
  PipeListener listener;
  absl::Notification late;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    std::atomic<bool> answered{false};
    ServerCalls calls(me, 1);
    EXPECT_THAT(calls.Start([&] {
      absl::SleepFor(5 * kIdle);
      answered = true;
    }),
                IsOk());
    NoRequest why{};
    EXPECT_FALSE(me.AwaitRequest(*channel, kIdle, &why));
    EXPECT_EQ(why, NoRequest::kLate);
    EXPECT_TRUE(answered);
    late.Notify();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  late.WaitForNotification();
  runner.Stop(kNever);
}

TEST(AwaitRequestTest, TheIdleTimeIsOnlyForTheFirstByte) {
  PipeListener listener;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    EXPECT_TRUE(me.AwaitRequest(*channel, absl::Seconds(50)));
    absl::SleepFor(absl::Milliseconds(1));
    EXPECT_THAT(channel->ReadExactly(4), IsOk());
    EXPECT_FALSE(me.AwaitRequest(*channel, absl::Milliseconds(5)));
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("wo"), IsOk());
  EXPECT_THAT(client->Write("rd"), IsOk());
  EXPECT_THAT(client->Read(), Not(IsOkAndHolds("x")));  // its end
  runner.Stop(kNever);
}

// --- What the end of a thread may do

struct AsksTheServer {
  ~AsksTheServer() {
    if (server == nullptr) return;
    absl::SleepFor(absl::Milliseconds(5));  // until somebody joins the thread
    server->serving();
  }
  const Server* server = nullptr;
};
thread_local AsksTheServer t_asks;

// While the server joins the thread, a lock that it held would never be free.
TEST(ServerThreadTest, TheEndOfAThreadMayAskTheServer) {
  PipeListener listener;
  ServerOptions options;
  options.keep_threads = absl::ZeroDuration();
  std::atomic<const Server*> self{nullptr};
  std::atomic<int> served{0};
  Server server(
      [&](std::unique_ptr<Flow> client, ServerConnection&) {
        t_asks.server = self;
        client->Close(kAtOnce).IgnoreError();
        ++served;
      },
      options);
  self = &server;
  ServerRunner runner(server, {&listener});
  for (int i = 0; i < 20; ++i) {
    const auto client = listener.Dial();
    while (served <= i || server.serving() != 0) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  runner.Stop(kNever);
}

// A call that obeys the stop may be over before the handler notices that.
TEST(ServerCallsTest, AConnectionThatHadACallAtTheStopIsNotIdle) {
  PipeListener listener;
  absl::Notification begun;
  absl::Notification over;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    ServerCalls calls(me, 1);
    EXPECT_THAT(calls.Start([&] {
      begun.Notify();
      while (!me.stopping()) absl::SleepFor(absl::Milliseconds(1));
    }),
                IsOk());
    calls.Join();
    EXPECT_FALSE(me.AwaitRequest(*channel));
    channel->Close(kAtOnce).IgnoreError();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  begun.WaitForNotification();
  EXPECT_EQ(runner.Stop(kNever).in_time, 1);
}

}  // namespace
}  // namespace flow
