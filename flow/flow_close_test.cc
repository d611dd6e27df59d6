// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// "Shutdown" and "Close" of docs/semantics.md, rule by rule, on a flow whose
// transport calls functions of the test.

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Blocker;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr absl::Duration kShort = absl::Milliseconds(20);
constexpr absl::Duration kLong = absl::Seconds(30);

// --- Shutdown

TEST(ShutdownTest, WriteTellsTheTransportOnceAndLeavesReadsAlone) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end"));
  EXPECT_THAT(flow.Write("x"), IsClosed());
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
}

TEST(ShutdownTest, WriteUnderAWriteOnlyMarksItAndTheWriteSendsTheEnd) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), IsOk()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.hooks.log(), IsEmpty());
  EXPECT_THAT(flow.Write("x"), IsClosed());
  EXPECT_THAT(flow.Write(""), IsClosed());
  blocker.Leave();
  writer.join();
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end"));
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(ShutdownTest, AWriteThatFailsAfterTheMarkNeverSendsACleanEnd) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kDataLoss, absl::StatusCode::kDeadlineExceeded}) {
    HookFlow flow;
    Blocker blocker;
    flow.hooks.write = [&](absl::Cord, size_t*) {
      blocker.Block();
      return absl::Status(code, "no");
    };
    std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), StatusIs(code)); });
    blocker.WaitUntilEntered();
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
    blocker.Leave();
    writer.join();
    EXPECT_THAT(flow.hooks.log(), ElementsAre("broken"));
    EXPECT_THAT(flow.Write("x"), Not(IsOk()));
    EXPECT_THAT(flow.Write("x"), Not(IsClosed()));
    EXPECT_THAT(flow.Close(absl::Now() + kLong), Not(IsOk()));
  }
}

TEST(ShutdownTest, AFailedFlushIsTheErrorOfTheDirection) {
  HookFlow flow;
  flow.hooks.end_write = [](absl::Time) { return absl::DataLossError("disk"); };
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ShutdownTest, ReadIsEndOfFileFromThenOn) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow.hooks.log(), ElementsAre("refuse read"));
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Write("x"), IsOk());
}

TEST(ShutdownTest, ReadWakesABlockedReadWithEndOfFile) {
  for (const absl::StatusOr<absl::Cord>& late :
       {absl::StatusOr<absl::Cord>(absl::Cord("too late")),
        absl::StatusOr<absl::Cord>(absl::DataLossError("too late"))}) {
    HookFlow flow;
    Blocker blocker;
    flow.hooks.read = [&](size_t) {
      blocker.Block();
      return late;
    };
    flow.hooks.refuse_read = [&] { blocker.Leave(); };
    std::thread reader([&] { EXPECT_THAT(flow.Read(), IsEof()); });
    blocker.WaitUntilEntered();
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
    reader.join();
    EXPECT_EQ(flow.bytes_read(), 0);
  }
}

TEST(ShutdownTest, ReadKeepsAnEarlierError) {
  HookFlow flow;
  flow.hooks.read = [](size_t) { return absl::DataLossError("x"); };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ShutdownTest, ReadWriteEndsBoth) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Write("x"), IsClosed());
}

TEST(ShutdownTest, AnUnknownModeIsInvalid) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(static_cast<ShutdownMode>(7)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Write("x"), IsOk());
}

// --- Close

TEST(CloseTest, SignalsThenWaitsForTheRemoteThenFrees) {
  HookFlow flow;
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_EQ(flow.hooks.log().size(), 3);
}

TEST(CloseTest, DoesNotWaitForARemoteThatHasEnded) {
  HookFlow ended;
  ended.hooks.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(ended.Read(), IsEof());
  EXPECT_THAT(ended.Close(), IsOk());
  EXPECT_THAT(ended.hooks.log(), ElementsAre("end", "free"));
}

