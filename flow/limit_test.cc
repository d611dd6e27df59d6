// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/limit.h"

#include <cstddef>
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
#include "flow/socket.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MaybeStarts;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

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
  EXPECT_THAT(ReadAll(*MaybeStarts(LimitInput(std::move(pipe.left), 4)), 10),
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
  auto flow = MaybeStarts(
      LimitInput(std::move(pipe.left), std::numeric_limits<int64_t>::max()));
  EXPECT_THAT(ReadAll(*flow, 10), HoldsData("abc"));
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(ExactInputTest, AnEndThatComesTooEarlyIsAnErrorThatStays) {
  Pipe pipe = Holding("abc");
  auto flow = MaybeStarts(ExactInput(std::move(pipe.left), 4));
  EXPECT_THAT(flow->Read(), HoldsData("abc"));
  for (int calls = 0; calls < 2; ++calls) {
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kOutOfRange,
                                       HasSubstr("after 3 of 4 bytes")));
  }
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kOutOfRange));
}

// By a Read and by a ReadInto(), which differ underneath.
TEST(ExactInputTest, AnEndThatComesTooEarlyIsAnErrorOfReadInto) {
  for (const bool lent : {false, true}) {
    Pipe pipe = Holding("");
    auto flow =
        ExactInput(lent ? BorrowFlow(*pipe.left) : std::move(pipe.left), 4);
    char space[10];
    EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
                StatusIs(absl::StatusCode::kOutOfRange,
                         HasSubstr("after 0 of 4 bytes")));
  }
}

TEST(LimitInputTest, AReadThatClaimsMoreThanTheLimitIsInternal) {
  for (const bool into : {false, true}) {
    auto liar = std::make_unique<HookFlow>();
    liar->hooks.read = [](size_t) {
      absl::Cord data = absl::MakeCordFromExternal("more", [] {});
      data.Append(absl::MakeCordFromExternal(" than two", [] {}));
      return data;
    };
    auto flow = MaybeStarts(LimitInput(std::move(liar), 2));
    // More than the limit, and less than what the Flow knows of.
    char space[100];
    EXPECT_THAT(into ? flow->ReadInto(absl::MakeSpan(space)).status()
                     : flow->Read().status(),
                StatusIs(absl::StatusCode::kInternal, HasSubstr("at most 2")));
    EXPECT_EQ(flow->bytes_read(), 0);
  }
}

TEST(ExactInputTest, AnEndThatWasReadBeforeIsTooEarly) {
  Pipe pipe = Holding("");
  ASSERT_THAT(pipe.left->Read(), IsEof());
  auto flow = MaybeStarts(ExactInput(std::move(pipe.left), 1));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kOutOfRange));
  Pipe other = Holding("");
  ASSERT_THAT(other.left->Read(), IsEof());
  flow = MaybeStarts(ExactInput(std::move(other.left), 1));
  char space[10];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kOutOfRange));
}

// What the flow underneath had come to is not told again.
TEST(LimitInputTest, AnEndOrErrorThatWasReadBeforeStays) {
  char space[10];
  Pipe ended = Holding("");
  ASSERT_THAT(ended.left->Read(), IsEof());
  auto flow = MaybeStarts(LimitInput(std::move(ended.left), 1));
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
  EXPECT_THAT(flow->Close(), IsOk());
  for (const bool into : {false, true}) {
    Pipe broken = MakePipe();
    broken.right->Abort(absl::DataLossError("torn"));
    ASSERT_THAT(broken.left->Read(), StatusIs(absl::StatusCode::kDataLoss));
    flow = MaybeStarts(LimitInput(std::move(broken.left), 1));
    EXPECT_THAT(into ? flow->ReadInto(absl::MakeSpan(space)).status()
                     : flow->Read().status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("torn")));
    EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  }
  Pipe unread = Holding("");
  ASSERT_THAT(unread.left->Read(), IsEof());
  flow = MaybeStarts(LimitInput(std::move(unread.left), 1));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
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
  auto flow = MaybeStarts(LimitInput(std::move(pipe.left), 150000));
  const absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, HoldsData(data.Subcord(0, 150000)));
  EXPECT_EQ(CopiedBytes(data.Subcord(0, 150000), *read), 0u);
}

