// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What Flow gives to flows with further ways to read and to write: ReadWith()
// and WriteWith(). And the deadline that a transport gets for its end.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
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

using Data = absl::StatusOr<absl::Cord>;

// A function that returns `data`, as an outcome that stays or one that passes.
auto Returns(Data data, bool passing = false) {
  return [data, passing](bool* passes) {
    EXPECT_FALSE(*passes);
    *passes = passing;
    return data;
  };
}

// --- ReadWith

TEST(ReadWithTest, IsCountedAsARead) {
  HookFlow flow;
  EXPECT_THAT(flow.ReadWith(5, Returns(absl::Cord("hello"))),
              IsOkAndHolds("hello"));
  EXPECT_EQ(flow.bytes_read(), 5);
}

TEST(ReadWithTest, AnEndAndAnErrorStay) {
  HookFlow ended, failed;
  EXPECT_THAT(ended.ReadWith(1, Returns(absl::Cord())), IsEof());
  EXPECT_THAT(ended.Read(), IsEof());
  EXPECT_THAT(failed.ReadWith(1, Returns(absl::DataLossError("torn"))),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(failed.Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ReadWithTest, MoreThanAskedForIsInternalAndNothingIsInvalid) {
  HookFlow flow;
  EXPECT_THAT(flow.ReadWith(0, Returns(absl::Cord("x"))),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.ReadWith(1, Returns(absl::Cord("xy"))),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(ReadWithTest, WhatPassesIsNeitherCountedNorDoesItStay) {
  HookFlow flow;
  EXPECT_THAT(flow.ReadWith(1, Returns(absl::Cord("peeked"), true)),
              IsOkAndHolds("peeked"));
  EXPECT_THAT(flow.ReadWith(1, Returns(absl::Cord(), true)), IsEof());
  EXPECT_THAT(
      flow.ReadWith(1, Returns(absl::ResourceExhaustedError("long"), true)),
      StatusIs(absl::StatusCode::kResourceExhausted,
               HasSubstr("hook flow [in: open, 0 bytes; out: open, 0 bytes]: "
                         "Read at byte 0: long")));
  EXPECT_EQ(flow.bytes_read(), 0);
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
}

TEST(ReadWithTest, ASecondReaderOfAnyFormIsRefused) {
  HookFlow flow;
  Blocker blocker;
  std::thread reader([&] {
    EXPECT_THAT(flow.ReadWith(1,
                              [&](bool* passes) -> Data {
                                blocker.Block();
                                *passes = true;
                                return absl::Cord("x");
                              }),
                IsOkAndHolds("x"));
  });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.ReadWith(1, Returns(absl::Cord("y"), true)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  blocker.Leave();
  reader.join();
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
}

// What was decided meanwhile counts, also for what passes.
TEST(ReadWithTest, WhatComesAfterAnAbortOrARefusalIsDiscarded) {
  for (const bool passing : {false, true}) {
    HookFlow aborted, refused;
    EXPECT_THAT(aborted.ReadWith(1,
                                 [&](bool* passes) -> Data {
                                   aborted.Abort(absl::CancelledError("stop"));
                                   *passes = passing;
                                   return absl::Cord("x");
                                 }),
                StatusIs(absl::StatusCode::kCancelled));
    EXPECT_THAT(
        refused.ReadWith(1,
                         [&](bool* passes) -> Data {
                           refused.Shutdown(ShutdownMode::kRead).IgnoreError();
                           *passes = passing;
                           return absl::DataLossError("late");
                         }),
        IsEof());
  }
}

TEST(ReadWithTest, DoesNotCallTheFunctionAfterTheEnd) {
  HookFlow flow;
  ASSERT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.ReadWith(1,
                            [](bool*) -> Data {
                              ADD_FAILURE() << "reached";
                              return absl::Cord("x");
                            }),
              IsClosed());
}

// --- WriteWith

TEST(WriteWithTest, IsCountedAsAWriteOfThatSize) {
  HookFlow flow;
  EXPECT_THAT(flow.WriteWith(7, [](size_t*) { return absl::OkStatus(); }),
              IsOk());
  EXPECT_EQ(flow.bytes_written(), 7);
  EXPECT_THAT(flow.WriteWith(5,
                             [](size_t* accepted) {
                               *accepted = 2;
                               return absl::DataLossError("torn");
                             }),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(flow.bytes_written(), 9);
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(WriteWithTest, OfNothingCallsTheFunctionWhileOpen) {
  HookFlow flow;
  int calls = 0;
  const auto hook = [&](size_t*) {
    ++calls;
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.WriteWith(0, hook), IsOk());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(flow.bytes_written(), 0);
  ASSERT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.WriteWith(0, hook), IsClosed());
  EXPECT_EQ(calls, 1);
}

TEST(WriteWithTest, AnErrorOfAWriteOfNothingStaysUnlessItIsADeadline) {
  HookFlow flow;
  EXPECT_THAT(flow.WriteWith(
                  0, [](size_t*) { return absl::DeadlineExceededError(""); }),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.Write("x"), IsOk());
  EXPECT_THAT(
      flow.WriteWith(0, [](size_t*) { return absl::DataLossError(""); }),
      StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(WriteWithTest, ClaimsBeyondItsSizeAreInternal) {
  HookFlow flow;
  EXPECT_THAT(flow.WriteWith(0,
                             [](size_t* accepted) {
                               *accepted = 1;
                               return absl::DeadlineExceededError("");
                             }),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(flow.bytes_written(), 0);
}

TEST(WriteWithTest, OfMoreThanACountCanHoldIsInvalid) {
  HookFlow flow;
  EXPECT_THAT(flow.WriteWith(std::numeric_limits<size_t>::max(),
                             [](size_t*) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Write("x"), IsOk());
}

TEST(WriteWithTest, ASecondWriterOfAnyFormIsRefused) {
  HookFlow flow;
  EXPECT_THAT(flow.WriteWith(
                  0,
                  [&](size_t*) {
                    EXPECT_THAT(flow.Write("x"),
                                StatusIs(absl::StatusCode::kInvalidArgument));
                    return absl::OkStatus();
                  }),
              IsOk());
  EXPECT_THAT(flow.Write("x"), IsOk());
}

// --- The deadline of EndWrite()

TEST(EndDeadlineTest, IsThatOfTheCloseUnderWay) {
  const absl::Time deadline = absl::FromUnixSeconds(10'000'000'000);
  std::vector<absl::Time> seen;
  HookFlow ended, closed;
  for (HookFlow* flow : {&ended, &closed}) {
    flow->hooks.end_write = [&](absl::Time until) {
      seen.push_back(until);
      return absl::OkStatus();
    };
  }
  EXPECT_THAT(ended.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ended.Close(deadline), IsOk());
  EXPECT_THAT(closed.Close(deadline), IsOk());
  ASSERT_EQ(seen.size(), 2);
  EXPECT_EQ(seen[0], absl::InfiniteFuture());
  // Of another clock, so it is not the same to the nanosecond.
  EXPECT_GT(seen[1], deadline - absl::Minutes(1));
  EXPECT_LT(seen[1], deadline + absl::Minutes(1));
}

TEST(WriteWithTest, AWriteThatAShutdownOvertakesIsWholeAndSendsTheEnd) {
  HookFlow flow;
  EXPECT_THAT(flow.WriteWith(3,
                             [&](size_t*) {
                               EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite),
                                           IsOk());
                               EXPECT_THAT(flow.hooks.log(), IsEmpty());
                               return absl::OkStatus();
                             }),
              IsOk());
  EXPECT_EQ(flow.bytes_written(), 3);
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end"));
}

TEST(EndDeadlineTest, APatientCloseAsksAgainAsLongAsBytesArrive) {
  HookFlow flow;
  int64_t in_transit = 5;
  flow.hooks.in_transit = [&] { return in_transit; };
  flow.hooks.end_write = [&](absl::Time) -> absl::Status {
    if (--in_transit > 0) return absl::DeadlineExceededError("flushing");
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.PatientClose(absl::Hours(1)), IsOk());
  EXPECT_EQ(in_transit, 0);
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "end", "end", "end", "end",
                                            "await remote end", "free"));
}

TEST(EndDeadlineTest, APatientCloseDoesNotSpinOnAnEndThatCannotWait) {
  HookFlow flow;
  int calls = 0;
  flow.hooks.end_write = [&](absl::Time) {
    ++calls;
    return absl::DeadlineExceededError("not yet");
  };
  EXPECT_THAT(flow.PatientClose(absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // About once in 10 ms, or less often.
  EXPECT_LE(calls, 20);
}

TEST(EndDeadlineTest, AnAbortEndsAPatientCloseOfAnEndThatCannotWait) {
  HookFlow flow;
  flow.hooks.end_write = [&](absl::Time) {
    flow.Abort(absl::DataLossError("enough"));
    return absl::DeadlineExceededError("not yet");
  };
  EXPECT_THAT(flow.PatientClose(absl::Hours(1)),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "abort DATA_LOSS", "free"));
}

TEST(EndDeadlineTest, AnEndThatIsLateForItIsACloseThatIsLate) {
  HookFlow flow;
  flow.hooks.end_write = [&](absl::Time) {
    return absl::DeadlineExceededError("flushing");
  };
  EXPECT_THAT(
      flow.Close(absl::InfinitePast()),
      StatusIs(absl::StatusCode::kDeadlineExceeded,
               HasSubstr("Close() deadline exceeded waiting for a write, or "
                         "for the end to be sent")));
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "abort ABORTED", "free"));
  EXPECT_THAT(flow.Write("x"), IsClosed());
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(EndDeadlineTest, AnEndThatIsLateForAnythingElseIsBroken) {
  HookFlow flow;
  flow.hooks.end_write = [&](absl::Time) {
    return absl::DeadlineExceededError("flushing");
  };
  EXPECT_THAT(flow.Close(absl::FromUnixSeconds(10'000'000'000)),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

}  // namespace
}  // namespace flow
