// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/canceller.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/internal/silent_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::SilentAddress;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CancellerTest, TheFirstReasonCounts) {
  Canceller canceller;
  EXPECT_FALSE(canceller.cancelled());
  EXPECT_THAT(canceller.reason(), IsOk());
  canceller.Cancel(absl::UnavailableError("first"));
  canceller.Cancel(absl::InternalError("second"));
  EXPECT_TRUE(canceller.cancelled());
  EXPECT_THAT(canceller.reason(),
              StatusIs(absl::StatusCode::kUnavailable, "first"));
}

TEST(CancellerTest, WithoutAReasonItIsCancelled) {
  Canceller canceller;
  canceller.Cancel();
  EXPECT_THAT(canceller.reason(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(AtCancelTest, FunctionsAreCalledOnceInTheirOrderWithTheReason) {
  Canceller canceller;
  std::vector<int> calls;
  const auto add = [&](int n) {
    return [&calls, &canceller, n](const absl::Status& reason) {
      EXPECT_EQ(reason, absl::UnavailableError("over"));
      EXPECT_EQ(canceller.reason(), reason);
      calls.push_back(n);
    };
  };
  AtCancel first(canceller, add(1));
  AtCancel second(canceller, add(2));
  EXPECT_THAT(calls, IsEmpty());
  canceller.Cancel(absl::UnavailableError("over"));
  EXPECT_THAT(calls, ElementsAre(1, 2));
  AtCancel late(canceller, add(3));
  canceller.Cancel(absl::UnavailableError("again"));
  EXPECT_THAT(calls, ElementsAre(1, 2, 3));
}

TEST(AtCancelTest, OneThatIsGoneIsNotCalled) {
  Canceller canceller;
  {
    AtCancel gone(canceller, [](const absl::Status&) { ADD_FAILURE(); });
  }
  canceller.Cancel();
}

TEST(AtCancelTest, TheDestructorWaitsForItsCall) {
  Canceller canceller;
  absl::Notification begun;
  std::atomic<bool> returned{false};
  std::optional<AtCancel> slow;
  slow.emplace(canceller, [&](const absl::Status&) {
    begun.Notify();
    absl::SleepFor(absl::Milliseconds(10));
    returned = true;
  });
  std::thread other([&] { canceller.Cancel(); });
  begun.WaitForNotification();
  slow.reset();
  EXPECT_TRUE(returned);
  other.join();
}

TEST(AtCancelTest, AbortsAFlowWithTheReason) {
  Canceller canceller;
  Pipe pipe = MakePipe();
  AtCancel abort(canceller, *pipe.left);
  std::thread other(
      [&] { canceller.Cancel(absl::UnavailableError("maintenance")); });
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kUnavailable,
                                          HasSubstr("maintenance")));
  other.join();
  Pipe late = MakePipe();
  Pipe another = MakePipe();
  AtCancel at_once(canceller, *late.left, *another.left);
  for (Flow* remote : {late.right.get(), another.right.get()}) {
    EXPECT_THAT(remote->Read(), StatusIs(absl::StatusCode::kUnavailable,
                                         HasSubstr("maintenance")));
  }
}

// Dials without a deadline, so that only the cancellation can end it.
void ExpectCancelEnds(const std::string& address) {
  Canceller canceller;
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(5));
    canceller.Cancel(absl::UnavailableError("enough"));
  });
  EXPECT_THAT(Dial(address, absl::InfiniteFuture(), {}, &canceller),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("enough")));
  other.join();
}

TEST(CancellerTest, EndsADialThatHasNoAnswer) {
  const SilentAddress silent;
  ExpectCancelEnds(absl::StrCat("tcp:127.0.0.1:", silent.port()));
}

TEST(CancellerTest, EndsADialThatWaitsForAUnixListener) {
  const std::string address =
      absl::StrCat("unix:@canceller_test_", absl::GetCurrentTimeNanos());
  ListenOptions options;
  options.backlog = 0;
  const auto listener = Listen(address, options);
  ASSERT_THAT(listener, IsOk());
  std::vector<std::unique_ptr<Flow>> waiting;
  while (true) {
    auto flow = Dial(address, absl::Now() + absl::Milliseconds(50));
    if (!flow.ok()) break;
    waiting.push_back(*std::move(flow));
  }
  ExpectCancelEnds(address);
}

TEST(CancellerTest, EndsADialThatComesLater) {
  const auto listener = Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  Canceller canceller;
  canceller.Cancel();
  for (const std::string& address :
       {(*listener)->address(), std::string("unix:@nobody")}) {
    EXPECT_THAT(Dial(address, absl::InfiniteFuture(), {}, &canceller),
                StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST(CancellerTest, ThatIsNotCancelledLeavesDialAlone) {
  const auto listener = Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  const Canceller canceller;
  EXPECT_THAT(
      Dial((*listener)->address(), absl::InfiniteFuture(), {}, &canceller),
      IsOk());
  const SilentAddress silent;
  EXPECT_THAT(Dial(absl::StrCat("tcp:127.0.0.1:", silent.port()),
                   absl::Now() + absl::Milliseconds(120), {}, &canceller),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(CancellerTest, AReasonIsNoDeadlineAfterWhichOneTriesAgain) {
  Canceller canceller;
  canceller.Cancel(absl::DeadlineExceededError("out of patience"));
  EXPECT_THAT(canceller.reason(),
              StatusIs(absl::StatusCode::kAborted, "out of patience"));
}

TEST(AtCancelDeathTest, AFunctionThatThrowsEndsTheProgram) {
  EXPECT_DEATH(
      {
        Canceller canceller;
        AtCancel throws(canceller, [](const absl::Status&) { throw 1; });
        canceller.Cancel();
      },
      "");
}

TEST(AtCancelDeathTest, ThereMustBeAFunction) {
  const Canceller canceller;
  EXPECT_DEATH(
      { AtCancel none(canceller, AtCancel::Function()); },
      "without a function");
}

}  // namespace
}  // namespace flow
