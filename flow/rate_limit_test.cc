// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Nothing here measures time: a rate of 0 stands still until Grant(), and
// internal/token_bucket_test.cc turns the clock by hand.

#include "flow/rate_limit.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/conformance.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FaultPlan;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::MaybeStarts;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::Soon;
using ::flow::testing::StartsCalls;
using ::testing::HasSubstr;

// Bursts are taken in halves, so that calls wait in the middle of a write.
std::shared_ptr<RateLimiter> Fast() {
  return std::make_shared<RateLimiter>(int64_t{1} << 30, /*burst=*/16 << 10);
}
std::shared_ptr<RateLimiter> Still(int64_t burst) {
  return std::make_shared<RateLimiter>(/*bytes_per_second=*/0, burst);
}

FlowPair LimitedPair(size_t capacity) {
  Pipe pipe = MakePipe(capacity);
  const std::shared_ptr<RateLimiter> both = Fast();
  return {MaybeStarts(LimitRate(std::move(pipe.left), {both, both})),
          MaybeStarts(LimitRate(std::move(pipe.right), {Fast(), Fast()}))};
}

ConformanceOptions LimitedFlows() {
  ConformanceOptions options;
  options.name = "limited";
  options.make_pair = [] { return LimitedPair(256 << 10); };
  // A started write is a Cord, of which a pipe with any room accepts all.
  options.make_full = [] { return LimitedPair(StartsCalls() ? 0 : 4096); };
  return options;
}

INSTANTIATE_TEST_SUITE_P(RateLimit, FlowConformanceTest,
                         ::testing::Values(LimitedFlows()),
                         flow::testing::ConformanceName);

// Waits for what another thread does.
void Await(const std::function<bool()>& is_true) {
  const absl::Time end = Patience();
  while (!is_true()) {
    ASSERT_LT(absl::Now(), end);
    absl::SleepFor(absl::Microseconds(100));
  }
}

class RateLimitTest : public ::testing::Test {
 protected:
  RateLimitTest()
      : reads_(Still(10)),
        writes_(Still(10)),
        flow_(MaybeStarts(LimitRate(std::move(pipe_.left), {reads_, writes_}))),
        far_(std::move(pipe_.right)) {}

  // Leaves no tokens.
  void Exhaust() {
    EXPECT_THAT(far_->Write("0123456789"), IsOk());
    EXPECT_THAT(flow_->Read(), HoldsData("01234"));
    EXPECT_THAT(flow_->Read(), HoldsData("56789"));
    EXPECT_THAT(flow_->Write("0123456789"), IsOk());
    EXPECT_THAT(far_->Read(), HoldsData("0123456789"));
  }

  Pipe pipe_ = MakePipe();
  std::shared_ptr<RateLimiter> reads_;
  std::shared_ptr<RateLimiter> writes_;
  std::unique_ptr<Flow> flow_;
  std::unique_ptr<Flow> far_;
};

TEST_F(RateLimitTest, AReadReturnsAtMostHalfABurst) {
  EXPECT_THAT(far_->Write("hello world"), IsOk());
  EXPECT_THAT(flow_->Read(), HoldsData("hello"));
  char space[10];
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(5));
  EXPECT_EQ(absl::string_view(space, 5), " worl");
  // Both were paid for.
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(RateLimitTest, AReadThatWaitsObeysItsDeadlineAndLosesNothing) {
  Exhaust();
  EXPECT_THAT(far_->Write("hello"), IsOk());
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  char space[10];
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow_->SetReadDeadline(Soon());
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  reads_->Grant(5);
  // What would not block succeeds.
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->Read(), HoldsData("hello"));
}

