// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Started copies that move bytes inside the kernel do what those through memory
// do, and hold no descriptors while they wait for a source. As
// copy_in_kernel_failure_test.cc for Copy().

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/failing_system_calls.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawPair;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SetNonBlocking;
using ::flow::testing::Soon;
using ::flow::testing::SystemCallScope;
using ::testing::HasSubstr;
using Side = CopyResult::Side;

// More than two sockets hold.
constexpr size_t kHuge = (size_t{24} << 20) + 12345;

// A copy from one socket to another. This program has the other ends.
class StartedCopyInKernel {
 public:
  struct Operation final : CopyOperation {
    void Done() override { over.Notify(); }
    absl::Notification over;
  };

  explicit StartedCopyInKernel(bool from_unix = false, bool to_unix = false)
      : in_(from_unix ? RawUnix() : RawTcp()),
        out_(to_unix ? RawUnix() : RawTcp()) {
    SetNonBlocking(in_.right);
    SetNonBlocking(out_.left);
    source = FlowOf(in_.right);
    sink = FlowOf(out_.left);
    source->SetEngine(engine_.engine());
    sink->SetEngine(engine_.engine());
  }
  ~StartedCopyInKernel() {
    if (writer_.joinable()) writer_.join();
    source.reset();
    sink.reset();
    for (const int fd : {in_.left, out_.right}) {
      if (fd >= 0) ::close(fd);
    }
  }

  // Writes `size` bytes of the pattern, and ends if `ends`, in a thread.
  void Feed(size_t size, bool ends = true) {
    writer_ = std::thread([this, size, ends] {
      const std::string bytes = PatternString(0, size);
      size_t sent = 0;
      while (sent < size) {
        const ssize_t n =
            ::send(in_.left, bytes.data() + sent, size - sent, MSG_NOSIGNAL);
        if (n < 0) return;  // the copy has ended
        sent += static_cast<size_t>(n);
      }
      if (ends) ::shutdown(in_.left, SHUT_WR);
    });
  }
  void JoinWriter() { writer_.join(); }

  void Start(const CopyOptions& options = {}) {
    ABSL_CHECK(!StartCopy(&operation, *source, *sink, options));
  }
  CopyResult& Await() {
    ABSL_CHECK(operation.over.WaitForNotificationWithTimeout(Patience() -
                                                             absl::Now()));
    return operation.result;
  }

  // Waits until the sink has taken as much as it can.
  void AwaitFullSink() const {
    int64_t before = -1;
    while (sink->bytes_written() != before || before == 0) {
      before = sink->bytes_written();
      absl::SleepFor(absl::Milliseconds(20));
    }
  }

  // What the source has given is what the sink has taken and what is left.
  void ExpectNothingIsLost() {
    const CopyResult& result = operation.result;
    EXPECT_EQ(result.statistics.bytes, sink->bytes_written());
    const std::string rest(result.unwritten);
    EXPECT_EQ(source->bytes_read(),
              sink->bytes_written() + static_cast<int64_t>(rest.size()));
    EXPECT_TRUE(rest == PatternString(sink->bytes_written(), rest.size()));
  }

  int writer_fd() const { return in_.left; }
  int reader_fd() const { return out_.right; }
  void CloseReader() { ::close(std::exchange(out_.right, -1)); }
  void ResetReader() { RawReset(std::exchange(out_.right, -1)); }
  void ResetWriter() { RawReset(std::exchange(in_.left, -1)); }

  std::unique_ptr<Flow> source;
  std::unique_ptr<Flow> sink;
  Operation operation;

 private:
  EngineThreads engine_{1};
  RawPair in_;
  RawPair out_;
  std::thread writer_;
};

// --- All pairs

class StartedCopyInKernelTest
    : public ::testing::TestWithParam<std::tuple<bool, bool, bool>> {};

TEST_P(StartedCopyInKernelTest, MovesTheSameBytesAndCountsThemAlike) {
  const auto [from_unix, to_unix, through_memory] = GetParam();
  StartedCopyInKernel copy(from_unix, to_unix);
  CopyOptions options;
  options.through_memory = through_memory;
  options.close_timeout = absl::Seconds(20);
  int64_t told = 0;
  options.on_write = [&](int64_t n) { told += n; };
  SystemCallScope scope;
  copy.Feed(kHuge);
  copy.Start(options);
  const std::string received = RawReadToEnd(copy.reader_fd()).bytes;
  ::shutdown(copy.reader_fd(), SHUT_WR);
  const CopyResult& result = copy.Await();
  EXPECT_TRUE(received == PatternString(0, kHuge));
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.failed, Side::kNone);
  EXPECT_EQ(result.unwritten, "");
  EXPECT_EQ(result.statistics.bytes, kHuge);
  EXPECT_EQ(result.statistics.reads, result.statistics.writes);
  EXPECT_EQ(told, kHuge);
  EXPECT_EQ(copy.source->bytes_read(), kHuge);
  EXPECT_EQ(scope.calls()["pipe2"] > 0, !through_memory);
}

