// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does with sockets and pipes, and what a flow makes of it, one
// test for each. The peers are bare descriptors.

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawTerminal;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::ShrinkBuffers;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kLarge = size_t{1} << 20;

// --- SIGPIPE

// SIGPIPE is not ignored here: one would end the test.
TEST(SigpipeTest, IsNotRaisedByAWriteToABrokenPipeOrSocket) {
  for (const RawPair pair : {RawUnix(), RawTcp(), RawPipe()}) {
    ::close(pair.left);
    auto flow = FlowOf(pair.right);
    absl::Status status;
    // A TCP peer answers the first write with a reset, a moment later.
    while (status.ok()) status = flow->Write("x");
    EXPECT_THAT(flow->Write("x"), Not(IsOk()));
  }
}

TEST(SigpipeTest, OfSomebodyElseIsLeftPending) {
  sigset_t sigpipe;
  sigset_t before;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
  for (const bool pending : {false, true}) {
    if (pending) pthread_kill(pthread_self(), SIGPIPE);
    const RawPair pipe = RawPipe();
    ::close(pipe.left);
    EXPECT_THAT(FlowOf(pipe.right)->Write("x"), IsClosed());
    sigset_t now;
    sigpending(&now);
    EXPECT_EQ(sigismember(&now, SIGPIPE), pending ? 1 : 0);
  }
  const struct timespec at_once = {};
  EXPECT_EQ(sigtimedwait(&sigpipe, nullptr, &at_once), SIGPIPE);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// --- Blocking descriptors

TEST(BlockingPipeTest, ALargeWriteObeysItsDeadline) {
  const RawPair pipe = RawPipe();
  auto flow = FlowOf(pipe.right);
  absl::Cord data(PatternString(0, kLarge));
  for (const absl::Duration from_now :
       {-absl::InfiniteDuration(), absl::Milliseconds(1)}) {
    flow->SetWriteDeadline(absl::Now() + from_now);
    EXPECT_THAT(flow->WriteFrom(&data),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  // What was accepted is what is there.
  EXPECT_EQ(flow->bytes_written(), kLarge - data.size());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  flow = nullptr;
  EXPECT_EQ(RawReadToEnd(pipe.left).bytes,
            PatternString(0, kLarge - data.size()));
  ::close(pipe.left);
}

// --- One system call

int64_t WriteCalls() {
  std::ifstream file("/proc/self/io");
  for (std::string word; file >> word;) {
    int64_t n;
    if (word == "syscw:" && file >> n) return n;
  }
  return -1;
}

TEST(GatherTest, AWritevIsOneSystemCall) {
  if (WriteCalls() < 0) GTEST_SKIP() << "no /proc/self/io";
  const std::vector<absl::string_view> strings(1000, "ab");
  const std::vector<absl::Cord> cords(1000, absl::Cord("ab"));
  const auto [terminal, master] = RawTerminal();
  for (const RawPair pair : {RawPipe(), RawFifo(), {master, terminal}}) {
    auto flow = FlowOf(pair.right);
    EXPECT_THAT(flow->Write("the first time"), IsOk());  // opens it once more
    const int64_t before = WriteCalls();
    EXPECT_THAT(flow->Writev(strings), IsOk());
    EXPECT_EQ(WriteCalls() - before, 1);
    EXPECT_THAT(flow->Writev(cords), IsOk());
    EXPECT_EQ(WriteCalls() - before, 2);
    ::close(pair.left);
  }
}

// --- Files that may not grow

// SIGXFSZ is not ignored here: one would end the test.
TEST(FileLimitTest, IsAnErrorOfTheWriteThatCountsWhatWasTaken) {
  std::FILE* const file = std::tmpfile();
  ABSL_PCHECK(file != nullptr);
  auto flow = FlowOf(::dup(::fileno(file)));
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  struct rlimit limit = before;
  limit.rlim_cur = 1000;
  ABSL_PCHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  absl::Cord data(PatternString(0, 1500));
  const absl::Status status = flow->WriteFrom(&data);
  const absl::Status again = flow->Write("x");
  ABSL_PCHECK(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("write: File too large")));
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(flow->bytes_written(), 1000);
  EXPECT_EQ(data.size(), 500);
  EXPECT_EQ(::lseek(::fileno(file), 0, SEEK_END), 1000);
  std::fclose(file);
}

// --- Urgent data

TEST(UrgentDataTest, AreReadWhereTheyWereSent) {
  for (const RawPair pair : {RawTcp(), RawUnix()}) {
    auto flow = FlowOf(pair.left);
    std::string received;
    for (size_t round = 0; round < 3; ++round) {
      RawWrite(pair.right, "be");
      ABSL_PCHECK(::send(pair.right, "f", 1, MSG_OOB) == 1);
      ABSL_PCHECK(::send(pair.right, "o", 1, MSG_OOB) == 1);
      RawWrite(pair.right, "re");
      while (received.size() < (round + 1) * 6) {
        flow->SetReadDeadline(Patience());
        const absl::StatusOr<absl::Cord> data = flow->Read(1);
        ASSERT_THAT(data, IsOk()) << received;
        received.append(std::string(*data));
      }
    }
    EXPECT_EQ(received, "beforebeforebefore");
    ::close(pair.right);
  }
}

// A second urgent byte makes the kernel drop the first one, unless it has been
// told before.
TEST(UrgentDataTest, ThatCameBeforeAcceptAreReadToo) {
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string name = (*listener)->address();
  uint32_t port;
  ASSERT_TRUE(absl::SimpleAtoi(name.substr(name.rfind(':') + 1), &port));
  address.sin_port = htons(static_cast<uint16_t>(port));
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::connect(client, reinterpret_cast<struct sockaddr*>(&address),
                        sizeof(address)) == 0);
  for (const char* byte : {"a", "b", "c"}) {
    ABSL_PCHECK(::send(client, byte, 1, MSG_OOB) == 1);
  }
  ::shutdown(client, SHUT_WR);
  // When they have come, so has the end.
  absl::StatusOr<std::unique_ptr<Flow>> flow = (*listener)->Accept(Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT(ReadAll(**flow, kLarge), IsOkAndHolds("abc"));
  ::close(client);
}

// Those are not a connection to the flow, but two descriptors.
TEST(UrgentDataTest, AreReadFromOneOfTwoSocketsToo) {
  for (const RawPair pair : {RawTcp(), RawUnix()}) {
    const RawPair other = RawUnix();
    auto flow = FlowOf(pair.left, other.left);
    ABSL_PCHECK(::send(pair.right, "urgent", 6, MSG_OOB) == 6);
    ::close(pair.right);
    absl::Cord received;
    while (true) {
      flow->SetReadDeadline(Patience());
      const absl::StatusOr<absl::Cord> data = flow->Read();
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      received.Append(*data);
    }
    EXPECT_EQ(received, "urgent");
    ::close(other.right);
  }
}

// --- Resets and ends

TEST(ResetTest, IsReportedForEverAndNeverAnEnd) {
  const RawPair tcp = RawTcp();
  RawWrite(tcp.right, "data");
  auto flow = FlowOf(tcp.left);
  EXPECT_THAT(flow->Read(), IsOkAndHolds("data"));
  RawReset(tcp.right);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable,
                                       HasSubstr("Connection reset by peer")));
  }
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kUnavailable));
  const absl::Status closed = flow->Close();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ErrnoOf(closed), ECONNRESET);
}