TEST_F(RateLimitTest, AtARateOfNothingAllThatIsLeftCanBeRead) {
  EXPECT_THAT(far_->Write("abc"), IsOk());
  EXPECT_THAT(flow_->Read(), HoldsData("abc"));
  EXPECT_THAT(far_->Write("0123456789"), IsOk());
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->Read(), HoldsData("01234"));
  EXPECT_THAT(flow_->Read(), HoldsData("56"));
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  reads_->Grant(2);
  char space[5];
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(2));
  reads_->Grant(1);
  EXPECT_THAT(flow_->Read(), HoldsData("9"));
}

TEST(RateLimiterTest, TheLargestBurstIsNoLimit) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const auto limiter = std::make_shared<RateLimiter>(kMax, kMax);
  limiter->Grant(kMax);
  Pipe pipe = MakePipe();
  auto flow = MaybeStarts(LimitRate(std::move(pipe.left), {limiter, limiter}));
  EXPECT_THAT(pipe.right->Write("abc"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("abc"));
  EXPECT_THAT(flow->Write("xyz"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("xyz"));
}

TEST(RateLimiterTest, ADirectionWithoutALimiterIsNotLimited) {
  for (const bool reads : {false, true}) {
    const auto limiter = std::make_shared<RateLimiter>(0, /*burst=*/4);
    EXPECT_EQ(limiter->burst(), 4);
    Pipe pipe = MakePipe();
    auto flow = MaybeStarts(
        LimitRate(std::move(pipe.left),
                  {reads ? limiter : nullptr, reads ? nullptr : limiter}));
    flow->SetReadDeadline(absl::InfinitePast());
    flow->SetWriteDeadline(absl::InfinitePast());
    ASSERT_THAT(pipe.right->Write("0123456789"), IsOk());
    char space[3];
    EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
                IsOkAndHolds(reads ? 2 : 3));
    EXPECT_THAT(flow->Read(), HoldsData(reads ? "23" : "3456789"));
    EXPECT_EQ(flow->Write("more than a burst").ok(), reads);
    EXPECT_EQ(flow->bytes_written(), reads ? 17 : 4);
    flow->Abort(absl::DataLossError("no"));
    EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(RateLimitTest, AnEndOfFileCostsNothing) {
  ASSERT_THAT(far_->Write("0123456789"), IsOk());
  ASSERT_THAT(far_->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow_->Read(), HoldsData("01234"));
  EXPECT_THAT(flow_->Read(4), HoldsData("5678"));
  char space[10];
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(1));
  reads_->Grant(1);
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
  // The token is there for somebody else.
  Pipe other = MakePipe();
  auto other_flow =
      MaybeStarts(LimitRate(std::move(other.left), {reads_, nullptr}));
  other_flow->SetReadDeadline(absl::InfinitePast());
  ASSERT_THAT(other.right->Write("x"), IsOk());
  EXPECT_THAT(other_flow->Read(), HoldsData("x"));
}

TEST(RateLimiterTest, AReadThatClaimsMoreThanItWasAskedForIsInternal) {
  const auto limiter = std::make_shared<RateLimiter>(0, /*burst=*/4);
  for (const absl::string_view lie : {"three and more", "one"}) {
    auto liar = std::make_unique<HookFlow>();
    liar->hooks.read = [lie](size_t) {
      absl::Cord data = absl::MakeCordFromExternal(lie.substr(0, 2), [] {});
      data.Append(absl::MakeCordFromExternal(lie.substr(2), [] {}));
      return data;
    };
    auto flow = MaybeStarts(LimitRate(std::move(liar), {limiter, nullptr}));
    // More than half a burst and less than what the Flow knows of.
    char space[100];
    EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
                StatusIs(absl::StatusCode::kInternal, HasSubstr("at most 2")));
    EXPECT_EQ(flow->bytes_read(), 0);
  }
}

