// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies inside the kernel that fail, are late or are stopped on the way: which
// side it was, and that no byte is lost (docs/semantics.md, "Inside the
// kernel").

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/internal/transport_control.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::PatternString;
using ::flow::testing::RawContents;
using ::flow::testing::RawFile;
using ::flow::testing::RawNull;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReopen;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SetNonBlocking;
using ::flow::testing::Soon;
using ::testing::HasSubstr;
using Side = CopyResult::Side;

// More than one step of any kind, and than a pipe or a Unix socket holds.
constexpr size_t kLarge = (size_t{6} << 20) + 12345;
// More than TCP holds.
constexpr size_t kHuge = size_t{16} << 20;
// Less than what a Unix socket holds.
constexpr size_t kQueued = size_t{128} << 10;

std::unique_ptr<Flow> NonBlockingFlowOf(int fd) {
  SetNonBlocking(fd);
  return FlowOf(fd);
}

// Reads and drops about `size` bytes.
void RawDrop(int fd, size_t size) {
  char buffer[4096];
  for (size_t dropped = 0; dropped < size;) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    ABSL_PCHECK(n > 0);
    dropped += static_cast<size_t>(n);
  }
}

// What the source has given is what the sink has taken and what is left.
void ExpectNothingIsLost(const CopyResult& result, const Flow& source,
                         const Flow& sink) {
  EXPECT_EQ(result.statistics.bytes, sink.bytes_written());
  EXPECT_EQ(
      source.bytes_read(),
      sink.bytes_written() + static_cast<int64_t>(result.unwritten.size()));
  const std::string rest(result.unwritten);
  EXPECT_TRUE(rest == PatternString(sink.bytes_written(), rest.size()));
}

// --- Sinks that fail

TEST(CopyInKernelSinkTest, APipeThatLosesItsReaderIsClosedAndNothingIsLost) {
  const RawPair pair = RawPipe();
  auto source = FlowOf(RawFile(PatternString(0, kLarge)));
  auto sink = FlowOf(pair.right);
  std::thread reader([&] {
    RawDrop(pair.left, 300000);
    ::close(pair.left);
  });
  const CopyResult result = Copy(*source, *sink);
  reader.join();
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_GE(result.statistics.bytes, 300000);
  ExpectNothingIsLost(result, *source, *sink);
  EXPECT_THAT(sink->Write("x"), IsClosed());
}

