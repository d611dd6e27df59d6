// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads of a TCP socket that are started one after the other: each byte that
// has come is read, whether or not it makes the socket ready once more, and no
// system call finds nothing.

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/failing_system_calls.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Counted;
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawWrite;
using ::flow::testing::SystemCallFault;
using ::flow::testing::SystemCallScope;

using Reader = Counted<Flow::ReadOperation>;

// A connection whose left end has waited once, and then read "hello".
class StartedSocketReadTest : public ::testing::Test {
 protected:
  explicit StartedSocketReadTest(
      std::optional<SystemCallFault> fault = std::nullopt) {
    flow_->SetEngine(&engine_);
    const SystemCallScope scope(std::move(fault));
    ABSL_CHECK(!flow_->StartRead(&read_));
    Send("hello");
    Wake();
    ABSL_CHECK_EQ(read_.done, 1);
    EXPECT_THAT(read_.result, IsOkAndHolds("hello"));
  }

  ~StartedSocketReadTest() override { ::close(pair_.right); }

  // Sends `bytes`, and waits until they have come.
  void Send(absl::string_view bytes, int flags = 0) {
    int before = 0;
    ABSL_PCHECK(::ioctl(pair_.left, FIONREAD, &before) == 0);
    const auto size = static_cast<int>(bytes.size());
    ABSL_PCHECK(::send(pair_.right, bytes.data(), bytes.size(), flags) == size);
    const absl::Time until = Patience();
    int there = 0;
    while (there < before + size) {
      ABSL_CHECK(absl::Now() < until);
      absl::SleepFor(absl::Milliseconds(1));
      ABSL_PCHECK(::ioctl(pair_.left, FIONREAD, &there) == 0);
    }
  }

  // Says that the socket is ready.
  void Wake() {
    engine_.MakeReady(pair_.left);
    engine_.RunAll();
  }

  ManualEngine engine_;
  const RawPair pair_ = RawTcp();
  const std::unique_ptr<Flow> flow_ = FlowOf(pair_.left);
  Reader read_;
};

TEST_F(StartedSocketReadTest, AReadAfterOneThatHasTakenAllCallsNobody) {
  SystemCallScope scope;
  ASSERT_FALSE(flow_->StartRead(&read_));
  EXPECT_EQ(scope.calls()["recv"] + scope.calls()["recvmsg"], 0);
  Send("more");
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("more"));
  EXPECT_EQ(scope.calls()["recv"] + scope.calls()["recvmsg"], 1);
}

TEST_F(StartedSocketReadTest, AReadAfterOneThatHasLeftSomeIsOverAtOnce) {
  ASSERT_FALSE(flow_->StartRead(&read_, 3));
  Send("abcdef");
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("abc"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsOkAndHolds("def"));
}

TEST_F(StartedSocketReadTest, UrgentDataBehindAReadAreReadAtOnce) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  Send("ab");
  Send("c", MSG_OOB);
  Wake();
  ASSERT_EQ(read_.done, 2);
  EXPECT_THAT(read_.result, IsOkAndHolds("ab"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsOkAndHolds("c"));
}

TEST_F(StartedSocketReadTest, AnEndBehindAReadIsReadAtOnce) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  Send("last");
  ::shutdown(pair_.right, SHUT_WR);
  struct pollfd end = {pair_.left, POLLRDHUP, 0};
  ABSL_PCHECK(::poll(&end, 1, -1) == 1);
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("last"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsEof());
}

TEST_F(StartedSocketReadTest, AReadThatIsLateTakesWhatHasCome) {
  Send("data");
  flow_->SetReadDeadline(absl::InfinitePast());
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsOkAndHolds("data"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(StartedSocketReadTest, AReadThatBlocksInBetweenIsCounted) {
  Send("abcdef");
  EXPECT_THAT(flow_->Read(3), IsOkAndHolds("abc"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsOkAndHolds("def"));
}

// The engine may have told that read of what has come since.
TEST_F(StartedSocketReadTest, AReadAfterOneThatWasStillWatchedLooks) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  Send("data");
  flow_->SetWriteDeadline(absl::InfiniteFuture());  // makes it try again
  engine_.RunAll();
  ASSERT_EQ(read_.done, 2);
  EXPECT_THAT(read_.result, IsOkAndHolds("data"));
  Send("more");
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsOkAndHolds("more"));
}

TEST_F(StartedSocketReadTest, ARefusalEndsAReadThatHasNotLooked) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  ABSL_CHECK_OK(flow_->Shutdown(ShutdownMode::kRead));
  engine_.RunAll();
  ASSERT_EQ(read_.done, 2);
  EXPECT_THAT(read_.result, IsEof());
}

class UncountedReadTest : public StartedSocketReadTest {
 protected:
  UncountedReadTest()
      : StartedSocketReadTest(SystemCallFault{"setsockopt", 0, ENOPROTOOPT}) {}
};

TEST_F(UncountedReadTest, AReadLooksIfTheKernelDoesNotCount) {
  SystemCallScope scope;
  ASSERT_FALSE(flow_->StartRead(&read_));
  EXPECT_EQ(scope.calls()["recvmsg"], 1);
  Send("more");
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("more"));
}

// --- An engine that gets edges

struct Teller final : Flow::ReadOperation {
  void Done() override { told.Notify(); }
  absl::Notification told;
};

TEST(StartedSocketEdgeTest, WhatComesBetweenTwoReadsIsReported) {
  EngineThreads engine(1);
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> flow = FlowOf(pair.left);
  flow->SetEngine(engine.engine());
  for (int i = 0; i < 200; ++i) {
    // Before it is started, or afterwards.
    if (i % 2 == 0) RawWrite(pair.right, "data");
    Teller read;
    const bool is_over = flow->StartRead(&read);
    if (i % 2 != 0) RawWrite(pair.right, "data");
    if (!is_over) {
      ASSERT_TRUE(
          read.told.WaitForNotificationWithTimeout(Patience() - absl::Now()))
          << i;
    }
    ASSERT_THAT(read.result, IsOkAndHolds("data"));
  }
  ::close(pair.right);
}

}  // namespace
}  // namespace flow
