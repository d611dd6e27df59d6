// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Flow::PatientClose(): the close of a flow whose remote may be slow.

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::HookFlow;
using ::flow::testing::PatternString;

TEST(PatientCloseTest, WaitsAsLongAsBytesArriveHoweverLongInAll) {
  HookFlow flow;
  int64_t in_transit = 20;
  flow.hooks.in_transit = [&] { return in_transit > 0 ? in_transit-- : 0; };
  flow.hooks.await_remote_end = [&](absl::Time deadline) -> absl::Status {
    if (in_transit == 0) return absl::OkStatus();
    absl::SleepFor(deadline - absl::Now());
    return absl::DeadlineExceededError("not yet");
  };
  // All of the looks together take longer than this, and each does not.
  EXPECT_THAT(flow.PatientClose(absl::Milliseconds(150)), IsOk());
  EXPECT_EQ(in_transit, 0);
}

TEST(PatientCloseTest, GivesUpWhenNothingArrives) {
  HookFlow flow;
  flow.hooks.in_transit = [] { return 7; };
  flow.hooks.await_remote_end = [](absl::Time deadline) {
    absl::SleepFor(deadline - absl::Now());
    return absl::DeadlineExceededError("not yet");
  };
  EXPECT_THAT(flow.PatientClose(absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.hooks.log(), ::testing::Contains("abort ABORTED"));
}

TEST(PatientCloseTest, WaitsForWhatIsInTransitAlsoWhereNobodyEnds) {
  HookFlow flow;
  int64_t in_transit = 5;
  flow.hooks.in_transit = [&] { return in_transit > 0 ? in_transit-- : 0; };
  EXPECT_THAT(flow.PatientClose(absl::Milliseconds(500)), IsOk());
  EXPECT_EQ(in_transit, 0);
  HookFlow stuck;
  stuck.hooks.in_transit = [] { return 7; };
  EXPECT_THAT(stuck.PatientClose(absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PatientCloseTest, OfSeveralClosesEachHasItsLimit) {
  Pipe pipe = MakePipe();
  std::thread without_limit([&] {
    EXPECT_THAT(pipe.left->Close(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  EXPECT_THAT(pipe.left->PatientClose(absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  without_limit.join();
}

// --- Channels, whose end is a flush

constexpr absl::string_view kMuch =
    "more than the pipe below takes at once, and then some more of that";

TEST(PatientCloseTest, GivesUpAFlushThatNobodyTakes) {
  Pipe pipe = MakePipe(16);
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->WriteBuffered(kMuch), IsOk());
  EXPECT_THAT(channel->PatientClose(absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PatientCloseTest, FlushesAsLongAsBytesArrive) {
  Pipe pipe = MakePipe(16);
  const auto channel = MakeChannel(std::move(pipe.left));
  const std::string sent = PatternString(0, 1000);
  ASSERT_THAT(channel->WriteBuffered(absl::string_view(sent)), IsOk());
  std::thread reader([&] {
    std::string received;
    while (true) {
      absl::SleepFor(absl::Milliseconds(20));
      absl::StatusOr<absl::Cord> data = pipe.right->Read(40);
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      received += std::string(*data);
    }
    EXPECT_TRUE(received == sent);
    EXPECT_THAT(pipe.right->Close(), IsOk());
  });
  // Less than all of that takes.
  EXPECT_THAT(channel->PatientClose(absl::Milliseconds(400)), IsOk());
  reader.join();
}

TEST(PatientCloseTest, CloseAfterReadLimitsAFlushToo) {
  Pipe pipe = MakePipe(16);
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->WriteBuffered(kMuch), IsOk());
  EXPECT_THAT(channel->CloseAfterRead(absl::Now() + absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PatientCloseTest, GivesTheRemoteTheTimeoutToEnd) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.left->PatientClose(absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PatientCloseTest, WithoutATimeoutIsAClose) {
  Pipe pipe = MakePipe();
  std::thread remote([&] { EXPECT_THAT(pipe.right->Close(), IsOk()); });
  EXPECT_THAT(pipe.left->PatientClose(absl::InfiniteDuration()), IsOk());
  remote.join();
}

TEST(PatientCloseTest, AsksAnImpatientEndNowAndThen) {
  HookFlow flow;
  int asked = 0;
  flow.hooks.await_remote_end = [&](absl::Time) {
    ++asked;
    return absl::DeadlineExceededError("not yet");
  };
  EXPECT_THAT(flow.PatientClose(absl::Milliseconds(100)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LE(asked, 12);
}

TEST(PatientCloseTest, AnAbortEndsTheWait) {
  HookFlow flow;
  absl::Notification looked;
  flow.hooks.in_transit = [&] {
    if (!looked.HasBeenNotified()) looked.Notify();
    return 7;
  };
  std::thread aborter([&] {
    looked.WaitForNotification();
    flow.Abort(absl::DataLossError("enough"));
  });
  EXPECT_THAT(flow.PatientClose(absl::Hours(1)),
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
  EXPECT_THAT(pipe.left->PatientClose(absl::Seconds(20)), IsOk());
  reader.join();
}

}  // namespace
}  // namespace flow
