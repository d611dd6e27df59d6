// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does when a socket is closed or reset, and what Close() and
// Abort() of a flow make of it, one test for each. The peers are bare
// descriptors; the rest of what the kernel does is in fd_flow_kernel_test.cc.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawPair;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;

constexpr size_t kLarge = size_t{1} << 20;

// Sends more than there is room for to a flow that refuses it. Returns false if
// that was reset, as it may be once its end has arrived and 200 ms have passed,
// which happens on a busy machine.
bool SendToRefuser(int fd) {
  const std::string bytes = PatternString(0, size_t{64} << 10);
  const absl::Time start = absl::Now();
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n =
        ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      EXPECT_GT(absl::Now() - start, absl::Milliseconds(100));
      return false;
    }
    sent += static_cast<size_t>(n);
  }
  return true;
}

// --- Close

// close(2) with unread input would reset the connection.
TEST(CloseTest, WithUnreadInputThePeerStillReadsAllToACleanEnd) {
  for (const RawPair pair : {RawUnix(), RawTcp()}) {
    auto flow = FlowOf(pair.left);
    RawWrite(pair.right, "nobody reads this");
    ::shutdown(pair.right, SHUT_WR);
    const std::string sent = PatternString(0, 100000);
    EXPECT_THAT(flow->Write(sent), IsOk());
    EXPECT_THAT(flow->Close(Patience()), IsOk());
    const auto received = RawReadToEnd(pair.right);
    EXPECT_EQ(received.error, 0);
    EXPECT_TRUE(received.bytes == sent);
    ::close(pair.right);
  }
}

// POLLRDHUP does not show an end behind data for which there is no room.
TEST(CloseTest, AfterShutdownReadDiscardsWhatStillComes) {
  for (const bool ends_first : {false, true}) {
    const RawPair tcp = RawTcp(/*small=*/true);
    auto flow = FlowOf(tcp.left);
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
    EXPECT_THAT(flow->Write("the last word"), IsOk());
    std::thread peer([&] {
      // It knows nothing of the refusal, and its data have no room at first.
      const bool is_whole = SendToRefuser(tcp.right);
      if (ends_first) ::shutdown(tcp.right, SHUT_WR);
      const auto received = RawReadToEnd(tcp.right);
      EXPECT_EQ(received.bytes, "the last word");
      if (is_whole) {
        EXPECT_EQ(received.error, 0);
      }
      ::close(tcp.right);
    });
    EXPECT_THAT(flow->Close(Patience()), IsOk());
    peer.join();
  }
}

TEST(CloseTest, AfterShutdownReadThatComesWhileItWaits) {
  const RawPair tcp = RawTcp(/*small=*/true);
  auto flow = FlowOf(tcp.left);
  std::thread closer([&] { EXPECT_THAT(flow->Close(Patience()), IsOk()); });
  while (flow->Write("").ok()) std::this_thread::yield();  // until it has begun
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  SendToRefuser(tcp.right);
  ::close(tcp.right);
  closer.join();
}

TEST(CloseTest, AfterShutdownReadHasADeadline) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->Close(absl::Now() + absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // This end's direction had ended, whole; the other one is cut.
  EXPECT_EQ(RawReadToEnd(tcp.right).error, 0);
  EXPECT_LT(::send(tcp.right, "x", 1, MSG_NOSIGNAL), 0);
  ::close(tcp.right);
}