TEST(CopyInKernelSinkTest, AUnixSocketWhosePeerRefusesIsClosed) {
  const RawPair pair = RawUnix();
  auto source = FlowOf(RawFile(PatternString(0, kLarge)));
  auto sink = NonBlockingFlowOf(pair.right);
  std::thread reader([&] {
    RawDrop(pair.left, 300000);
    ::shutdown(pair.left, SHUT_RD);
    char buffer[4096];  // which makes room, and so wakes the writer
    while (::recv(pair.left, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
    }
  });
  const CopyResult result = Copy(*source, *sink);
  reader.join();
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_EQ(result.failed, Side::kSink);
  ExpectNothingIsLost(result, *source, *sink);
  ::close(pair.left);
}

// The kernel tells of a reset once, here to splice(2).
TEST(CopyInKernelSinkTest, AResetStaysForTheReaderOfTheSameFlow) {
  const RawPair pair = RawTcp();
  auto source = FlowOf(RawFile(PatternString(0, kLarge)));
  auto sink = NonBlockingFlowOf(pair.right);
  std::thread reader([&] {
    RawDrop(pair.left, 300000);
    RawReset(pair.left);
  });
  const CopyResult result = Copy(*source, *sink);
  reader.join();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(result.failed, Side::kSink);
  ExpectNothingIsLost(result, *source, *sink);
  EXPECT_THAT(sink->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(CopyInKernelSinkTest, AFileThatMayNotGrowIsFullAndNoSignalComes) {
  constexpr size_t kLimit = (size_t{5} << 20) + 123;
  const std::string bytes = PatternString(0, kLarge);
  for (const bool from_pipe : {false, true}) {
    const RawPair pair = RawPipe();
    std::thread writer;
    auto source = FlowOf(from_pipe ? pair.left : RawFile(bytes));
    if (from_pipe) {
      writer = std::thread([&] {
        RawWrite(pair.right, bytes);
        ::close(pair.right);
      });
    }
    const int file = RawFile();
    auto sink = FlowOf(RawReopen(file, O_WRONLY));
    struct rlimit before;
    ABSL_PCHECK(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    struct rlimit small = before;
    small.rlim_cur = kLimit;
    ABSL_PCHECK(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const CopyResult result = Copy(*source, *sink);
    ABSL_PCHECK(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(result.failed, Side::kSink);
    EXPECT_EQ(result.statistics.bytes, kLimit);
    ExpectNothingIsLost(result, *source, *sink);
    EXPECT_TRUE(RawContents(file) == bytes.substr(0, kLimit));
    ::close(file);
    if (from_pipe) {
      EXPECT_THAT(Copy(*source, *FlowOf(RawNull())).status, IsOk());
      writer.join();
    } else {
      ::close(pair.left);
      ::close(pair.right);
    }
  }
}

// --- Sources that fail

TEST(CopyInKernelSourceTest, AResetInTheMiddleNeverLooksLikeTheEnd) {
  const RawPair pair = RawTcp();
  auto source = NonBlockingFlowOf(pair.left);
  const int file = RawFile();
  auto sink = FlowOf(RawReopen(file, O_WRONLY));
  std::thread writer([&] {
    RawWrite(pair.right, PatternString(0, kLarge));
    RawReset(pair.right);
  });
  CopyOptions options;
  options.close_timeout = absl::Seconds(10);
  const CopyResult result = Copy(*source, *sink, options);
  writer.join();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(result.failed, Side::kSource);
  ExpectNothingIsLost(result, *source, *sink);
  const std::string contents = RawContents(file);
  EXPECT_EQ(contents.size(), static_cast<size_t>(result.statistics.bytes));
  EXPECT_TRUE(contents == PatternString(0, contents.size()));
  EXPECT_THAT(source->Read(), StatusIs(absl::StatusCode::kUnavailable));
  ::close(file);
}

// --- Deadlines

TEST(CopyInKernelDeadlineTest, ASilentSourceIsLateAndTheCopyGoesOn) {
  for (const RawPair pair : {RawPipe(), RawUnix()}) {
    const std::string bytes = PatternString(0, 2 * kQueued);
    auto source = NonBlockingFlowOf(pair.left);
    const int file = RawFile();
    auto sink = FlowOf(RawReopen(file, O_WRONLY));
    std::thread writer([&] {
      RawWrite(pair.right, absl::string_view(bytes).substr(0, kQueued));
    });
    // The read is late once all was read.
    source->SetReadDeadline(Soon());
    CopyOptions options;
    options.on_deadline = [&](Flow& late) {
      EXPECT_EQ(&late, source.get());
      if (source->bytes_read() == kQueued) return false;
      source->SetReadDeadline(Soon());
      return true;
    };
    const CopyResult result = Copy(*source, *sink, options);
    writer.join();
    EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(result.failed, Side::kSource);
    EXPECT_EQ(result.unwritten, "");
    EXPECT_TRUE(RawContents(file) == bytes.substr(0, kQueued));
    source->SetReadDeadline(absl::InfiniteFuture());
    writer = std::thread([&] {
      RawWrite(pair.right, absl::string_view(bytes).substr(kQueued));
      ::close(pair.right);
    });
    EXPECT_THAT(Copy(*source, *sink).status, IsOk());
    writer.join();
    EXPECT_TRUE(RawContents(file) == bytes);
    ::close(file);
  }
}

TEST(CopyInKernelDeadlineTest, AFullSinkIsLateAndNothingIsLostOrRepeated) {
  for (const bool is_pipe : {false, true}) {
    const RawPair pair = is_pipe ? RawPipe() : RawUnix();
    const std::string bytes = PatternString(0, kLarge);
    auto source = FlowOf(RawFile(bytes));
    auto sink = NonBlockingFlowOf(pair.right);
    sink->SetWriteDeadline(Soon());
    const CopyResult result = Copy(*source, *sink);
    EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(result.failed, Side::kSink);
    EXPECT_GT(result.statistics.bytes, 0);
    EXPECT_NE(result.unwritten, "");
    ExpectNothingIsLost(result, *source, *sink);
    // To resume it, write `unwritten` first.
    std::string received;
    std::thread reader([&] { received = RawReadToEnd(pair.left).bytes; });
    sink->SetWriteDeadline(absl::InfiniteFuture());
    EXPECT_THAT(sink->Write(result.unwritten), IsOk());
    EXPECT_THAT(Copy(*source, *sink).status, IsOk());
    EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
    reader.join();
    EXPECT_TRUE(received == bytes);
    ::close(pair.left);
  }
}

TEST(CopyInKernelDeadlineTest, OnDeadlineLetsAWriteGoOn) {
  const RawPair pair = RawUnix();
  const std::string bytes = PatternString(0, kLarge);
  auto source = FlowOf(RawFile(bytes));
  auto sink = NonBlockingFlowOf(pair.right);
  std::string received;
  std::thread reader;
  CopyOptions options;
  options.write_timeout = absl::Milliseconds(5);
  int late = 0;
  options.on_deadline = [&](Flow& flow) {
    EXPECT_EQ(&flow, sink.get());
    if (++late == 3) {
      reader = std::thread([&] { received = RawReadToEnd(pair.left).bytes; });
    }
    return true;
  };
  int64_t told = 0;
  options.on_write = [&](int64_t n) { told += n; };
  const CopyResult result = Copy(*source, *sink, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_GE(late, 3);
  EXPECT_EQ(result.statistics.bytes, kLarge);
  EXPECT_EQ(told, kLarge);
  // No deadline is left.
  EXPECT_THAT(sink->Write(PatternString(0, kLarge)), IsOk());
  EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
  reader.join();
  EXPECT_TRUE(received == bytes + PatternString(0, kLarge));
  ::close(pair.left);
}

// --- Aborts and refusals

// Calls `stop` while the copy waits for its source, after kQueued bytes.
CopyResult CopyStoppedAtTheSource(Flow& source, Flow& sink, int writer,
                                  void (*stop)(Flow& source)) {
  RawWrite(writer, PatternString(0, kQueued));
  std::thread stopper([&] {
    while (sink.bytes_written() < int64_t{kQueued}) std::this_thread::yield();
    absl::SleepFor(absl::Milliseconds(2));
    stop(source);
  });
  CopyResult result = Copy(source, sink);
  stopper.join();
  return result;
}

TEST(CopyInKernelStopTest, AnAbortWakesACopyThatWaitsForItsSource) {
  const RawPair pair = RawUnix();
  auto source = NonBlockingFlowOf(pair.left);
  auto sink = FlowOf(RawNull());
  const CopyResult result = CopyStoppedAtTheSource(
      *source, *sink, pair.right,
      [](Flow& flow) { flow.Abort(absl::CancelledError("enough")); });
  EXPECT_THAT(result.status,
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_EQ(result.failed, Side::kSource);
  EXPECT_EQ(result.statistics.bytes, kQueued);
  ::close(pair.right);
}

TEST(CopyInKernelStopTest, ARefusalIsTheEndForACopyThatWaitsForItsSource) {
  const RawPair pair = RawUnix();
  auto source = NonBlockingFlowOf(pair.left);
  auto sink = FlowOf(RawNull());
  const CopyResult result =
      CopyStoppedAtTheSource(*source, *sink, pair.right, [](Flow& flow) {
        EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
      });
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.statistics.bytes, kQueued);
  ::close(pair.right);
}

// Calls `stop` while the copy waits for its sink, which nobody reads.
CopyResult CopyStoppedAtTheSink(Flow& source, Flow& sink, int reader,
                                absl::FunctionRef<void()> stop) {
  std::thread stopper([&] {
    int queued = 0;
    while (queued == 0) ABSL_PCHECK(::ioctl(reader, FIONREAD, &queued) == 0);
    absl::SleepFor(absl::Milliseconds(2));
    stop();
  });
  CopyResult result = Copy(source, sink);
  stopper.join();
  return result;
}

TEST(CopyInKernelStopTest, AnAbortWakesACopyThatWaitsForItsSink) {
  for (const RawPair pair : {RawPipe(), RawUnix(), RawTcp()}) {
    auto source = FlowOf(RawFile(PatternString(0, kHuge)));
    auto sink = NonBlockingFlowOf(pair.right);
    const CopyResult result = CopyStoppedAtTheSink(
        *source, *sink, pair.left,
        [&] { sink->Abort(absl::CancelledError("enough")); });
    EXPECT_THAT(result.status,
                StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
    EXPECT_EQ(result.failed, Side::kSink);
    ExpectNothingIsLost(result, *source, *sink);
    ::close(pair.left);
  }
}

TEST(CopyInKernelStopTest, AServerThatAbortsTellsItsReason) {
  const RawPair pair = RawUnix();
  auto source = FlowOf(RawFile(PatternString(0, kLarge)));
  auto control = std::make_shared<internal::TransportControl>();
  auto sink = DecorateFlow(
      NonBlockingFlowOf(pair.right), [&](std::unique_ptr<Transport> inner) {
        return internal::Control(std::move(inner), control);
      });
  const CopyResult result = CopyStoppedAtTheSink(
      *source, *sink, pair.left,
      [&] { control->Abort(absl::CancelledError("the server stops")); });
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kCancelled,
                                      HasSubstr("the server stops")));
  EXPECT_EQ(result.failed, Side::kSink);
  ExpectNothingIsLost(result, *source, *sink);
  ::close(pair.left);
}

TEST(CopyInKernelStopTest, AHalfCloseBetweenWritesLeavesTheRestUnwritten) {
  auto source = FlowOf(RawFile(PatternString(0, kLarge)));
  const int file = RawFile();
  auto sink = FlowOf(RawReopen(file, O_WRONLY));
  CopyOptions options;
  options.on_write = [&](int64_t) {
    EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
  };
  const CopyResult result = Copy(*source, *sink, options);
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(result.statistics.writes, 2);
  ExpectNothingIsLost(result, *source, *sink);
  ::close(file);
}

// What was written of a piece is no whole, so no clean end may follow it.
TEST(CopyInKernelStopTest, AHalfCloseBehindALateWriteIsNoCleanEnd) {
  const RawPair pair = RawPipe();
  // One piece, which fits into the pipe of the copy and not into the other one.
  constexpr size_t kSize = size_t{60} << 10;
  constexpr int kRoom = 16 << 10;
  ABSL_PCHECK(::fcntl(pair.right, F_SETPIPE_SZ, kRoom) == kRoom);
  auto source = FlowOf(RawFile(PatternString(0, kSize)));
  auto sink = FlowOf(pair.right);
  std::thread stopper([&] {
    int queued = 0;
    while (queued < kRoom) {
      ABSL_PCHECK(::ioctl(pair.left, FIONREAD, &queued) == 0);
    }
    EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
    sink->SetWriteDeadline(absl::InfinitePast());
  });
  int calls = 0;
  CopyOptions options;
  options.on_write = [&](int64_t) { ++calls; };
  const CopyResult result = Copy(*source, *sink, options);
  stopper.join();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(result.statistics.writes, 1);
  ExpectNothingIsLost(result, *source, *sink);
  EXPECT_THAT(sink->Close(), StatusIs(absl::StatusCode::kAborted));
  ::close(pair.left);
}

// A second reader disturbs nothing.
TEST(CopyInKernelStopTest, ASecondReaderIsTurnedAway) {
  const RawPair pair = RawUnix();
  auto source = NonBlockingFlowOf(pair.left);
  auto sink = FlowOf(RawNull());
  const CopyResult result =
      CopyStoppedAtTheSource(*source, *sink, pair.right, [](Flow& flow) {
        EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kInvalidArgument));
        EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
      });
  EXPECT_THAT(result.status, IsOk());
  EXPECT_THAT(source->Read(), IsEof());
  ::close(pair.right);
}

// --- Descriptors

TEST(CopyInKernelLeakTest, NoFailureLeavesADescriptorOpen) {
  size_t before = 0;
  for (int round = 0; round < 3; ++round) {
    const RawPair pair = RawUnix();
    auto source = FlowOf(RawFile(PatternString(0, kLarge)));
    auto sink = NonBlockingFlowOf(pair.right);
    sink->SetWriteDeadline(Soon());
    EXPECT_THAT(Copy(*source, *sink).status,
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    ::close(pair.left);
    source.reset();
    sink.reset();
    // The first round makes what wakes this thread.
    if (round == 0) before = OpenDescriptors();
    EXPECT_EQ(OpenDescriptors(), before);
  }
}

}  // namespace
}  // namespace flow
