// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// How a server stops: in which order, what each connection sees, and what the
// report says of it.

#include <atomic>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/server.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
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
using ::flow::testing::EchoWords;
using ::flow::testing::ExpectEcho;
using ::flow::testing::IsEof;
using ::flow::testing::ListenOn;
using ::flow::testing::Patience;
using ::flow::testing::PipeListener;
using ::flow::testing::ReadSize;
using ::flow::testing::ServerRunner;
using ::testing::AnyOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr absl::Time kNever = absl::InfiniteFuture();
constexpr absl::Time kAtOnce = absl::InfinitePast();

// --- Before, and without connections

TEST(ServerStopTest, BeforeRunItLetsNobodyIn) {
  PipeListener listener;
  const auto client = listener.Dial();
  Server server([](std::unique_ptr<Flow>, ServerConnection&) {
    ADD_FAILURE() << "served";
  });
  server.Stop(kNever);
  EXPECT_TRUE(server.stopping());
  const ServerReport report = server.Run(listener);
  EXPECT_EQ(report.connections(), 0);
  EXPECT_THAT(client->Read(), Not(IsOk()));
}

TEST(ServerStopTest, ItEndsTheWaitForConnections) {
  PipeListener pipes;
  const auto sockets = ListenOn("tcp:127.0.0.1:0");
  Server server(EchoWords);
  ServerRunner runner(server, {&pipes, sockets.get()});
  EXPECT_EQ(runner.Stop(kNever).connections(), 0);
  EXPECT_THAT(Dial(sockets->address(), Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ServerStopTest, ItEndsTheWaitForRoom) {
  PipeListener listener;
  ServerOptions options;
  options.max_connections = 1;
  Server server(EchoWords, options);
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  ExpectEcho(*client, "word");
  const auto waits = listener.Dial();
  EXPECT_EQ(runner.Stop(kNever).connections(), 1);
  EXPECT_THAT(waits->Read(), Not(IsOk())) << "not an end in good order";
}

TEST(ServerStopTest, ItCutsTheWaitAfterAShortageShort) {
  PipeListener listener;
  absl::Notification told;
  ServerOptions options;
  options.on_error = [&](const absl::Status&) { told.Notify(); };
  Server server(EchoWords, options);
  ServerRunner runner(server, {&listener});
  listener.Fail(absl::ResourceExhaustedError("no descriptor"));
  told.WaitForNotification();
  EXPECT_THAT(runner.Stop(kNever).status, IsOk());
}

// Accepts a connection just when it is closed.
class LateListener final : public Listener {
 public:
  absl::StatusOr<std::unique_ptr<Flow>> Accept(absl::Time) override {
    if (!accepting.HasBeenNotified()) accepting.Notify();
    closed_.WaitForNotification();
    return MakePipe().left;
  }
  void Close() override {
    if (!closed_.HasBeenNotified()) closed_.Notify();
  }
  std::string address() const override { return "late"; }

  absl::Notification accepting;

 private:
  absl::Notification closed_;
};

TEST(ServerStopTest, WhoIsRefusedForItSeesThatTheServerStops) {
  LateListener listener;
  ServerOptions options;
  options.refuse = [](std::unique_ptr<Flow>, ServerConnection& connection,
                      const absl::Status&) {
    EXPECT_TRUE(connection.stopping());
  };
  Server server(EchoWords, options);
  ServerRunner runner(server, {&listener});
  listener.accepting.WaitForNotification();
  EXPECT_EQ(runner.Stop(kNever).refused, 1);
}

// What was accepted on one listener waits for the room that another took.
TEST(ServerStopTest, WhoWasAcceptedAndWaitsForItsTurnIsRefused) {
  PipeListener first;
  PipeListener second;
  ServerOptions options;
  options.max_connections = 1;
  absl::Notification go_on;
  Server server(
      [&](std::unique_ptr<Flow> client, ServerConnection& connection) {
        go_on.WaitForNotification();
        EchoWords(std::move(client), connection);
      },
      options);
  ServerRunner runner(server, {&first, &second});
  // Both listeners are accepted on before either connection comes.
  const auto one = first.Dial();
  const auto two = second.Dial();
  // One is served; the other one may or may not have been accepted.
  server.Stop(kNever, absl::UnavailableError("maintenance"));
  go_on.Notify();
  const ServerReport report = runner.Join();
  EXPECT_LE(report.idle, 1);  // it has not waited for a request before
  EXPECT_LE(report.refused, 2);
  EXPECT_EQ(report.connections(), report.idle + report.refused);
  for (Flow* client : {one.get(), two.get()}) {
    const absl::StatusOr<absl::Cord> data = client->Read();
    if (absl::IsUnavailable(data.status())) {
      EXPECT_THAT(
          data.status().message(),
          AnyOf(HasSubstr("maintenance"), HasSubstr("the listener is closed")));
    }
  }
}

// --- Idle connections

TEST(ServerStopTest, IdleConnectionsEndAtOnceInGoodOrder) {
  constexpr int kClients = 5;
  PipeListener pipes;
  const auto sockets = ListenOn("tcp:127.0.0.1:0");
  std::atomic<Channel*> channels[2 * kClients] = {};
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    channels[me.number() - 1] = channel.get();
    EXPECT_FALSE(me.AwaitRequest(*channel));
    EXPECT_TRUE(me.stopping());
    EXPECT_THAT(channel->Close(Patience()), IsOk());
  });
  ServerRunner runner(server, {&pipes, sockets.get()});
  std::vector<std::unique_ptr<Flow>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(pipes.Dial());
    clients.push_back(Dial(sockets->address(), Patience()).value());
  }
  for (const auto& channel : channels) AwaitReader(channel);
  server.Stop(kNever);
  for (const auto& client : clients) {
    EXPECT_THAT(client->Read(), IsEof());
    EXPECT_THAT(client->Close(Patience()), IsOk());
  }
  const ServerReport report = runner.Join();
  EXPECT_EQ(report.idle, 2 * kClients);
  EXPECT_EQ(report.connections(), 2 * kClients);
}

