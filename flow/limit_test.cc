// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/limit.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::HasSubstr;

// A pipe whose left end has `text` to read, and then its end.
Pipe Holding(absl::string_view text) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.right->Write(text), IsOk());
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  return pipe;
}

// --- Reading

TEST(LimitInputTest, EndsAfterTheLimitOrWithTheFlow) {
  for (const auto limit : {&LimitInput, &ExactInput}) {
    Pipe pipe = Holding("abcdef");
    auto flow = limit(std::move(pipe.left), 4);
    EXPECT_THAT(flow->Read(3), HoldsData("abc"));
    EXPECT_THAT(flow->Read(), HoldsData("d"));
    EXPECT_THAT(flow->Read(), IsEof());
    EXPECT_EQ(flow->bytes_read(), 4);
  }
  Pipe pipe = Holding("ab");
  EXPECT_THAT(ReadAll(*LimitInput(std::move(pipe.left), 4), 10),
              HoldsData("ab"));
}

TEST(LimitInputTest, OfNothingOrLessIsAtEndOfFile) {
  for (const int64_t n : {int64_t{0}, std::numeric_limits<int64_t>::min()}) {
    Pipe pipe = Holding("abc");
    auto flow = ExactInput(BorrowFlow(*pipe.left), n);
    EXPECT_THAT(flow->Read(), IsEof());
    EXPECT_THAT(flow->Close(), IsOk());
    EXPECT_THAT(pipe.left->Read(), HoldsData("abc"));
  }
}

TEST(LimitInputTest, TheLargestLimitIsNone) {
  Pipe pipe = Holding("abc");
  auto flow =
      LimitInput(std::move(pipe.left), std::numeric_limits<int64_t>::max());
  EXPECT_THAT(ReadAll(*flow, 10), HoldsData("abc"));
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(ExactInputTest, AnEndThatComesTooEarlyIsAnErrorThatStays) {
  Pipe pipe = Holding("abc");
  auto flow = ExactInput(std::move(pipe.left), 4);
  EXPECT_THAT(flow->Read(), HoldsData("abc"));
  for (int calls = 0; calls < 2; ++calls) {
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kOutOfRange,
                                       HasSubstr("after 3 of 4 bytes")));
  }
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(ExactInputTest, AnEndThatWasReadBeforeIsTooEarly) {
  Pipe pipe = Holding("");
  ASSERT_THAT(pipe.left->Read(), IsEof());
  auto flow = ExactInput(std::move(pipe.left), 1);
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(LimitInputTest, ReadsIntoMemoryOfTheCallerUpToTheLimit) {
  Pipe pipe = Holding("abcdef");
  auto flow = ExactInput(BorrowFlow(*pipe.left), 4);
  char space[10];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(4));
  EXPECT_EQ(absl::string_view(space, 4), "abcd");
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("ef"));
}

TEST(LimitInputTest, CopiesNothing) {
  Pipe pipe = MakePipe(kNoLimit);
  const absl::Cord data(std::string(200000, 'x'));
  ASSERT_THAT(pipe.right->Write(data), IsOk());
  auto flow = LimitInput(std::move(pipe.left), 150000);
  const absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, HoldsData(data.Subcord(0, 150000)));
  EXPECT_EQ(CopiedBytes(data.Subcord(0, 150000), *read), 0u);
}

TEST(LimitInputTest, WritesPassAndCountersAreKept) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("before"), IsOk());
  auto flow = LimitInput(std::move(pipe.left), 0);
  EXPECT_THAT(flow->Write(", after"), IsOk());
  EXPECT_EQ(flow->bytes_written(), 13);
  EXPECT_THAT(pipe.right->Read(), HoldsData("before, after"));
}

TEST(LimitInputTest, RefusesWhatFollowsOfAFlowThatItOwns) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  auto flow = LimitInput(std::move(pipe.left), 3);
  ASSERT_THAT(flow->Read(), HoldsData("abc"));
  EXPECT_THAT(pipe.right->Write("d"), IsOk());
  ASSERT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(pipe.right->Write("e"), IsClosed());
  EXPECT_THAT(flow->Close(), IsOk());
}

// --- Closing on a lender

