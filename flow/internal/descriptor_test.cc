// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// No call waits, even if poll(2) has just said that it would not and somebody
// else has been quicker since. One that does hangs, and its test with it.

#include "flow/internal/descriptor.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/failing_system_calls.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::OpenDescriptors;
using ::flow::testing::PatternString;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawTerminal;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SystemCallFault;
using ::flow::testing::SystemCallScope;

// Returns what a Read() of at most `max` bytes has brought, or its errno.
std::string Read(Descriptor& descriptor, bool ready, size_t max = 1000) {
  std::string bytes(max, '\0');
  const ssize_t n = descriptor.Read(absl::MakeSpan(bytes), ready);
  if (n < 0) return absl::StrCat("errno ", errno);
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}
const std::string kWouldWait = absl::StrCat("errno ", EAGAIN);

ssize_t Write(Descriptor& descriptor, absl::string_view bytes, bool ready) {
  const struct iovec list = {const_cast<char*>(bytes.data()), bytes.size()};
  return descriptor.Write(absl::MakeConstSpan(&list, 1), ready);
}

// Writes until nothing more is taken. Returns how much was.
size_t Fill(Descriptor& descriptor, bool ready = false) {
  const std::string bytes = PatternString(0, 10000);
  for (size_t taken = 0;;) {
    const ssize_t n = Write(descriptor, bytes, ready);
    if (n <= 0) {
      EXPECT_EQ(errno, EAGAIN);
      return taken;
    }
    taken += static_cast<size_t>(n);
  }
}

void Close(const RawPair& pair) {
  ::close(pair.left);
  ::close(pair.right);
}

// As long as it lives, no descriptor can be opened.
class NoDescriptorLeft {
 public:
  NoDescriptorLeft() {
    ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    struct rlimit limit = before_;
    limit.rlim_cur = 3;
    ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  ~NoDescriptorLeft() {
    ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before_) == 0);
  }

 private:
  struct rlimit before_;
};

// --- Reading

TEST(DescriptorTest, AReadDoesNotWaitForWhatARivalHasTaken) {
  for (const RawPair pair : {RawPipe(), RawFifo(), RawTerminal(), RawUnix()}) {
    Descriptor in(pair.left, SHUT_RD);
    EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
    EXPECT_EQ(Read(in, /*ready=*/false), kWouldWait);
    RawWrite(pair.right, "data");
    EXPECT_FALSE(in.HoldsPackets());
    EXPECT_EQ(Read(in, /*ready=*/true, 3), "dat");
    EXPECT_EQ(Read(in, /*ready=*/false), "a");
    EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
    Close(pair);
  }
}

TEST(DescriptorTest, NothingIsReadOfAPipeThatMayHavePackets) {
  int fds[2];
  ABSL_PCHECK(::pipe2(fds, O_DIRECT | O_CLOEXEC) == 0);
  Descriptor in(fds[0], SHUT_RD);
  EXPECT_FALSE(in.HoldsPackets()) << "nobody knows";
  RawWrite(fds[1], "packet");
  EXPECT_EQ(Read(in, /*ready=*/false, 1), kWouldWait);
  EXPECT_TRUE(in.HoldsPackets());
  Close({fds[0], fds[1]});
}

TEST(DescriptorTest, AFifoEndsWhenItsWriterHasClosedIt) {
  for (const RawPair pair : {RawPipe(), RawFifo()}) {
    Descriptor in(pair.left, SHUT_RD);
    EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
    RawWrite(pair.right, "data");
    ::close(pair.right);
    EXPECT_EQ(Read(in, /*ready=*/true), "data");
    EXPECT_EQ(Read(in, /*ready=*/true), "");
    ::close(pair.left);
  }
}

TEST(DescriptorTest, AFifoThatHadEndedBeforeItsFirstReadHasEnded) {
  const RawPair fifo = RawFifo();
  ::close(fifo.right);
  Descriptor in(fifo.left, SHUT_RD);
  EXPECT_EQ(Read(in, /*ready=*/true), "");
  ::close(fifo.left);
}

// As one can open it without waiting for the writer.
TEST(DescriptorTest, AFifoHasNotEndedBeforeItsFirstWriterHasCome) {
  const RawPair other = RawFifo();
  const std::string path = absl::StrCat("/proc/self/fd/", other.left);
  ::close(other.right);
  Descriptor in(::open(path.c_str(), O_RDONLY | O_NONBLOCK), SHUT_RD);
  ASSERT_GE(in.fd(), 0);
  EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
  const int writer = ::open(path.c_str(), O_WRONLY);
  RawWrite(writer, "data");
  ::close(writer);
  EXPECT_EQ(Read(in, /*ready=*/true), "data");
  EXPECT_EQ(Read(in, /*ready=*/true), "");
  EXPECT_TRUE(in.Close().ok());
  ::close(other.left);
}