// One that could not tell the remote so has to discard what still comes.
TEST(CloseTest, LeavesItToTheTransportToWaitForARemoteThatWasRefused) {
  HookFlow refused;
  EXPECT_THAT(refused.Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(refused.Close(), IsOk());
  EXPECT_THAT(refused.hooks.log(),
              ElementsAre("refuse read", "end", "await remote end", "free"));
}

TEST(CloseTest, ReadAndWriteReturnClosedAfterwards) {
  for (const bool at_end : {false, true}) {
    HookFlow flow;
    if (at_end) {
      flow.hooks.read = [](size_t) { return absl::Cord(); };
      EXPECT_THAT(flow.Read(), IsEof());
    }
    EXPECT_THAT(flow.Close(), IsOk());
    EXPECT_THAT(flow.Read().status(), IsClosed());
    EXPECT_THAT(flow.Write("x"), IsClosed());
    EXPECT_THAT(flow.Write(""), IsClosed());
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
  }
}

TEST(CloseTest, AnotherThreadMayReadWhileItWaits) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread closer([&] { EXPECT_THAT(flow.Close(), IsOk()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
  EXPECT_THAT(flow.Write("x"), IsClosed());
  blocker.Leave();
  closer.join();
}

// Reads as `result` while a Close() waits, which must then return `code`.
void FailAReadUnderClose(const absl::StatusOr<absl::Cord>& result,
                         absl::StatusCode code) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::OkStatus();
  };
  flow.hooks.refuse_read = [&] { blocker.Leave(); };
  flow.hooks.read = [&](size_t) { return result; };
  std::thread closer([&] { EXPECT_THAT(flow.Close(), StatusIs(code)); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Read(1), StatusIs(code));
  closer.join();
}

TEST(CloseTest, AReadThatFailsWhileItWaitsEndsTheWait) {
  FailAReadUnderClose(absl::DataLossError("torn"), absl::StatusCode::kDataLoss);
}

TEST(CloseTest, AReadThatBringsTooMuchWhileItWaitsEndsTheWait) {
  FailAReadUnderClose(absl::Cord("too much"), absl::StatusCode::kInternal);
}

// The clock may be set back just then.
TEST(CloseTest, ADeadlineThatTheTransportSawPassHasPassed) {
  HookFlow flow;
  flow.hooks.await_remote_end = [](absl::Time) {
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.Close(absl::Now() + absl::Hours(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
}

TEST(CloseTest, ABlockedWriteFinishesFirst) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), IsOk()); });
  blocker.WaitUntilEntered();
  std::atomic<bool> closed{false};
  std::thread closer([&] {
    EXPECT_THAT(flow.Close(), IsOk());
    closed = true;
  });
  absl::SleepFor(kShort);
  EXPECT_FALSE(closed);
  EXPECT_THAT(flow.hooks.log(), IsEmpty());
  blocker.Leave();
  closer.join();
  writer.join();
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, WaitsForAReadThatIsUnderWayAndThatReadKeepsItsData) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("in time");
  };
  std::thread reader(
      [&] { EXPECT_THAT(flow.Read(), IsOkAndHolds("in time")); });
  blocker.WaitUntilEntered();
  std::thread closer([&] { EXPECT_THAT(flow.Close(), IsOk()); });
  absl::SleepFor(kShort);
  EXPECT_THAT(flow.hooks.log(), Not(::testing::Contains("free")));
  blocker.Leave();
  reader.join();
  closer.join();
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, WhileItFreesAReadIsClosedAndNotEndOfFile) {
  HookFlow flow;
  flow.hooks.free = [&] {
    EXPECT_THAT(flow.Read().status(), IsClosed());
    EXPECT_THAT(flow.Write("x"), IsClosed());
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
    flow.Abort(absl::InternalError("ignored"));
    EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kInvalidArgument));
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, ReportsAFailedWrite) {
  HookFlow flow;
  flow.hooks.write = [](absl::Cord, size_t*) {
    return absl::DataLossError("x");
  };
  const absl::Status failed = flow.Write("x");
  EXPECT_EQ(flow.Close(), failed);
  EXPECT_EQ(flow.Close(), failed);
  EXPECT_EQ(flow.Write("x"), failed);
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("broken", "await remote end", "free"));
}

