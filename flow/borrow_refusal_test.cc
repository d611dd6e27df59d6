// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Refusals of a flow that is lent: that of its remote, and that of the
// borrower.
//
// started_borrow_refusal_test runs them with calls that start (start_calls.h).

#include <cstddef>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/shared_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::BindToSharedEngine;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MaybeStarts;
using ::flow::testing::StartsCalls;
using ::testing::HasSubstr;
using ::testing::Not;

// As a flow whose calls start, if its lender's can.
std::unique_ptr<Flow> Lent(Flow& lender) {
  if (StartsCalls()) BindToSharedEngine(lender);
  return MaybeStarts(BorrowFlow(lender));
}

TEST(BorrowRefusalTest, AwaitRefusalWaitsForTheRemoteOfTheLender) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  EXPECT_TRUE(borrower->can_be_refused());
  EXPECT_THAT(borrower->AwaitRefusal(absl::Now() + absl::Milliseconds(30)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::thread refuser(
      [&] { EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk()); });
  EXPECT_THAT(borrower->AwaitRefusal(), IsClosed());
  refuser.join();
}

TEST(BorrowRefusalTest, AnAbortOfTheLenderEndsAwaitRefusal) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  std::thread aborter([&] { pipe.left->Abort(absl::DataLossError("no")); });
  EXPECT_THAT(borrower->AwaitRefusal(), StatusIs(absl::StatusCode::kDataLoss));
  aborter.join();
}

TEST(BorrowRefusalTest, AnEndOfTheBorrowerEndsAwaitRefusalAndTheLenderGoesOn) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  std::thread waiter(
      [&] { EXPECT_THAT(borrower->AwaitRefusal(), IsClosed()); });
  EXPECT_THAT(borrower->Close(), IsOk());
  waiter.join();
  EXPECT_THAT(pipe.left->Write("on"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("on"));
}

// The wait notices it when it looks again, which is while the lender may wait
// for longer.
TEST(BorrowRefusalTest, AnEndOfTheBorrowerIsNoticedInTheMiddleOfAwaitRefusal) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  std::thread waiter(
      [&] { EXPECT_THAT(borrower->AwaitRefusal(), IsClosed()); });
  while (!absl::StrContains(pipe.left->DebugString(), "in AwaitRefusal()")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(borrower->Shutdown(ShutdownMode::kWrite), IsOk());
  waiter.join();
  EXPECT_THAT(pipe.left->Write("on"), IsOk());
}

TEST(BorrowRefusalTest, ARefusalWakesABlockedReadAndTheLenderGoesOn) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  std::thread reader([&] { EXPECT_THAT(borrower->Read(), IsEof()); });
  // The rule holds before that Read as well, but is easy then.
  while (!absl::StrContains(pipe.left->DebugString(), "in Read()")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(borrower->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  // Would wake nobody: the refusal stays.
  borrower->SetReadDeadline(absl::InfiniteFuture());
  EXPECT_THAT(borrower->Close(), IsOk());
  ASSERT_THAT(pipe.right->Write("next"), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("next"));
}

TEST(BorrowRefusalTest, ARefusedReadThatTookBytesAbortsTheLender) {
  for (const bool into : {false, true}) {
    HookFlow lender;
    auto borrower = Lent(lender);
    // Too late to be woken: it has the bytes.
    lender.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
      EXPECT_THAT(borrower->Shutdown(ShutdownMode::kRead), IsOk());
      return absl::Cord("data");
    };
    char space[10];
    if (into) {
      EXPECT_THAT(borrower->ReadInto(absl::MakeSpan(space)),
                  Not(IsOkAndHolds(4)));
    } else {
      EXPECT_THAT(borrower->Read(), Not(HoldsData("data")));
    }
    EXPECT_THAT(lender.Write("x"),
                StatusIs(absl::StatusCode::kAborted, HasSubstr("4 bytes")));
    EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kAborted));
  }
}

TEST(BorrowRefusalTest, ARefusedReadThatMetTheEndLeavesTheLenderAlone) {
  for (const bool into : {false, true}) {
    HookFlow lender;
    auto borrower = Lent(lender);
    lender.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
      EXPECT_THAT(borrower->Shutdown(ShutdownMode::kRead), IsOk());
      return absl::Cord();
    };
    char space[10];
    if (into) {
      EXPECT_THAT(borrower->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
    } else {
      EXPECT_THAT(borrower->Read(), IsEof());
    }
    EXPECT_THAT(borrower->Close(), IsOk());
    EXPECT_THAT(lender.Write("on"), IsOk());
  }
}

}  // namespace
}  // namespace flow