TEST(LimitInputTest, WritesPassAndCountersAreKept) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("before"), IsOk());
  auto flow = MaybeStarts(LimitInput(std::move(pipe.left), 0));
  EXPECT_THAT(flow->Write(", after"), IsOk());
  EXPECT_EQ(flow->bytes_written(), 13);
  EXPECT_THAT(pipe.right->Read(), HoldsData("before, after"));
}

TEST(LimitInputTest, RefusesWhatFollowsOfAFlowThatItOwns) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  auto flow = MaybeStarts(LimitInput(std::move(pipe.left), 3));
  ASSERT_THAT(flow->Read(), HoldsData("abc"));
  EXPECT_THAT(pipe.right->Write("d"), IsOk());
  ASSERT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(pipe.right->Write("e"), IsClosed());
  EXPECT_THAT(flow->Close(), IsOk());
}

TEST(LimitInputTest, CloseAfterTheLimitDrainsWhatFollows) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto remote = Dial((*listener)->address());
  ASSERT_THAT(remote, IsOk());
  auto accepted = (*listener)->Accept();
  ASSERT_THAT(accepted, IsOk());
  auto part = MaybeStarts(LimitInput(*std::move(accepted), 1));
  ASSERT_THAT((*remote)->Write("a and what follows"), IsOk());
  ASSERT_THAT(part->Read(), HoldsData("a"));
  ASSERT_THAT(part->Read(), IsEof());
  EXPECT_THAT(part->Write("answer"), IsOk());
  std::thread closer([&] { EXPECT_THAT(part->Close(), IsOk()); });
  EXPECT_THAT((*remote)->Read(), HoldsData("answer"));
  EXPECT_THAT((*remote)->Read(), IsEof());
  EXPECT_THAT((*remote)->Close(), IsOk());
  closer.join();
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

// Answers on the lender of a part that did not come to its end, and checks that
// none of its rest can be read there.
void ExpectThatOnlyAnswersPass(Pipe& pipe) {
  EXPECT_THAT(pipe.left->Read(), IsEof());
  EXPECT_THAT(pipe.right->Write("rest"), IsClosed());
  EXPECT_THAT(pipe.left->Write("408"), IsOk());
  EXPECT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("408"));
  EXPECT_THAT(pipe.right->Read(), IsEof());
  EXPECT_THAT(pipe.left->Close(), IsOk());
}

TEST(ExactInputTest, CloseThatIsLateRefusesTheRestAndTheLenderCanAnswer) {
  for (const auto limit : {&LimitInput, &ExactInput}) {
    for (const bool is_patient : {false, true}) {
      Pipe pipe = MakePipe();
      ASSERT_THAT(pipe.right->Write("abc"), IsOk());
      auto flow = limit(BorrowFlow(*pipe.left), 10);
      EXPECT_THAT(flow->Read(1), HoldsData("a"));
      // The read deadline does not count.
      flow->SetReadDeadline(absl::Now() + absl::Hours(1));
      const absl::Status status =
          is_patient ? flow->PatientClose(absl::Milliseconds(5))
                     : flow->Close(absl::Now() + absl::Milliseconds(5));
      EXPECT_THAT(
          status,
          StatusIs(absl::StatusCode::kDeadlineExceeded,
                   EndsWith("Close(): deadline exceeded skipping the last 7 of "
                            "10 bytes")));
      EXPECT_EQ(flow->Close(), status);
      ExpectThatOnlyAnswersPass(pipe);
    }
  }
}

// Reads, and fails when there is nothing.
class FailingTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (reads_++ == 0) return ForwardingTransport::Read(max_bytes);
    return absl::DataLossError("no");
  }

 private:
  int reads_ = 0;
};

