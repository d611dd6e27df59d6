// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/endpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/testing/internal/no_threads.h"
#include "flowcat/endpoint_spec.h"
#include "flowcat/explained_flow.h"
#include "flowcat/stop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::NoThreads;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr size_t kLimit = 1 << 20;

// A path of this process' own, at which there is nothing.
std::string NewPath(absl::string_view name) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/endpoint_test.",
                                        ::getpid(), ".", name);
  ::unlink(path.c_str());
  return path;
}

void WriteFile(const std::string& path, absl::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string FileContent(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::StatusOr<Endpoint> OpenSourceOf(absl::string_view operand) {
  absl::StatusOr<EndpointSpec> spec = ParseSource(operand);
  if (!spec.ok()) return spec.status();
  return OpenSource(*std::move(spec));
}

absl::StatusOr<Endpoint> OpenSinkOf(absl::string_view operand,
                                    const Endpoint& source = {}) {
  absl::StatusOr<EndpointSpec> spec = ParseSink(operand);
  if (!spec.ok()) return spec.status();
  return OpenSink(*std::move(spec), source);
}

// Returns all that `endpoint` has to read. A std::string, because UBSan objects
// to how Abseil compares an empty Cord.
absl::StatusOr<std::string> ReadAllOf(const Endpoint& endpoint) {
  const absl::StatusOr<absl::Cord> all = flow::ReadAll(*endpoint.flow, kLimit);
  if (!all.ok()) return all.status();
  return std::string(*all);
}

// Sources.

TEST(SourceTest, NullIsEmpty) {
  absl::StatusOr<Endpoint> source = OpenSourceOf("null:");
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(source->size, 0);
  EXPECT_THAT(ReadAllOf(*source), IsOkAndHolds(""));
}

TEST(SourceTest, StringIsItsText) {
  absl::StatusOr<Endpoint> source = OpenSourceOf("string:a:b");
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(source->size, 3);
  EXPECT_THAT(ReadAllOf(*source), IsOkAndHolds("a:b"));
}

TEST(SourceTest, ZeroIsAsManyZerosAsItsSize) {
  // The larger ones around what is handed over at a time.
  for (const size_t size : {0, 1, 262143, 262144, 262145, 600000}) {
    absl::StatusOr<Endpoint> source = OpenSourceOf(absl::StrCat("zero:", size));
    ASSERT_THAT(source, IsOk());
    EXPECT_EQ(source->size, size);
    const absl::StatusOr<std::string> all = ReadAllOf(*source);
    ASSERT_THAT(all, IsOk());
    EXPECT_TRUE(*all == std::string(size, '\0')) << size;
  }
}

TEST(SourceTest, ZeroHandsTheSameMemoryOverAgain) {
  absl::StatusOr<Endpoint> source = OpenSourceOf("zero:1GiB");
  ASSERT_THAT(source, IsOk());
  const absl::StatusOr<absl::Cord> first = source->flow->Read();
  const absl::StatusOr<absl::Cord> second = source->flow->Read();
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  ASSERT_TRUE(first->TryFlat().has_value());
  EXPECT_EQ(first->TryFlat()->data(), second->TryFlat()->data());
}

TEST(SourceTest, AFileIsItsContentAndKnowsItsSize) {
  const std::string path = NewPath("source");
  const std::string content(100000, 'x');
  WriteFile(path, content);
  absl::StatusOr<Endpoint> source = OpenSourceOf(path);
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(source->name, path);
  EXPECT_EQ(source->size, content.size());
  EXPECT_TRUE(source->regular_file.has_value());
  EXPECT_FALSE(source->is_terminal);
  EXPECT_THAT(ReadAllOf(*source), IsOkAndHolds(content));
  EXPECT_THAT(source->flow->Close(absl::InfiniteFuture()), IsOk());
}

TEST(SourceTest, ErrorsNameTheFileAndWhatWasTried) {
  const std::string path = NewPath("missing");
  const absl::StatusOr<Endpoint> missing = OpenSourceOf(path);
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(CauseOf(missing.status()),
            absl::StrCat("cannot open ", path, ": No such file or directory"));
  EXPECT_EQ(CauseOf(OpenSourceOf("/").status()),
            "cannot read /: Is a directory");
}

TEST(SourceTest, StandardInputMayBeNonBlockingAndReadFromBefore) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe2(ends.data(), O_NONBLOCK), 0);
  ASSERT_GE(::dup2(ends[0], STDIN_FILENO), 0);
  absl::StatusOr<Endpoint> source = OpenSourceOf("-");
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(source->name, "standard input");
  std::thread writer([&] {
    // Long enough that the reader usually finds nothing at first.
    absl::SleepFor(absl::Milliseconds(20));
    EXPECT_EQ(::write(ends[1], "abc", 3), 3);
    ::close(ends[1]);
  });
  EXPECT_THAT(ReadAllOf(*source), IsOkAndHolds("abc"));
  writer.join();
  ::close(ends[0]);

  const std::string path = NewPath("stdin");
  WriteFile(path, "abcdef");
  const int fd = ::open(path.c_str(), O_RDONLY);
  ASSERT_EQ(::lseek(fd, 2, SEEK_SET), 2);
  // Also makes sure that there is something to close.
  EXPECT_THAT(source->flow->Close(absl::InfiniteFuture()), IsOk());
  ASSERT_GE(::dup2(fd, STDIN_FILENO), 0);
  source = OpenSourceOf("-");
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(source->size, 4);
  EXPECT_THAT(ReadAllOf(*source), IsOkAndHolds("cdef"));
}