TEST(DescriptorTest, AFifoHasNotEndedBecausePollHasFailed) {
  const RawPair other = RawFifo();
  const std::string path = absl::StrCat("/proc/self/fd/", other.left);
  ::close(other.right);
  Descriptor in(::open(path.c_str(), O_RDONLY | O_NONBLOCK), SHUT_RD);
  for (const int error : {EINTR, ENOMEM}) {
    const SystemCallScope scope(SystemCallFault{"poll", 0, error});
    EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
    EXPECT_TRUE(scope.fired());
  }
  EXPECT_TRUE(in.Close().ok());
  ::close(other.left);
}

// VMIN and VTIME of 0 mean so: see termios(3).
TEST(DescriptorTest, ATerminalHasNotEndedWhereAReadOfNothingMeansNothing) {
  const RawPair pair = RawTerminal();
  struct termios polls;
  ABSL_PCHECK(::tcgetattr(pair.left, &polls) == 0);
  polls.c_cc[VMIN] = 0;
  polls.c_cc[VTIME] = 0;
  ABSL_PCHECK(::tcsetattr(pair.left, TCSANOW, &polls) == 0);
  Descriptor in(pair.left, SHUT_RD);
  EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
  RawWrite(pair.right, "typed");
  EXPECT_EQ(Read(in, /*ready=*/true), "typed");
  EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
  ::close(pair.right);
  EXPECT_EQ(Read(in, /*ready=*/true), "") << "it was hung up";
  ::close(pair.left);
}

TEST(DescriptorTest, ATerminalEndsWhereItsUserSaysSo) {
  RawPair pair;
  ABSL_PCHECK(::openpty(&pair.right, &pair.left, nullptr, nullptr, nullptr) ==
              0);
  Descriptor in(pair.left, SHUT_RD);
  RawWrite(pair.right, "line\n\x04");
  EXPECT_EQ(Read(in, /*ready=*/true), "line\n");
  EXPECT_EQ(Read(in, /*ready=*/true), "");
  Close(pair);
}

TEST(DescriptorTest, TheMasterOfATerminalEndsWhenTheOtherSideHasClosedIt) {
  for (const bool is_full : {false, true}) {
    const RawPair pair = RawTerminal();
    Descriptor in(pair.right, SHUT_RD);
    Descriptor out(pair.right, SHUT_WR);
    EXPECT_EQ(Read(in, /*ready=*/false), kWouldWait);
    if (is_full) Fill(out);
    RawWrite(pair.left, "data");
    ::close(pair.left);
    EXPECT_EQ(Read(in, /*ready=*/true), "data");
    EXPECT_EQ(Read(in, /*ready=*/true), "");
    EXPECT_LT(Write(out, "x", /*ready=*/true), 0);
    EXPECT_EQ(errno, EPIPE);
    ::close(pair.right);
  }
}

TEST(DescriptorTest, ATerminalThatIsAnotherOneIsClosedAgain) {
  const RawPair pair = RawTerminal();
  Descriptor in(pair.left, SHUT_RD);
  const size_t before = OpenDescriptors();
  {
    // What it opens once more does not say which terminal it is.
    const SystemCallScope scope(SystemCallFault{"ioctl", 0, ENOTTY});
    EXPECT_EQ(Read(in, /*ready=*/false), kWouldWait);
    EXPECT_TRUE(scope.fired());
  }
  EXPECT_EQ(OpenDescriptors(), before);
  Close(pair);
}

// --- Writing

TEST(DescriptorTest, AWriteDoesNotWaitForRoomThatARivalHasTaken) {
  for (const RawPair pair : {RawPipe(), RawFifo(), RawTerminal(), RawUnix()}) {
    // A terminal is read by its master, the others by their left end.
    const bool is_terminal = ::isatty(pair.left) == 1;
    Descriptor out(is_terminal ? pair.left : pair.right, SHUT_WR);
    EXPECT_GT(Fill(out, /*ready=*/true), 1000);
    Close(pair);
  }
}