TEST(ResetTest, ThatAWriterWasToldOfIsNoEndForTheReader) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  RawReset(tcp.right);
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

// It must not be answered by disconnecting, which discards what has come.
TEST(ResetTest, ThatAWriterWasToldOfLeavesWhatHasComeToBeRead) {
  const RawPair tcp = RawTcp();
  RawWrite(tcp.right, "data");
  auto flow = FlowOf(tcp.left);
  RawReset(tcp.right);
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("data"));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ResetTest, ThatCloseWasToldOfIsNoEndForTheReader) {
  for (int i = 0; i < 100; ++i) {
    const RawPair tcp = RawTcp();
    auto flow = FlowOf(tcp.left);
    std::thread reader([&] {
      EXPECT_THAT(flow->Read(), Not(IsEof())) << flow->DebugString();
    });
    std::thread resetter([&] { RawReset(tcp.right); });
    EXPECT_THAT(flow->Close(Patience()), Not(IsOk()));
    reader.join();
    resetter.join();
  }
}

TEST(ResetTest, ThatAReaderWasToldOfIsNotClosedForTheWriter) {
  for (int i = 0; i < 500; ++i) {
    const RawPair tcp = RawTcp();
    auto flow = FlowOf(tcp.left);
    std::thread reader([&] { EXPECT_THAT(flow->Read(), Not(IsOk())); });
    std::thread writer([&] {
      absl::Status status;
      while (status.ok()) status = flow->Write("x");
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
    });
    RawReset(tcp.right);
    reader.join();
    writer.join();
  }
}