// Sinks.

TEST(SinkTest, NullTakesAllAndCountsIt) {
  absl::StatusOr<Endpoint> sink = OpenSinkOf("null:");
  ASSERT_THAT(sink, IsOk());
  EXPECT_THAT(sink->flow->Write("abc"), IsOk());
  EXPECT_EQ(sink->flow->bytes_written(), 3);
  EXPECT_THAT(sink->flow->Close(absl::InfiniteFuture()), IsOk());
}

TEST(SinkTest, AFileIsCreatedWithTheUsersMask) {
  const std::string path = NewPath("created");
  const mode_t old_mask = ::umask(027);
  absl::StatusOr<Endpoint> sink = OpenSinkOf(path);
  ::umask(old_mask);
  ASSERT_THAT(sink, IsOk());
  EXPECT_THAT(sink->flow->Write("abc"), IsOk());
  EXPECT_THAT(sink->flow->Close(absl::InfiniteFuture()), IsOk());
  EXPECT_EQ(FileContent(path), "abc");
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640);
}

TEST(SinkTest, AFileIsEmptiedFirstAndKeepsWhatWasWrittenAfterAnAbort) {
  const std::string path = NewPath("emptied");
  WriteFile(path, "longer than before");
  absl::StatusOr<Endpoint> sink = OpenSinkOf(path);
  ASSERT_THAT(sink, IsOk());
  EXPECT_THAT(sink->flow->Write("abc"), IsOk());
  sink->flow->Abort(absl::AbortedError("enough"));
  sink->flow.reset();
  EXPECT_EQ(FileContent(path), "abc");
}

TEST(SinkTest, ACloseThatFailsIsAnError) {
  const std::string path = NewPath("unclosable");
  // The number that the sink's descriptor will have, to close it beforehand.
  const int fd = ::dup(STDERR_FILENO);
  ::close(fd);
  absl::StatusOr<Endpoint> sink = OpenSinkOf(path);
  ASSERT_THAT(sink, IsOk());
  ASSERT_EQ(::close(fd), 0);
  const absl::Status status = sink->flow->Close(absl::InfiniteFuture());
  EXPECT_THAT(status, Not(IsOk()));
  EXPECT_EQ(CauseOf(status),
            absl::StrCat("cannot close ", path, ": Bad file descriptor"));
}

TEST(SinkTest, TheFileOfTheSourceIsRefusedAndLeftAlone) {
  const std::string path = NewPath("same");
  const std::string link = NewPath("link");
  WriteFile(path, "precious");
  ASSERT_EQ(::link(path.c_str(), link.c_str()), 0);
  const absl::StatusOr<Endpoint> source = OpenSourceOf(path);
  ASSERT_THAT(source, IsOk());
  for (const std::string& sink : {path, link}) {
    EXPECT_THAT(
        OpenSinkOf(sink, *source),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 absl::StrCat(path, " and ", sink, " are the same file")));
  }
  EXPECT_EQ(FileContent(path), "precious");
}