// It cannot be opened once more, so that is all done by poll(2).
TEST(DescriptorTest, AWriteToTheMasterOfATerminalTakesNoMoreThanThereIsRoom) {
  const RawPair pair = RawTerminal();
  Descriptor out(pair.right, SHUT_WR);
  size_t taken = Fill(out);
  size_t read = 0;
  for (int i = 0; i < 20; ++i) {
    char bytes[999];
    const ssize_t n = ::read(pair.left, bytes, sizeof(bytes));
    ASSERT_GT(n, 0);
    read += static_cast<size_t>(n);
    taken += Fill(out);
  }
  EXPECT_GT(taken, read);
  Close(pair);
}

TEST(DescriptorTest, AWriteToAMasterThatNobodyReadsIsEpipeAlsoAfterASignal) {
  const RawPair pair = RawTerminal();
  Descriptor out(pair.right, SHUT_WR);
  ::close(pair.left);
  const SystemCallScope scope(SystemCallFault{"poll", 0, EINTR});
  EXPECT_LT(Write(out, "x", /*ready=*/true), 0);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_TRUE(scope.fired());
  ::close(pair.right);
}

TEST(DescriptorTest, AWriteToAFifoThatHasNoReaderIsEpipe) {
  for (const bool had_one : {false, true}) {
    const RawPair fifo = RawFifo();
    Descriptor out(fifo.right, SHUT_WR);
    if (had_one) {
      EXPECT_EQ(Write(out, "data", /*ready=*/false), 4);
    }
    ::close(fifo.left);
    // SIGPIPE would end the test.
    EXPECT_LT(Write(out, "data", /*ready=*/false), 0);
    EXPECT_EQ(errno, EPIPE);
    ::close(fifo.right);
  }
}

TEST(DescriptorTest, AReaderOfAFifoSeesItsEndWhenItIsClosed) {
  const RawPair fifo = RawFifo();
  const size_t before = OpenDescriptors();
  Descriptor out(fifo.right, SHUT_WR);
  EXPECT_EQ(Write(out, "data", /*ready=*/false), 4);
  EXPECT_TRUE(out.Close().ok());
  EXPECT_EQ(OpenDescriptors(), before - 1);
  EXPECT_EQ(RawReadToEnd(fifo.left).bytes, "data");
  ::close(fifo.left);
}

// --- What others see

TEST(DescriptorTest, TheFlagsOfTheOpenFileAreNeverChanged) {
  for (const RawPair pair : {RawPipe(), RawFifo(), RawTerminal(), RawUnix()}) {
    const bool is_terminal = ::isatty(pair.left) == 1;
    const int out_fd = is_terminal ? pair.left : pair.right;
    const int flags_in = ::fcntl(pair.left, F_GETFL);
    const int flags_out = ::fcntl(out_fd, F_GETFL);
    const size_t before = OpenDescriptors();
    Descriptor in(pair.left, SHUT_RD);
    Descriptor out(out_fd, SHUT_WR);
    EXPECT_EQ(Read(in, /*ready=*/true), kWouldWait);
    EXPECT_EQ(Write(out, "data", /*ready=*/true), 4);
    EXPECT_EQ(::fcntl(in.fd(), F_GETFL), flags_in);
    EXPECT_EQ(::fcntl(out.fd(), F_GETFL), flags_out);
    in.Release();
    out.Release();
    EXPECT_EQ(OpenDescriptors(), before);
    Close(pair);
  }
}

// --- If it cannot be opened once more

TEST(DescriptorTest, WithoutADescriptorLeftPollDecidesWhatIsRead) {
  for (const RawPair pair : {RawFifo(), RawTerminal()}) {
    Descriptor in(pair.left, SHUT_RD);
    {
      NoDescriptorLeft none_left;
      EXPECT_EQ(Read(in, /*ready=*/false), kWouldWait);
      RawWrite(pair.right, "data");
      EXPECT_EQ(Read(in, /*ready=*/true), "data");
    }
    ::close(pair.right);
    EXPECT_EQ(Read(in, /*ready=*/true), "");
    ::close(pair.left);
  }
}

TEST(DescriptorTest, WithoutADescriptorLeftPollDecidesWhatIsWritten) {
  for (const RawPair pair : {RawFifo(), RawTerminal()}) {
    const bool is_terminal = ::isatty(pair.left) == 1;
    Descriptor out(is_terminal ? pair.left : pair.right, SHUT_WR);
    NoDescriptorLeft none_left;
    EXPECT_GT(Fill(out), 1000);
    Close(pair);
  }
}

}  // namespace
}  // namespace flow::internal