TEST(ServerStopTest, WhoHasNotWaitedForItsFirstRequestYetIsIdle) {
  PipeListener listener;
  absl::Notification stopped;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    stopped.WaitForNotification();
    EXPECT_FALSE(me.AwaitRequest(*channel));
    channel->Close(absl::InfinitePast()).IgnoreError();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  while (server.serving() == 0) absl::SleepFor(absl::Milliseconds(1));
  server.Stop(absl::InfiniteFuture());
  stopped.Notify();
  EXPECT_EQ(runner.Join().idle, 1);
}

TEST(ServerStopTest, ARequestThatHasBegunIsServed) {
  PipeListener listener;
  absl::Notification begun;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    ASSERT_TRUE(me.AwaitRequest(*channel));
    begun.Notify();
    // It waits for the rest as long as that takes.
    EXPECT_THAT(channel->Write(channel->ReadExactly(4).value()), IsOk());
    EXPECT_TRUE(me.stopping());
    EXPECT_FALSE(me.AwaitRequest(*channel)) << "and waits for no other";
    EXPECT_THAT(channel->Close(Patience()), IsOk());
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("wo"), IsOk());
  begun.WaitForNotification();
  server.Stop(kNever);
  EXPECT_THAT(client->Write("rd"), IsOk());
  EXPECT_EQ(ReadSize(*client, 4), "word");
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(runner.Join().in_time, 1);
}

TEST(ServerStopTest, WhatHasArrivedAtTheStopIsServed) {
  PipeListener listener;
  absl::Notification served;
  absl::Notification stopped;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    served.Notify();
    stopped.WaitForNotification();
    EXPECT_TRUE(me.stopping());
    EchoWords(std::move(client), me);
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  served.WaitForNotification();
  EXPECT_THAT(client->Write("one.two."), IsOk());
  server.Stop(kNever);
  stopped.Notify();
  EXPECT_EQ(ReadSize(*client, 8), "one.two.");
  EXPECT_THAT(client->Read(), IsEof());
  EXPECT_EQ(runner.Join().in_time, 1);
}

// Both outcomes are right, and nothing in between is.
TEST(ServerStopTest, ARequestThatComesWithTheStopIsServedWholeOrNotAtAll) {
  for (int round = 0; round < 200; ++round) {
    PipeListener listener;
    Server server(EchoWords);
    ServerRunner runner(server, {&listener});
    const auto client = listener.Dial();
    ExpectEcho(*client, "one.");
    std::thread stopping([&] { server.Stop(kNever); });
    const bool written = client->Write("two.").ok();
    std::string answer;
    while (true) {
      const absl::StatusOr<absl::Cord> data = client->Read();
      if (!data.ok() || data->empty()) break;
      answer += std::string(*data);
    }
    stopping.join();
    const ServerReport report = runner.Join();
    if (answer.empty()) {
      EXPECT_EQ(report.idle + report.in_time, 1) << report.ToString();
    } else {
      EXPECT_TRUE(written);
      EXPECT_EQ(answer, "two.");
      EXPECT_EQ(report.in_time + report.idle, 1) << report.ToString();
    }
    EXPECT_EQ(report.connections(), 1);
  }
}

