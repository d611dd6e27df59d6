// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/tee.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/no_threads.h"
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
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::NoThreads;
using ::flow::testing::Patience;
using ::flow::testing::Soon;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using SlowSide = TeeOptions::SlowSide;

constexpr size_t kPlenty = 1 << 20;

// A flow with a tee, and the other ends of it and of its side.
struct Teed {
  static Teed Reads(TeeOptions options = {}, size_t side_capacity = kPlenty) {
    return Make(TeeReads, std::move(options), side_capacity);
  }
  static Teed Writes(TeeOptions options = {}, size_t side_capacity = kPlenty) {
    return Make(TeeWrites, std::move(options), side_capacity);
  }

  template <typename Tee>
  static Teed Make(Tee tee, TeeOptions options, size_t side_capacity) {
    Pipe pipe = MakePipe();
    Pipe side = MakePipe(side_capacity);
    Teed teed;
    options.on_side_end = [end = teed.side_end.get()](const absl::Status& s) {
      *end = s;
    };
    teed.flow = tee(std::move(pipe.left), std::move(side.left), options);
    teed.far = std::move(pipe.right);
    teed.copy = std::move(side.right);
    return teed;
  }

  // Set when `flow` is closed or destroyed.
  std::unique_ptr<absl::Status> side_end =
      std::make_unique<absl::Status>(absl::UnknownError("not called"));
  std::unique_ptr<Flow> flow, far, copy;
};

TEST(TeeReadsTest, WhatIsReadGoesToTheSideWithItsEnd) {
  Teed teed = Teed::Reads();
  EXPECT_THAT(teed.far->Write("hello "), IsOk());
  EXPECT_THAT(teed.flow->Read(2), HoldsData("he"));
  char space[10];
  EXPECT_THAT(teed.flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(4));
  EXPECT_THAT(teed.far->Write("world"), IsOk());
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadAll(*teed.flow, kPlenty), HoldsData("world"));
  EXPECT_THAT(teed.flow->Write("not for the side"), IsOk());
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty), HoldsData("hello world"));
  EXPECT_THAT(*teed.side_end, IsOk());
}

TEST(TeeWritesTest, WhatIsAcceptedGoesToTheSideWithItsEnd) {
  Teed teed = Teed::Writes();
  EXPECT_THAT(teed.far->Write("not for the side"), IsOk());
  EXPECT_THAT(teed.flow->Read(), IsOk());
  EXPECT_THAT(teed.flow->Write("one "), IsOk());
  EXPECT_THAT(
      teed.flow->Writev({"two ", absl::Cord("three "), std::string(1000, 'x')}),
      IsOk());
  EXPECT_THAT(teed.flow->Shutdown(ShutdownMode::kWrite), IsOk());
  const std::string all = "one two three " + std::string(1000, 'x');
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty), HoldsData(all));
  EXPECT_THAT(ReadAll(*teed.far, kPlenty), HoldsData(all));
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  EXPECT_THAT(*teed.side_end, IsOk());
}

TEST(TeeTest, CordsAreShared) {
  const absl::Cord data(std::string(100000, 'x'));
  Teed reads = Teed::Reads();
  EXPECT_THAT(reads.far->Write(data), IsOk());
  absl::StatusOr<absl::Cord> read = reads.flow->Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(CopiedBytes(data, *read), 0);
  reads.flow->Abort(absl::AbortedError("enough"));

  Teed writes = Teed::Writes();
  absl::Cord moved = data;
  EXPECT_THAT(writes.flow->Write(std::move(moved)), IsOk());
  EXPECT_THAT(writes.flow->Shutdown(ShutdownMode::kWrite), IsOk());
  absl::StatusOr<absl::Cord> far = writes.far->Read();
  ASSERT_THAT(far, IsOk());
  EXPECT_EQ(CopiedBytes(data, *far), 0);
  absl::StatusOr<absl::Cord> copy = ReadAll(*writes.copy, kPlenty);
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(CopiedBytes(data, *copy), 0);
}

// --- A copy that is not whole never looks whole.

TEST(TeeTest, AnErrorOfTheStreamBreaksTheSide) {
  Teed teed = Teed::Reads();
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  teed.far->Abort(absl::UnavailableError("reset"));
  EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
  EXPECT_THAT(teed.flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
  absl::Cord copy;
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty, &copy),
              StatusIs(absl::StatusCode::kUnavailable));
  teed.flow = nullptr;
  EXPECT_THAT(*teed.side_end, StatusIs(absl::StatusCode::kUnavailable));
}

