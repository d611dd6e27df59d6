// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// StartCopy(): that it is Copy() without a thread, and what a pending one
// promises.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AllocationCounter;
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::testing::ElementsAre;
using Side = CopyResult::Side;

struct Copying final : CopyOperation {
  void Done() override {
    ++done;
    if (then != nullptr) then();
    over.Notify();
  }
  int done = 0;
  std::function<void()> then;
  absl::Notification over;
};

// far_source -> source -> copy -> sink -> far_sink, on an engine that the test
// drives.
class StartedCopyTest : public ::testing::Test {
 protected:
  explicit StartedCopyTest(size_t capacity = 4)
      : from_(MakePipe(1 << 20)), to_(MakePipe(capacity)) {
    source().SetEngine(&engine_);
    sink().SetEngine(&engine_);
  }

  Flow& far_source() { return *from_.left; }
  Flow& source() { return *from_.right; }
  Flow& sink() { return *to_.left; }
  Flow& far_sink() { return *to_.right; }

  ManualEngine engine_;
  Pipe from_;
  Pipe to_;
  Copying copying_;
  CopyOptions options_;
};

TEST_F(StartedCopyTest, WhatIsThereIsCopiedAtOnceAndNobodyIsTold) {
  ASSERT_THAT(far_source().Write("data"), IsOk());
  ASSERT_THAT(far_source().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_TRUE(StartCopy(&copying_, source(), sink()));
  EXPECT_THAT(copying_.result.status, IsOk());
  EXPECT_EQ(copying_.result.failed, Side::kNone);
  EXPECT_EQ(copying_.result.statistics.bytes, 4);
  EXPECT_EQ(copying_.result.statistics.reads, 1);
  EXPECT_EQ(copying_.result.statistics.writes, 1);
  EXPECT_THAT(far_sink().Read(), IsOkAndHolds("data"));
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 0);
}

