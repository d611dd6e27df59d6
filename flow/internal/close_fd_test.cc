// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/close_fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

bool IsDevNull(int fd) {
  struct stat info = {};
  return ::fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) &&
         info.st_rdev == makedev(1, 3);
}

// Puts standard input back at its end. (The others are the test's own.)
class CloseFdTest : public ::testing::Test {
 protected:
  CloseFdTest() { ABSL_PCHECK(before_ >= 0); }
  ~CloseFdTest() override {
    ABSL_PCHECK(::dup2(before_, STDIN_FILENO) == STDIN_FILENO);
    ::close(before_);
  }

  // Makes `fd` standard input.
  static void Install(int fd) {
    ABSL_PCHECK(::dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    ::close(fd);
  }

 private:
  const int before_ = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
};

TEST_F(CloseFdTest, ClosesAndFreesTheNumber) {
  const RawPair pipe = RawPipe();
  EXPECT_THAT(CloseFd(pipe.right), IsOk());
  EXPECT_FALSE(IsOpen(pipe.right));
  EXPECT_EQ(RawReadToEnd(pipe.left).error, 0);
  EXPECT_THAT(CloseFd(pipe.left), IsOk());
  EXPECT_THAT(CloseFd(pipe.left),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(CloseFd(-1), IsOk());
}

TEST_F(CloseFdTest, KeepsTheNumberOfAStandardStreamTaken) {
  const RawPair pipe = RawPipe();
  Install(pipe.right);
  const size_t before = OpenDescriptors();
  EXPECT_THAT(CloseFd(STDIN_FILENO), IsOk());
  EXPECT_TRUE(IsDevNull(STDIN_FILENO));
  // For programs that are started from here, too.
  EXPECT_EQ(::fcntl(STDIN_FILENO, F_GETFD), 0);
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(RawReadToEnd(pipe.left).error, 0) << "it is closed";
  ::close(pipe.left);
}

TEST_F(CloseFdTest, KeepsThoseOfTheOthersTakenToo) {
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    const int before = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ABSL_PCHECK(before >= 0);
    const absl::Status closed = CloseFd(fd);
    const bool is_taken = IsDevNull(fd);
    ABSL_PCHECK(::dup2(before, fd) == fd);
    ::close(before);
    EXPECT_THAT(closed, IsOk()) << fd;
    EXPECT_TRUE(is_taken) << fd;
  }
}

TEST_F(CloseFdTest, KeepsItAlsoIfNoOtherDescriptorIsLeft) {
  const RawPair pipe = RawPipe();
  Install(pipe.right);
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  struct rlimit none_left = before;
  none_left.rlim_cur = STDERR_FILENO + 1;
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &none_left) == 0);
  EXPECT_THAT(CloseFd(STDIN_FILENO), IsOk());
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT_TRUE(IsDevNull(STDIN_FILENO));
  EXPECT_EQ(::fcntl(STDIN_FILENO, F_GETFD), 0);
  EXPECT_EQ(RawReadToEnd(pipe.left).error, 0) << "it is closed";
  ::close(pipe.left);
}

TEST_F(CloseFdTest, LeavesANumberThatIsNotOpenAlone) {
  ::close(STDIN_FILENO);
  EXPECT_THAT(CloseFd(STDIN_FILENO),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(IsOpen(STDIN_FILENO));
}

}  // namespace
}  // namespace flow::internal
