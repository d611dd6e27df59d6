// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Descriptors as flows: what is one, who owns it, files and terminals. What the
// kernel does with sockets and pipes is in fd_flow_kernel_test.cc, the contract
// in fd_flow_conformance_test.cc.

#include "flow/fd_flow.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/testing/byte_pattern.h"
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
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Pattern;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawTcp;
using ::flow::testing::RawTerminal;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SameData;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// More than any block, and more than a pipe of the kernel holds.
constexpr size_t kLarge = size_t{1} << 20;

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

std::string NewFile(absl::string_view content) {
  std::string path = absl::StrCat(::testing::TempDir(), "/fd_flow.XXXXXX");
  const int fd = ::mkstemp(path.data());
  ABSL_PCHECK(fd >= 0);
  RawWrite(fd, content);
  ::close(fd);
  return path;
}

// --- What is a stream

TEST(MakeFdFlowTest, RefusesWhatIsNotOpen) {
  EXPECT_THAT(MakeFdFlow(-1),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "MakeFdFlow: descriptor -1 is not open"));
  const RawPair pipe = RawPipe();
  ::close(pipe.right);
  EXPECT_THAT(MakeFdPairFlow(pipe.left, pipe.right),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith("MakeFdPairFlow: descriptor ")));
}

// Otherwise an input that cannot be read would look empty and whole.
TEST(MakeFdFlowTest, APairRefusesADescriptorThatIsOpenForTheOtherDirection) {
  for (const bool swapped : {false, true}) {
    const RawPair first = RawPipe();
    const RawPair second = RawPipe();
    EXPECT_THAT(swapped ? MakeFdPairFlow(first.right, second.right)
                        : MakeFdPairFlow(first.left, second.left),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         EndsWith(swapped ? " is not open for reading"
                                          : " is not open for writing")));
    ::close(swapped ? first.left : first.right);
    ::close(swapped ? second.left : second.right);
  }
}

// The write end says what it is at once; of the read end, see below.
int PacketPipeToWrite() {
  int fds[2];
  ABSL_PCHECK(::pipe2(fds, O_DIRECT) == 0);
  ::close(fds[0]);
  return fds[1];
}

