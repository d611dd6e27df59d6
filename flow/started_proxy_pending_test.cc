// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// StartProxy() as something that is pending: who is told, when, and once, and
// what it holds until then. What it carries is that of Proxy(), whose tests run
// for both (testing/internal/run_proxy.h).

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/status.h"
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
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawWrite;
using ::testing::Not;

struct Proxying final : ProxyOperation {
  void Done() override { ++done; }
  int done = 0;
};

// The same on an engine with threads.
struct Notified final : ProxyOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

// client -> a, proxy, b -> server, on an engine that the test drives.
class StartedProxyPendingTest : public ::testing::Test {
 protected:
  StartedProxyPendingTest() {
    a().SetEngine(&engine_);
    b().SetEngine(&engine_);
  }

  Flow& client() { return *near_.left; }
  Flow& a() { return *near_.right; }
  Flow& b() { return *far_.left; }
  Flow& server() { return *far_.right; }

  void EndBoth() {
    ASSERT_THAT(client().Shutdown(ShutdownMode::kWrite), IsOk());
    ASSERT_THAT(server().Shutdown(ShutdownMode::kWrite), IsOk());
  }

  ManualEngine engine_;
  Pipe near_ = MakePipe();
  Pipe far_ = MakePipe();
  Proxying proxying_;
  ProxyOptions options_;
};