// Close() must not take an error for the reader's that came after its end.
TEST(ResetTest, AfterAnEndIsNoErrorForTheReaderWhileCloseWaits) {
  for (int i = 0; i < 100; ++i) {
    const RawPair tcp = RawTcp(/*small=*/true);
    auto flow = FlowOf(tcp.left);
    flow->SetWriteDeadline(absl::InfinitePast());
    absl::Cord data(PatternString(0, kLarge));
    EXPECT_THAT(flow->WriteFrom(&data),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    std::thread reader([&] { EXPECT_THAT(flow->Read(), IsEof()); });
    // Ok if it is through before the reset.
    std::thread closer([&] { flow->Close(Patience()).IgnoreError(); });
    while (flow->DebugString().find("in Read(), in Close()") ==
           std::string::npos) {
      std::this_thread::yield();
    }
    ::shutdown(tcp.right, SHUT_WR);
    ::close(tcp.right);  // with something unread: a reset
    reader.join();
    closer.join();
  }
}

// Such as standard input and output of a process that inetd(8) has started.
TEST(ResetTest, ThatAWriterWasToldOfByAnotherDescriptorOfTheSocket) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left, ::dup(tcp.left));
  RawReset(tcp.right);
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ResetTest, AfterAnEndLeavesWhatWasSentWhole) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  RawWrite(tcp.right, "answer");
  ::shutdown(tcp.right, SHUT_WR);
  ::close(tcp.right);  // what comes now is answered by a reset
  absl::Status status;
  while (status.ok()) status = flow->Write("question");
  EXPECT_THAT(status, IsClosed()) << "it has closed in good order";
  EXPECT_THAT(flow->Read(), IsOkAndHolds("answer"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(), IsClosed()) << "the question was lost";
}

TEST(ResetTest, OfAUnixPeerThatLeftDataUnread) {
  const RawPair unix = RawUnix();
  auto flow = FlowOf(unix.left);
  EXPECT_THAT(flow->Write("question"), IsOk());
  RawWrite(unix.right, "ans");
  ::close(unix.right);
  EXPECT_THAT(flow->Read(), IsOkAndHolds("ans"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kUnavailable));
}

