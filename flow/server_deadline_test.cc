// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the deadline of a stop does to the connections that are left, and what
// the report says of them.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/rate_limit.h"
#include "flow/server.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/server_runner.h"
#include "flow/testing/matchers.h"
#include "flow/testing/pipe_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::AwaitReader;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::PipeListener;
using ::flow::testing::ReadSize;
using ::flow::testing::ServerRunner;
using ::testing::HasSubstr;

constexpr absl::Time kNever = absl::InfiniteFuture();
constexpr absl::Time kAtOnce = absl::InfinitePast();

// --- The deadline

// Runs `handler` for one connection, which the deadline ends, after the handler
// has ended its writes if it is to be `in_time`. Returns what the client reads.
absl::Status AbortOne(bool in_time,
                      const std::function<void(Channel& channel)>& handler) {
  PipeListener listener;
  absl::Notification served;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection&) {
    auto channel = MakeChannel(std::move(client));
    if (in_time) {
      EXPECT_THAT(channel->Shutdown(ShutdownMode::kWrite), IsOk());
    }
    served.Notify();
    handler(*channel);
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  served.WaitForNotification();
  const ServerReport report =
      runner.Stop(absl::Now() + absl::Milliseconds(20),
                  absl::UnavailableError("maintenance"));
  EXPECT_EQ(report.in_time, in_time ? 1 : 0);
  EXPECT_EQ(report.aborted, in_time ? 0 : 1);
  EXPECT_EQ(report.connections(), 1);
  while (true) {
    const absl::StatusOr<absl::Cord> data = client->Read();
    if (!data.ok()) return data.status();
    if (data->empty()) return absl::OkStatus();
  }
}

absl::Status AbortAtTheDeadline(
    const std::function<void(Channel& channel)>& handler) {
  return AbortOne(/*in_time=*/false, handler);
}

absl::Status AbortAfterItsEnd(
    const std::function<void(Channel& channel)>& handler) {
  return AbortOne(/*in_time=*/true, handler);
}

TEST(ServerDeadlineTest, AReadGetsTheReasonAndSoDoesTheClient) {
  const absl::Status client = AbortAtTheDeadline([](Channel& channel) {
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(channel.Read(), StatusIs(absl::StatusCode::kUnavailable,
                                           HasSubstr("maintenance")));
    }
    EXPECT_THAT(channel.Write("x"), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(channel.Close(Patience()),
                StatusIs(absl::StatusCode::kUnavailable));
  });
  EXPECT_THAT(client, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("maintenance")));
}

TEST(ServerDeadlineTest, AWriteGetsTheReason) {
  const absl::Status client = AbortAtTheDeadline([](Channel& channel) {
    absl::Status status;
    while (status.ok()) status = channel.Write(std::string(100000, 'x'));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                                 HasSubstr("maintenance")));
  });
  EXPECT_THAT(client, StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("maintenance")));
}

// Nothing underneath can end this wait.
TEST(ServerDeadlineTest, AWaitOfADecoratorIsEndedByTheCanceller) {
  PipeListener listener;
  absl::Notification served;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    const auto flow = LimitRate(std::move(client),
                                {nullptr, std::make_shared<RateLimiter>(0, 1)});
    const AtCancel abort(me.canceller(), *flow);
    served.Notify();
    EXPECT_THAT(flow->Write("more than one"),
                StatusIs(absl::StatusCode::kUnavailable));
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  served.WaitForNotification();
  EXPECT_EQ(runner.Stop(kAtOnce, absl::UnavailableError("over")).aborted, 1);
}

TEST(ServerDeadlineTest, ACloseGetsTheReasonAndTheClientWhatHadEnded) {
  const absl::Status client = AbortAfterItsEnd([](Channel& channel) {
    EXPECT_THAT(channel.Close(), StatusIs(absl::StatusCode::kUnavailable,
                                          HasSubstr("maintenance")));
  });
  EXPECT_THAT(client, IsOk());
}