TEST_P(StartedCopyInKernelTest, StopsAfterMaxBytesAndLeavesTheRest) {
  const auto [from_unix, to_unix, through_memory] = GetParam();
  StartedCopyInKernel copy(from_unix, to_unix);
  CopyOptions options;
  options.through_memory = through_memory;
  options.max_bytes = kHuge / 2;
  options.exactly = true;
  copy.Feed(kHuge);
  copy.Start(options);
  std::string received;
  std::thread reader([&] { received = RawReadToEnd(copy.reader_fd()).bytes; });
  EXPECT_THAT(copy.Await().status, IsOk());
  EXPECT_EQ(copy.sink->bytes_written(), kHuge / 2);
  EXPECT_EQ(copy.source->bytes_read(), kHuge / 2);
  EXPECT_THAT(Copy(*copy.source, *copy.sink).status, IsOk());
  EXPECT_THAT(copy.sink->Shutdown(ShutdownMode::kWrite), IsOk());
  reader.join();
  EXPECT_TRUE(received == PatternString(0, kHuge));
}

INSTANTIATE_TEST_SUITE_P(
    AllPairs, StartedCopyInKernelTest,
    ::testing::Combine(::testing::Bool(), ::testing::Bool(), ::testing::Bool()),
    [](const auto& info) {
      return std::string(std::get<0>(info.param) ? "UnixTo" : "TcpTo") +
             (std::get<1>(info.param) ? "Unix" : "Tcp") +
             (std::get<2>(info.param) ? "ThroughMemory" : "");
    });

// --- Sinks that fail

TEST(StartedCopyInKernelSinkTest, AUnixSocketWhosePeerHasGoneIsClosed) {
  StartedCopyInKernel copy(/*from_unix=*/false, /*to_unix=*/true);
  copy.Feed(kHuge);
  copy.Start();
  copy.AwaitFullSink();
  copy.CloseReader();
  CopyResult& result = copy.Await();
  EXPECT_FALSE(result.status.ok());
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_NE(result.unwritten, "");
  copy.ExpectNothingIsLost();
  EXPECT_EQ(copy.sink->Write("x").code(), result.status.code());
  copy.source->Abort(absl::CancelledError("the test is over"));
}