TEST(SinkTest, TheSameDeviceTwiceIsFine) {
  const absl::StatusOr<Endpoint> source = OpenSourceOf("/dev/null");
  ASSERT_THAT(source, IsOk());
  EXPECT_FALSE(source->regular_file.has_value());
  EXPECT_THAT(OpenSinkOf("/dev/null", *source), IsOk());
}

TEST(SinkTest, AFullDiskIsResourceExhausted) {
  absl::StatusOr<Endpoint> sink = OpenSinkOf("/dev/full");
  ASSERT_THAT(sink, IsOk());
  const absl::Status full = sink->flow->Write("abc");
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(CauseOf(full), "cannot write /dev/full: No space left on device");
}

TEST(SinkTest, APipeWithoutAReaderIsClosed) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string path = NewPath("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  absl::StatusOr<Endpoint> sink = OpenSinkOf(path);
  ASSERT_THAT(sink, IsOk());
  EXPECT_THAT(sink->flow->Write("abc"), IsOk());
  ::close(reader);
  const absl::Status closed = sink->flow->Write("def");
  EXPECT_TRUE(flow::IsClosed(closed)) << closed;
  EXPECT_EQ(CauseOf(closed),
            absl::StrCat("cannot write ", path, ": its reader has closed it"));
}

// --- Sockets

// Not of a file, whose path would be too long.
std::string UnixAddress(absl::string_view name) {
  return absl::StrCat("unix:@endpoint_test_", absl::GetCurrentTimeNanos(), "_",
                      name);
}

TEST(DialedTest, AStopEndsTheWait) {
  const std::string address = UnixAddress("full");
  flow::ListenOptions one;
  one.backlog = 0;
  const auto listener = flow::Listen(address, one);
  ASSERT_THAT(listener, IsOk());
  const auto spec = ParseSource(address);
  ASSERT_THAT(spec, IsOk());
  Stop stop;
  OpenOptions options;
  options.stop = &stop;
  const absl::StatusOr<Endpoint> first = OpenBothWays(*spec, options);
  ASSERT_THAT(first, IsOk());
  std::thread stopper([&] {
    absl::SleepFor(absl::Milliseconds(20));
    stop.Request(SIGTERM);
  });
  options.connect_timeout = absl::Hours(1);
  EXPECT_THAT(OpenBothWays(*spec, options),
              StatusIs(absl::StatusCode::kCancelled, "ended by SIGTERM"));
  stopper.join();
}

// --- Threads

TEST(ThreadsTest, OnlyWhatCannotBeInterruptedTakesOne) {
  const auto unix_listener = flow::Listen(
      absl::StrCat("unix:@endpoint_test.", absl::GetCurrentTimeNanos()));
  const auto tcp_listener = flow::Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(unix_listener, IsOk());
  ASSERT_THAT(tcp_listener, IsOk());
  const std::string tcp_address = (*tcp_listener)->address();
  const std::string file = NewPath("file");
  const std::string fifo = NewPath("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string name =
      absl::StrCat("tcp:localhost", tcp_address.substr(tcp_address.rfind(':')));

  Stop stop;
  OpenOptions options;
  options.stop = &stop;
  const auto open = [&options](const std::string& operand) {
    const absl::StatusOr<EndpointSpec> spec = ParseSink(operand);
    if (!spec.ok()) return spec.status();
    return OpenSink(*spec, Endpoint(), options).status();
  };
  const NoThreads none;
  EXPECT_THAT(open(file), IsOk()) << "that is made";
  EXPECT_THAT(open(file), IsOk()) << "that is there";
  EXPECT_THAT(open("exec:exec cat >/dev/null"), IsOk());
  EXPECT_THAT(open((*unix_listener)->address()), IsOk());
  EXPECT_THAT(open(tcp_address), IsOk());
  for (const auto& [operand, tried] :
       {std::pair(fifo, "open "), std::pair(name, "connect to ")}) {
    const absl::Status status = open(operand);
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_THAT(CauseOf(status),
                AllOf(StartsWith(absl::StrCat("cannot ", tried, operand, ": ")),
                      HasSubstr("no thread ")));
  }
}

}  // namespace
}  // namespace flowcat