// Whoever reads from the socket is told, even if it only discards.
TEST(ResetTest, OfAUnixPeerThatLeftDataUnreadMakesCloseFail) {
  for (const bool refuses : {true, false}) {
    const RawPair unix = RawUnix();
    auto flow = FlowOf(unix.left);
    if (!refuses) {
      ::shutdown(unix.right, SHUT_WR);
      EXPECT_THAT(flow->Read(), IsEof());
    }
    EXPECT_THAT(flow->Write("question"), IsOk());
    ::close(unix.right);
    if (refuses) {
      EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
    }
    EXPECT_THAT(flow->Close(Patience()),
                StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST(ClosedTest, IsAWriteToAPeerThatRefusesOrHasClosed) {
  for (const bool refuses : {true, false}) {
    const RawPair unix = RawUnix();
    auto flow = FlowOf(unix.left);
    if (refuses) {
      ::shutdown(unix.right, SHUT_RD);
    } else {
      ::close(unix.right);
    }
    EXPECT_THAT(flow->Write("x"), IsClosed());
    if (!refuses) continue;
    RawWrite(unix.right, "still");
    EXPECT_THAT(flow->Read(), IsOkAndHolds("still"));
    ::close(unix.right);
  }
}

TEST(ClosedTest, WakesAWriterThatAForeignUnixPeerRefuses) {
  const RawPair unix = RawUnix();
  ShrinkBuffers(unix.left);
  auto flow = FlowOf(unix.left);
  std::thread peer([&] {
    char byte;
    ABSL_PCHECK(::read(unix.right, &byte, 1) == 1);  // so it has begun
    ::shutdown(unix.right, SHUT_RD);
  });
  EXPECT_THAT(flow->Write(PatternString(0, kLarge)), IsClosed());
  peer.join();
  ::close(unix.right);
}

TEST(ClosedTest, ARefusalOfAUnixSocketWakesWhoeverWaitsForRoom) {
  const RawPair unix = RawUnix();
  auto flow = FlowOf(unix.left);
  const std::string data(4096, 'x');
  while (::send(unix.right, data.data(), data.size(),
                MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  struct pollfd polled = {unix.right, POLLOUT, 0};
  EXPECT_EQ(::poll(&polled, 1, /*timeout=*/2000), 1);
  ::close(unix.right);
}

// --- No descriptor left to be woken by

TEST(WakeTest, ComesALittleLaterWithoutADescriptorForIt) {
  const RawPair unix = RawUnix();
  auto flow = FlowOf(unix.left);
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  struct rlimit none_left = before;
  none_left.rlim_cur = 3;
  std::thread reader([&] {
    ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &none_left) == 0);
    const absl::StatusOr<absl::Cord> data = flow->Read();
    EXPECT_THAT(data, StatusIs(absl::StatusCode::kDeadlineExceeded));
    flow->SetReadDeadline(absl::InfiniteFuture());
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kAborted));
  });
  flow->SetReadDeadline(absl::Now() + absl::Milliseconds(20));
  // When it has been late once, it is in the second Read, or about to be.
  while (flow->DebugString().find("in Read()") == std::string::npos) {
    std::this_thread::yield();
  }
  absl::SleepFor(absl::Milliseconds(50));
  flow->Abort(absl::AbortedError("enough"));
  reader.join();
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  ::close(unix.right);
}

// What wakes a thread is closed at the thread's end, when its number may be
// somebody else's.
struct ReadsAtThreadEnd {
  std::unique_ptr<Flow> flow;
  RawPair pair = {-1, -1};  // gets the number

  void Wait() {
    std::thread aborter([this] {
      while (flow->DebugString().find("in Read()") == std::string::npos) {
        std::this_thread::yield();
      }
      absl::SleepFor(absl::Milliseconds(20));
      flow->Abort(absl::AbortedError("enough"));
    });
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kAborted));
    aborter.join();
  }
};

TEST(WakeTest, WritesToNoDescriptorOfSomebodyElseAtTheEndOfAThread) {
  const RawPair unix = RawUnix();
  ReadsAtThreadEnd test;
  test.flow = FlowOf(unix.left);
  std::thread([&test] {
    struct AtEnd {
      ~AtEnd() {
        test->pair = RawUnix();
        test->Wait();
      }
      ReadsAtThreadEnd* test;
    };
    static thread_local AtEnd at_end = {&test};
    at_end.test->flow->SetReadDeadline(absl::Now() + absl::Milliseconds(1));
    EXPECT_THAT(test.flow->Read(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    test.flow->SetReadDeadline(absl::InfiniteFuture());
  }).join();
  char byte;  // what a wake-up would have written
  for (const int fd : {test.pair.left, test.pair.right}) {
    EXPECT_LT(::recv(fd, &byte, 1, MSG_DONTWAIT), 0);
  }
  for (const int fd : {test.pair.left, test.pair.right}) ::close(fd);
  ::close(unix.right);
}

// As of a pipe; the kernel says EIO.
TEST(TerminalTest, WritesAreClosedWhenTheOtherSideHasClosedIt) {
  const RawPair terminal = RawTerminal();
  const auto flow = FlowOf(terminal.left);
  ::close(terminal.right);
  EXPECT_THAT(flow->Write("x"), IsClosed());
}

}  // namespace
}  // namespace flow
