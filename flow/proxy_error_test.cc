// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What follows for both flows of Proxy() when one of them ends or fails in ways
// that a pipe does not, and when it is called wrongly.

#include <pthread.h>

#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/status.h"
#include "flow/string_flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/run_proxy.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::Patience;
using ::flow::testing::RunProxy;
using ::flow::testing::StartsProxies;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Side = CopyResult::Side;

TEST(ProxyErrorTest, AFullOutputRefusesAndWhatItDidNotTakeIsUnwritten) {
  std::string memory(6, '-');
  std::string back;
  auto a = MakeStringFlow("abcdefgh", &back);
  auto b = MakeStringFlow("answer", absl::MakeSpan(memory));
  const ProxyResult result = RunProxy(*a, *b);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_THAT(result.a_to_b.status, IsClosed());
  EXPECT_EQ(result.a_to_b.statistics.bytes, 6);
  EXPECT_EQ(result.a_to_b.unwritten, "gh");
  EXPECT_EQ(memory, "abcdef");
  EXPECT_THAT(result.b_to_a.status, IsOk());
  EXPECT_EQ(back, "answer");
}

TEST(ProxyErrorTest, ACloseThatFailsIsTheStatusAndBothAreClosed) {
  HookFlow a;
  HookFlow b;
  a.hooks.read = b.hooks.read = [](size_t) { return absl::Cord(); };
  a.hooks.free = [] { return absl::DataLossError("lost at last"); };
  ProxyOptions options;
  options.close_timeout = absl::Hours(1);
  const ProxyResult result = RunProxy(a, b, options);
  EXPECT_THAT(result.status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost at last")));
  EXPECT_THAT(result.a_to_b.status, IsOk());
  EXPECT_THAT(result.b_to_a.status, IsOk());
  EXPECT_THAT(a.Write("x"), IsClosed());
  EXPECT_THAT(b.Write("x"), IsClosed());
}

TEST(ProxyErrorTest, ACloseAddsNothingToAnErrorAndFreesBoth) {
  HookFlow a;
  HookFlow b;
  a.hooks.read = [](size_t) { return absl::DataLossError("lost"); };
  b.hooks.read = [](size_t) { return absl::Cord(); };
  a.hooks.free = b.hooks.free = [] { return absl::InternalError("more"); };
  ProxyOptions options;
  options.close_timeout = absl::Hours(1);
  EXPECT_THAT(RunProxy(a, b, options).status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("lost")));
  EXPECT_THAT(a.hooks.log(), Contains("free"));
  EXPECT_THAT(b.hooks.log(), Contains("free"));
}

TEST(ProxyErrorTest, ACloseThatTellsOfARefusalIsNoError) {
  std::string memory(6, '-');
  std::string back;
  auto a = MakeStringFlow("abcdefgh", &back);
  auto b = MakeStringFlow("answer", absl::MakeSpan(memory));
  ProxyOptions options;
  options.close_timeout = absl::Hours(1);
  EXPECT_THAT(RunProxy(*a, *b, options).status, IsOk());
  EXPECT_THAT(b->Close(), IsClosed());
  EXPECT_EQ(back, "answer");
}

TEST(ProxyErrorTest, AnEndThatCannotBeSentAbortsBoth) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  HookFlow b;
  b.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    return absl::Cord("flood");  // until it is aborted
  };
  b.hooks.end_write = [](absl::Time) { return absl::DataLossError("flush"); };
  std::thread reader([&] {
    absl::StatusOr<absl::Cord> data;
    while ((data = pipe.left->Read()).ok() && !data->empty()) {
    }
    EXPECT_THAT(data,
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("flush")));
  });
  const ProxyResult result = RunProxy(*pipe.right, b);
  reader.join();
  EXPECT_THAT(result.status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("flush")));
  EXPECT_THAT(result.a_to_b.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(result.a_to_b.failed, Side::kSink);
}

TEST(ProxyErrorTest, AnEndThatIsClosedIsARefusal) {
  std::string back;
  auto a = MakeStringFlow("", &back);
  HookFlow b;
  b.hooks.read = [](size_t) { return absl::Cord(); };
  b.hooks.end_write = [](absl::Time) {
    return ClosedError("gone, and wants no end");
  };
  const ProxyResult result = RunProxy(*a, b);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_THAT(result.a_to_b.status, IsClosed());
}

// Such as one that was closed by another thread before all was read: that is
// neither an end nor a refusal to the far end of the sink.
TEST(ProxyErrorTest, ASourceThatIsClosedAbortsBothAsAborted) {
  HookFlow a;
  a.hooks.read = [](size_t) -> absl::StatusOr<absl::Cord> {
    return ClosedError("closed by somebody");
  };
  Pipe pipe = MakePipe();
  const ProxyResult result = RunProxy(a, *pipe.left);
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_EQ(result.a_to_b.failed, Side::kSource);
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted,
                                           HasSubstr("closed by somebody")));
  EXPECT_THAT(pipe.right->Write("x"), Not(IsClosed()));
}

