// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The tail of a stream, and who learns of it. What had ended in good order
// drains, whatever happens to its writer. An end that sends what nobody will
// read is told soon, and loses nothing that it was sent.

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/proxy.h"
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
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReceived;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::Soon;

constexpr size_t kLarge = size_t{1} << 20;

// Reads 16 KiB at a time with pauses, to the end.
RawReceived ReadSlowly(int fd, absl::Duration pause = absl::Milliseconds(4)) {
  RawReceived received;
  while (true) {
    char buffer[16384];
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0) received.error = errno;
    if (n <= 0) return received;
    received.bytes.append(buffer, static_cast<size_t>(n));
    absl::SleepFor(pause);
  }
}

// Writes much to a slow reader, ends that, does `what` then, and expects that
// the reader gets everything and a clean end.
void ExpectTheTailArrives(
    RawPair raw, const std::function<void(std::unique_ptr<Flow>)>& what) {
  const std::string sent = PatternString(0, kLarge);
  RawReceived received;
  std::thread reader([&] { received = ReadSlowly(raw.right); });
  auto flow = FlowOf(raw.left);
  EXPECT_THAT(flow->Write(sent), IsOk());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  what(std::move(flow));
  reader.join();
  ::close(raw.right);
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(received.bytes.size(), sent.size());
  EXPECT_TRUE(received.bytes == sent);
}

TEST(DrainTest, WhatHasEndedDrainsWhenCloseIsLate) {
  for (const auto& make : {RawUnix, +[] { return RawTcp(); }}) {
    ExpectTheTailArrives(make(), [](std::unique_ptr<Flow> flow) {
      EXPECT_THAT(flow->Close(Soon()),
                  StatusIs(absl::StatusCode::kDeadlineExceeded));
    });
  }
}

TEST(DrainTest, WhatHasEndedDrainsAfterAnAbort) {
  for (const auto& make : {RawUnix, +[] { return RawTcp(); }}) {
    ExpectTheTailArrives(make(), [](std::unique_ptr<Flow> flow) {
      flow->Abort(absl::DataLossError("not needed anymore"));
    });
  }
}

TEST(DrainTest, WhatHasEndedDrainsAfterDestruction) {
  for (const auto& make : {RawUnix, +[] { return RawTcp(); }}) {
    ExpectTheTailArrives(make(),
                         [](std::unique_ptr<Flow> flow) { flow.reset(); });
  }
}

