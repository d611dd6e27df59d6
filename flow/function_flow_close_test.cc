// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// How a function flow ends: "Function flows" of docs/semantics.md, the rules
// about end, abort, close and Shutdown(kRead).

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// --- The end of the output

// Upstream's `shutdown` of the write direction never tells the output.
TEST(EndTest, ShutdownWriteTellsTheOutputOnceAfterTheLastWrite) {
  for (const ShutdownMode mode :
       {ShutdownMode::kWrite, ShutdownMode::kReadWrite}) {
    std::vector<std::string> log;
    auto flow = MakeOutputFlow(Output::Buffers(
        [&](absl::Cord buffer) -> absl::Status {
          log.emplace_back(buffer);
          return absl::OkStatus();
        },
        [&]() -> absl::Status {
          log.push_back("end");
          return absl::OkStatus();
        }));
    EXPECT_THAT(flow->Write("data"), IsOk());
    EXPECT_THAT(flow->Shutdown(mode), IsOk());
    EXPECT_THAT(flow->Shutdown(mode), IsOk());
    EXPECT_THAT(flow->Write("more"), IsClosed());
    EXPECT_THAT(flow->Close(), IsOk());
    EXPECT_THAT(log, ElementsAre("data", "end"));
  }
}

TEST(EndTest, CloseTellsTheOutputBeforeItCallsClose) {
  std::vector<std::string> log;
  FunctionFlowOptions options;
  options.output = Output::Bytes(
      [](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        return bytes.size();
      },
      [&] {
        log.push_back("end");
        return absl::OkStatus();
      });
  options.close = [&] { log.push_back("close"); };
  auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(log, ElementsAre("end", "close"));
}

TEST(EndTest, IsNotToldAfterAnErrorOrAnAbortOrByDestruction) {
  int ends = 0;
  const auto make = [&](absl::Status result) {
    return MakeOutputFlow(
        Output::Buffers([result](absl::Cord) -> absl::Status { return result; },
                        [&]() -> absl::Status {
                          ++ends;
                          return absl::OkStatus();
                        }));
  };
  auto failed = make(absl::DataLossError("x"));
  EXPECT_THAT(failed->Write("x"), Not(IsOk()));
  EXPECT_THAT(failed->Shutdown(ShutdownMode::kWrite), Not(IsOk()));
  EXPECT_THAT(failed->Close(), StatusIs(absl::StatusCode::kDataLoss));
  auto aborted = make(absl::OkStatus());
  aborted->Abort(absl::CancelledError("x"));
  EXPECT_THAT(aborted->Close(), StatusIs(absl::StatusCode::kCancelled));
  make(absl::OkStatus()).reset();
  EXPECT_EQ(ends, 0);
}

TEST(EndTest, ItsErrorIsTheErrorOfTheDirection) {
  auto flow = MakeOutputFlow(Output::Buffers(
      [](absl::Cord) -> absl::Status { return absl::OkStatus(); },
      []() -> absl::Status { return absl::DataLossError("flush"); }));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("flush")));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(EndTest, MayReturnNothing) {
  int ends = 0;
  auto flow = MakeOutputFlow(Output::Buffers(
      [](absl::Cord) -> absl::Status { return absl::OkStatus(); },
      [&] { ++ends; }));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(ends, 1);
}

// --- Abort

TEST(AbortTest, TheOutputIsNotCalledAgainByAWriteThatIsUnderWay) {
  for (const bool close : {false, true}) {
    Flow* self = nullptr;
    int calls = 0;
    auto flow = MakeOutputFlow(
        Output::Bytes([&](absl::Span<const char>) -> absl::StatusOr<size_t> {
          if (++calls == 2) {
            if (close) {
              self->Close().IgnoreError();
            } else {
              self->Abort(absl::CancelledError("stop"));
            }
          }
          return size_t{1};
        }));
    self = flow.get();
    EXPECT_THAT(flow->Write("abcdef"),
                StatusIs(close ? absl::StatusCode::kInvalidArgument
                               : absl::StatusCode::kCancelled));
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(flow->bytes_written(), 2);
  }
}

// --- Close

// Upstream calls the close function twice, runs the output after it, and lets
// reads go on.
TEST(CloseTest, RunsTheCloseFunctionOnceAndNothingAfterIt) {
  int closes = 0;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    EXPECT_EQ(closes, 0);
    return absl::Cord("x");
  });
  options.output = Output::Buffers([&](absl::Cord) -> absl::Status {
    EXPECT_EQ(closes, 0);
    return absl::OkStatus();
  });
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_THAT(flow->Write("x"), IsOk());
  EXPECT_THAT(flow->Read(), IsOk());
  EXPECT_EQ(closes, 0);
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(flow->Write("x"), IsClosed());
  EXPECT_THAT(flow->Read().status(), IsClosed());
  EXPECT_EQ(closes, 1);
  flow.reset();
  EXPECT_EQ(closes, 1);
}

TEST(CloseTest, DestructionRunsTheCloseFunctionToo) {
  int closes = 0;
  FunctionFlowOptions options;
  options.close = [&] { ++closes; };
  MakeFunctionFlow(std::move(options)).reset();
  EXPECT_EQ(closes, 1);
}

TEST(CloseTest, AfterAnAbortItRunsOnce) {
  int closes = 0;
  FunctionFlowOptions options;
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  flow->Abort(absl::CancelledError("stop"));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(closes, 1);
  flow.reset();
  EXPECT_EQ(closes, 1);
}

TEST(CloseTest, WaitsForNoRemoteEvenWithADeadlineInThePast) {
  auto flow = MakeInputFlow(Input::Buffers(
      []() -> absl::StatusOr<absl::Cord> { return absl::Cord("unread"); }));
  EXPECT_THAT(flow->Close(absl::InfinitePast()), IsOk());
}

TEST(CloseTest, ReturnsTheErrorOfTheCloseFunction) {
  FunctionFlowOptions options;
  options.close = [] { return absl::DataLossError("not flushed"); };
  auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_THAT(flow->Close(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not flushed")));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(CloseTest, DestroysTheFunctionsWithWhatTheyHold) {
  auto held = std::make_shared<int>(0);
  FunctionFlowOptions options;
  options.input = Input::Buffers(
      [held]() -> absl::StatusOr<absl::Cord> { return absl::Cord(); });
  options.output = Output::Buffers(
      [held](absl::Cord) -> absl::Status { return absl::OkStatus(); });
  options.close = [held] {};
  auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_EQ(held.use_count(), 4);
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_EQ(held.use_count(), 1);
}

// --- Shutdown(kRead)

TEST(ShutdownReadTest, TheInputIsNotCalledAnyMore) {
  int calls = 0;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    ++calls;
    return absl::Cord("abc");
  }));
  EXPECT_THAT(flow->Read(1), IsOkAndHolds("a"));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace flow