TEST(CloseTest, ReportsAnInboundErrorAndAnErrorOfFreeing) {
  HookFlow broken;
  broken.hooks.await_remote_end = [](absl::Time) {
    return absl::DataLossError("r");
  };
  EXPECT_THAT(broken.Close(), StatusIs(absl::StatusCode::kDataLoss));
  HookFlow full;
  full.hooks.free = [] { return absl::ResourceExhaustedError("disk full"); };
  EXPECT_THAT(full.Close(), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("disk full")));
  EXPECT_THAT(full.Close(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(CloseTest, PastItsDeadlineItAbortsAndFreesAndIsLatched) {
  HookFlow flow;
  flow.hooks.await_remote_end = [](absl::Time deadline) {
    absl::SleepFor(deadline - absl::Now());
    return absl::DeadlineExceededError("");
  };
  EXPECT_THAT(flow.Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("Close() deadline exceeded waiting for the "
                                 "remote to end")));
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.Read().status(), IsClosed());
  EXPECT_THAT(flow.Write("x"), IsClosed());
}

TEST(CloseTest, PastItsDeadlineUnderAWriteTheWriteFrees) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), IsClosed()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(
      flow.Close(absl::Now() + kShort),
      StatusIs(absl::StatusCode::kDeadlineExceeded,
               HasSubstr("Close() deadline exceeded waiting for a write")));
  EXPECT_THAT(flow.hooks.log(), ElementsAre("abort ABORTED"));
  blocker.Leave();
  writer.join();
  EXPECT_EQ(flow.bytes_written(), 3);
  EXPECT_THAT(flow.hooks.log(), ElementsAre("abort ABORTED", "free"));
}

TEST(CloseTest, PastItsDeadlineUnderAReadTheReadFrees) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("late");
  };
  std::thread reader([&] { EXPECT_THAT(flow.Read().status(), IsClosed()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  blocker.Leave();
  reader.join();
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("end", "await remote end", "abort ABORTED",
                          "lose read", "free"));
}

TEST(CloseTest, JoinedByAnotherBothReturnTheSame) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::DataLossError("x");
  };
  std::vector<absl::Status> results(2);
  std::thread first([&] { results[0] = flow.Close(); });
  blocker.WaitUntilEntered();
  std::thread second([&] { results[1] = flow.Close(); });
  absl::SleepFor(kShort);
  blocker.Leave();
  first.join();
  second.join();
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(results[0], results[1]);
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, OfSeveralTheEarliestDeadlineCounts) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::OkStatus();
  };
  flow.hooks.abort = [&] { blocker.Leave(); };
  std::thread patient([&] {
    EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  patient.join();
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
}

TEST(CloseTest, JoinedDuringTheCleanUpItWaitsForThatPastItsDeadline) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.free = [&] {
    blocker.Block();
    return absl::DataLossError("not flushed");
  };
  std::vector<absl::Status> results(2);
  std::thread first([&] { results[0] = flow.Close(); });
  blocker.WaitUntilEntered();
  std::thread second([&] { results[1] = flow.Close(absl::InfinitePast()); });
  absl::SleepFor(kShort);
  blocker.Leave();
  first.join();
  second.join();
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(results[0], results[1]);
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, FromInsideTheTransportItAbortsInsteadOfWaitingForItself) {
  HookFlow flow;
  flow.hooks.read = [&](size_t) {
    EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kInvalidArgument));
    return absl::Cord("discarded");
  };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("from inside")));
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("abort INVALID_ARGUMENT", "lose read", "free"));
}

}  // namespace
}  // namespace flow
