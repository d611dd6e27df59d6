// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the interrupt function of a function flow is told, and when. A flow that
// is woken by it is examples/queue_flow.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Text(const Interruption& interruption) {
  const std::string deadline =
      absl::FormatTime("%Y", interruption.deadline, absl::UTCTimeZone());
  switch (interruption.cause) {
    case Interruption::Cause::kReadDeadline:
      return "read until " + deadline;
    case Interruption::Cause::kWriteDeadline:
      return "write until " + deadline;
    case Interruption::Cause::kEndDeadline:
      return "end until " + deadline;
    case Interruption::Cause::kRefuse:
      return "refuse";
    case Interruption::Cause::kBroken:
      return absl::StrCat("broken ", interruption.reason.message());
    case Interruption::Cause::kAbort:
      return absl::StrCat("abort ", interruption.reason.message());
  }
  return "unknown";
}

// A flow that logs what its functions are told; `write` and `end` are theirs.
class LoggedFlow {
 public:
  LoggedFlow() {
    FunctionFlowOptions options;
    options.input =
        Input::Buffers([] { return absl::StatusOr<absl::Cord>("data"); });
    options.output = Output::Buffers([this](absl::Cord) { return write; },
                                     [this] {
                                       log.push_back("end");
                                       return end();
                                     });
    options.interrupt = [this](const Interruption& interruption) {
      log.push_back(Text(interruption));
    };
    options.close = [this] { log.push_back("close"); };
    flow = MakeFunctionFlow(std::move(options));
  }

  std::vector<std::string> log;
  absl::Status write;
  std::function<absl::Status()> end = [] { return absl::OkStatus(); };
  std::unique_ptr<Flow> flow;
};

const absl::Time kPast =
    absl::FromCivil(absl::CivilYear(1980), absl::UTCTimeZone());

TEST(InterruptTest, HearsOfDeadlinesAtOnceAlsoOfThosePast) {
  LoggedFlow logged;
  logged.flow->SetReadDeadline(kPast);
  logged.flow->SetWriteDeadline(kPast);
  logged.flow->SetReadDeadline(absl::InfiniteFuture());
  EXPECT_THAT(logged.log, ElementsAre("read until 1980", "write until 1980",
                                      "read until infinite-future"));
  // A function that does not return kDeadlineExceeded is in time.
  EXPECT_THAT(logged.flow->Write("x"), IsOk());
}

