// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a handler learns of its connection: AwaitRequest() and canceller().

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/server.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/server_runner.h"
#include "flow/testing/pipe_listener.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Patience;
using ::flow::testing::PipeListener;
using ::flow::testing::ServerRunner;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr absl::Time kNever = absl::InfiniteFuture();
constexpr absl::Time kAtOnce = absl::InfinitePast();

// --- AwaitRequest()

// Returns why no request comes on a connection whose handler calls `begin` and
// then AwaitRequest(). Meanwhile `act` is called with the client.
std::optional<NoRequest> WhyNone(
    const std::function<void(Channel& channel)>& begin,
    const std::function<void(Flow& client, Server& server)>& act) {
  PipeListener listener;
  std::optional<NoRequest> result;
  absl::Notification begun;
  absl::Notification over;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    begin(*channel);
    begun.Notify();
    NoRequest why{};
    if (!me.AwaitRequest(*channel, &why)) result = why;
    EXPECT_FALSE(me.AwaitRequest(*channel)) << "and none will";
    over.Notify();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  begun.WaitForNotification();
  act(*client, server);
  over.WaitForNotification();
  runner.Stop(kNever);
  return result;
}

TEST(AwaitRequestTest, SaysThatTheServerStops) {
  EXPECT_THAT(WhyNone([](Channel&) {},
                      [](Flow&, Server& server) { server.Stop(kNever); }),
              Optional(NoRequest::kStopping));
}

TEST(AwaitRequestTest, SaysThatTheClientHasEnded) {
  EXPECT_THAT(WhyNone([](Channel&) {},
                      [](Flow& client, Server&) {
                        EXPECT_THAT(client.Shutdown(ShutdownMode::kWrite),
                                    IsOk());
                      }),
              Optional(NoRequest::kEnd));
}

TEST(AwaitRequestTest, SaysThatTheClientHasEndedAlsoWhileTheServerStops) {
  PipeListener listener;
  absl::Notification stopped;
  NoRequest why{};
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    stopped.WaitForNotification();
    EXPECT_FALSE(me.AwaitRequest(*channel, &why));
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  while (server.serving() == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(client->Shutdown(ShutdownMode::kWrite), IsOk());
  server.Stop(kNever);
  stopped.Notify();
  runner.Join();
  EXPECT_EQ(why, NoRequest::kEnd);
}

// Keeps the read deadline that it was told last.
class DeadlineTransport final : public ForwardingTransport {
 public:
  DeadlineTransport(std::unique_ptr<Transport> inner, absl::Time* last)
      : ForwardingTransport(std::move(inner)), last_(last) {}
  void SetReadDeadline(absl::Time deadline) override {
    *last_ = deadline;
    ForwardingTransport::SetReadDeadline(deadline);
  }

 private:
  absl::Time* const last_;
};

TEST(AwaitRequestTest, ARequestInTimeLeavesNoDeadline) {
  PipeListener listener;
  absl::Time deadline;
  absl::Notification served;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(
        DecorateFlow(std::move(client), [&](std::unique_ptr<Transport> inner) {
          return std::make_unique<DeadlineTransport>(std::move(inner),
                                                     &deadline);
        }));
    EXPECT_TRUE(me.AwaitRequest(*channel, absl::Hours(1)));
    EXPECT_EQ(deadline, kNever);
    served.Notify();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("request"), IsOk());
  served.WaitForNotification();
  runner.Stop(kNever);
}

TEST(AwaitRequestTest, SaysThatTheReadDeadlineHasPassed) {
  EXPECT_THAT(
      WhyNone(
          [](Channel& channel) { channel.SetReadDeadline(testing::Soon()); },
          [](Flow&, Server&) {}),
      Optional(NoRequest::kLate));
}

TEST(AwaitRequestTest, SaysThatTheChannelIsBroken) {
  EXPECT_THAT(WhyNone([](Channel&) {},
                      [](Flow& client, Server&) {
                        client.Abort(absl::UnavailableError("gone"));
                      }),
              Optional(NoRequest::kBroken));
}

TEST(AwaitRequestTest, LeavesTheReasonAloneIfARequestHasCome) {
  PipeListener listener;
  NoRequest why = NoRequest::kLate;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    EXPECT_TRUE(me.AwaitRequest(*channel, &why));
    EXPECT_THAT(channel->Write("x"), IsOk());
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("word"), IsOk());
  EXPECT_EQ(testing::ReadSize(*client, 1), "x");
  runner.Stop(kNever);
  EXPECT_EQ(why, NoRequest::kLate);
}

TEST(AwaitRequestTest, LeavesTheReadDeadlineAsItWas) {
  PipeListener listener;
  absl::Notification begun;
  absl::Notification was_late;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    channel->SetReadDeadline(Patience());
    ASSERT_TRUE(me.AwaitRequest(*channel));
    channel->SetReadDeadline(testing::Soon());
    begun.Notify();
    EXPECT_THAT(channel->ReadExactly(4),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    was_late.Notify();
    channel->SetReadDeadline(kNever);
    EXPECT_THAT(channel->ReadExactly(4), IsOk());
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("wo"), IsOk());
  begun.WaitForNotification();
  server.Stop(kNever);
  was_late.WaitForNotification();
  EXPECT_THAT(client->Write("rd"), IsOk());
  runner.Join();
}

// --- canceller()

TEST(ServerConnectionTest, AnAbortCancelsWithItsReason) {
  PipeListener listener;
  Pipe pipe = MakePipe();
  absl::Notification ready;
  Server server([&](std::unique_ptr<Flow>, ServerConnection& me) {
    EXPECT_FALSE(me.canceller().cancelled());
    AtCancel abort(me.canceller(), *pipe.left);
    ready.Notify();
    EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kUnavailable,
                                            HasSubstr("maintenance")));
    EXPECT_THAT(me.canceller().reason(),
                StatusIs(absl::StatusCode::kUnavailable, "maintenance"));
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  ready.WaitForNotification();
  runner.Stop(kAtOnce, absl::UnavailableError("maintenance"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kUnavailable,
                                           HasSubstr("maintenance")));
}

TEST(ServerConnectionTest, AStopInGoodOrderCancelsNothing) {
  PipeListener listener;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    EXPECT_FALSE(me.AwaitRequest(*channel));
    EXPECT_FALSE(me.canceller().cancelled());
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  while (server.serving() == 0) absl::SleepFor(absl::Milliseconds(1));
  runner.Stop(kNever);
}

}  // namespace
}  // namespace flow
