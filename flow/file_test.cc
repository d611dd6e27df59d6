// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What files are as flows. This program has a copy_file_range(), an fsync() and
// an open() of its own.

#include "flow/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/status.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// What fsync(2) is to say: an error, or 0.
int fsync_error = 0;
int fsyncs = 0;

// How many more times a signal interrupts open(2).
int interruptions = 0;

// How often bytes went from file to file without passing this process.
int ranges_copied = 0;

}  // namespace

// The program's own functions are taken for those of the C library.
extern "C" ssize_t copy_file_range(int from, off64_t* from_offset, int to,
                                   off64_t* to_offset, size_t size,
                                   unsigned int flags) {
  ++ranges_copied;
  return ::syscall(SYS_copy_file_range, from, from_offset, to, to_offset, size,
                   flags);
}

extern "C" int fsync(int fd) {
  ++fsyncs;
  errno = fsync_error;
  return fsync_error != 0 || ::fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

extern "C" int open(const char* path, int flags, ...) {
  if (interruptions > 0) {
    --interruptions;
    errno = EINTR;
    return -1;
  }
  va_list arguments;
  va_start(arguments, flags);
  const bool has_mode = (flags & (O_CREAT | O_TMPFILE)) != 0;
  const int mode = has_mode ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Exists;
using ::flow::testing::GiveUpCapabilities;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::NewFolder;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using FlowOr = absl::StatusOr<std::unique_ptr<Flow>>;

std::string NewFile(absl::string_view content) {
  std::string path = absl::StrCat(NewFolder(), "/file");
  std::ofstream(path) << content;
  return path;
}

std::string ContentOf(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

// Writes `data` and closes.
absl::Status WriteAll(FlowOr flow, absl::string_view data) {
  if (!flow.ok()) return flow.status();
  absl::Status status = (*flow)->Write(data);
  if (status.ok()) status = (*flow)->Close();
  return status;
}

// --- OpenFile()

TEST(OpenFileTest, ReadsTheFileFromItsOffset) {
  const std::string path = NewFile("some text");
  for (const auto& [offset, rest] :
       {std::pair<int64_t, const char*>(0, "some text"),
        {5, "text"},
        {9, ""},
        {1'000'000, ""}}) {
    OpenFileOptions options;
    options.offset = offset;
    const FlowOr flow = OpenFile(path, options);
    ASSERT_THAT(flow, IsOk());
    EXPECT_THAT(ReadAll(**flow, 100), IsOkAndHolds(rest));
    EXPECT_THAT((*flow)->Close(), IsOk());
  }
}

TEST(OpenFileTest, GoesOnAfterASignal) {
  interruptions = 3;
  EXPECT_THAT(OpenFile("/dev/null"), IsOk());
  EXPECT_EQ(interruptions, 0);
}

TEST(OpenFileTest, TellsTheSizeOfWhatItHasOpened) {
  const std::string path = NewFile("some text");
  OpenFileOptions options;
  options.offset = 5;
  int64_t size = 0;
  ASSERT_THAT(OpenFile(path, options, &size), IsOk());
  EXPECT_EQ(size, 9);
  ASSERT_THAT(OpenFile("/dev/null", {}, &size), IsOk());
  EXPECT_EQ(size, -1);
}

TEST(OpenFileTest, WritesNothing) {
  const std::string path = NewFile("some text");
  EXPECT_THAT(WriteAll(OpenFile(path), "x"), IsClosed());
  EXPECT_EQ(ContentOf(path), "some text");
}

TEST(OpenFileTest, ThatCannotBeReadSaysWhyAndNamesThePath) {
  const size_t before = OpenDescriptors();
  const std::string file = NewFile("");
  const std::string folder = NewFolder();
  const struct {
    std::string path;
    absl::StatusCode code;
    const char* says;
    std::optional<int> error;
  } kCases[] = {
      {"", absl::StatusCode::kInvalidArgument, "(): the path is empty",
       std::nullopt},
      {std::string("a\0b", 3), absl::StatusCode::kInvalidArgument,
       "(a\\x00b): the path has a byte of 0", std::nullopt},
      {folder, absl::StatusCode::kInvalidArgument, "): it is a folder", EISDIR},
      {absl::StrCat(folder, "/none"), absl::StatusCode::kNotFound,
       "/none): ", ENOENT},
      {absl::StrCat(file, "/none"), absl::StatusCode::kNotFound,
       "a part of the path is not a folder", ENOTDIR},
  };
  for (const auto& c : kCases) {
    const absl::Status status = OpenFile(c.path).status();
    EXPECT_THAT(status, StatusIs(c.code, AllOf(StartsWith("OpenFile("),
                                               HasSubstr(c.says))));
    EXPECT_EQ(ErrnoOf(status), c.error) << status;
  }
  OpenFileOptions options;
  options.offset = -1;
  EXPECT_THAT(
      OpenFile(file, options),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("offset is -1")));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(OpenFileTest, ErrorsOfTheFlowNameThePath) {
  const std::string path = absl::StrCat(NewFolder(), "/a\nb");
  ASSERT_THAT(WriteAll(CreateFile(path), ""), IsOk());
  const FlowOr flow = OpenFile(path);
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT((*flow)->DebugString(), StartsWith("file /tmp/"));
  EXPECT_THAT((*flow)->Write("x").message(), HasSubstr("/a\\nb ["));
}

// --- CreateFile()

TEST(CreateFileTest, MakesTheFileOrEmptiesIt) {
  const std::string path = absl::StrCat(NewFolder(), "/file");
  for (const char* data : {"the first one", "the second"}) {
    EXPECT_THAT(WriteAll(CreateFile(path), data), IsOk());
    EXPECT_EQ(ContentOf(path), data);
  }
  EXPECT_THAT(CreateFile(path).value()->Read(), IsEof());
}

TEST(CreateFileTest, AppendsIfAskedTo) {
  const std::string path = absl::StrCat(NewFolder(), "/file");
  CreateFileOptions options;
  options.append = true;
  FlowOr flow = CreateFile(path, options);
  ASSERT_THAT(WriteAll(CreateFile(path, options), "a"), IsOk());
  ASSERT_THAT(WriteAll(std::move(flow), "b"), IsOk());  // behind what is there
  ASSERT_THAT(WriteAll(CreateFile(path, options), "c"), IsOk());
  EXPECT_EQ(ContentOf(path), "abc");
}

TEST(CreateFileTest, IsExclusiveIfAskedTo) {
  const std::string path = absl::StrCat(NewFolder(), "/file");
  CreateFileOptions options;
  options.exclusive = true;
  EXPECT_THAT(WriteAll(CreateFile(path, options), "precious"), IsOk());
  EXPECT_THAT(CreateFile(path, options),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path)));
  EXPECT_EQ(ContentOf(path), "precious");
  const std::string link = absl::StrCat(path, ".link");
  ABSL_PCHECK(::symlink("none", link.c_str()) == 0);
  EXPECT_THAT(CreateFile(link, options),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(CreateFileTest, GivesANewFileItsModeWithoutTheUmasksPart) {
  const mode_t before = ::umask(027);
  for (const auto& [mode, result] :
       {std::pair<mode_t, mode_t>(0666, 0640), {0600, 0600}, {0777, 0750}}) {
    const std::string path = absl::StrCat(NewFolder(), "/file");
    CreateFileOptions options;
    options.mode = mode;
    EXPECT_THAT(WriteAll(CreateFile(path, options), "x"), IsOk());
    struct stat info;
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, result);
  }
  ::umask(before);
}

TEST(CreateFileTest, ThatCannotBeMadeSaysWhyAndNamesThePath) {
  const size_t before = OpenDescriptors();
  const std::string folder = NewFolder();
  const struct {
    std::string path;
    absl::StatusCode code;
    const char* says;
  } kCases[] = {
      {"", absl::StatusCode::kInvalidArgument, "(): the path is empty"},
      {std::string("a\0b", 3), absl::StatusCode::kInvalidArgument,
       "(a\\x00b): the path has a byte of 0"},
      {folder, absl::StatusCode::kInvalidArgument, "): it is a folder"},
      {absl::StrCat(folder, "/none/"), absl::StatusCode::kInvalidArgument,
       "it is a folder"},
      {absl::StrCat(folder, "/none/file"), absl::StatusCode::kNotFound,
       "/none/file): "},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(
        CreateFile(c.path).status(),
        StatusIs(c.code, AllOf(StartsWith("CreateFile("), HasSubstr(c.says))));
  }
  CreateFileOptions options;
  options.mode = 010000;
  EXPECT_THAT(CreateFile(absl::StrCat(folder, "/file"), options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("mode is 010000; it must be 0 to 0777")));
  EXPECT_FALSE(Exists(absl::StrCat(folder, "/file")));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(CreateFileTest, SyncsAtItsEndIfAskedTo) {
  const std::string path = absl::StrCat(NewFolder(), "/file");
  CreateFileOptions options;
  EXPECT_THAT(WriteAll(CreateFile(path, options), "x"), IsOk());
  EXPECT_EQ(fsyncs, 0);
  options.sync = true;
  EXPECT_THAT(WriteAll(CreateFile(path, options), "data"), IsOk());
  EXPECT_EQ(fsyncs, 1);
  EXPECT_EQ(ContentOf(path), "data");
  CreateFile(path, options).value()->Abort(absl::AbortedError("enough"));
  EXPECT_EQ(fsyncs, 1);
  EXPECT_THAT(WriteAll(CreateFile("/dev/null", options), "x"), IsOk());
  fsync_error = EIO;
  EXPECT_THAT(WriteAll(CreateFile(path, options), "lost"),
              StatusIs(absl::StatusCode::kUnknown,
                       AllOf(HasSubstr(path), HasSubstr("fsync"))));
  fsync_error = EINVAL;  // as of a FIFO
  EXPECT_THAT(WriteAll(CreateFile(path, options), "x"), IsOk());
  fsync_error = 0;
}

TEST(CreateFileTest, OneThatSyncsIsCopiedToInsideTheKernel) {
  const std::string folder = NewFolder();
  const std::string from = absl::StrCat(folder, "/from");
  const std::string data(100000, 'x');
  ASSERT_THAT(WriteAll(CreateFile(from), data), IsOk());
  const std::string to = absl::StrCat(folder, "/to");
  CreateFileOptions options;
  options.sync = true;
  const auto source = OpenFile(from).value();
  const auto sink = CreateFile(to, options).value();
  EXPECT_THAT(Copy(*source, *sink).status, IsOk());
  EXPECT_THAT(sink->Close(), IsOk());
  EXPECT_GT(ranges_copied, 0);
  EXPECT_TRUE(ContentOf(to) == data);
}

TEST(CreateFileTest, AFullDiskIsExhaustedAndNeverLooksWhole) {
  const absl::Status full = WriteAll(CreateFile("/dev/full"), "x");
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted,
                             HasSubstr("file /dev/full [")));
  EXPECT_EQ(ErrnoOf(full), ENOSPC);
  const std::string path = NewFile("some text");
  const FlowOr from = OpenFile(path);
  ASSERT_THAT(from, IsOk());
  const FlowOr to = CreateFile("/dev/full");
  ASSERT_THAT(to, IsOk());
  EXPECT_THAT(Copy(**from, **to).status,
              StatusIs(absl::StatusCode::kResourceExhausted));
}

// --- What not everybody opens

TEST(FileTest, AFifoIsOpenedWithoutItsOtherEnd) {
  const std::string path = absl::StrCat(NewFolder(), "/fifo");
  ABSL_PCHECK(::mkfifo(path.c_str(), 0600) == 0);
  EXPECT_THAT(CreateFile(path), StatusIs(absl::StatusCode::kUnavailable,
                                         HasSubstr("nobody reads the FIFO")));
  OpenFileOptions options;
  options.offset = 1;
  EXPECT_THAT(OpenFile(path, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("there is no such place")));
  const FlowOr reader = OpenFile(path);
  ASSERT_THAT(reader, IsOk());
  // Nobody has come yet, which is no end.
  (*reader)->SetReadDeadline(absl::Now() + absl::Milliseconds(20));
  EXPECT_THAT((*reader)->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  (*reader)->SetReadDeadline(Patience());
  EXPECT_THAT(WriteAll(CreateFile(path), "text"), IsOk());
  EXPECT_THAT(ReadAll(**reader, 100), IsOkAndHolds("text"));
}

TEST(FileTest, ThatThisProcessMayNotUseIsDenied) {
  const std::string path = NewFile("secret");
  ABSL_PCHECK(::chmod(path.c_str(), 0) == 0);
  const pid_t child = ::fork();
  ABSL_PCHECK(child >= 0);
  if (child == 0) {
    GiveUpCapabilities();
    ::_exit(absl::IsPermissionDenied(OpenFile(path).status()) &&
                    absl::IsPermissionDenied(CreateFile(path).status())
                ? 0
                : 1);
  }
  int status = -1;
  ABSL_PCHECK(::waitpid(child, &status, 0) == child);
  EXPECT_EQ(status, 0);
}

TEST(FileTest, ASocketIsInvalid) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const auto listener = testing::ListenOn(absl::StrCat("unix:", path));
  for (const absl::Status& status :
       {OpenFile(path).status(), CreateFile(path).status()}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("it is a socket")));
  }
}

}  // namespace
}  // namespace flow
