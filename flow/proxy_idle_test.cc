// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The idle timeout of Proxy(). Nothing here depends on how fast a thread is:
// either nothing ever passes, or the flows themselves say that a deadline has
// passed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
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
using ::flow::testing::IsEof;
using ::flow::testing::RunProxy;
using ::flow::testing::StartsProxies;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr absl::Duration kShort = absl::Milliseconds(20);
constexpr absl::Duration kNever = absl::Hours(1);

ProxyOptions IdleTimeout(absl::Duration timeout) {
  ProxyOptions options;
  options.idle_timeout = timeout;
  return options;
}

absl::Status Late() { return absl::DeadlineExceededError("it has passed"); }

auto IsIdle(absl::StatusCode code) {
  return StatusIs(code, HasSubstr("idle for 20ms"));
}

TEST(ProxyIdleTest, WhenNothingPassesBothAreAborted) {
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  const ProxyResult result =
      RunProxy(*near.right, *far.left, IdleTimeout(kShort));
  EXPECT_THAT(result.status, IsIdle(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(near.left->Read(), IsIdle(absl::StatusCode::kAborted));
  EXPECT_THAT(far.right->Read(), IsIdle(absl::StatusCode::kAborted));
}

TEST(ProxyIdleTest, ADirectionThatIsOverDoesNotKeepTheOtherOneAlive) {
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  ASSERT_THAT(near.left->Write("question"), IsOk());
  ASSERT_THAT(near.left->Shutdown(ShutdownMode::kWrite), IsOk());
  const ProxyResult result =
      RunProxy(*near.right, *far.left, IdleTimeout(kShort));
  EXPECT_THAT(result.status, IsIdle(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(result.a_to_b.status, IsOk());
  EXPECT_THAT(near.left->Read(), IsIdle(absl::StatusCode::kAborted));
  // What had been carried over to its end stays whole.
  EXPECT_THAT(far.right->Read(), IsOkAndHolds("question"));
  EXPECT_THAT(far.right->Read(), IsEof());
}

TEST(ProxyIdleTest, AWriteThatNobodyReadsIsIdle) {
  Pipe near = MakePipe();
  Pipe far = MakePipe(/*capacity=*/0);
  ASSERT_THAT(near.left->Write("lost"), IsOk());
  const ProxyResult result =
      RunProxy(*near.right, *far.left, IdleTimeout(kShort));
  EXPECT_THAT(result.status, IsIdle(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.a_to_b.failed, CopyResult::Side::kSink);
  EXPECT_EQ(result.a_to_b.unwritten, "lost");
  EXPECT_THAT(far.right->Read(), IsIdle(absl::StatusCode::kAborted));
}

TEST(ProxyIdleTest, NoTimeAtAllCarriesWhatIsThere) {
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  ASSERT_THAT(near.left->Write("there"), IsOk());
  ASSERT_THAT(near.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(far.right->Write("back"), IsOk());
  ASSERT_THAT(far.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(
      RunProxy(*near.right, *far.left, IdleTimeout(absl::ZeroDuration()))
          .status,
      IsOk());
  EXPECT_THAT(far.right->Read(), IsOkAndHolds("there"));
  EXPECT_THAT(near.left->Read(), IsOkAndHolds("back"));
}

// A function that blocks knows no deadline. The far end of the other flow is
// told nevertheless; here the function waits until it was.
TEST(ProxyIdleTest, AFlowThatKnowsNoDeadlineDoesNotKeepTheOtherOneWaiting) {
  HookFlow a;
  absl::Notification told;
  a.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    told.WaitForNotification();
    return absl::Cord();
  };
  Pipe pipe = MakePipe();
  std::thread far_end([&] {
    EXPECT_THAT(pipe.right->Read(), IsIdle(absl::StatusCode::kAborted));
    told.Notify();
  });
  const ProxyResult result = RunProxy(a, *pipe.left, IdleTimeout(kShort));
  far_end.join();
  EXPECT_THAT(result.status, IsIdle(absl::StatusCode::kDeadlineExceeded));
}

TEST(ProxyIdleTest, ADeadlineBeforeItsTimeLosesNothingAndCountsEverything) {
  HookFlow a;
  int reads = 0;
  a.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    switch (reads++) {
      case 1:
        return absl::Cord("abcd");
      case 3:
        return absl::Cord("efgh");
      case 5:
        return absl::Cord();
      default:
        return Late();
    }
  };
  HookFlow b;
  b.hooks.read = [](size_t) { return absl::Cord(); };
  std::string out;
  int writes = 0;
  // Takes one byte and is late, or takes nothing and is late, or takes all.
  b.hooks.write = [&](absl::Cord data, size_t* accepted) {
    switch (writes++ % 3) {
      case 0:
        *accepted = 1;
        break;
      case 1:
        return Late();
      default:
        *accepted = data.size();
    }
    out += std::string(data.Subcord(0, *accepted));
    return *accepted < data.size() ? Late() : absl::OkStatus();
  };
  std::vector<int64_t> told;
  ProxyOptions options = IdleTimeout(kNever);
  options.on_write = [&](ProxyDirection direction, int64_t bytes) {
    EXPECT_EQ(direction, ProxyDirection::kAToB);
    told.push_back(bytes);
  };
  const ProxyResult result = RunProxy(a, b, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(out, "abcdefgh");
  EXPECT_EQ(result.a_to_b.statistics.bytes, 8);
  EXPECT_EQ(result.a_to_b.statistics.reads, 2);
  EXPECT_EQ(result.a_to_b.statistics.writes, 6);
  EXPECT_EQ(result.a_to_b.unwritten, "");
  EXPECT_THAT(told, ::testing::ElementsAre(1, 3, 1, 3));
}

// A read finds its deadline passed and nothing new, while a write of the other
// direction has taken a part, which shows only when it returns.
TEST(ProxyIdleTest, APartOfAWriteThatIsUnderWayIsNoIdleness) {
  // started_proxy_pending_test.cc has it for a started one.
  if (StartsProxies()) GTEST_SKIP() << "a started one has a timer";
  HookFlow a;
  HookFlow b;
  absl::Notification found_nothing;
  absl::Notification written;
  int b_reads = 0;
  b.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    if (b_reads++ == 0) {
      absl::SleepFor(kShort);  // until its deadline has passed
      return Late();
    }
    found_nothing.Notify();
    written.WaitForNotification();
    return absl::Cord();
  };
  int a_reads = 0;
  a.hooks.read = [&](size_t) {
    return absl::Cord(a_reads++ == 0 ? "abcd" : "");
  };
  int writes = 0;
  b.hooks.write = [&](absl::Cord, size_t* accepted) -> absl::Status {
    if (writes++ > 0) return absl::OkStatus();
    found_nothing.WaitForNotification();
    *accepted = 1;
    return Late();
  };
  b.hooks.end_write = [&](absl::Time) {
    written.Notify();
    return absl::OkStatus();
  };
  const ProxyResult result = RunProxy(a, b, IdleTimeout(kShort));
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.a_to_b.statistics.bytes, 4);
}

// One direction is silent for three timeouts, and in each of them a byte passes
// in the other one, with time to spare on a loaded machine.
TEST(ProxyIdleTest, OneDirectionThatFlowsKeepsBothAlive) {
  constexpr absl::Duration kTimeout = absl::Milliseconds(600);
  constexpr int kRounds = 6;
  Pipe pipe = MakePipe();
  HookFlow b;
  std::atomic<int64_t> passed = 0;
  int rounds = 0;
  b.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    if (rounds == kRounds) {
      EXPECT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
      return absl::Cord();
    }
    absl::SleepFor(kTimeout / 2);
    EXPECT_THAT(pipe.left->Write("x"), IsOk());
    while (passed == rounds) absl::SleepFor(absl::Milliseconds(1));
    ++rounds;
    return Late();
  };
  ProxyOptions options = IdleTimeout(kTimeout);
  options.on_write = [&](ProxyDirection, int64_t bytes) { passed += bytes; };
  const ProxyResult result = RunProxy(*pipe.right, b, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.a_to_b.statistics.bytes, kRounds);
}

TEST(ProxyIdleTest, NoDeadlineIsLeftBehindAndThoseBeforeAreTakenOver) {
  for (const bool with_timeout : {false, true}) {
    HookFlow a;
    HookFlow b;
    std::vector<absl::Time> deadlines;
    a.hooks.read = b.hooks.read = [](size_t) { return absl::Cord(); };
    a.hooks.read_deadline = [&](absl::Time deadline) {
      deadlines.push_back(deadline);
    };
    const ProxyResult result =
        RunProxy(a, b, with_timeout ? IdleTimeout(kNever) : ProxyOptions());
    EXPECT_THAT(result.status, IsOk());
    ASSERT_EQ(deadlines.size(), 2);
    // A started one has a timer for that.
    EXPECT_EQ(deadlines[0] == absl::InfiniteFuture(),
              !with_timeout || StartsProxies());
    EXPECT_EQ(deadlines[1], absl::InfiniteFuture());
    // Each copy takes back what it has set.
    const size_t writes = with_timeout && StartsProxies() ? 3 : 2;
    EXPECT_THAT(a.hooks.log(), Contains("write deadline").Times(writes));
    EXPECT_THAT(b.hooks.log(), Contains("read deadline").Times(2));
    EXPECT_THAT(b.hooks.log(), Contains("write deadline").Times(writes));
  }
}

TEST(ProxyIdleTest, DeadlinesThatWereSetBeforeDoNotCount) {
  for (const absl::Duration timeout :
       {absl::Hours(1), absl::InfiniteDuration()}) {
    Pipe near = MakePipe(1);
    Pipe far = MakePipe(1);
    for (Flow* flow : {near.right.get(), far.left.get()}) {
      flow->SetReadDeadline(absl::InfinitePast());
      flow->SetWriteDeadline(absl::InfinitePast());
    }
    std::thread ends([&] {
      EXPECT_THAT(near.left->Write("there"), IsOk());
      EXPECT_THAT(far.right->Write("and back"), IsOk());
      EXPECT_THAT(near.left->Shutdown(ShutdownMode::kWrite), IsOk());
      EXPECT_THAT(far.right->Shutdown(ShutdownMode::kWrite), IsOk());
    });
    std::thread near_reader([&] {
      EXPECT_THAT(ReadAll(*near.left, 100), IsOkAndHolds("and back"));
    });
    std::thread far_reader(
        [&] { EXPECT_THAT(ReadAll(*far.right, 100), IsOkAndHolds("there")); });
    ProxyOptions options;
    options.idle_timeout = timeout;
    EXPECT_THAT(RunProxy(*near.right, *far.left, options).status, IsOk());
    ends.join();
    near_reader.join();
    far_reader.join();
  }
}

// A kernel, say, that has accepted much and sends it to a slow peer. What
// happens between two looks of a proxy that blocks counts, however long that
// is. A started one looks all the time.
TEST(ProxyIdleTest, BytesThatArriveSlowlyAreActivity) {
  const absl::Duration timeout =
      absl::Milliseconds(StartsProxies() ? 600 : 200);
  const absl::Duration until_late = timeout * (StartsProxies() ? 0.5 : 1.1);
  HookFlow source;
  source.hooks.read = [calls =
                           0](size_t) mutable -> absl::StatusOr<absl::Cord> {
    if (++calls == 1) return absl::Cord("all of it");
    return absl::Cord();
  };
  HookFlow sink;
  std::atomic<int> late{0};
  std::atomic<bool> looked{false};  // after the write
  sink.hooks.in_transit = [&] {
    const int64_t in_transit = 100 - 10 * late;
    looked = true;
    return in_transit;
  };
  sink.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    while (!looked) std::this_thread::yield();
    if (++late == 4) return absl::Cord();
    absl::SleepFor(until_late);
    return Late();
  };
  EXPECT_THAT(RunProxy(source, sink, IdleTimeout(timeout)).status, IsOk());
  EXPECT_EQ(late, 4);
}

TEST(ProxyIdleTest, BytesThatDoNotArriveAreNot) {
  HookFlow source;
  HookFlow sink;
  sink.hooks.in_transit = [] { return int64_t{100}; };
  sink.hooks.read = [](size_t) { return Late(); };
  sink.hooks.write = [](absl::Cord, size_t*) { return Late(); };
  EXPECT_THAT(RunProxy(source, sink, IdleTimeout(kShort)).status,
              IsIdle(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace flow