TEST(DrainTest, WhatHasEndedDrainsAlsoIfSomethingWasLeftUnread) {
  const RawPair tcp = RawTcp();
  RawWrite(tcp.right, "nobody reads this");
  ExpectTheTailArrives(tcp, [](std::unique_ptr<Flow> flow) {
    EXPECT_THAT(flow->Close(Soon()),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
}

TEST(DrainTest, WhatHasEndedDrainsWhenTheRestIsRefused) {
  ExpectTheTailArrives(RawTcp(), [](std::unique_ptr<Flow> flow) {
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
    EXPECT_THAT(flow->Close(Soon()),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
}

TEST(DrainTest, WhatWasCutStillLooksCut) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Write("half a mess"), IsOk());
  flow->Abort(absl::DataLossError("no more"));
  flow.reset();
  EXPECT_EQ(RawReadToEnd(tcp.right).error, ECONNRESET);
  ::close(tcp.right);
}

TEST(DrainTest, PatientCloseWaitsForASlowReader) {
  for (const auto& make : {RawUnix, +[] { return RawTcp(); }}) {
    const RawPair raw = make();
    const std::string sent = PatternString(0, kLarge);
    std::atomic<bool> all_read{false};
    std::thread reader([&] {
      EXPECT_TRUE(ReadSlowly(raw.right).bytes == sent);
      all_read = true;
      ::close(raw.right);
    });
    auto flow = FlowOf(raw.left);
    EXPECT_THAT(flow->Write(sent), IsOk());
    EXPECT_THAT(flow->PatientClose(absl::Seconds(20)), IsOk());
    EXPECT_TRUE(all_read);
    reader.join();
  }
}

// How much the peer's kernel takes now, of what this end sends.
size_t PeersWindow(int fd) {
  struct tcp_info info = {};
  socklen_t size = sizeof(info);
  ABSL_PCHECK(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  return info.tcpi_snd_wnd;
}

// The peer's window is closed, so that its kernel has all and not the end.
TEST(DrainTest, WhatHasEndedDrainsAlsoIfOnlyTheEndIsNotSent) {
  for (const bool abort : {false, true}) {
    const RawPair tcp = RawTcp(/*small=*/true);
    auto flow = FlowOf(tcp.left);
    while (const size_t room = PeersWindow(tcp.left)) {
      EXPECT_THAT(flow->Write(PatternString(0, std::min<size_t>(room, 1000))),
                  IsOk());
      while (flow->bytes_in_transit() > 0) std::this_thread::yield();
    }
    const int64_t size = flow->bytes_written();
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    if (abort) flow->Abort(absl::DataLossError("enough"));
    flow.reset();
    const RawReceived received = RawReadToEnd(tcp.right);
    EXPECT_EQ(received.error, 0);
    EXPECT_EQ(received.bytes.size(), size);
    ::close(tcp.right);
  }
}

// Although nobody has closed or destroyed the flow yet.
TEST(DrainTest, AfterAnAbortThePeerLearnsOfItWhenItSends) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  std::thread reader([&] {
    EXPECT_EQ(ReadSlowly(tcp.right).error, 0);
    while (::send(tcp.right, "x", 1, MSG_NOSIGNAL) > 0) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  });
  EXPECT_THAT(flow->Write(PatternString(0, kLarge)), IsOk());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  flow->Abort(absl::DataLossError("enough"));
  reader.join();
  ::close(tcp.right);
}

// An echo would block if nobody discarded what it sends back.
TEST(DrainTest, PatientCloseDiscardsWhatIsRefused) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  std::thread echo([&] {
    char buffer[65536];
    ssize_t n;
    while ((n = ::read(tcp.right, buffer, sizeof(buffer))) > 0) {
      RawWrite(tcp.right, absl::string_view(buffer, static_cast<size_t>(n)));
    }
    EXPECT_EQ(n, 0);
    ::close(tcp.right);
  });
  flow->SetWriteDeadline(absl::Now() + absl::Milliseconds(200));
  const std::string much = PatternString(0, 16 * kLarge);
  EXPECT_THAT(flow->Write(absl::string_view(much)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->PatientClose(absl::Seconds(20)), IsOk());
  echo.join();
}

TEST(DrainTest, BytesInTransitFallAsTheRemoteTakesThem) {
  for (const auto& make : {RawUnix, +[] { return RawTcp(/*small=*/true); }}) {
    const RawPair raw = make();
    auto flow = FlowOf(raw.left);
    EXPECT_EQ(flow->bytes_in_transit(), 0);
    flow->SetWriteDeadline(absl::InfinitePast());
    // As much as has room.
    EXPECT_THAT(flow->Write(PatternString(0, kLarge)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_GT(flow->bytes_in_transit(), 0);
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    RawReadToEnd(raw.right);
    while (flow->bytes_in_transit() != 0) std::this_thread::yield();
    flow->Abort(absl::DataLossError("x"));
    EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(flow->bytes_in_transit(), 0);
    ::close(raw.right);
  }
}

TEST(DrainTest, AfterAResetNoBytesAreInTransit) {
  const RawPair tcp = RawTcp(/*small=*/true);
  auto flow = FlowOf(tcp.left);
  flow->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(flow->Write(PatternString(0, kLarge)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_GT(flow->bytes_in_transit(), 0);
  RawReset(tcp.right);
  EXPECT_EQ(flow->bytes_in_transit(), 0);
}

TEST(DrainTest, BytesInTransitOfAPipeAreThoseNotRead) {
  const RawPair pipe = RawPipe();
  auto flow = FlowOf(pipe.right);
  EXPECT_THAT(flow->Write("12345"), IsOk());
  EXPECT_EQ(flow->bytes_in_transit(), 5);
  char two[2];
  EXPECT_EQ(::read(pipe.left, two, sizeof(two)), 2);
  EXPECT_EQ(flow->bytes_in_transit(), 3);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(flow->bytes_in_transit(), 0);
  ::close(pipe.left);
}

// A server that has answered, and wants no more of the request: its kernel
// sends the answer and then a reset, since there is something that was not
// read.
TEST(DrainTest, AnAnswerBeforeAResetComesThroughAProxy) {
  const std::string answer = PatternString(0, 20000);
  for (int i = 0; i < 20; ++i) {
    const RawPair front = RawTcp();
    const RawPair back = RawTcp();
    auto a = FlowOf(front.left);
    auto b = FlowOf(back.right);
    std::thread proxy([&] {
      const ProxyResult result = Proxy(*a, *b);
      EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable))
          << result.a_to_b.status << result.b_to_a.status;
      a.reset();
      b.reset();
    });
    std::thread server([&] {
      char some[100];
      EXPECT_GT(::read(back.left, some, sizeof(some)), 0);
      RawWrite(back.left, answer);
      ::close(back.left);
    });
    const std::string request = PatternString(0, kLarge);
    size_t sent = 0;
    while (sent < 10 * kLarge) {
      const ssize_t n =
          ::send(front.right, request.data(), request.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    const RawReceived received = RawReadToEnd(front.right);
    EXPECT_EQ(received.bytes.size(), answer.size()) << received.error;
    EXPECT_TRUE(received.bytes == answer);
    ::close(front.right);
    server.join();
    proxy.join();
    if (HasFailure()) return;
  }
}

// --- A sender whose data nobody will read

TEST(RefusedSenderTest, IsTold) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  std::thread sender([&] {
    const std::string bytes = PatternString(0, kLarge);
    while (::send(tcp.right, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  // Without a deadline, so it was not that.
  EXPECT_THAT(flow->Close(), IsOk());
  sender.join();
  ::close(tcp.right);
}

// It waits a moment at a time, and the grace of the sender goes on meanwhile.
TEST(RefusedSenderTest, IsToldByAPatientCloseToo) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  std::thread sender([&] {
    while (::send(tcp.right, "x", 1, MSG_NOSIGNAL) > 0) {
      absl::SleepFor(absl::Milliseconds(30));
    }
  });
  EXPECT_THAT(flow->PatientClose(absl::Seconds(20)), IsOk());
  sender.join();
  ::close(tcp.right);
}

// Close() relies on this: Linux leaves to a reader what came before a reset.
TEST(RefusedSenderTest, StillReadsAllThatItWasSent) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  const std::string sent = PatternString(0, 50000);
  EXPECT_THAT(flow->Write(sent), IsOk());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  std::thread sender([&] {
    const std::string bytes = PatternString(0, kLarge);
    // It reads nothing before it has failed.
    while (::send(tcp.right, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
    const RawReceived received = RawReadToEnd(tcp.right);
    EXPECT_TRUE(received.bytes == sent);
    EXPECT_EQ(received.error, 0);
  });
  EXPECT_THAT(flow->Close(), IsOk());
  sender.join();
  ::close(tcp.right);
}

TEST(RefusedSenderTest, IsNotCutShortBeforeItHasAll) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  const std::string sent = PatternString(0, kLarge);
  std::atomic<bool> over{false};
  std::thread sender([&] {
    while (!over && ::send(tcp.right, "x", 1, MSG_NOSIGNAL) > 0) {
    }
  });
  std::thread reader([&] {
    // Much longer than a sender has once it was sent all.
    const RawReceived received = ReadSlowly(tcp.right, absl::Milliseconds(12));
    EXPECT_TRUE(received.bytes == sent);
    EXPECT_EQ(received.error, 0);
  });
  EXPECT_THAT(flow->Write(sent), IsOk());
  EXPECT_THAT(flow->Close(Patience()), IsOk());
  reader.join();
  over = true;
  sender.join();
  ::close(tcp.right);
}

// It may be about to end by itself, and nothing of it is lost.
TEST(RefusedSenderTest, IsWaitedForIfItIsSilent) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  RawWrite(tcp.right, "said once");
  std::atomic<bool> closed{false};
  std::thread closer([&] {
    EXPECT_THAT(flow->Close(), IsOk());
    closed = true;
  });
  absl::SleepFor(absl::Seconds(1));
  EXPECT_FALSE(closed);
  EXPECT_EQ(::shutdown(tcp.right, SHUT_WR), 0);
  closer.join();
  EXPECT_EQ(RawReadToEnd(tcp.right).error, 0);
  ::close(tcp.right);
}

}  // namespace
}  // namespace flow
