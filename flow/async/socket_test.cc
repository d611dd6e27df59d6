// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/async/socket.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/async/operations.h"
#include "flow/async/task.h"
#include "flow/canceller.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/socket_address.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/silent_address.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::async {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::EngineThreads;
using ::flow::testing::IsClosed;
using ::flow::testing::ListenOn;
using ::flow::testing::ManualEngine;
using ::flow::testing::Patience;
using ::flow::testing::SilentAddress;

TEST(AsyncSocketTest, CoroutinesAcceptAndDialOnOneThread) {
  EngineThreads threads(1);
  Engine& engine = *threads.engine();
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::Notification served;
  const auto serve = [&]() -> Task<void> {
    auto flow = co_await Accept(*listener, engine);
    EXPECT_THAT(flow, IsOk());
    if (flow.ok()) {
      EXPECT_THAT(co_await Write(**flow, absl::Cord("hello")), IsOk());
      // Without it, the end of the scope would reset the connection.
      EXPECT_THAT(co_await Close(**flow), IsOk());
    }
    served.Notify();
  };
  absl::Notification greeted;
  absl::StatusOr<absl::Cord> greeting;
  const auto greet = [&]() -> Task<void> {
    auto flow = co_await Dial(engine, listener->address(), Patience());
    EXPECT_THAT(flow, IsOk());
    if (flow.ok()) {
      greeting = co_await Read(**flow);
      EXPECT_THAT(co_await Close(**flow), IsOk());
    }
    greeted.Notify();
  };
  Spawn(serve());
  Spawn(greet());
  greeted.WaitForNotification();
  served.WaitForNotification();
  EXPECT_THAT(greeting, IsOkAndHolds("hello"));
}

TEST(AsyncSocketTest, CloseEndsACoroutineThatAccepts) {
  ManualEngine engine;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::Status result;
  const auto accept = [&]() -> Task<void> {
    result = (co_await Accept(*listener, engine)).status();
  };
  Spawn(accept());
  listener->Close();
  engine.RunAll();
  EXPECT_THAT(result, IsClosed());
}

TEST(AsyncSocketTest, ACancellerEndsACoroutineThatDials) {
  EngineThreads threads(1);
  const SilentAddress silent;
  Canceller canceller;
  absl::Status result;
  absl::Notification over;
  const auto address =
      SocketAddress::Parse("tcp:127.0.0.1:" + std::to_string(silent.port()));
  ASSERT_THAT(address, IsOk());
  const auto dial = [&]() -> Task<void> {
    result = (co_await Dial(*threads.engine(), *address, absl::InfiniteFuture(),
                            {}, &canceller))
                 .status();
    over.Notify();
  };
  Spawn(dial());
  canceller.Cancel();
  over.WaitForNotification();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace flow::async
