// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/stop.h"

#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>  // NOLINT(build/c++11)

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "flow/canceller.h"
#include "flow/testing/internal/no_threads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::NoThreads;

TEST(StopTest, TheFirstRequestCounts) {
  Stop stop;
  EXPECT_EQ(stop.signal(), 0);
  EXPECT_THAT(stop.reason(), IsOk());
  stop.Request(SIGTERM);
  stop.Request(SIGINT);
  EXPECT_EQ(stop.signal(), SIGTERM);
  EXPECT_THAT(stop.reason(),
              StatusIs(absl::StatusCode::kCancelled, "ended by SIGTERM"));
}

TEST(UnlessStoppedTest, ReturnsWhatTheFunctionDoes) {
  Stop stop;
  EXPECT_THAT(
      UnlessStopped<int>(stop, []() -> absl::StatusOr<int> { return 17; }),
      IsOkAndHolds(17));
  EXPECT_THAT(UnlessStopped<int>(stop,
                                 []() -> absl::StatusOr<int> {
                                   return absl::NotFoundError("no");
                                 }),
              StatusIs(absl::StatusCode::kNotFound, "no"));
}

TEST(UnlessStoppedTest, WithoutAThreadItIsAnError) {
  Stop stop;
  const NoThreads none;
  EXPECT_THAT(
      UnlessStopped<int>(stop, []() -> absl::StatusOr<int> { return 17; }),
      StatusIs(absl::StatusCode::kResourceExhausted,
               "no thread available (Resource temporarily unavailable)"));
}

// Its own process, as signals stay blocked.
TEST(StopOnSignalsDeathTest, EachSignalIsARequest) {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
    EXPECT_EXIT(
        {
          Stop& stop = **StopOnSignals();
          flow::AtCancel exits(stop.canceller(),
                               [&](const absl::Status& reason) {
                                 std::_Exit(absl::IsCancelled(reason) ? 17 : 1);
                               });
          ::kill(::getpid(), signal);
          while (true) ::pause();
        },
        ::testing::ExitedWithCode(17), "");
  }
}

TEST(UnlessStoppedTest, ARequestLeavesTheFunctionAlone) {
  Stop stop;
  const auto go_on = std::make_shared<absl::Notification>();
  const auto done = std::make_shared<absl::Notification>();
  std::thread other([&] { stop.Request(SIGTERM); });
  EXPECT_THAT(UnlessStopped<int>(stop,
                                 [go_on, done]() -> absl::StatusOr<int> {
                                   go_on->WaitForNotification();
                                   done->Notify();
                                   return 17;
                                 }),
              StatusIs(absl::StatusCode::kCancelled));
  other.join();
  go_on->Notify();
  done->WaitForNotification();
}

}  // namespace
}  // namespace flowcat