TEST(StartedCopyInKernelSinkTest, AResetStaysForTheReaderOfTheSameFlow) {
  StartedCopyInKernel copy;
  copy.Feed(kHuge);
  copy.Start();
  copy.AwaitFullSink();
  copy.ResetReader();
  EXPECT_THAT(copy.Await().status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(copy.Await().failed, Side::kSink);
  EXPECT_NE(copy.Await().unwritten, "");
  copy.ExpectNothingIsLost();
  EXPECT_THAT(copy.sink->Read(), StatusIs(absl::StatusCode::kUnavailable));
  copy.source->Abort(absl::CancelledError("the test is over"));
}

// --- Sources that fail

TEST(StartedCopyInKernelSourceTest, AResetInTheMiddleNeverLooksLikeTheEnd) {
  StartedCopyInKernel copy;
  copy.Feed(kHuge, /*ends=*/false);
  CopyOptions options;
  options.close_timeout = absl::Seconds(20);
  copy.Start(options);
  std::thread reader([&] { RawReadToEnd(copy.reader_fd()); });
  copy.JoinWriter();
  copy.ResetWriter();
  const CopyResult& result = copy.Await();
  reader.join();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(result.failed, Side::kSource);
  EXPECT_EQ(result.unwritten, "");
}

// --- Deadlines

TEST(StartedCopyInKernelDeadlineTest, AFullSinkIsLateAndNothingIsLost) {
  for (const bool to_unix : {false, true}) {
    StartedCopyInKernel copy(/*from_unix=*/false, to_unix);
    copy.Feed(kHuge);
    copy.Start();
    copy.AwaitFullSink();
    copy.sink->SetWriteDeadline(Soon());
    CopyResult& result = copy.Await();
    EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(result.failed, Side::kSink);
    EXPECT_NE(result.unwritten, "");
    copy.ExpectNothingIsLost();
    // To resume it, write `unwritten` first.
    std::string received;
    std::thread reader(
        [&] { received = RawReadToEnd(copy.reader_fd()).bytes; });
    copy.sink->SetWriteDeadline(absl::InfiniteFuture());
    EXPECT_THAT(copy.sink->Write(result.unwritten), IsOk());
    EXPECT_THAT(Copy(*copy.source, *copy.sink).status, IsOk());
    EXPECT_THAT(copy.sink->Shutdown(ShutdownMode::kWrite), IsOk());
    reader.join();
    EXPECT_TRUE(received == PatternString(0, kHuge));
  }
}

TEST(StartedCopyInKernelDeadlineTest, OnDeadlineLetsAWriteGoOn) {
  StartedCopyInKernel copy;
  CopyOptions options;
  options.write_timeout = absl::Milliseconds(5);
  absl::Notification is_late;
  int late = 0;
  options.on_deadline = [&](Flow& flow) {
    EXPECT_EQ(&flow, copy.sink.get());
    if (++late == 3) is_late.Notify();
    return true;
  };
  int64_t told = 0;
  options.on_write = [&](int64_t n) { told += n; };
  copy.Feed(kHuge);
  copy.Start(options);
  is_late.WaitForNotification();
  std::string received;
  std::thread reader([&] { received = RawReadToEnd(copy.reader_fd()).bytes; });
  EXPECT_THAT(copy.Await().status, IsOk());
  EXPECT_EQ(told, kHuge);
  EXPECT_THAT(copy.sink->Shutdown(ShutdownMode::kWrite), IsOk());
  reader.join();
  EXPECT_TRUE(received == PatternString(0, kHuge));
}

// --- Aborts and ends

TEST(StartedCopyInKernelStopTest, AnAbortOfTheSinkTellsItsReason) {
  StartedCopyInKernel copy;
  copy.Feed(kHuge);
  copy.Start();
  copy.AwaitFullSink();
  copy.sink->Abort(absl::CancelledError("enough"));
  EXPECT_THAT(copy.Await().status,
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_EQ(copy.Await().failed, Side::kSink);
  copy.ExpectNothingIsLost();
  copy.source->Abort(absl::CancelledError("the test is over"));
}

TEST(StartedCopyInKernelStopTest, AnAbortOfTheSourceTellsItsReason) {
  StartedCopyInKernel copy;
  copy.Feed(size_t{128} << 10, /*ends=*/false);
  copy.Start();
  std::thread reader([&] { RawReadToEnd(copy.reader_fd()); });
  while (copy.sink->bytes_written() < (int64_t{128} << 10)) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  copy.source->Abort(absl::CancelledError("enough"));
  EXPECT_THAT(copy.Await().status,
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("enough")));
  EXPECT_EQ(copy.Await().failed, Side::kSource);
  copy.sink->Abort(absl::CancelledError("the test is over"));
  reader.join();
}

TEST(StartedCopyInKernelStopTest, AHalfCloseBetweenWritesLeavesTheRest) {
  StartedCopyInKernel copy;
  CopyOptions options;
  options.on_write = [&](int64_t) {
    EXPECT_THAT(copy.sink->Shutdown(ShutdownMode::kWrite), IsOk());
  };
  copy.Feed(kHuge);
  copy.Start(options);
  std::thread reader([&] { RawReadToEnd(copy.reader_fd()); });
  EXPECT_THAT(copy.Await().status, IsClosed());
  EXPECT_EQ(copy.Await().failed, Side::kSink);
  EXPECT_EQ(copy.Await().statistics.writes, 2);
  copy.ExpectNothingIsLost();
  copy.source->Abort(absl::CancelledError("the test is over"));
  reader.join();
}

// --- Descriptors

TEST(StartedCopyInKernelDescriptorsTest, ASilentSourceKeepsNoneButItsOwn) {
  StartedCopyInKernel copy;
  const size_t before = OpenDescriptors();
  copy.Feed(size_t{1} << 20, /*ends=*/false);
  copy.Start();
  std::thread reader([&] { RawReadToEnd(copy.reader_fd()); });
  while (copy.sink->bytes_written() < (int64_t{1} << 20) ||
         OpenDescriptors() != before) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  copy.source->Abort(absl::CancelledError("the test is over"));
  copy.Await();
  copy.sink->Abort(absl::CancelledError("the test is over"));
  reader.join();
}

}  // namespace
}  // namespace flow