TEST_F(RateLimitTest, AWriteCountsThePartsThatItWasGranted) {
  flow_->SetWriteDeadline(absl::InfinitePast());
  absl::Cord message("0123456789abcdefg");
  EXPECT_THAT(flow_->WriteFrom(&message),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(flow_->bytes_written(), 10);
  EXPECT_EQ(message, "abcdefg");
  writes_->Grant(5);
  EXPECT_THAT(flow_->WriteFrom(&message),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(message, "fg");
  writes_->Grant(2);
  EXPECT_THAT(flow_->WriteFrom(&message), IsOk());
  EXPECT_THAT(far_->Read(), HoldsData("0123456789abcdefg"));
}

TEST_F(RateLimitTest, ANewDeadlineAppliesToACallThatWaits) {
  Exhaust();
  std::thread reader([&] {
    EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  std::thread writer([&] {
    EXPECT_THAT(flow_->Write("abc"),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  Await([&] { return reads_->waiting() == 1 && writes_->waiting() == 1; });
  flow_->SetReadDeadline(Soon());
  flow_->SetWriteDeadline(Soon());
  reader.join();
  writer.join();
  EXPECT_EQ(reads_->waiting() + writes_->waiting(), 0);
}

TEST_F(RateLimitTest, AbortWakesWhatWaits) {
  Exhaust();
  std::thread reader([&] {
    EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDataLoss));
  });
  std::thread writer([&] {
    EXPECT_THAT(flow_->Write("abc"), StatusIs(absl::StatusCode::kDataLoss));
  });
  Await([&] { return reads_->waiting() == 1 && writes_->waiting() == 1; });
  flow_->Abort(absl::DataLossError("enough"));
  reader.join();
  writer.join();
  EXPECT_THAT(far_->Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(RateLimitTest, ARefusalWakesAReadThatWaits) {
  Exhaust();
  std::thread reader([&] { EXPECT_THAT(flow_->Read(), IsEof()); });
  Await([&] { return reads_->waiting() == 1; });
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
}

TEST_F(RateLimitTest, CloseGivesUpAWriteAtItsDeadline) {
  Exhaust();
  std::thread writer([&] { EXPECT_FALSE(flow_->Write("abc").ok()); });
  Await([&] { return writes_->waiting() == 1; });
  EXPECT_THAT(flow_->Close(Soon()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  writer.join();
  EXPECT_FALSE(far_->Read().ok());
}

TEST_F(RateLimitTest, CloseLetsAReadPass) {
  Exhaust();
  std::thread reader([&] { flow_->Read().IgnoreError(); });
  Await([&] { return reads_->waiting() == 1; });
  EXPECT_THAT(far_->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow_->Close(Patience()), IsOk());
  reader.join();
}

TEST_F(RateLimitTest, PartsOfACordAreShared) {
  writes_ = Still(1 << 20);
  Pipe pipe = MakePipe(kNoLimit);
  flow_ = MaybeStarts(LimitRate(std::move(pipe.left), {nullptr, writes_}));
  const absl::Cord data(std::string(1 << 20, 'x'));
  EXPECT_THAT(flow_->Write(data), IsOk());
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kWrite), IsOk());
  const absl::StatusOr<absl::Cord> read = ReadAll(*pipe.right, 1 << 20);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(CopiedBytes(data, *read), 0);
}

TEST_F(RateLimitTest, AListIsWrittenInOrder) {
  writes_->Grant(10);
  flow_->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->Writev({"a", absl::Cord("bcdefg"), "", std::string("hi")}),
              IsOk());
  EXPECT_THAT(far_->Read(), HoldsData("abcdefghi"));
}

// --- Flows that share a limiter

TEST_F(RateLimitTest, WhatARefusedWriteWasGrantedIsForOthers) {
  EXPECT_THAT(far_->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow_->Write("abcde"), IsClosed());
  Pipe pipe = MakePipe();
  auto other = MaybeStarts(LimitRate(std::move(pipe.left), {nullptr, writes_}));
  other->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(other->Write("0123456789"), IsOk());
}

TEST_F(RateLimitTest, AReadThatWaitsForItsRemoteHoldsUpNobody) {
  Pipe pipe = MakePipe();
  auto other = MaybeStarts(LimitRate(std::move(pipe.left), {reads_, nullptr}));
  std::thread reader([&] { EXPECT_THAT(flow_->Read(), HoldsData("x")); });
  EXPECT_THAT(pipe.right->Write("0123456789"), IsOk());
  EXPECT_THAT(other->Read(), HoldsData("01234"));
  EXPECT_THAT(far_->Write("x"), IsOk());
  reader.join();
}

TEST(SharedRateLimiterTest, ABurstMayBeAsLargeAsItsType) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto limiter = std::make_shared<RateLimiter>(kMost, kMost);
  Pipe pipe = MakePipe();
  const auto flow =
      MaybeStarts(LimitRate(std::move(pipe.left), {limiter, limiter}));
  EXPECT_THAT(pipe.right->Write("in"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("in"));
  EXPECT_THAT(flow->Write("out"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("out"));
}

TEST(SharedRateLimiterTest, CallsTakeTurnsInTheOrderInWhichTheyCame) {
  absl::Mutex mu;
  std::string log;
  const auto limiter = Still(/*burst=*/2);  // a byte at a time
  const auto make_flow = [&] {
    FunctionFlowOptions options;
    options.output = Output::Buffers([&](const absl::Cord& data) {
      internal::MutexLock lock(mu);
      log.append(std::string(data));
      return absl::OkStatus();
    });
    return LimitRate(MakeFunctionFlow(std::move(options)), {nullptr, limiter});
  };
  const auto logged = [&] {
    internal::MutexLock lock(mu);
    return log.size();
  };
  auto a = make_flow();
  auto b = make_flow();
  EXPECT_THAT(a->Write("--"), IsOk());
  std::thread a_writer([&] { EXPECT_THAT(a->Write("aaa"), IsOk()); });
  Await([&] { return limiter->waiting() == 1; });
  std::thread b_writer([&] { EXPECT_THAT(b->Write("bbb"), IsOk()); });
  Await([&] { return limiter->waiting() == 2; });
  for (size_t n = 1; n <= 6; ++n) {
    limiter->Grant(1);
    const size_t left = n <= 4 ? 2 : 6 - n;
    Await([&] { return logged() == 2 + n && limiter->waiting() == left; });
  }
  a_writer.join();
  b_writer.join();
  EXPECT_EQ(log, "--ababab");
}

TEST(SharedRateLimiterTest, OneThatGivesUpLeavesItsTurnToTheNext) {
  const auto limiter = Still(/*burst=*/10);
  Pipe pipes[] = {MakePipe(), MakePipe()};
  auto a = MaybeStarts(LimitRate(std::move(pipes[0].left), {nullptr, limiter}));
  auto b = MaybeStarts(LimitRate(std::move(pipes[1].left), {nullptr, limiter}));
  EXPECT_THAT(a->Write("012345678"), IsOk());
  std::thread a_writer([&] { EXPECT_FALSE(a->Write("aaaaa").ok()); });
  Await([&] { return limiter->waiting() == 1; });
  // There is a token for it, and one before it in the queue.
  std::thread b_writer([&] { EXPECT_THAT(b->Write("b"), IsOk()); });
  Await([&] { return limiter->waiting() == 2; });
  a->SetWriteDeadline(absl::InfinitePast());
  a_writer.join();
  b_writer.join();
}

// --- Started calls

struct Writing final : Flow::WriteOperation {
  void Done() override { ++done; }
  int done = 0;
};

bool StartsWrite(Flow& flow, Writing& writing, absl::string_view data) {
  writing.rest = absl::Cord(data);
  return flow.StartWrite(&writing);
}

TEST(StartedRateLimitTest, ACallThatWaitsIsATimer) {
  ManualEngine engine;
  const auto limiter =
      std::make_shared<RateLimiter>(/*bytes_per_second=*/1, /*burst=*/4000);
  Pipe pipe = MakePipe();
  auto flow = LimitRate(std::move(pipe.left), {nullptr, limiter});
  flow->SetEngine(&engine);
  EXPECT_THAT(flow->Write(std::string(4000, 'x')), IsOk());
  const absl::Time start = absl::Now();
  Writing writing;
  ASSERT_FALSE(StartsWrite(*flow, writing, std::string(1000, 'y')));
  EXPECT_EQ(limiter->waiting(), 1);
  ASSERT_EQ(engine.timers(), 1);
  EXPECT_GE(engine.timer_at() - start, absl::Seconds(900));
  EXPECT_LE(engine.timer_at() - start, absl::Seconds(1100));
  // Too early, and so it is set once more.
  engine.FireTimers();
  engine.RunAll();
  EXPECT_EQ(engine.timers(), 1);
  EXPECT_EQ(flow->bytes_written(), 4000);
  limiter->Grant(1000);
  engine.RunAll();
  EXPECT_EQ(writing.done, 1);
  EXPECT_THAT(writing.status, IsOk());
  EXPECT_EQ(engine.timers(), 0);
  EXPECT_EQ(limiter->waiting(), 0);
}

TEST(StartedRateLimitTest, CallsTakeTurnsInTheOrderInWhichTheyCame) {
  ManualEngine engine;
  const auto limiter = Still(/*burst=*/2);  // a byte at a time
  Pipe pipes[] = {MakePipe(), MakePipe()};
  auto a = LimitRate(std::move(pipes[0].left), {nullptr, limiter});
  auto b = LimitRate(std::move(pipes[1].left), {nullptr, limiter});
  a->SetEngine(&engine);
  b->SetEngine(&engine);
  Writing first, second;
  ASSERT_FALSE(StartsWrite(*a, first, "--aaa"));
  ASSERT_FALSE(StartsWrite(*b, second, "bbb"));
  std::string order;
  while (first.done + second.done < 2 && order.size() < 10) {
    limiter->Grant(1);
    engine.RunAll();
    for (Pipe* pipe : {&pipes[0], &pipes[1]}) {
      pipe->right->SetReadDeadline(absl::InfinitePast());
      absl::StatusOr<absl::Cord> data = pipe->right->Read();
      if (data.ok()) order.append(std::string(*data));
    }
  }
  EXPECT_EQ(order, "--ababab");
}

TEST(StartedRateLimitTest, ACallThatIsLateLeavesTheQueue) {
  ManualEngine engine;
  const auto limiter = Still(/*burst=*/10);
  Pipe pipes[] = {MakePipe(), MakePipe()};
  auto a = LimitRate(std::move(pipes[0].left), {nullptr, limiter});
  auto b = LimitRate(std::move(pipes[1].left), {nullptr, limiter});
  a->SetEngine(&engine);
  b->SetEngine(&engine);
  EXPECT_THAT(a->Write("012345678"), IsOk());
  Writing late, next;
  ASSERT_FALSE(StartsWrite(*a, late, "aaaaa"));
  // There is a token for it, and one before it in the queue.
  ASSERT_FALSE(StartsWrite(*b, next, "b"));
  EXPECT_EQ(limiter->waiting(), 2);
  a->SetWriteDeadline(absl::InfinitePast());
  engine.RunAll();
  EXPECT_EQ(late.done, 1);
  EXPECT_THAT(late.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(next.done, 1);
  EXPECT_THAT(next.status, IsOk());
  EXPECT_EQ(limiter->waiting(), 0);
}

TEST(StartedRateLimitTest, AReadThatWasLetPassDoesNotWaitAgain) {
  ManualEngine engine;
  const auto limiter = Still(/*burst=*/10);
  Pipe pipes[] = {MakePipe(), MakePipe()};
  auto first = LimitRate(std::move(pipes[0].left), {limiter, nullptr});
  auto second = LimitRate(std::move(pipes[1].left), {limiter, nullptr});
  first->SetEngine(&engine);
  struct Reading final : Flow::ReadOperation {
    void Done() override { ++done; }
    int done = 0;
  } reading;
  ASSERT_FALSE(first->StartRead(&reading));
  EXPECT_EQ(limiter->waiting(), 0);
  ASSERT_THAT(pipes[1].right->Write("0123456789"), IsOk());
  EXPECT_THAT(second->Read(), HoldsData("01234"));
  EXPECT_THAT(second->Read(), HoldsData("56789"));
  ASSERT_THAT(pipes[0].right->Write("x"), IsOk());
  engine.RunAll();
  EXPECT_EQ(reading.done, 1);
  EXPECT_THAT(reading.result, HoldsData("x"));
}

TEST(StartedRateLimitTest, WhatALateWriteWasGrantedIsForOthers) {
  ManualEngine engine;
  const auto limiter = Still(/*burst=*/10);
  Pipe pipe = MakePipe(/*capacity=*/0);
  auto flow = LimitRate(std::move(pipe.left), {nullptr, limiter});
  flow->SetEngine(&engine);
  Writing writing;
  ASSERT_FALSE(StartsWrite(*flow, writing, "abcde"));
  EXPECT_THAT(pipe.right->Read(2), HoldsData("ab"));
  flow->SetWriteDeadline(absl::InfinitePast());
  engine.RunAll();
  EXPECT_EQ(writing.rest, "cde");
  Pipe other = MakePipe();
  auto other_flow = LimitRate(std::move(other.left), {nullptr, limiter});
  other_flow->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(other_flow->Write("01234567"), IsOk());
  EXPECT_THAT(other_flow->Write("8"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// --- Faults underneath

TEST(RateLimitFaultTest, NoByteIsLostRepeatedOrMoved) {
  constexpr size_t kSize = 100;
  const size_t points = flow::testing::ForEachFaultPoint([](FaultPlan& plan) {
    const auto limiter =
        std::make_shared<RateLimiter>(int64_t{1} << 30, /*burst=*/64);
    Pipe from = MakePipe();
    Pipe to = MakePipe();
    EXPECT_THAT(from.right->Write(Pattern(0, kSize)), IsOk());
    EXPECT_THAT(from.right->Shutdown(ShutdownMode::kWrite), IsOk());
    auto source = MaybeStarts(
        LimitRate(plan.Wrap(std::move(from.left)), {limiter, nullptr}));
    auto sink = MaybeStarts(
        LimitRate(plan.Wrap(std::move(to.left)), {nullptr, limiter}));
    absl::Cord all;
    absl::Status status = ReadAll(*source, kSize, &all);
    if (absl::IsDeadlineExceeded(status)) {
      status = ReadAll(*source, kSize, &all);
    }
    EXPECT_EQ(all, Pattern(0, source->bytes_read()));
    absl::Status sent = sink->WriteFrom(&all);
    if (absl::IsDeadlineExceeded(sent)) sent = sink->WriteFrom(&all);
    if (status.ok() && sent.ok()) {
      sent = sink->Shutdown(ShutdownMode::kWrite);
    } else {
      sink->Abort(absl::AbortedError("not whole"));
    }
    absl::Cord received;
    const absl::Status end = ReadAll(*to.right, kSize, &received);
    EXPECT_EQ(received, Pattern(0, sink->bytes_written()));
    received.Append(all);
    EXPECT_EQ(received, Pattern(0, source->bytes_read()));
    EXPECT_EQ(end.ok(), status.ok() && sent.ok()) << end;
  });
  // Reads of 32, 32, 32, 4 and 0 bytes in 3 modes; writes of the same but the
  // last in 4, and an end in 2.
  EXPECT_EQ(points, 5 * 3 + 4 * 4 + 2);
}

}  // namespace
}  // namespace flow