TEST(TeeTest, AnAbortBreaksTheSide) {
  Teed teed = Teed::Writes();
  EXPECT_THAT(teed.flow->Write("hello"), IsOk());
  teed.flow->Abort(absl::DataLossError("enough"));
  absl::Cord copy;
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty, &copy),
              StatusIs(absl::StatusCode::kDataLoss));
  teed.flow = nullptr;
  EXPECT_THAT(*teed.side_end, StatusIs(absl::StatusCode::kDataLoss));
}

TEST(TeeTest, DestructionBreaksTheSide) {
  Teed teed = Teed::Reads();
  teed.flow = nullptr;
  EXPECT_THAT(teed.copy->Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST(TeeReadsTest, ARefusalBreaksTheSide) {
  Teed teed = Teed::Reads();
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  EXPECT_THAT(teed.flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(teed.flow->Read(), IsEof());
  EXPECT_THAT(teed.copy->Read(),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("refused")));
}

TEST(TeeReadsTest, ACloseBeforeTheEndWasReadBreaksTheSide) {
  Teed teed = Teed::Reads();
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  absl::Cord copy;
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty, &copy),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(*teed.side_end, StatusIs(absl::StatusCode::kAborted));
}

TEST(TeeWritesTest, AWriteThatIsRefusedBreaksTheSide) {
  Teed teed = Teed::Writes();
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(teed.flow->Write("hello"), IsClosed());
  EXPECT_THAT(teed.copy->Read(), Not(IsOk()));
}

TEST(TeeWritesTest, AnEndThatIsLateAndThenSentIsThatOfTheSide) {
  Pipe side = MakePipe();
  int tries = 0;
  auto hook = std::make_unique<HookFlow>();
  hook->hooks.in_transit = [&] { return 3 - tries; };
  hook->hooks.end_write = [&](absl::Time) -> absl::Status {
    if (++tries < 3) return absl::DeadlineExceededError("flushing");
    return absl::OkStatus();
  };
  auto flow = TeeWrites(std::move(hook), std::move(side.left));
  EXPECT_THAT(flow->Write("hello"), IsOk());
  EXPECT_THAT(flow->PatientClose(absl::Hours(1)), IsOk());
  EXPECT_THAT(ReadAll(*side.right, 10), HoldsData("hello"));
}

TEST(TeeTest, DeadlinesOfTheFlowBreakNothing) {
  Teed teed = Teed::Reads();
  teed.flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(teed.flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadAll(*teed.flow, kPlenty), HoldsData("hello"));
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty), HoldsData("hello"));
}

// --- Errors of the side