// --- Who stops, and how often

// Serves until it is aborted.
void Wait(std::unique_ptr<Flow> client, ServerConnection&) {
  EXPECT_THAT(client->Write("here"), IsOk());
  EXPECT_THAT(client->Read(), Not(IsOk()));
}

TEST(ServerStopTest, OfSeveralTheOneWithTheEarliestDeadlineCounts) {
  PipeListener listener;
  Server server(Wait);
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_EQ(ReadSize(*client, 4), "here");
  server.Stop(kNever, absl::UnavailableError("first"));
  server.Stop(kAtOnce, absl::UnavailableError("second"));
  server.Stop(Patience(), absl::UnavailableError("third"));
  EXPECT_EQ(runner.Join().aborted, 1);
  EXPECT_THAT(client->Read(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("second")));
}

TEST(ServerStopTest, ASecondOneHurriesWhileRunWaits) {
  PipeListener listener;
  Server server(Wait);
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_EQ(ReadSize(*client, 4), "here");
  server.Stop(Patience());
  // By now Run() waits for the first deadline, or soon will.
  const auto late = listener.Dial();
  EXPECT_THAT(late->Read(), Not(IsOk()));
  EXPECT_EQ(runner.Stop(kAtOnce).aborted, 1);
}

TEST(ServerStopTest, AHandlerMayCallIt) {
  PipeListener listener;
  Server* self = nullptr;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    EXPECT_TRUE(me.AwaitRequest(*channel));
    self->Stop(kNever);
    EXPECT_TRUE(me.stopping());
    EXPECT_THAT(channel->Write(channel->ReadExactly(4).value()), IsOk());
    EXPECT_THAT(channel->Close(Patience()), IsOk());
  });
  self = &server;
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  ExpectEcho(*client, "stop");
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(runner.Join().in_time, 1);
  server.Stop(kAtOnce);  // and after that it does nothing
}

// --- The report

TEST(ServerStopTest, TheReportHasEachConnectionOnce) {
  PipeListener listener;
  std::atomic<Channel*> idle{nullptr};
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    if (!me.AwaitRequest(*channel)) return;
    const std::string word(channel->ReadExactly(4).value());
    EXPECT_THAT(channel->Write(word), IsOk());
    if (word == "idle") {
      idle = channel.get();
      EXPECT_FALSE(me.AwaitRequest(*channel));
    } else if (word == "busy") {
      EXPECT_THAT(channel->ReadExactly(4), IsOk());
    } else if (word == "late") {
      EXPECT_THAT(channel->ReadExactly(4), Not(IsOk()));
    }
    channel->Close(kAtOnce).IgnoreError();
  });
  ServerRunner runner(server, {&listener});
  const auto gone = listener.Dial();
  ExpectEcho(*gone, "gone");
  EXPECT_THAT(gone->Read(), IsEof());
  const auto waits = listener.Dial();
  ExpectEcho(*waits, "idle");
  const auto busy = listener.Dial();
  ExpectEcho(*busy, "busy");
  const auto late = listener.Dial();
  ExpectEcho(*late, "late");
  AwaitReader(idle);
  while (server.serving() > 3) absl::SleepFor(absl::Milliseconds(1));
  server.Stop(Patience());
  EXPECT_THAT(waits->Read(), IsEof());
  EXPECT_THAT(busy->Write("done"), IsOk());
  while (server.serving() > 1) absl::SleepFor(absl::Milliseconds(1));
  const ServerReport report = runner.Stop(kAtOnce);
  EXPECT_EQ(report.ToString(),
            "4 connections: 1 ended before the stop, 1 idle, 1 in time, "
            "1 aborted, 0 refused");
}

TEST(ServerReportTest, SaysHowManyOfEach) {
  ServerReport report;
  report.ended_before = 1;
  report.idle = 2;
  report.in_time = 3;
  report.aborted = 4;
  report.refused = 5;
  EXPECT_EQ(report.ToString(),
            "15 connections: 1 ended before the stop, 2 idle, 3 in time, "
            "4 aborted, 5 refused");
  EXPECT_EQ(ServerReport().ToString(),
            "0 connections: 0 ended before the stop, 0 idle, 0 in time, "
            "0 aborted, 0 refused");
  ServerReport one;
  one.refused = 1;
  EXPECT_THAT(one.ToString(), StartsWith("1 connection: "));
  report.status = absl::InternalError("broken");
  EXPECT_THAT(report.ToString(),
              EndsWith("5 refused; a listener failed: broken"));
}

}  // namespace
}  // namespace flow