TEST_F(StartedProxyPendingTest, ItCarriesBothWaysAndTellsOnce) {
  ASSERT_FALSE(StartProxy(&proxying_, a(), b()));
  ASSERT_THAT(client().Write("there"), IsOk());
  ASSERT_THAT(server().Write("back"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(server().Read(), IsOkAndHolds("there"));
  EXPECT_THAT(client().Read(), IsOkAndHolds("back"));
  ASSERT_THAT(client().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(server().Read(), IsEof());
  EXPECT_EQ(proxying_.done, 0);
  ASSERT_THAT(server().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(client().Read(), IsEof());
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, IsOk());
  EXPECT_EQ(proxying_.result.a_to_b.statistics.bytes, 5);
  EXPECT_EQ(proxying_.result.b_to_a.statistics.bytes, 4);
}

// What awaits a refusal is told of the end on the engine, so it is pending.
TEST_F(StartedProxyPendingTest, WhatHasEndedAlreadyEndsSoon) {
  EndBoth();
  if (!StartProxy(&proxying_, a(), b())) {
    engine_.RunAll();
    EXPECT_EQ(proxying_.done, 1);
  }
  EXPECT_THAT(proxying_.result.status, IsOk());
}

TEST_F(StartedProxyPendingTest, ARefusalWhileTheSourceIsSilentIsCarriedOver) {
  ASSERT_FALSE(StartProxy(&proxying_, a(), b()));
  ASSERT_THAT(server().Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_THAT(client().Write("refused"), IsClosed());
  EXPECT_EQ(proxying_.done, 0) << "the other direction goes on";
  ASSERT_THAT(server().Write("back"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(client().Read(), IsOkAndHolds("back"));
  ASSERT_THAT(server().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, IsOk());
  EXPECT_THAT(proxying_.result.a_to_b.status, IsClosed());
}

TEST_F(StartedProxyPendingTest, AnErrorAbortsBothAndIsToldOnce) {
  ASSERT_FALSE(StartProxy(&proxying_, a(), b()));
  client().Abort(absl::DataLossError("torn"));
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(server().Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StartedProxyPendingTest, AnAbortOfBothEndsIt) {
  ASSERT_FALSE(StartProxy(&proxying_, a(), b()));
  a().Abort(absl::CancelledError("stop"));
  b().Abort(absl::CancelledError("stop"));
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StartedProxyPendingTest, AtItsEndNoTimerIsLeft) {
  options_.idle_timeout = absl::Hours(1);
  ASSERT_FALSE(StartProxy(&proxying_, a(), b(), options_));
  EXPECT_EQ(engine_.timers(), 1u);
  EndBoth();
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_EQ(engine_.timers(), 0u);
}

// The timer fires when all else is over. Nobody is told before it has run.
TEST_F(StartedProxyPendingTest, ATimerThatFiresAtTheEndIsWaitedFor) {
  options_.idle_timeout = absl::Hours(1);
  ASSERT_FALSE(StartProxy(&proxying_, a(), b(), options_));
  EndBoth();
  ASSERT_GT(engine_.posted(), 0u);
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_EQ(engine_.timers(), 0u);
  EXPECT_THAT(proxying_.result.status, IsOk());
}

TEST_F(StartedProxyPendingTest, CloseTimeoutClosesBothAndWaitsForBoth) {
  options_.close_timeout = absl::Seconds(10);
  ASSERT_FALSE(StartProxy(&proxying_, a(), b(), options_));
  EndBoth();
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, IsOk());
  EXPECT_THAT(a().Read(), IsClosed());
  EXPECT_THAT(b().Read(), IsClosed());
  EXPECT_THAT(client().Close(), IsOk());
  EXPECT_THAT(server().Close(), IsOk());
}

// The server has answered, and then reset the connection because it wants no
// more. The write that fails comes before the read that would get the answer.
TEST_F(StartedProxyPendingTest, TheLastWordsOfASinkThatBreaksAreCarriedOver) {
  const RawPair raw = RawTcp();
  const std::unique_ptr<Flow> far = FlowOf(raw.left);
  far->SetEngine(&engine_);
  ASSERT_FALSE(StartProxy(&proxying_, a(), *far));
  ASSERT_THAT(client().Write("unread"), IsOk());
  engine_.RunAll();
  char first = 0;
  ASSERT_EQ(::recv(raw.right, &first, 1, MSG_PEEK), 1);
  RawWrite(raw.right, "answer");
  ::close(raw.right);  // a reset, as something is unread
  ASSERT_THAT(client().Write("more"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(client().Read(), IsOkAndHolds("answer"));
  EXPECT_EQ(proxying_.done, 0) << "until the answer has arrived";
  engine_.FireTimers();
  engine_.RunAll();
  ASSERT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, Not(IsOk()));
  EXPECT_EQ(proxying_.result.a_to_b.failed, CopyResult::Side::kSink);
  EXPECT_EQ(proxying_.result.b_to_a.statistics.bytes, 6);
  EXPECT_EQ(engine_.timers(), 0u);
}

// What waits for a refusal hears of the error, too. It does not abort before
// that what was carried over has arrived.
TEST_F(StartedProxyPendingTest, WhatCameBeforeAnErrorArrivesBeforeTheAbort) {
  ASSERT_FALSE(StartProxy(&proxying_, a(), b()));
  ASSERT_THAT(server().Write("answer"), IsOk());
  engine_.RunAll();
  server().Abort(absl::DataLossError("torn"));
  engine_.RunAll();
  EXPECT_EQ(engine_.timers(), 1u) << "looks whether it has arrived";
  EXPECT_THAT(client().Write("x"), IsOk()) << "nothing is aborted yet";
  EXPECT_THAT(client().Read(), IsOkAndHolds("answer"));
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
  EXPECT_THAT(proxying_.result.status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StartedProxyPendingTest, ADeadlineOfSomebodyElseDoesNotKeepItBusy) {
  options_.idle_timeout = absl::Hours(1);
  ASSERT_FALSE(StartProxy(&proxying_, a(), b(), options_));
  a().SetReadDeadline(absl::InfinitePast());
  for (int i = 0; i < 100; ++i) engine_.RunOne();
  EXPECT_EQ(engine_.posted(), 0u);
  ASSERT_THAT(client().Write("there"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(server().Read(), IsOkAndHolds("there"));
  client().Abort(absl::CancelledError("stop"));
  engine_.RunAll();
  EXPECT_EQ(proxying_.done, 1);
}

// An engine that was held up looks at what has come before it calls that idle.
TEST(StartedProxyIdleTest, AnEngineThatWasHeldUpIsNotIdle) {
  EngineThreads threads(1);
  const RawPair near = RawTcp();
  const RawPair far = RawTcp();
  const std::unique_ptr<Flow> client = FlowOf(near.left);
  const std::unique_ptr<Flow> a = FlowOf(near.right);
  const std::unique_ptr<Flow> b = FlowOf(far.left);
  const std::unique_ptr<Flow> server = FlowOf(far.right);
  a->SetEngine(threads.engine());
  b->SetEngine(threads.engine());
  Notified proxying;
  ProxyOptions options;
  options.idle_timeout = absl::Seconds(1);
  ASSERT_FALSE(StartProxy(&proxying, *a, *b, options));
  absl::Notification held_up;
  threads.engine()->Post([&] {
    held_up.Notify();
    absl::SleepFor(absl::Seconds(2));
  });
  held_up.WaitForNotification();
  ASSERT_THAT(client->Write("there"), IsOk());
  EXPECT_THAT(server->Read(), IsOkAndHolds("there"));
  client->Abort(absl::CancelledError("stop"));
  proxying.over.WaitForNotification();
}

// Lets a sink with this capacity take a byte now and then, for longer than the
// idle timeout.
void ExpectNoIdleness(size_t capacity) {
  EngineThreads threads(1);
  Pipe near = MakePipe();
  Pipe far = MakePipe(capacity);
  near.right->SetEngine(threads.engine());
  far.left->SetEngine(threads.engine());
  Notified proxying;
  ProxyOptions options;
  options.idle_timeout = absl::Seconds(2);
  ASSERT_FALSE(StartProxy(&proxying, *near.right, *far.left, options));
  ASSERT_THAT(near.left->Write(std::string(100, 'x')), IsOk());
  for (int i = 0; i < 15; ++i) {
    ASSERT_THAT(far.right->Read(1), IsOkAndHolds("x"));
    absl::SleepFor(absl::Milliseconds(200));
    ASSERT_FALSE(proxying.over.HasBeenNotified()) << "after " << i << " bytes";
  }
  proxying.over.WaitForNotification();
  EXPECT_THAT(proxying.result.status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// Nothing is written, but what was written before still arrives.
TEST(StartedProxyIdleTest, ASinkThatStillTakesBytesIsNotIdle) {
  ExpectNoIdleness(kNoLimit);
}

// A write that is under way tells what it has accepted only when it is over.
TEST(StartedProxyIdleTest, APartOfAWriteThatIsUnderWayIsNoIdleness) {
  ExpectNoIdleness(0);
}

// One remote ends, and the other one ends or refuses, when the time is just
// over. Whichever comes first, all of the result says so.
TEST(StartedProxyIdleTest, AnEndThatComesWithTheTimeoutIsOneOrTheOther) {
  EngineThreads threads(2);
  ProxyOptions options;
  options.idle_timeout = absl::Milliseconds(2);
  for (int i = 0; i < 400; ++i) {
    Pipe near = MakePipe();
    Pipe far = MakePipe();
    near.right->SetEngine(threads.engine());
    far.left->SetEngine(threads.engine());
    Notified proxying;
    ASSERT_FALSE(StartProxy(&proxying, *near.right, *far.left, options));
    absl::SleepFor(absl::Microseconds(2000 + i));
    // An error if it was idle.
    near.left
        ->Shutdown(i % 2 == 0 ? ShutdownMode::kWrite : ShutdownMode::kReadWrite)
        .IgnoreError();
    far.right->Shutdown(ShutdownMode::kWrite).IgnoreError();
    proxying.over.WaitForNotification();
    const ProxyResult& result = proxying.result;
    // A refusal is no error of the proxy.
    const auto is_well = [](const absl::Status& status) {
      return status.ok() || flow::IsClosed(status);
    };
    EXPECT_EQ(result.status.ok(),
              is_well(result.a_to_b.status) && is_well(result.b_to_a.status))
        << result.status << "; " << result.a_to_b.status << "; "
        << result.b_to_a.status;
  }
}

TEST_F(StartedProxyPendingTest, WhatCannotStartIsAnErrorAndNothingIsDone) {
  Pipe unbound = MakePipe();
  ASSERT_THAT(client().Write("data"), IsOk());
  ASSERT_TRUE(StartProxy(&proxying_, a(), *unbound.left));
  EXPECT_THAT(proxying_.result.status,
              StatusIs(absl::StatusCode::kFailedPrecondition));
  std::unique_ptr<Flow> function = MakeFunctionFlow({});
  function->SetEngine(&engine_);
  ASSERT_TRUE(StartProxy(&proxying_, *function, a()));
  EXPECT_THAT(proxying_.result.status,
              StatusIs(absl::StatusCode::kUnimplemented));
  ASSERT_TRUE(StartProxy(&proxying_, a(), a()));
  EXPECT_THAT(proxying_.result.status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(a().Read(), IsOkAndHolds("data"));
  EXPECT_EQ(proxying_.done, 0);
}

}  // namespace
}  // namespace flow