TEST(TeeTest, AnErrorOfTheSideDisturbsNothing) {
  Teed teed = Teed::Reads();
  teed.copy->Abort(absl::UnavailableError("disk full"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(teed.far->Write("hello"), IsOk());
    EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
  }
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(teed.flow->Read(), IsEof());
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  EXPECT_THAT(*teed.side_end, StatusIs(absl::StatusCode::kUnavailable));
}

TEST(TeeTest, WithoutAThreadTheSideIsGivenUp) {
  Pipe pipe = MakePipe();
  Pipe side = MakePipe();
  absl::Status side_end;
  TeeOptions options;
  options.on_side_end = [&](const absl::Status& status) { side_end = status; };
  std::unique_ptr<Flow> flow;
  {
    const NoThreads none;
    flow = TeeReads(std::move(pipe.left), std::move(side.left), options);
  }
  EXPECT_THAT(side_end, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(side.right->Read(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(pipe.right->Write("hello"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("hello"));
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow->Close(Patience()), IsOk());
}

// A side that fails while bytes wait for it. Each call waits until the side has
// what came before.
TeeOptions Required() {
  TeeOptions options;
  options.buffer = 1;
  options.required = true;
  return options;
}

TEST(TeeTest, AnErrorOfARequiredSideBreaksTheNextRead) {
  Teed teed = Teed::Reads(Required());
  teed.copy->Abort(absl::UnavailableError("disk full"));
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
  EXPECT_THAT(teed.flow->Read(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("disk full")));
  EXPECT_THAT(teed.flow->Write("the other direction goes on"), IsOk());
  EXPECT_THAT(teed.flow->Close(Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
  // The remote learns why nobody reads.
  EXPECT_THAT(teed.far->Write("more"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("disk full")));
}

// A transport is aborted at most once.
TEST(TeeTest, AnAbortAfterAnErrorOfARequiredSideIsTheOnlyOne) {
  Pipe side = MakePipe();
  side.right->Abort(absl::UnavailableError("disk full"));
  std::vector<std::string> log;
  auto hook = std::make_unique<HookFlow>();
  hook->hooks.also_log = [&log](std::string what) {
    if (absl::StartsWith(what, "abort")) log.push_back(what);
  };
  auto flow = TeeReads(std::move(hook), std::move(side.left), Required());
  while (flow->Read().ok()) {
  }
  EXPECT_THAT(log, IsEmpty());
  flow->Abort(absl::DataLossError("no"));
  flow = nullptr;
  EXPECT_THAT(log, ElementsAre("abort DATA_LOSS"));
}

// A deadline is no error of the stream, of which the remote would hear.
TEST(TeeTest, AReadThatIsLateBecauseOfTheSideAbortsNothing) {
  Pipe side = MakePipe(/*capacity=*/0);
  std::vector<std::string> log;
  auto hook = std::make_unique<HookFlow>();
  hook->hooks.also_log = [&log](std::string what) {
    if (absl::StartsWith(what, "abort")) log.push_back(what);
  };
  TeeOptions options;
  options.buffer = 1;
  options.close_timeout = absl::ZeroDuration();
  auto flow = TeeReads(std::move(hook), std::move(side.left), options);
  EXPECT_THAT(flow->Read(), HoldsData("data"));
  flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(log, IsEmpty());
}

TEST(TeeTest, AnErrorOfARequiredSideBreaksTheNextWrite) {
  Teed teed = Teed::Writes(Required());
  teed.copy->Abort(absl::UnavailableError("disk full"));
  EXPECT_THAT(teed.flow->Write(absl::Cord("hello")), IsOk());
  EXPECT_THAT(teed.flow->Write(absl::Cord("world")),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("disk full")));
  EXPECT_EQ(teed.flow->bytes_written(), 5);
  EXPECT_THAT(teed.far->Read(), HoldsData("hello"));
  EXPECT_THAT(teed.far->Read(), Not(IsOk()));
}

TEST(TeeTest, CloseFailsIfARequiredCopyIsNotWhole) {
  TeeOptions options;
  options.required = true;
  Teed teed = Teed::Writes(options);
  EXPECT_THAT(teed.flow->Write("hello"), IsOk());
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  // After this the side fails, and no call is left to say so.
  teed.copy->Abort(absl::UnavailableError("disk full"));
  EXPECT_THAT(teed.flow->Close(Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(TeeTest, ASideThatFailsAtItsCloseIsNotWhole) {
  Pipe pipe = MakePipe();
  auto side = std::make_unique<HookFlow>();
  side->hooks.free = [] { return absl::DataLossError("the disk is full"); };
  TeeOptions options;
  options.required = true;
  auto flow = TeeReads(std::move(pipe.left), std::move(side), options);
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(Patience()), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(TeeTest, ADeadlineOfTheSideIsNotThatOfTheFlow) {
  Pipe pipe = MakePipe();
  Pipe side = MakePipe(/*capacity=*/0);
  side.left->SetWriteDeadline(absl::InfinitePast());
  auto flow = TeeWrites(std::move(pipe.left), std::move(side.left), Required());
  EXPECT_THAT(flow->Write(absl::Cord("hello")), IsOk());
  EXPECT_THAT(flow->Write(absl::Cord("world")),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flow->Write(absl::Cord("world")),
              StatusIs(absl::StatusCode::kAborted));
}

// It can belong to the user, who counts on that after Close().
TEST(TeeTest, OnSideEndIsGoneAfterClose) {
  const auto held = std::make_shared<int>();
  TeeOptions options;
  options.on_side_end = [held](const absl::Status&) {};
  auto flow = TeeReads(std::make_unique<HookFlow>(),
                       std::make_unique<HookFlow>(), std::move(options));
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_EQ(held.use_count(), 1);
}

// --- A slow side

TEST(TeeTest, ASlowSideHoldsReadsUpBeforeTheyTouchTheFlow) {
  TeeOptions options;
  options.buffer = 1;
  Teed teed = Teed::Reads(options, /*side_capacity=*/0);
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  EXPECT_THAT(teed.flow->Read(1), HoldsData("h"));
  teed.flow->SetReadDeadline(Soon());
  EXPECT_THAT(teed.flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(teed.far->bytes_in_transit(), 4);
  // A new deadline also applies to a call that is already blocked.
  teed.flow->SetReadDeadline(absl::InfiniteFuture());
  std::thread reader([&] {
    EXPECT_THAT(teed.flow->Read(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  absl::SleepFor(absl::Milliseconds(10));  // it should be blocked by then
  teed.flow->SetReadDeadline(absl::InfinitePast());
  reader.join();
  // What the side takes makes room.
  EXPECT_THAT(teed.copy->Read(), HoldsData("h"));
  teed.flow->SetReadDeadline(Patience());
  EXPECT_THAT(teed.flow->Read(), HoldsData("ello"));
}

// So that room is made bit by bit, and no call waits for all of it.
TEST(TeeTest, ASideIsGivenNoMoreThan64KiBAtOnce) {
  size_t largest = 0;
  auto side = std::make_unique<HookFlow>();
  side->hooks.write = [&largest](absl::Cord data, size_t*) {
    largest = std::max(largest, data.size());
    return absl::OkStatus();
  };
  auto flow = TeeWrites(std::make_unique<HookFlow>(), std::move(side));
  EXPECT_THAT(flow->Write(absl::Cord(std::string(300000, 'x'))), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_EQ(largest, size_t{64} << 10);
}

TEST(TeeTest, ASlowSideHoldsWritesUpAfterThePartThatHadRoom) {
  TeeOptions options;
  options.buffer = 3;
  Teed teed = Teed::Writes(options, /*side_capacity=*/0);
  teed.flow->SetWriteDeadline(Soon());
  absl::string_view borrowed = "hello";
  EXPECT_THAT(teed.flow->Write(borrowed),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(teed.flow->bytes_written(), 3);
  EXPECT_THAT(teed.copy->Read(), HoldsData("hel"));
  teed.flow->SetWriteDeadline(Patience());
  EXPECT_THAT(teed.flow->Write(absl::Cord("lo world")), IsOk());
  EXPECT_THAT(teed.copy->Read(), HoldsData("lo world"));
  EXPECT_THAT(teed.far->Read(), HoldsData("hello world"));
}

TEST(TeeTest, AnEndInTheMiddleOfAWriteBreaksTheSide) {
  TeeOptions options;
  options.buffer = 3;
  Teed teed = Teed::Writes(options, /*side_capacity=*/0);
  std::thread writer([&] {
    absl::string_view borrowed = "hello";
    EXPECT_THAT(teed.flow->Write(borrowed),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  EXPECT_THAT(teed.far->Read(), HoldsData("hel"));
  EXPECT_THAT(teed.flow->Shutdown(ShutdownMode::kWrite), IsOk());
  teed.flow->SetWriteDeadline(absl::InfinitePast());
  writer.join();
  EXPECT_THAT(teed.far->Read(), Not(IsOk()));
  absl::Cord copy;
  EXPECT_THAT(ReadAll(*teed.copy, kPlenty, &copy), Not(IsOk()));
}

TEST(TeeTest, AbortAndRefusalWakeWhatIsHeldUp) {
  TeeOptions options;
  options.buffer = 1;
  for (const bool aborts : {false, true}) {
    Teed teed = Teed::Reads(options, /*side_capacity=*/0);
    EXPECT_THAT(teed.far->Write("hello"), IsOk());
    EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
    std::thread reader([&] {
      if (aborts) {
        EXPECT_THAT(teed.flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
      } else {
        EXPECT_THAT(teed.flow->Read(), IsEof());
      }
    });
    if (aborts) {
      teed.flow->Abort(absl::DataLossError("enough"));
    } else {
      EXPECT_THAT(teed.flow->Shutdown(ShutdownMode::kRead), IsOk());
    }
    reader.join();
  }
}

TEST(TeeTest, CloseLetsAReadGoThatIsHeldUp) {
  TeeOptions options;
  options.buffer = 1;
  options.close_timeout = absl::ZeroDuration();
  Teed teed = Teed::Reads(options, /*side_capacity=*/0);
  EXPECT_THAT(teed.far->Write("hello"), IsOk());
  EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
  std::thread reader([&] { teed.flow->Read().IgnoreError(); });
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  reader.join();
}

TEST(TeeTest, ASideThatMayLoseIsAbortedWhenItsBufferIsFull) {
  TeeOptions options;
  options.buffer = 5;
  options.slow_side = SlowSide::kLose;
  Teed teed = Teed::Reads(options, /*side_capacity=*/0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(teed.far->Write("hello"), IsOk());
    EXPECT_THAT(teed.flow->Read(), HoldsData("hello"));
  }
  EXPECT_THAT(teed.copy->Read(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(teed.flow->Read(), IsEof());
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  EXPECT_THAT(*teed.side_end, StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(TeeTest, CloseGivesUpASideThatIsTooSlow) {
  TeeOptions options;
  options.close_timeout = absl::Milliseconds(1);
  Teed teed = Teed::Writes(options, /*side_capacity=*/0);
  EXPECT_THAT(teed.flow->Write("hello"), IsOk());
  EXPECT_THAT(teed.far->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(teed.flow->Close(Patience()), IsOk());
  EXPECT_THAT(*teed.side_end,
              StatusIs(absl::StatusCode::kAborted, HasSubstr("Close()")));
  EXPECT_THAT(teed.copy->Read(), StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace flow
