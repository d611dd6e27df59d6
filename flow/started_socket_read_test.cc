// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads of a TCP socket that are started one after the other: each byte that
// has come is read, whether or not it makes the socket ready once more, and no
// system call finds nothing if the engine says what it has seen.

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>

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
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SystemCallScope;

using Reader = Counted<Flow::ReadOperation>;

// A connection whose left end has waited once, and then read "hello".
class StartedSocketReadTest : public ::testing::Test {
 protected:
  StartedSocketReadTest() {
    flow_->SetEngine(&engine_);
    ABSL_CHECK(!flow_->StartRead(&read_));
    Send("hello");
    Wake();
    ABSL_CHECK_EQ(read_.done, 1);
    EXPECT_THAT(read_.result, IsOkAndHolds("hello"));
  }

  ~StartedSocketReadTest() override {
    flow_->Abort(absl::CancelledError("the test is over"));
    engine_.RunAll();
    ::close(pair_.right);
  }

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

  // What poll(2) reports of the socket now.
  short Seen() const {
    struct pollfd polled = {pair_.left, POLLIN | POLLPRI | POLLRDHUP, 0};
    ABSL_PCHECK(::poll(&polled, 1, 0) >= 0);
    return polled.revents;
  }

  // Says that the socket is ready, and what was `seen` of it.
  void Wake(short seen) {
    engine_.MakeReady(pair_.left, seen);
    engine_.RunAll();
  }
  void Wake() { Wake(Seen()); }

  // Ends the other side, and waits until that has come.
  void End() {
    ::shutdown(pair_.right, SHUT_WR);
    struct pollfd end = {pair_.left, POLLRDHUP, 0};
    ABSL_PCHECK(::poll(&end, 1, -1) == 1);
  }

  ManualEngine engine_;
  const RawPair pair_ = RawTcp();
  const std::unique_ptr<Flow> flow_ = FlowOf(pair_.left);
  Reader read_;
};

TEST_F(StartedSocketReadTest, AReadAfterOneThatHasTakenAllCallsNobody) {
  SystemCallScope scope;
  ASSERT_FALSE(flow_->StartRead(&read_));
  EXPECT_EQ(scope.calls()["recv"], 0);
  Send("more");
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("more"));
  EXPECT_EQ(scope.calls()["recv"], 1);
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
  End();
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("last"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsEof());
}

// They make the socket ready, and the next watch is told of that.
TEST_F(StartedSocketReadTest, WhatComesOnceTheEngineHasSeenTheRestIsReported) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  Send("ab");
  const short seen = Seen();
  Send("c", MSG_OOB);
  End();
  Wake(seen);
  EXPECT_THAT(read_.result, IsOkAndHolds("ab"));
  SystemCallScope scope;
  ASSERT_FALSE(flow_->StartRead(&read_));
  EXPECT_EQ(scope.calls()["recv"], 0);
  Wake();
  EXPECT_THAT(read_.result, IsOkAndHolds("c"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsEof());
}

TEST_F(StartedSocketReadTest, AReadLooksIfTheEngineDoesNotSayWhatItHasSeen) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  Send("ab");
  Send("c", MSG_OOB);
  Wake(/*seen=*/0);
  EXPECT_THAT(read_.result, IsOkAndHolds("ab"));
  ASSERT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, IsOkAndHolds("c"));
  SystemCallScope scope;
  ASSERT_FALSE(flow_->StartRead(&read_));
  EXPECT_EQ(scope.calls()["recv"], 1);
}

// What an earlier call was told is no answer to this one.
TEST_F(StartedSocketReadTest, AReadLooksIfNothingWasSeenForIt) {
  Send("abcd");
  EXPECT_THAT(flow_->Read(2), IsOkAndHolds("ab"));
  SystemCallScope scope;
  ASSERT_TRUE(flow_->StartRead(&read_));
  ASSERT_FALSE(flow_->StartRead(&read_));
  EXPECT_EQ(scope.calls()["recv"], 2);
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

// Sends `bytes` with a descriptor, behind which a read stops.
void SendWithDescriptor(int fd, absl::string_view bytes) {
  struct iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  struct cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  const auto size = static_cast<ssize_t>(bytes.size());
  ABSL_PCHECK(::sendmsg(fd, &message, 0) == size);
}

TEST(StartedUnixReadTest, AReadLooksAfterOneThatTheKernelHasStopped) {
  ManualEngine engine;
  const RawPair pair = RawUnix();
  const std::unique_ptr<Flow> flow = FlowOf(pair.left);
  flow->SetEngine(&engine);
  Reader read;
  ASSERT_FALSE(flow->StartRead(&read));
  SendWithDescriptor(pair.right, "ab");
  RawWrite(pair.right, "c");
  engine.MakeReady(pair.left, POLLIN);
  engine.RunAll();
  EXPECT_THAT(read.result, IsOkAndHolds("ab"));
  ASSERT_TRUE(flow->StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("c"));
  ::close(pair.right);
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

// In between is when the engine looks, or the reader.
TEST(StartedSocketEdgeTest, UrgentDataAndTheEndAreReportedWheneverTheyCome) {
  EngineThreads engine(1);
  for (int i = 0; i < 100; ++i) {
    const RawPair pair = RawTcp();
    const std::unique_ptr<Flow> flow = FlowOf(pair.left);
    flow->SetEngine(engine.engine());
    std::thread sender([&] {
      for (const bool is_urgent : {false, true, false, true, false}) {
        ABSL_PCHECK(::send(pair.right, "ab", 2, is_urgent ? MSG_OOB : 0) == 2);
        for (int spin = 0; spin < i * 10; ++spin) std::this_thread::yield();
      }
      ::close(pair.right);
    });
    std::string all;
    while (true) {
      Teller read;
      if (!flow->StartRead(&read)) {
        ASSERT_TRUE(
            read.told.WaitForNotificationWithTimeout(Patience() - absl::Now()))
            << i << ", after " << all.size() << " bytes";
      }
      ABSL_CHECK_OK(read.result.status());
      if (read.result->empty()) break;
      all += std::string(*read.result);
    }
    EXPECT_EQ(all, "ababababab");
    sender.join();
  }
}

}  // namespace
}  // namespace flow