// Before Close() comes to skip, or while it does.
TEST(ExactInputTest, CloseAfterAnErrorRefusesTheRestAndTheLenderCanAnswer) {
  const auto failing = [](std::unique_ptr<Flow> flow) {
    return DecorateFlow(std::move(flow), [](std::unique_ptr<Transport> inner) {
      return std::make_unique<FailingTransport>(std::move(inner));
    });
  };
  for (const bool is_on_top : {false, true}) {
    for (const bool is_read : {false, true}) {
      if (is_on_top && !is_read) continue;  // Close() skips underneath it
      Pipe pipe = MakePipe();
      ASSERT_THAT(pipe.right->Write("abc"), IsOk());
      auto flow = is_on_top ? failing(ExactInput(BorrowFlow(*pipe.left), 10))
                            : ExactInput(failing(BorrowFlow(*pipe.left)), 10);
      if (is_read) {
        EXPECT_THAT(flow->Read(1), HoldsData("a"));
        EXPECT_THAT(flow->Read(1), StatusIs(absl::StatusCode::kDataLoss));
      }
      EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
      ExpectThatOnlyAnswersPass(pipe);
    }
  }
}

TEST(ExactInputTest, ALatePartOfALentPartIsSkippedWithIt) {
  Pipe pipe = MakePipe();
  auto outer = ExactInput(BorrowFlow(*pipe.left), 6);
  auto inner = ExactInput(BorrowFlow(*outer), 2);
  EXPECT_THAT(inner->Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(outer->Read(), IsEof());
  ASSERT_THAT(pipe.right->Write("aabbbbcc"), IsOk());
  EXPECT_THAT(outer->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("cc"));
}

TEST(ExactInputTest, CloseThatIsLateWhileAnotherThreadReadsAbortsTheLender) {
  Pipe pipe = MakePipe();
  auto flow = ExactInput(BorrowFlow(*pipe.left), 10);
  std::thread reader([&] { EXPECT_THAT(flow->Read(), Not(IsOk())); });
  while (!absl::StrContains(pipe.left->DebugString(), "in Read()")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(flow->Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("a call that is under way")));
  reader.join();
  EXPECT_THAT(pipe.left->Read(),
              StatusIs(absl::StatusCode::kAborted,
                       EndsWith("first 10 bytes of borrowed pipe (left end) "
                                "passed its deadline in Close()")));
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

TEST(ExactInputTest, CloseTakesTheDeadlineOfSomebodyElseForNoneOfItsOwn) {
  HookFlow lender;
  lender.hooks.read = [](size_t) {
    return absl::DeadlineExceededError("that of somebody else");
  };
  auto part = ExactInput(BorrowFlow(lender), 10);
  EXPECT_THAT(
      part->Close(absl::Now() + absl::Hours(1)),
      StatusIs(absl::StatusCode::kAborted, HasSubstr("that of somebody else")));
}

TEST(ExactInputTest, ACloseThatSkipsSaysWhatItWaitsFor) {
  Pipe pipe = MakePipe();
  auto part = ExactInput(BorrowFlow(*pipe.left), 4);
  std::thread closer([&] { EXPECT_THAT(part->Close(), IsOk()); });
  while (!absl::StrContains(
      part->DebugString(),
      "in Close() waiting for the rest of what it was lent")) {
    std::this_thread::yield();
  }
  ASSERT_THAT(pipe.right->Write("part"), IsOk());
  closer.join();
}

TEST(ExactInputTest, AReadWhileCloseDropsTheRestIsClosed) {
  Pipe pipe = MakePipe();
  auto part = ExactInput(BorrowFlow(*pipe.left), 4);
  std::thread closer([&] { part->Close().IgnoreError(); });
  while (!absl::StrContains(pipe.left->DebugString(), "in Read()")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(part->Read(), IsClosed());
  EXPECT_THAT(pipe.right->Write("partnext"), IsOk());
  closer.join();
  EXPECT_THAT(pipe.left->Read(), HoldsData("next"));
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