TEST(InterruptTest, HearsOfARefusalOnce) {
  LoggedFlow logged;
  EXPECT_THAT(logged.flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(logged.flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(logged.log, ElementsAre("refuse"));
  EXPECT_THAT(logged.flow->Read(), IsEof());
}

TEST(InterruptTest, HearsOfTheFirstAbort) {
  LoggedFlow logged;
  logged.flow->Abort(absl::CancelledError("first"));
  logged.flow->Abort(absl::CancelledError("second"));
  EXPECT_THAT(logged.log, ElementsAre("abort first"));
  logged.flow->Close().IgnoreError();
  EXPECT_THAT(logged.log, ElementsAre("abort first", "close"));
}

TEST(InterruptTest, HearsOfADestructionBeforeTheCloseFunctionRuns) {
  LoggedFlow logged;
  logged.flow = nullptr;
  EXPECT_THAT(logged.log,
              ElementsAre(HasSubstr("destroyed without Close()"), "close"));
}

TEST(InterruptTest, HearsThatADirectionBrokeInPlaceOfItsEnd) {
  LoggedFlow logged;
  logged.write = absl::DeadlineExceededError("later");
  EXPECT_THAT(logged.flow->Write("x"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(logged.log, IsEmpty());
  logged.write = absl::DataLossError("disk on fire");
  EXPECT_THAT(logged.flow->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(logged.log, ElementsAre(HasSubstr("disk on fire")));
  EXPECT_THAT(logged.log[0], ::testing::StartsWith("broken"));
  EXPECT_THAT(logged.flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(logged.log, ElementsAre(HasSubstr("disk on fire"), "close"));
}

TEST(InterruptTest, HearsHowLongTheEndFunctionMayWait) {
  LoggedFlow by_shutdown;
  EXPECT_THAT(by_shutdown.flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(by_shutdown.log, ElementsAre("end until infinite-future", "end"));

  LoggedFlow by_close;
  const absl::Time deadline = absl::Now() + absl::Hours(24);
  EXPECT_THAT(by_close.flow->Close(deadline), IsOk());
  EXPECT_THAT(by_close.log,
              ElementsAre(absl::StrCat("end until ",
                                       absl::FormatTime("%Y", deadline,
                                                        absl::UTCTimeZone())),
                          "end", "close"));
}

TEST(InterruptTest, AnEndFunctionThatIsLateMakesCloseGiveUp) {
  LoggedFlow logged;
  logged.end = [] { return absl::DeadlineExceededError("still full"); };
  EXPECT_THAT(logged.flow->Close(kPast),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(logged.log, ElementsAre("end until 1980", "end",
                                      HasSubstr("abort"), "close"));
}

TEST(InterruptTest, PatientCloseCallsALateEndFunctionAgain) {
  LoggedFlow logged;
  int calls = 0;
  logged.end = [&] {
    return ++calls == 2 ? absl::OkStatus()
                        : absl::DeadlineExceededError("still full");
  };
  EXPECT_THAT(logged.flow->PatientClose(absl::Hours(1)), IsOk());
  EXPECT_EQ(calls, 2);
}

TEST(InterruptTest, HearsNothingAfterTheCloseFunction) {
  LoggedFlow logged;
  EXPECT_THAT(logged.flow->Close(), IsOk());
  const std::vector<std::string> log = logged.log;
  logged.flow->SetReadDeadline(kPast);
  logged.flow->Shutdown(ShutdownMode::kRead).IgnoreError();
  logged.flow->Abort(absl::CancelledError("late"));
  logged.flow = nullptr;
  EXPECT_EQ(logged.log, log);
}

TEST(InterruptTest, MayCallItsFlowButNotCloseIt) {
  FunctionFlowOptions options;
  Flow* self = nullptr;
  absl::Status closed;
  options.interrupt = [&](const Interruption&) {
    closed = self->Close();
    EXPECT_THAT(self->DebugString(), HasSubstr("function flow"));
  };
  std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));
  self = flow.get();
  flow->SetReadDeadline(kPast);
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(InterruptTest, MayAbortInPlaceOfTheEndFunction) {
  FunctionFlowOptions options;
  Flow* self = nullptr;
  bool ended = false;
  options.output = Output::Buffers([](absl::Cord) { return absl::OkStatus(); },
                                   [&] { ended = true; });
  options.interrupt = [&](const Interruption& interruption) {
    if (interruption.cause == Interruption::Cause::kEndDeadline) {
      self->Abort(absl::CancelledError("no end"));
    }
  };
  std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));
  self = flow.get();
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(ended);
}

TEST(InterruptTest, ANullFunctionIsAsNone) {
  FunctionFlowOptions options;
  options.interrupt = std::function<void(const Interruption&)>();
  std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));
  flow->SetReadDeadline(kPast);
  flow->Abort(absl::CancelledError("stop"));
}

// --- max_bytes

TEST(MaxBytesTest, IsWhatTheReadAsksFor) {
  std::vector<size_t> asked;
  FunctionFlowOptions options;
  options.input =
      Input::Buffers([&](size_t max_bytes) -> absl::StatusOr<absl::Cord> {
        asked.push_back(max_bytes);
        return absl::Cord("x");
      });
  std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));
  EXPECT_THAT(flow->Read(7), IsOkAndHolds("x"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("x"));
  EXPECT_THAT(asked, ElementsAre(7u, kNoLimit));
}

TEST(MaxBytesTest, ALongerBufferIsReturnedOverSeveralReads) {
  int calls = 0;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&](size_t) -> absl::StatusOr<absl::Cord> {
    ++calls;
    return absl::Cord("abcd");
  });
  std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));
  EXPECT_THAT(flow->Read(3), IsOkAndHolds("abc"));
  EXPECT_THAT(flow->Read(3), IsOkAndHolds("d"));
  EXPECT_EQ(calls, 1);
}

TEST(MaxBytesTest, ANullFunctionOfEitherShapeIsInvalidArgument) {
  for (const bool told : {false, true}) {
    FunctionFlowOptions options;
    options.input =
        told ? Input::Buffers(
                   std::function<absl::StatusOr<absl::Cord>(size_t)>())
             : Input::Buffers(
                   static_cast<absl::StatusOr<absl::Cord> (*)()>(nullptr));
    std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace flow