TEST(ProxyErrorTest, WhatACloseLeftUnreadIsNoWholeStream) {
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  ASSERT_THAT(near.left->Write("unread"), IsOk());
  ASSERT_THAT(near.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(near.right->Close(Patience()), IsOk());
  EXPECT_THAT(RunProxy(*near.right, *far.left).status, IsClosed());
  EXPECT_THAT(far.right->Read(), StatusIs(absl::StatusCode::kAborted));
}

// The refusal alone would let the other direction wait forever.
TEST(ProxyErrorTest, ASourceThatWasAbortedCannotBeRefused) {
  Pipe pipe = MakePipe();
  HookFlow b;
  b.hooks.write = [&](absl::Cord, size_t*) {
    pipe.right->Abort(absl::CancelledError("stop"));
    return ClosedError("full");
  };
  absl::Notification aborted;
  b.hooks.abort = [&] { aborted.Notify(); };
  b.hooks.read = [&](size_t) {
    aborted.WaitForNotification();
    return absl::Cord();
  };
  ASSERT_THAT(pipe.left->Write("x"), IsOk());
  const ProxyResult result = RunProxy(*pipe.right, b);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(result.a_to_b.status, IsClosed());
}

TEST(ProxyErrorTest, TheFirstErrorIsTheStatusAndEachDirectionKeepsItsOwn) {
  HookFlow a;
  HookFlow b;
  testing::Blocker b_reads;
  a.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    b_reads.WaitUntilEntered();
    return absl::DataLossError("the first");
  };
  b.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    b_reads.Block();
    return absl::UnavailableError("the second");
  };
  // Between the two aborts, so that `b` breaks by itself.
  a.hooks.abort = [&] {
    b_reads.Leave();
    while (b.DebugString().find("in: broken") == std::string::npos) {
      std::this_thread::yield();
    }
  };
  const ProxyResult result = RunProxy(a, b);
  EXPECT_THAT(result.status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the first")));
  EXPECT_THAT(result.a_to_b.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(result.b_to_a.status, StatusIs(absl::StatusCode::kUnavailable,
                                             HasSubstr("the second")));
}

// An abort can overtake what was written before it.
TEST(ProxyErrorTest, WhatCameBeforeTheErrorOfASourceMayArriveBeforeTheAbort) {
  HookFlow a;
  HookFlow b;
  absl::Notification aborted;
  bool is_in_transit = true;
  bool was_in_transit = true;
  a.hooks.read = [](size_t) { return absl::DataLossError("broken"); };
  b.hooks.read = [&](size_t) {
    aborted.WaitForNotification();
    return absl::UnknownError("late");
  };
  // It arrives while somebody looks.
  b.hooks.in_transit = [&] { return std::exchange(is_in_transit, false); };
  b.hooks.abort = [&] {
    was_in_transit = is_in_transit;
    aborted.Notify();
  };
  EXPECT_THAT(RunProxy(a, b).status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(was_in_transit);
}

TEST(ProxyErrorTest, OfAFlowAndItselfIsInvalidAndDoesNothing) {
  Pipe pipe = MakePipe();
  const ProxyResult result = RunProxy(*pipe.right, *pipe.right);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kInvalidArgument));
  // The flow can still be used, and this is what sends back.
  ASSERT_THAT(pipe.left->Write("echo"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(Copy(*pipe.right, *pipe.right).status, IsOk());
  EXPECT_THAT(pipe.left->Read(), IsOkAndHolds("echo"));
}

#ifdef __GLIBC__
// Gives new threads a stack that no address space holds.
class NoMoreThreads {
 public:
  NoMoreThreads() {
    EXPECT_EQ(pthread_getattr_default_np(&before_), 0);
    pthread_attr_t attributes;
    EXPECT_EQ(pthread_attr_init(&attributes), 0);
    EXPECT_EQ(pthread_attr_setstacksize(&attributes, size_t{1} << 60), 0);
    EXPECT_EQ(pthread_setattr_default_np(&attributes), 0);
    pthread_attr_destroy(&attributes);
  }
  ~NoMoreThreads() {
    EXPECT_EQ(pthread_setattr_default_np(&before_), 0);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

TEST(ProxyErrorTest, WithoutASecondThreadBothAreAborted) {
  if (StartsProxies()) GTEST_SKIP() << "a started one needs none";
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  ProxyOptions options;
  options.idle_timeout = absl::Hours(1);
  ProxyResult result;
  {
    NoMoreThreads no_more_threads;
    result = RunProxy(*near.right, *far.left, options);
  }
  const auto is_exhausted = StatusIs(absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(result.status, is_exhausted);
  EXPECT_THAT(result.a_to_b.status, is_exhausted);
  EXPECT_THAT(result.b_to_a.status, is_exhausted);
  EXPECT_THAT(near.left->Read(), is_exhausted);
  EXPECT_THAT(far.right->Read(), is_exhausted);
}
#endif  // __GLIBC__

}  // namespace
}  // namespace flow
