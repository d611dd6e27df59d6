// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/patient_close.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::HookFlow;
using ::flow::testing::PatternString;
using ::testing::ElementsAre;

TEST(PatientCloseTest, WaitsAsLongAsBytesArriveHoweverLongInAll) {
  HookFlow flow;
  int64_t in_transit = 20;
  flow.in_transit = [&] { return in_transit > 0 ? in_transit-- : 0; };
  bool arrived = false;
  flow.await_remote_end = [&](absl::Time) {
    arrived = in_transit == 0;
    return absl::OkStatus();
  };
  // All of the looks together take longer than this, and each does not.
  EXPECT_THAT(PatientClose(flow, absl::Milliseconds(150)), IsOk());
  EXPECT_TRUE(arrived);
}

TEST(PatientCloseTest, GivesUpWhenNothingArrives) {
  HookFlow flow;
  flow.in_transit = [] { return 7; };
  flow.await_remote_end = [](absl::Time deadline) {
    return deadline <= absl::Now() ? absl::DeadlineExceededError("late")
                                   : absl::OkStatus();
  };
  EXPECT_THAT(PatientClose(flow, absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
}

TEST(PatientCloseTest, GivesTheRemoteTheTimeoutToEnd) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(PatientClose(*pipe.left, absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PatientCloseTest, WithoutATimeoutIsAClose) {
  Pipe pipe = MakePipe();
  std::thread remote([&] { EXPECT_THAT(pipe.right->Close(), IsOk()); });
  EXPECT_THAT(PatientClose(*pipe.left, absl::InfiniteDuration()), IsOk());
  remote.join();
}

TEST(PatientCloseTest, AnAbortEndsTheWait) {
  HookFlow flow;
  absl::Notification looked;
  flow.in_transit = [&] {
    if (!looked.HasBeenNotified()) looked.Notify();
    return 7;
  };
  std::thread aborter([&] {
    looked.WaitForNotification();
    flow.Abort(absl::DataLossError("enough"));
  });
  EXPECT_THAT(PatientClose(flow, absl::Hours(1)),
              StatusIs(absl::StatusCode::kDataLoss));
  aborter.join();
}

// The tail of a stream that a slow reader takes bit by bit.
TEST(PatientCloseTest, ASlowReaderGetsAll) {
  Pipe pipe = MakePipe();
  const std::string sent = PatternString(0, 64 << 10);
  ASSERT_THAT(pipe.left->Write(absl::Cord(sent)), IsOk());
  EXPECT_EQ(pipe.left->bytes_in_transit(), sent.size());
  std::thread reader([&] {
    std::string received;
    while (true) {
      absl::StatusOr<absl::Cord> data = pipe.right->Read(2 << 10);
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      received += std::string(*data);
      absl::SleepFor(absl::Milliseconds(5));
    }
    EXPECT_TRUE(received == sent);
    EXPECT_THAT(pipe.right->Close(), IsOk());
  });
  EXPECT_THAT(PatientClose(*pipe.left, absl::Seconds(20)), IsOk());
  reader.join();
}

}  // namespace
}  // namespace flow