TEST(ExactInputTest, CloseDropsTheRestAndTheLenderGoesOnBehindIt) {
  for (const bool refuses : {false, true}) {
    Pipe pipe = MakePipe(/*capacity=*/2);
    std::thread remote(
        [&] { EXPECT_THAT(pipe.right->Write("bodynext"), IsOk()); });
    auto flow = ExactInput(BorrowFlow(*pipe.left), 4);
    EXPECT_THAT(flow->Read(1), HoldsData("b"));
    if (refuses) {
      EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
      EXPECT_THAT(flow->Read(), IsEof());
    }
    EXPECT_THAT(flow->Close(), IsOk());
    absl::Cord next;
    while (next.size() < 4) {
      absl::StatusOr<absl::Cord> data = pipe.left->Read();
      ASSERT_THAT(data, IsOk());
      next.Append(*data);
    }
    EXPECT_EQ(next, "next");
    remote.join();
  }
}

TEST(ExactInputTest, CloseThatMeetsTheEndIsOutOfRange) {
  Pipe pipe = Holding("abc");
  auto exact = ExactInput(BorrowFlow(*pipe.left), 4);
  EXPECT_THAT(exact->Close(), StatusIs(absl::StatusCode::kOutOfRange));
  auto limited = LimitInput(BorrowFlow(*pipe.left), 4);
  EXPECT_THAT(limited->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), IsEof());
}

TEST(ExactInputTest, CloseThatMeetsAnErrorReturnsIt) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  pipe.right->Abort(absl::DataLossError("no"));
  auto flow = ExactInput(BorrowFlow(*pipe.left), 4);
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ExactInputTest, CloseWaitsForTheRestUntilItsDeadlineAndAbortsTheLender) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  auto flow = ExactInput(BorrowFlow(*pipe.left), 4);
  // The read deadline does not count.
  flow->SetReadDeadline(absl::Now() + absl::Hours(1));
  EXPECT_THAT(flow->Close(absl::Now() + absl::Milliseconds(5)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.right->Write("d"), StatusIs(absl::StatusCode::kAborted));
}

TEST(ExactInputTest, CloseIgnoresAReadDeadlineAndTheLenderHasItsOwnAfterwards) {
  Pipe pipe = MakePipe();
  pipe.left->SetReadDeadline(absl::InfinitePast());
  auto flow = ExactInput(BorrowFlow(*pipe.left), 1);
  std::thread remote([&] { EXPECT_THAT(pipe.right->Write("a"), IsOk()); });
  EXPECT_THAT(flow->Close(), IsOk());
  remote.join();
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(ExactInputTest, PatientCloseGoesOnWithTheRest) {
  Pipe pipe = MakePipe();
  auto flow = ExactInput(BorrowFlow(*pipe.left), 2);
  std::thread remote([&] {
    EXPECT_THAT(pipe.right->Write("a"), IsOk());
    absl::SleepFor(absl::Milliseconds(20));
    EXPECT_THAT(pipe.right->Write("b"), IsOk());
  });
  EXPECT_THAT(flow->PatientClose(absl::Seconds(10)), IsOk());
  remote.join();
  ASSERT_THAT(pipe.right->Write("c"), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("c"));
}

TEST(ExactInputTest, AbortWakesACloseThatDropsTheRest) {
  Pipe pipe = MakePipe();
  auto flow = ExactInput(BorrowFlow(*pipe.left), 1);
  std::thread closer([&] {
    EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  });
  flow->Abort(absl::DataLossError("no"));
  closer.join();
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ExactInputTest, ARefusalWakesABlockedReadAndCloseStillDropsTheRest) {
  Pipe pipe = MakePipe();
  auto flow = ExactInput(BorrowFlow(*pipe.left), 2);
  std::thread reader([&] { EXPECT_THAT(flow->Read(), IsEof()); });
  while (!absl::StrContains(pipe.left->DebugString(), "in Read()")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  flow->SetReadDeadline(absl::InfiniteFuture());
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("c"));
}

TEST(ExactInputTest, ALimitWithinALimitDropsBoth) {
  Pipe pipe = Holding("aabbbbcc");
  auto outer = ExactInput(BorrowFlow(*pipe.left), 6);
  auto inner = ExactInput(BorrowFlow(*outer), 2);
  EXPECT_THAT(inner->Close(), IsOk());
  EXPECT_THAT(outer->Read(1), HoldsData("b"));
  auto both = ExactInput(std::move(outer), 1);
  EXPECT_THAT(both->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("cc"));
}

}  // namespace
}  // namespace flow