TEST(ServerDeadlineTest, ACloseAfterReadGetsTheReason) {
  AbortAfterItsEnd([](Channel& channel) {
    std::thread reader([&] {
      EXPECT_THAT(channel.Read(), StatusIs(absl::StatusCode::kUnavailable));
    });
    EXPECT_THAT(channel.CloseAfterRead(),
                StatusIs(absl::StatusCode::kUnavailable));
    reader.join();
  }).IgnoreError();
}

TEST(ServerDeadlineTest, AnIdleOneWhoseClientDoesNotEndIsStillIdle) {
  PipeListener listener;
  std::atomic<Channel*> idle{nullptr};
  absl::Notification ended;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    idle = channel.get();
    EXPECT_FALSE(me.AwaitRequest(*channel));
    EXPECT_THAT(channel->Shutdown(ShutdownMode::kWrite), IsOk());
    ended.Notify();
    EXPECT_THAT(channel->Close(), StatusIs(absl::StatusCode::kCancelled));
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  AwaitReader(idle);
  server.Stop(kNever);
  ended.WaitForNotification();
  EXPECT_THAT(client->Read(), IsEof());
  const ServerReport report = runner.Stop(kAtOnce);
  EXPECT_EQ(report.idle, 1);
  EXPECT_EQ(report.connections(), 1);
}

// A handler of a multiplexed protocol. It has read a call, which another thread
// answers when `answer` says so, and waits for the next one.
void ServeOneCall(Channel& channel, ServerConnection& me,
                  std::atomic<Channel*>& waits,
                  const absl::Notification& answer) {
  EXPECT_TRUE(me.AwaitRequest(channel));
  const absl::Cord call = channel.ReadExactly(4).value();
  std::thread worker([&] {
    answer.WaitForNotification();
    channel.Write(call).IgnoreError();
  });
  waits = &channel;
  EXPECT_FALSE(me.AwaitRequest(channel));
  waits = nullptr;
  worker.join();
}

TEST(ServerDeadlineTest, AConnectionWithACallUnderWayIsAbortedAndNotIdle) {
  PipeListener listener;
  std::atomic<Channel*> waits{nullptr};
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    absl::Notification answer;
    AtCancel give_up(me.canceller(),
                     [&](const absl::Status&) { answer.Notify(); });
    ServeOneCall(*channel, me, waits, answer);
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("call"), IsOk());
  AwaitReader(waits);
  server.Stop(kNever);
  const ServerReport report = runner.Stop(kAtOnce);
  EXPECT_EQ(report.aborted, 1);
  EXPECT_EQ(report.connections(), 1);
  EXPECT_THAT(client->Read(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(ServerDeadlineTest, ACallUnderWayIsAnsweredBeforeTheClose) {
  PipeListener listener;
  std::atomic<Channel*> waits{nullptr};
  absl::Notification answer;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    ServeOneCall(*channel, me, waits, answer);
    EXPECT_THAT(channel->Close(Patience()), IsOk());
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("call"), IsOk());
  AwaitReader(waits);
  server.Stop(kNever);
  // The end of the client, which comes later, must not come before that.
  while (waits != nullptr) absl::SleepFor(absl::Milliseconds(1));
  answer.Notify();
  EXPECT_EQ(ReadSize(*client, 4), "call");
  EXPECT_THAT(client->Close(Patience()), IsOk());
  const ServerReport report = runner.Join();
  EXPECT_EQ(report.idle, 1);
  EXPECT_EQ(report.connections(), 1);
}

TEST(ServerDeadlineTest, AFlowThatWasClosedBeforeIsNotAborted) {
  PipeListener listener;
  absl::Notification closed;
  absl::Notification aborted;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    AtCancel at_abort(me.canceller(),
                      [&](const absl::Status&) { aborted.Notify(); });
    EXPECT_THAT(client->Close(Patience()), IsOk());
    closed.Notify();
    aborted.WaitForNotification();  // it is not the flow that takes so long
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Close(Patience()), IsOk());
  closed.WaitForNotification();
  const ServerReport report = runner.Stop(kAtOnce);
  EXPECT_EQ(report.in_time, 1);
  EXPECT_EQ(report.aborted, 0);
}

}  // namespace
}  // namespace flow