TEST(CloseTest, AfterShutdownReadHasADeadlineAlsoIfThePeerNeverStops) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  std::thread peer([&] {
    const std::string bytes = PatternString(0, kLarge);
    while (::send(tcp.right, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  EXPECT_THAT(flow->Close(absl::Now() + absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  peer.join();
  ::close(tcp.right);
}

TEST(CloseTest, AfterBothDirectionsHaveEndedIsOk) {
  for (const RawPair pair : {RawUnix(), RawTcp()}) {
    auto flow = FlowOf(pair.left);
    ::shutdown(pair.right, SHUT_WR);
    EXPECT_THAT(flow->Read(), IsEof());
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_EQ(RawReadToEnd(pair.right).error, 0);
    ::close(pair.right);
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kReadWrite), IsOk());
    EXPECT_THAT(flow->Close(), IsOk());
  }
}

TEST(CloseTest, WithADeadlineInThePastIsOkIfThePeerHasEnded) {
  for (const RawPair pair : {RawUnix(), RawTcp()}) {
    auto flow = FlowOf(pair.left);
    ::shutdown(pair.right, SHUT_WR);
    EXPECT_THAT(flow->Close(absl::InfinitePast()), IsOk());
    ::close(pair.right);
  }
}

TEST(CloseTest, TellsOfADescriptorThatHadBeenShutDownBefore) {
  for (const RawPair pair : {RawUnix(), RawTcp()}) {
    ::shutdown(pair.left, SHUT_WR);
    auto flow = FlowOf(pair.left);
    EXPECT_THAT(flow->Write("x"), IsClosed());
    ::close(pair.right);
  }
}

// On TCP shutdown(2) is ENOTCONN if somebody with a duplicate has sent the end.
TEST(CloseTest, AfterBothDirectionsHaveEndedWithoutTheFlowIsOk) {
  for (const RawPair pair : {RawUnix(), RawTcp()}) {
    auto flow = FlowOf(pair.left);
    ::shutdown(pair.left, SHUT_WR);
    EXPECT_EQ(RawReadToEnd(pair.right).error, 0);
    ::close(pair.right);
    EXPECT_THAT(flow->Read(), IsEof());
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(flow->Close(Patience()), IsOk());
  }
}

TEST(CloseTest, TellsOfAResetThatCameAfterTheEndOfThePeer) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  ::shutdown(tcp.right, SHUT_WR);
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("question"), IsOk());
  RawReset(tcp.right);
  EXPECT_THAT(flow->Close(Patience()), StatusIs(absl::StatusCode::kUnavailable))
      << "the question was lost";
}

// --- Aborts

TEST(AbortTest, ResetsATcpConnectionAlsoWhenNothingIsUnread) {
  for (const bool destroy : {false, true}) {
    const RawPair tcp = RawTcp();
    auto flow = FlowOf(tcp.left);
    EXPECT_THAT(flow->Write("a prefix"), IsOk());
    if (destroy) {
      flow = nullptr;
    } else {
      flow->Abort(absl::OkStatus());
    }
    const auto received = RawReadToEnd(tcp.right);
    EXPECT_EQ(received.error, ECONNRESET);
    EXPECT_THAT(std::string("a prefix"), ::testing::StartsWith(received.bytes));
    ::close(tcp.right);
  }
}

// A write that is cut must not be followed by a clean end. TCP can only break
// both directions.
TEST(AbortTest, OfAWriteThatIsCutResetsATcpConnection) {
  const RawPair tcp = RawTcp(/*small=*/true);
  auto flow = FlowOf(tcp.left);
  std::thread writer([&] {
    EXPECT_THAT(flow->Write(PatternString(0, kLarge)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  char byte;
  ABSL_PCHECK(::read(tcp.right, &byte, 1) == 1);  // so it has begun
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  flow->SetWriteDeadline(absl::InfinitePast());
  writer.join();
  EXPECT_EQ(RawReadToEnd(tcp.right).error, ECONNRESET);
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kAborted));
  ::close(tcp.right);
}

TEST(AbortTest, WakesAUnixPeerAtOnceIfItCanGetNoError) {
  const RawPair unix = RawUnix();
  auto flow = FlowOf(unix.left);
  flow->Abort(absl::AbortedError("enough"));
  EXPECT_EQ(RawReadToEnd(unix.right).error, 0) << "no abort can be carried";
  ::close(unix.right);
}

TEST(AbortTest, OfAUnixSocketWithUnreadDataIsAnErrorForThePeer) {
  const RawPair unix = RawUnix();
  RawWrite(unix.right, "unread");
  auto flow = FlowOf(unix.left);
  EXPECT_THAT(flow->Write("a prefix"), IsOk());
  flow = nullptr;
  const auto received = RawReadToEnd(unix.right);
  EXPECT_EQ(received.bytes, "a prefix");
  EXPECT_EQ(received.error, ECONNRESET);
  ::close(unix.right);
}

}  // namespace
}  // namespace flow