TEST_F(StartedCopyTest, ItWaitsForTheSourceAndForTheSink) {
  ASSERT_THAT(sink().Write("full"), IsOk());
  ASSERT_FALSE(StartCopy(&copying_, source(), sink()));
  ASSERT_THAT(far_source().Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_EQ(source().bytes_read(), 4);
  EXPECT_EQ(sink().bytes_written(), 4) << "there is no room";
  EXPECT_THAT(far_sink().Read(), IsOkAndHolds("full"));
  engine_.RunAll();
  EXPECT_THAT(far_sink().Read(), IsOkAndHolds("data"));
  EXPECT_EQ(copying_.done, 0);
  ASSERT_THAT(far_source().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 1);
  EXPECT_THAT(copying_.result.status, IsOk());
  EXPECT_EQ(copying_.result.statistics.bytes, 4);
}

TEST_F(StartedCopyTest, MaxBytesLeavesTheRest) {
  options_.max_bytes = 3;
  ASSERT_THAT(far_source().Write("data"), IsOk());
  ASSERT_TRUE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(copying_.result.status, IsOk());
  EXPECT_THAT(far_sink().Read(), IsOkAndHolds("dat"));
  EXPECT_THAT(source().Read(), IsOkAndHolds("a"));
}

TEST_F(StartedCopyTest, ExactlyIsOutOfRangeIfTheSourceEndsEarly) {
  options_.exactly = true;
  ASSERT_TRUE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  options_.max_bytes = 5;
  ASSERT_THAT(far_source().Write("data"), IsOk());
  ASSERT_THAT(far_source().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_TRUE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(copying_.result.status, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(copying_.result.failed, Side::kSource);
  EXPECT_EQ(copying_.result.statistics.bytes, 4);
}

// A sink takes what somebody reads there at that moment, and no more.
class StartedCopyByPartsTest : public StartedCopyTest {
 protected:
  StartedCopyByPartsTest() : StartedCopyTest(0) {}
};

TEST_F(StartedCopyByPartsTest, ASinkThatFailsLeavesWhatItHasNotAccepted) {
  ASSERT_FALSE(StartCopy(&copying_, source(), sink()));
  ASSERT_THAT(far_source().Write("abcdefgh"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(far_sink().Read(4), IsOkAndHolds("abcd"));
  ASSERT_THAT(far_sink().Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  ASSERT_EQ(copying_.done, 1);
  EXPECT_THAT(copying_.result.status, IsClosed());
  EXPECT_EQ(copying_.result.failed, Side::kSink);
  EXPECT_EQ(copying_.result.statistics.bytes, 4);
  EXPECT_EQ(copying_.result.unwritten, "efgh");
}

TEST_F(StartedCopyTest, ASourceThatBreaksIsItsError) {
  ASSERT_FALSE(StartCopy(&copying_, source(), sink()));
  far_source().Abort(absl::DataLossError("torn"));
  engine_.RunAll();
  ASSERT_EQ(copying_.done, 1);
  EXPECT_THAT(copying_.result.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(copying_.result.failed, Side::kSource);
  EXPECT_TRUE(copying_.result.unwritten.empty());
}

TEST_F(StartedCopyTest, AReadTimeoutEndsItUnlessOnDeadlineGoesOn) {
  int late = 0;
  options_.read_timeout = absl::Milliseconds(20);
  options_.on_deadline = [&](Flow& flow) {
    EXPECT_EQ(&flow, &source());
    return ++late < 2;
  };
  ASSERT_FALSE(StartCopy(&copying_, source(), sink(), options_));
  while (copying_.done == 0) {
    absl::SleepFor(absl::Milliseconds(25));
    engine_.FireTimers();
    engine_.RunAll();
  }
  EXPECT_EQ(late, 2);
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(copying_.result.failed, Side::kSource);
  // Nothing was lost, and no deadline is left.
  copying_.done = 0;
  ASSERT_THAT(far_source().Write("data"), IsOk());
  EXPECT_THAT(source().Read(), IsOkAndHolds("data"));
}

TEST_F(StartedCopyByPartsTest, AWriteTimeoutEndsItWithTheRest) {
  options_.write_timeout = absl::Milliseconds(20);
  std::vector<int64_t> accepted;
  options_.on_write = [&](int64_t bytes) { accepted.push_back(bytes); };
  ASSERT_THAT(far_source().Write("abcdefgh"), IsOk());
  ASSERT_FALSE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(far_sink().Read(4), IsOkAndHolds("abcd"));
  absl::SleepFor(absl::Milliseconds(25));
  engine_.FireTimers();
  engine_.RunAll();
  ASSERT_EQ(copying_.done, 1);
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(copying_.result.failed, Side::kSink);
  EXPECT_EQ(copying_.result.unwritten, "efgh");
  EXPECT_THAT(accepted, ElementsAre(4));
}

TEST_F(StartedCopyTest, CloseTimeoutClosesTheSink) {
  options_.close_timeout = absl::Seconds(10);
  ASSERT_THAT(far_source().Write("data"), IsOk());
  ASSERT_THAT(far_source().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_FALSE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(far_sink().Read(), IsOkAndHolds("data"));
  EXPECT_THAT(far_sink().Read(), IsEof());
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 0) << "the remote has not ended";
  ASSERT_THAT(far_sink().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 1);
  EXPECT_THAT(copying_.result.status, IsOk());
}

TEST_F(StartedCopyTest, CloseTimeoutAbortsASinkThatMissesBytes) {
  options_.close_timeout = absl::Seconds(10);
  ASSERT_FALSE(StartCopy(&copying_, source(), sink(), options_));
  far_source().Abort(absl::DataLossError("torn"));
  engine_.RunAll();
  ASSERT_EQ(copying_.done, 1);
  EXPECT_THAT(far_sink().Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StartedCopyTest, ACloseThatFailsIsTheSinks) {
  options_.close_timeout = absl::ZeroDuration();
  ASSERT_THAT(far_source().Shutdown(ShutdownMode::kWrite), IsOk());
  // The remote does not end.
  ASSERT_TRUE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(copying_.result.failed, Side::kSink);
}

TEST_F(StartedCopyTest, AtMaxBytesZeroTheFlowsAreNotTouched) {
  options_.max_bytes = 0;
  options_.read_timeout = absl::Hours(1);
  source().SetReadDeadline(absl::InfinitePast());
  ASSERT_TRUE(StartCopy(&copying_, source(), sink(), options_));
  EXPECT_THAT(copying_.result.status, IsOk());
  EXPECT_THAT(source().Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(StartedCopyTest, AnAbortEndsItOnce) {
  ASSERT_FALSE(StartCopy(&copying_, source(), sink()));
  source().Abort(absl::CancelledError("stop"));
  sink().Abort(absl::CancelledError("stop"));
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 1);
  EXPECT_THAT(copying_.result.status, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StartedCopyTest, ASourceAndASinkMayBeOneFlow) {
  ASSERT_FALSE(StartCopy(&copying_, source(), source()));
  ASSERT_THAT(far_source().Write("echo"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(far_source().Read(), IsOkAndHolds("echo"));
  ASSERT_THAT(far_source().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 1);
}

TEST_F(StartedCopyTest, WhatCannotStartIsAnErrorAndNothingIsRead) {
  ASSERT_THAT(far_source().Write("data"), IsOk());
  Pipe pipe = MakePipe();
  ASSERT_TRUE(StartCopy(&copying_, source(), *pipe.left));
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(copying_.result.failed, Side::kSink);
  std::unique_ptr<Flow> function = MakeFunctionFlow({});
  function->SetEngine(&engine_);
  ASSERT_TRUE(StartCopy(&copying_, source(), *function));
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kUnimplemented));
  ASSERT_TRUE(StartCopy(&copying_, *pipe.right, sink()));
  EXPECT_THAT(copying_.result.status,
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(copying_.result.failed, Side::kSource);
  EXPECT_THAT(source().Read(), IsOkAndHolds("data"));
}

// As Copy() does: what was read for a sink that is closed is unwritten.
TEST_F(StartedCopyTest, AClosedSinkIsFoundByTheFirstWrite) {
  ASSERT_THAT(far_sink().Shutdown(ShutdownMode::kRead), IsOk());
  ASSERT_THAT(sink().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(far_source().Write("data"), IsOk());
  ASSERT_TRUE(StartCopy(&copying_, source(), sink()));
  EXPECT_THAT(copying_.result.status, IsClosed());
  EXPECT_EQ(copying_.result.failed, Side::kSink);
  EXPECT_EQ(copying_.result.unwritten, "data");
}

TEST_F(StartedCopyTest, DoneMayDestroyTheFlows) {
  copying_.then = [&] {
    from_.right = nullptr;
    to_.left = nullptr;
  };
  ASSERT_FALSE(StartCopy(&copying_, source(), sink()));
  far_source().Abort(absl::CancelledError("stop"));
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 1);
}

class StartedCopyLargeTest : public StartedCopyTest {
 protected:
  StartedCopyLargeTest() : StartedCopyTest(1 << 20) {}
};

// A source that never waits would keep the thread.
TEST_F(StartedCopyLargeTest, ABusySourceLeavesTheirTurnToOthers) {
  options_.max_read = 1;
  ASSERT_THAT(far_source().Write(std::string(1000, 'x')), IsOk());
  ASSERT_FALSE(StartCopy(&copying_, source(), sink(), options_));
  const int64_t before = sink().bytes_written();
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 100);
  ASSERT_TRUE(engine_.RunOne());
  EXPECT_GT(sink().bytes_written(), before);
  EXPECT_LT(sink().bytes_written(), 2 * before + 1);
  engine_.RunAll();
  EXPECT_EQ(sink().bytes_written(), 1000);
  far_source().Abort(absl::CancelledError("stop"));
  engine_.RunAll();
  EXPECT_EQ(copying_.done, 1);
}

// What was read is what is written; nothing is copied or allocated for it.
TEST_F(StartedCopyLargeTest, APieceCostsNoCopyAndNoBlock) {
  const absl::Cord piece(std::string(4096, 'x'));
  ASSERT_FALSE(StartCopy(&copying_, source(), sink()));
  const auto carry = [&] {
    ASSERT_THAT(far_source().Write(piece), IsOk());
    engine_.RunAll();
    ASSERT_THAT(far_sink().Read(), IsOkAndHolds(piece));
  };
  carry();  // what the first one needs counts for nobody
  AllocationCounter counter;
  ASSERT_THAT(far_source().Write(piece), IsOk());
  const auto written = counter.blocks();
  engine_.RunAll();
  EXPECT_LE(counter.blocks() - written, 1) << "the engine's own queue";
  EXPECT_LT(counter.bytes(), 4096);
  far_source().Abort(absl::CancelledError("stop"));
  engine_.RunAll();
}

std::string Pattern(size_t size) {
  std::string pattern(size, '\0');
  uint32_t value = 1;
  for (char& c : pattern) {
    value = value * 1664525 + 1013904223;
    c = static_cast<char>(value >> 24);
  }
  return pattern;
}

// Both directions of a relay at once, on two threads.
TEST(StartedCopySocketTest, MegabytesArriveBothWays) {
  EngineThreads threads(2);
  for (const bool tcp : {true, false}) {
    RawPair left = tcp ? RawTcp() : RawUnix();
    RawPair right = tcp ? RawTcp() : RawUnix();
    const std::unique_ptr<Flow> client = FlowOf(left.left);
    const std::unique_ptr<Flow> a = FlowOf(left.right);
    const std::unique_ptr<Flow> b = FlowOf(right.left);
    const std::unique_ptr<Flow> server = FlowOf(right.right);
    a->SetEngine(threads.engine());
    b->SetEngine(threads.engine());
    Copying there;
    Copying back;
    there.then = [&] {
      EXPECT_THAT(b->Shutdown(ShutdownMode::kWrite), IsOk());
    };
    back.then = [&] { EXPECT_THAT(a->Shutdown(ShutdownMode::kWrite), IsOk()); };
    ASSERT_FALSE(StartCopy(&there, *a, *b));
    ASSERT_FALSE(StartCopy(&back, *b, *a));
    const std::string pattern = Pattern(size_t{4} << 20);
    std::thread echo([&] {
      EXPECT_THAT(Copy(*server, *server).status, IsOk());
      EXPECT_THAT(server->Shutdown(ShutdownMode::kWrite), IsOk());
    });
    std::thread writer([&] {
      EXPECT_THAT(client->Write(pattern), IsOk());
      EXPECT_THAT(client->Shutdown(ShutdownMode::kWrite), IsOk());
    });
    absl::Cord all;
    const int64_t size = static_cast<int64_t>(pattern.size());
    EXPECT_THAT(ReadAll(*client, pattern.size(), &all), IsOk());
    EXPECT_TRUE(all == pattern);
    there.over.WaitForNotification();
    back.over.WaitForNotification();
    EXPECT_THAT(there.result.status, IsOk());
    EXPECT_THAT(back.result.status, IsOk());
    EXPECT_EQ(there.result.statistics.bytes, size);
    EXPECT_EQ(back.result.statistics.bytes, size);
    writer.join();
    echo.join();
  }
}

}  // namespace
}  // namespace flow
