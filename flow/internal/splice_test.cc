// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/log/absl_check.h"
#include "flow/internal/kernel_end.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::PatternString;
using ::flow::testing::RawContents;
using ::flow::testing::RawFile;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SetNonBlocking;
using Kind = SpliceFile::Kind;

constexpr size_t kSize = 2 * kMinSplice;

off_t OffsetOf(int fd) { return ::lseek(fd, 0, SEEK_CUR); }

TEST(SpliceFileTest, KnowsWhatCanBeSpliced) {
  const RawPair pipe = RawPipe();
  const RawPair sockets = RawUnix();
  const int file = RawFile();
  const int other = RawFile();
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int zero = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(SpliceFileOf(pipe.left).kind, Kind::kPipe);
  EXPECT_EQ(SpliceFileOf(sockets.left).kind, Kind::kSocket);
  EXPECT_EQ(SpliceFileOf(file).kind, Kind::kRegular);
  EXPECT_EQ(SpliceFileOf(null).kind, Kind::kNull);
  EXPECT_EQ(SpliceFileOf(zero).kind, Kind::kNone);
  EXPECT_EQ(SpliceFileOf(-1).kind, Kind::kNone);
  EXPECT_TRUE(SpliceFileOf(file).IsSameFile(SpliceFileOf(file)));
  EXPECT_FALSE(SpliceFileOf(file).IsSameFile(SpliceFileOf(other)));
  EXPECT_FALSE(SpliceFileOf(pipe.left).IsSameFile(SpliceFileOf(pipe.left)));
  for (const int fd : {pipe.left, pipe.right, sockets.left, sockets.right, file,
                       other, null, zero}) {
    ::close(fd);
  }
}

TEST(SplicePipeTest, OtherProgramsDoNotInheritIt) {
  const std::unique_ptr<KernelPipe> pipe = MakeSplicePipe();
  ASSERT_NE(pipe, nullptr);
  for (const int fd : {pipe->read_fd(), pipe->write_fd()}) {
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
}

TEST(SpliceTest, AFileGivesWhatItHasAndTheOffsetIsBehindThat) {
  const std::string bytes = PatternString(0, kSize + 1);
  const int file = RawFile(bytes);
  ABSL_PCHECK(::lseek(file, 1, SEEK_SET) == 1);
  const auto pipe = MakeSplicePipe();
  ASSERT_NE(pipe, nullptr);
  EXPECT_EQ(SpliceToPipe(file, SpliceFileOf(file), pipe->write_fd(),
                         pipe->capacity()),
            static_cast<ssize_t>(kSize));
  EXPECT_EQ(OffsetOf(file), static_cast<off_t>(kSize) + 1);
  EXPECT_EQ(pipe->Take(kSize), bytes.substr(1));
  ::close(file);
}

// What a call gives back, another process may have passed already.
TEST(SpliceTest, AsMuchAsAPipeHoldsFitsWhereverInAPageItBegins) {
  const auto pipe = MakeSplicePipe();
  ASSERT_NE(pipe, nullptr);
  const std::string bytes = PatternString(0, pipe->capacity() + 2);
  const int file = RawFile(bytes);
  ABSL_PCHECK(::lseek(file, 1, SEEK_SET) == 1);
  ASSERT_EQ(SpliceToPipe(file, SpliceFileOf(file), pipe->write_fd(),
                         pipe->capacity()),
            static_cast<ssize_t>(pipe->capacity()));
  EXPECT_EQ(pipe->Take(pipe->capacity()), bytes.substr(1, pipe->capacity()));
  ::close(file);
}

TEST(SpliceTest, AFileWithLittleLeftGivesNothingAndKeepsItsOffset) {
  const int file = RawFile(std::string(kMinSplice - 1, 'x'));
  const int sink = RawFile();
  const auto pipe = MakeSplicePipe();
  EXPECT_EQ(SpliceToPipe(file, SpliceFileOf(file), pipe->write_fd(), kSize), 0);
  EXPECT_EQ(MoveBetweenFiles(file, sink, SpliceFileOf(sink), kSize), 0);
  EXPECT_EQ(OffsetOf(file), 0);
  EXPECT_EQ(OffsetOf(sink), 0);
  ::close(file);
  ::close(sink);
}

TEST(SpliceTest, ARefusedCallMovesNoOffset) {
  const int file = RawFile(PatternString(0, kSize));
  const int sink = RawFile();
  ABSL_PCHECK(::fcntl(sink, F_SETFL, O_APPEND) == 0);
  EXPECT_LT(MoveBetweenFiles(file, sink, SpliceFileOf(sink), kSize), 0);
  EXPECT_EQ(OffsetOf(file), 0);
  EXPECT_EQ(OffsetOf(sink), 0);
  EXPECT_EQ(RawContents(sink), "");
  ::close(file);
  ::close(sink);
}

TEST(SpliceTest, AnEmptyOrAFullPipeWouldWait) {
  const RawPair pair = RawPipe();
  const auto pipe = MakeSplicePipe();
  EXPECT_EQ(
      SpliceToPipe(pair.left, SpliceFileOf(pair.left), pipe->write_fd(), kSize),
      -1);
  EXPECT_EQ(errno, EAGAIN);
  RawWrite(pair.right, std::string(kSize * 2, 'x'));  // 64 KiB
  RawWrite(pipe->write_fd(), std::string(kSize, 'y'));
  EXPECT_EQ(SpliceFromPipe(pipe->read_fd(), pair.right,
                           SpliceFileOf(pair.right), kSize),
            -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(pipe->Take(kSize), std::string(kSize, 'y'));
  ::close(pair.left);
  ::close(pair.right);
}

TEST(SpliceTest, ASocketThatWouldWaitIsRefused) {
  const RawPair pair = RawUnix();
  const auto pipe = MakeSplicePipe();
  const SpliceFile socket = SpliceFileOf(pair.left);
  RawWrite(pair.right, "text");
  EXPECT_EQ(SpliceToPipe(pair.left, socket, pipe->write_fd(), kSize), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(SpliceFromPipe(pipe->read_fd(), pair.left, socket, kSize), -1);
  EXPECT_EQ(errno, EINVAL);
  SetNonBlocking(pair.left);
  EXPECT_EQ(SpliceToPipe(pair.left, socket, pipe->write_fd(), kSize), 4);
  EXPECT_EQ(pipe->Take(4), "text");
  ::close(pair.left);
  ::close(pair.right);
}

}  // namespace
}  // namespace flow::internal