TEST(MakeFdFlowTest, RefusesWhatIsNoStreamAndClosesItNevertheless) {
  const struct {
    int fd;
    const char* says;
  } kCases[] = {
      {::open("/", O_RDONLY), "a directory"},
      {::open("/dev/null", O_PATH), "as a path only"},
      {::eventfd(0, 0), "not a file, pipe"},
      {PacketPipeToWrite(), "a pipe of packets"},
      {::socket(AF_INET, SOCK_DGRAM, 0), "not a stream"},
      {::socket(AF_UNIX, SOCK_SEQPACKET, 0), "not a stream"},
      {::socket(AF_INET, SOCK_STREAM, 0), "not connected"},
      {::socket(AF_UNIX, SOCK_STREAM, 0), "not connected"},
  };
  for (const auto& c : kCases) {
    ASSERT_GE(c.fd, 0);
    EXPECT_THAT(MakeFdFlow(c.fd), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr(c.says)));
    EXPECT_FALSE(IsOpen(c.fd)) << c.says;
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  EXPECT_THAT(MakeFdFlow(listener),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a socket that listens")));
}

// By the system call, as the library's function wants another library.
int NewMessageQueue() {
  constexpr char kName[] = "flow_fd_flow_test";
  const int fd = static_cast<int>(
      ::syscall(SYS_mq_open, kName, O_RDWR | O_CREAT, 0600, nullptr));
  ::syscall(SYS_mq_unlink, kName);
  return fd;
}

class MakeFdFlowOfTest : public ::testing::TestWithParam<const char*> {
 protected:
  static int Open(absl::string_view what) {
    if (what == "message queue") return NewMessageQueue();
    if (what == "tun") return ::open("/dev/net/tun", O_RDWR);
    return ::open(NewFile("").c_str(), O_RDWR | O_DIRECT);
  }
};

TEST_P(MakeFdFlowOfTest, IsRefused) {
  const int fd = Open(GetParam());
  if (fd < 0) GTEST_SKIP() << "not to be had here";
  EXPECT_THAT(MakeFdFlow(fd), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(WhatNotEveryMachineHas, MakeFdFlowOfTest,
                         ::testing::Values("message queue", "tun", "O_DIRECT"));

// A Read that has room for a part of a packet would lose the rest.
TEST(MakeFdFlowTest, RefusesToReadPacketsBeforeAnyIsLost) {
  for (const bool is_made_first : {true, false}) {
    int fds[2];
    ABSL_PCHECK(::pipe2(fds, O_DIRECT) == 0);
    const int reader = ::dup(fds[0]);
    absl::Status status;
    if (is_made_first) {
      auto flow = FlowOf(fds[0]);
      flow->SetReadDeadline(absl::InfinitePast());
      EXPECT_THAT(flow->Read(1), StatusIs(absl::StatusCode::kDeadlineExceeded));
      // Nobody can tell by a single byte; there is nothing to lose, either.
      RawWrite(fds[1], "1");
      EXPECT_THAT(flow->Read(1), IsOkAndHolds("1"));
      RawWrite(fds[1], "packet");
      status = flow->Read(1).status();
      EXPECT_THAT(flow->Close(), Not(IsOk()));
    } else {
      RawWrite(fds[1], "packet");
      status = MakeFdFlow(fds[0]).status();
    }
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("a pipe of packets (O_DIRECT)")));
    ::close(fds[1]);
    EXPECT_EQ(RawReadToEnd(reader).bytes, "packet");
    ::close(reader);
  }
}

TEST(MakeFdFlowTest, AConnectionThatWasResetIsAnError) {
  const RawPair tcp = RawTcp();
  ::flow::testing::RawReset(tcp.right);
  EXPECT_THAT(MakeFdFlow(tcp.left), StatusIs(absl::StatusCode::kUnavailable));
}

// The first of two descriptors and braces would be a second descriptor, 0.
static_assert(!std::is_invocable_v<decltype(MakeFdFlow), int, int>);

TEST(MakeFdFlowTest, TakesEmptyBracesForOptions) {
  const RawPair unix = RawUnix();
  absl::StatusOr<std::unique_ptr<Flow>> flow = MakeFdFlow(unix.left, {});
  ASSERT_THAT(flow, IsOk());
  RawWrite(unix.right, "to the one");
  EXPECT_THAT((*flow)->Read(), IsOkAndHolds("to the one"));
  ::close(unix.right);
}

TEST(MakeFdFlowTest, NamesTheFlowAfterWhatItIsOrAsItIsTold) {
  const RawPair tcp = RawTcp();
  EXPECT_THAT(FlowOf(tcp.left)->DebugString(), HasSubstr("tcp 127.0.0.1:"));
  ::close(tcp.right);
  const RawPair pipe = RawPipe();
  FdFlowOptions options;
  options.name = "the child's";
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      MakeFdPairFlow(pipe.left, pipe.right, options);
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT((*flow)->DebugString(), HasSubstr("the child's"));
  const RawPair other = RawPipe();
  EXPECT_THAT(FlowOf(other.left, other.right)->DebugString(),
              HasSubstr(absl::StrCat("pipe (fd ", other.left, ") and pipe (fd ",
                                     other.right, ")")));
}

// --- Ownership

TEST(FdFlowTest, EveryDescriptorIsClosedOnceHoweverTheFlowEnds) {
  const size_t before = OpenDescriptors();
  for (const bool close : {true, false}) {
    const RawPair tcp = RawTcp();
    const RawPair unix = RawUnix();
    const RawPair twice = RawTcp();
    const int duplicate = ::dup(twice.left);
    const RawPair one = RawPipe();
    const RawPair other = RawPipe();
    for (const auto& flow :
         {FlowOf(tcp.left), FlowOf(unix.left), FlowOf(twice.left, duplicate),
          FlowOf(one.left, one.right), FlowOf(other.left, other.left)}) {
      if (close) {
        flow->Close(absl::InfinitePast()).IgnoreError();
      } else {
        flow->Abort(absl::OkStatus());
      }
    }
    for (const int fd : {tcp.left, unix.left, twice.left, duplicate, one.left,
                         one.right, other.left}) {
      EXPECT_FALSE(IsOpen(fd));
    }
    for (const int fd : {tcp.right, unix.right, twice.right, other.right}) {
      ::close(fd);
    }
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(FdFlowTest, ADescriptorIsNotClosedUnderACallThatUsesIt) {
  const RawPair unix = RawUnix();
  auto flow = FlowOf(unix.left);
  std::thread reader([&] { flow->Read().IgnoreError(); });
  // At any time, in the middle of a Read, too.
  EXPECT_TRUE(IsOpen(unix.left));
  flow->Abort(absl::AbortedError("enough"));
  reader.join();
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(IsOpen(unix.left));
  ::close(unix.right);
}

// Otherwise the next descriptor would get the number, and what the program
// prints.
class StandardStreamTest : public ::testing::Test {
 protected:
  StandardStreamTest() { ABSL_PCHECK(before_ >= 0); }
  ~StandardStreamTest() override {
    ABSL_PCHECK(::dup2(before_, STDIN_FILENO) == STDIN_FILENO);
    ::close(before_);
  }

  // Makes `fd` standard input, whatever it is. (The others are the test's.)
  static int Install(int fd) {
    ABSL_PCHECK(::dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    ::close(fd);
    return STDIN_FILENO;
  }

  static bool IsTaken() {
    const int next = ::open("/", O_PATH);
    ::close(next);
    return next > STDERR_FILENO;
  }

 private:
  const int before_ = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
};

TEST_F(StandardStreamTest, KeepsItsNumberTakenAfterClose) {
  for (const RawPair pair : {RawPipe(), RawFifo(), RawUnix(), RawTcp()}) {
    auto flow = FlowOf(Install(pair.right));
    EXPECT_THAT(flow->Write("all"), IsOk());
    flow->Close(absl::InfinitePast()).IgnoreError();
    EXPECT_EQ(RawReadToEnd(pair.left).bytes, "all");
    EXPECT_TRUE(IsTaken());
    ::close(pair.left);
  }
}

TEST_F(StandardStreamTest, KeepsItsNumberTakenAfterShutdown) {
  const RawPair pipe = RawPipe();
  const RawPair other = RawPipe();
  auto flow = FlowOf(other.left, Install(pipe.right));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(RawReadToEnd(pipe.left).bytes, "");
  EXPECT_TRUE(IsTaken());
  ::close(pipe.left);
  ::close(other.right);
}

TEST_F(StandardStreamTest, KeepsItsNumberTakenIfItIsRefused) {
  EXPECT_THAT(MakeFdFlow(Install(::eventfd(0, 0))), Not(IsOk()));
  EXPECT_TRUE(IsTaken());
}

TEST_F(StandardStreamTest, KeepsItsNumberTakenIfAnotherOneIsTheSameSocket) {
  const RawPair unix = RawUnix();
  auto flow = FlowOf(unix.left, Install(::dup(unix.left)));
  EXPECT_TRUE(IsTaken());
  ::close(unix.right);
}

// --- Files

TEST(FdFlowTest, AFileIsReadToItsEnd) {
  const std::string path = NewFile("content");
  auto flow = FlowOf(::open(path.c_str(), O_RDONLY));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("content"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("x"), IsClosed());
}

TEST(FdFlowTest, AFileIsWritten) {
  const std::string path = NewFile("");
  const absl::Cord data = Pattern(0, kLarge);
  auto flow = FlowOf(::open(path.c_str(), O_WRONLY));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write(data), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
  auto copy = FlowOf(::open(path.c_str(), O_RDONLY));
  EXPECT_TRUE(SameData(ReadAll(*copy, kLarge), data));
}

TEST(FdFlowTest, DeadlinesDoNotApplyToRegularFiles) {
  const std::string path = NewFile("content");
  auto flow = FlowOf(::open(path.c_str(), O_RDWR));
  flow->SetReadDeadline(absl::InfinitePast());
  flow->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(flow->Read(), IsOkAndHolds("content"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("more"), IsOk());
}

TEST(FdFlowTest, AnErrorSaysWhatFailed) {
  auto flow = FlowOf(::open("/dev/full", O_WRONLY));
  EXPECT_THAT(flow->Write("x"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("write: No space left on device")));
}

// --- Two descriptors

TEST(FdFlowTest, ShutdownOfOneOfTwoDescriptorsClosesIt) {
  const RawPair in = RawPipe();
  const RawPair out = RawPipe();
  auto flow = FlowOf(in.left, out.right);
  EXPECT_THAT(flow->Write("question"), IsOk());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_FALSE(IsOpen(out.right));
  const auto received = RawReadToEnd(out.left);
  EXPECT_EQ(received.bytes, "question");
  EXPECT_EQ(received.error, 0);
  RawWrite(in.right, "answer");
  EXPECT_THAT(flow->Read(), IsOkAndHolds("answer"));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_FALSE(IsOpen(in.left));
  EXPECT_THAT(flow->Close(), IsOk());
  ::close(in.right);
  ::close(out.left);
}

TEST(FdFlowTest, ShutdownOfAPipeThatIsOneDirectionClosesIt) {
  const RawPair pipe = RawPipe();
  auto writer = FlowOf(pipe.right);
  EXPECT_THAT(writer->Read(), IsEof());
  EXPECT_THAT(writer->Write("all"), IsOk());
  EXPECT_THAT(writer->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_FALSE(IsOpen(pipe.right));
  auto reader = FlowOf(pipe.left);
  EXPECT_THAT(reader->Write("x"), IsClosed());
  EXPECT_THAT(reader->Read(1), IsOkAndHolds("a"));
  EXPECT_THAT(reader->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_FALSE(IsOpen(pipe.left));
}

TEST(FdFlowTest, TheReadEndIsClosedWhenTheReaderHasLeftIt) {
  const RawPair pipe = RawPipe();
  auto flow = FlowOf(pipe.left, ::open("/dev/null", O_WRONLY));
  std::thread reader([&] { EXPECT_THAT(flow->Read(), IsEof()); });
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  EXPECT_FALSE(IsOpen(pipe.left));
  ::close(pipe.right);
}

// Its reader would take that for an end in good order.
TEST(FdFlowTest, AWriteThatWasCutDoesNotEndThePipeBeforeClose) {
  const RawPair pipe = RawPipe();
  auto flow = FlowOf(::open("/dev/null", O_RDONLY), pipe.right);
  std::thread writer([&] {
    EXPECT_THAT(flow->Write(std::string(kLarge, 'x')),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  while (!absl::StrContains(flow->DebugString(), "in a write")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  flow->SetWriteDeadline(absl::InfinitePast());
  writer.join();
  EXPECT_TRUE(IsOpen(pipe.right));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(IsOpen(pipe.right));
  ::close(pipe.left);
}

// --- Flags and terminals

TEST(FdFlowTest, TheFlagsOfTheOpenFileAreNeverChanged) {
  for (const int flags : {0, O_NONBLOCK}) {
    for (const RawPair pair : {RawPipe(), RawUnix(), RawTcp()}) {
      for (const int fd : {pair.left, pair.right}) {
        ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | flags);
      }
      const int before[] = {::fcntl(pair.left, F_GETFL),
                            ::fcntl(pair.right, F_GETFL)};
      auto writer = FlowOf(::dup(pair.right));
      auto reader = FlowOf(::dup(pair.left));
      reader->SetReadDeadline(absl::InfinitePast());
      EXPECT_THAT(reader->Read(),
                  StatusIs(absl::StatusCode::kDeadlineExceeded));
      EXPECT_THAT(writer->Write("x"), IsOk());
      reader->SetReadDeadline(absl::InfiniteFuture());
      EXPECT_THAT(reader->Read(), IsOkAndHolds("x"));
      EXPECT_EQ(::fcntl(pair.left, F_GETFL), before[0]);
      EXPECT_EQ(::fcntl(pair.right, F_GETFL), before[1]);
      ::close(pair.left);
      ::close(pair.right);
    }
  }
}

TEST(FdFlowTest, ATerminalObeysDeadlines) {
  const auto [slave, master] = RawTerminal();
  auto terminal = FlowOf(slave);
  EXPECT_THAT(terminal->DebugString(), HasSubstr("terminal (fd "));
  terminal->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(terminal->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  terminal->SetReadDeadline(absl::Now() + absl::Milliseconds(1));
  EXPECT_THAT(terminal->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  terminal->SetReadDeadline(absl::InfiniteFuture());
  RawWrite(master, "typed");
  EXPECT_THAT(terminal->Read(), IsOkAndHolds("typed"));
  // More than it holds, and nobody reads.
  terminal->SetWriteDeadline(absl::Now() + absl::Milliseconds(1));
  absl::Cord data = Pattern(0, kLarge);
  EXPECT_THAT(terminal->WriteFrom(&data),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(terminal->bytes_written() + data.size(), kLarge);
  std::thread reader([&] { terminal->Read().IgnoreError(); });
  terminal->Abort(absl::AbortedError("enough"));
  reader.join();
  ::close(master);
}

// As one that runs a shell in a terminal of its own has it.
TEST(FdFlowTest, TheMasterOfATerminalEndsWhenTheOtherSideHasClosedIt) {
  const auto [terminal, master] = RawTerminal();
  auto flow = FlowOf(master);
  EXPECT_THAT(flow->Write("command"), IsOk());
  RawWrite(terminal, "what it printed");
  ::close(terminal);
  EXPECT_THAT(flow->Read(), IsOkAndHolds("what it printed"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("another"), IsClosed());
}

}  // namespace
}  // namespace flow
