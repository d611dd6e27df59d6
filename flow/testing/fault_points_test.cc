// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/fault_points.h"

#include <unistd.h>

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/log_severity.h"
#include "absl/functional/function_ref.h"
#include "absl/log/scoped_mock_log.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A protocol: asks with 5 bytes and a 1-byte mark, ends, reads the answer.
absl::StatusOr<std::string> Ask(Flow& flow) {
  if (absl::Status s = flow.Write("hello"); !s.ok()) return s;
  if (absl::Status s = flow.Write("?"); !s.ok()) return s;
  if (absl::Status s = flow.Shutdown(ShutdownMode::kWrite); !s.ok()) return s;
  std::string answer;
  while (true) {
    absl::StatusOr<absl::Cord> data = flow.Read();
    if (!data.ok()) return data.status();
    if (data->empty()) return answer;
    answer.append(std::string(*data));
  }
}

// The flow at the end of which an answer waits already.
std::unique_ptr<Flow> Answering(Pipe& pipe) {
  EXPECT_THAT(pipe.right->Write("world"), IsOk());
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  return std::move(pipe.left);
}

TEST(ForEachFaultPointTest, VisitsEveryOperationInEveryModeThatApplies) {
  std::vector<std::string> visited;
  const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
    visited.push_back(plan.ToString());
    Pipe pipe = MakePipe();
    auto flow = plan.Wrap(Answering(pipe));
    const absl::StatusOr<std::string> answer = Ask(*flow);
    if (plan.fired()) {
      EXPECT_THAT(answer, StatusIs(plan.error().code()));
      return;
    }
    EXPECT_THAT(answer, ::absl_testing::IsOkAndHolds("world"));
    EXPECT_THAT(pipe.right->Read(), HoldsData("hello?"));
    EXPECT_THAT(pipe.right->Read(), IsEof());
  });
  EXPECT_THAT(visited,
              ElementsAre("no fault",                              //
                          "error in read 0 of flow 0",             //
                          "abort in read 0 of flow 0",             //
                          "deadline in read 0 of flow 0",          //
                          "error in read 1 of flow 0",             //
                          "abort in read 1 of flow 0",             //
                          "deadline in read 1 of flow 0",          //
                          "error in write 0 of flow 0 (5 bytes)",  //
                          "error halfway in write 0 of flow 0 "
                          "(5 bytes)",                                //
                          "abort in write 0 of flow 0 (5 bytes)",     //
                          "deadline in write 0 of flow 0 (5 bytes)",  //
                          "error in write 1 of flow 0 (1 byte)",      //
                          "abort in write 1 of flow 0 (1 byte)",      //
                          "deadline in write 1 of flow 0 (1 byte)",   //
                          "error in write 2 of flow 0 (the end)",     //
                          "abort in write 2 of flow 0 (the end)"));
  EXPECT_EQ(points, visited.size() - 1);
}

TEST(ForEachFaultPointTest, EachFaultIsWhatItsModeSays) {
  ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    auto flow = plan.Wrap(std::move(pipe.left));
    const absl::Status status = flow->Write("abcde");
    if (!plan.fired()) return;
    EXPECT_EQ(plan.flow(), 0);
    EXPECT_EQ(plan.place().ToString(), "write 0");
    const absl::Status again = flow->Write("x");
    switch (plan.mode()) {
      case FaultMode::kError:
        EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
        EXPECT_EQ(again, status);
        EXPECT_EQ(flow->bytes_written(), 0);
        break;
      case FaultMode::kErrorHalfway:
        EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
        EXPECT_EQ(again, status);
        EXPECT_EQ(flow->bytes_written(), 2);
        break;
      case FaultMode::kAbort:
        for (const absl::Status& failed :
             {status, again, flow->Read().status(), flow->Close()}) {
          EXPECT_THAT(failed, StatusIs(plan.error().code(),
                                       HasSubstr(plan.error().message())));
        }
        EXPECT_THAT(pipe.right->Read(), StatusIs(plan.error().code()));
        EXPECT_EQ(flow->bytes_written(), 0);
        break;
      case FaultMode::kDeadline:
        EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
        EXPECT_THAT(again, IsOk());
        EXPECT_EQ(flow->bytes_written(), 3);
        break;
    }
  });
}

TEST(ForEachFaultPointTest, TheErrorAndTheModesAreTheOptions) {
  FaultPointOptions options;
  options.modes = {FaultMode::kError};
  options.error = absl::DataLossError("disk");
  const size_t points = ForEachFaultPoint(
      [](FaultPlan& plan) {
        Pipe pipe = MakePipe();
        auto flow = plan.Wrap(std::move(pipe.left));
        const absl::Status status = flow->Write("abc");
        EXPECT_EQ(plan.fired(), !status.ok());
        if (plan.fired()) {
          EXPECT_THAT(status,
                      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("disk")));
        }
      },
      options);
  EXPECT_EQ(points, 1);
}

TEST(ForEachFaultPointTest, CountsTheOperationsOfEveryFlowAlsoInPieces) {
  FaultPointOptions options;
  options.modes = {FaultMode::kAbort};
  std::vector<size_t> flows;
  const size_t points = ForEachFaultPoint(
      [&](FaultPlan& plan) {
        Pipe pipe = MakePipe();
        auto left = plan.Wrap(std::move(pipe.left), kNoLimit, /*max_write=*/1);
        auto right = plan.Wrap(std::move(pipe.right), /*max_read=*/1);
        left->Write("abc").IgnoreError();
        for (int i = 0; i < 3; ++i) right->Read().IgnoreError();
        if (plan.fired()) flows.push_back(plan.flow());
      },
      options);
  EXPECT_EQ(points, 4);
  EXPECT_THAT(flows, ElementsAre(0, 1, 1, 1));
}

TEST(ForEachFaultPointTest, BothDirectionsMayBelongToThreads) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    auto flow = plan.Wrap(Answering(pipe), /*max_read=*/1);
    std::thread writer([&] {
      for (int i = 0; i < 5; ++i) flow->Write("x").IgnoreError();
    });
    for (int i = 0; i < 5; ++i) flow->Read().IgnoreError();
    writer.join();
  });
  EXPECT_EQ(points, 5 * 3 + 5 * 3);
}

// --- What it catches

std::vector<std::string> Messages(const ::testing::TestPartResultArray& all) {
  std::vector<std::string> messages;
  for (int i = 0; i < all.size(); ++i) {
    messages.push_back(all.GetTestPartResult(i).message());
  }
  return messages;
}

// Two writes, of which the second one's error is swallowed.
absl::Status Careless(Flow& flow) {
  if (absl::Status s = flow.Write("ab"); !s.ok()) return s;
  flow.Write("cd").IgnoreError();
  return absl::OkStatus();
}

TEST(ForEachFaultPointTest, ABodyThatSwallowsAnErrorIsCaughtAndToldWhere) {
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &failures);
    FaultPointOptions options;
    options.modes = {FaultMode::kError, FaultMode::kErrorHalfway};
    ForEachFaultPoint(
        [](FaultPlan& plan) {
          Pipe pipe = MakePipe();
          auto flow = plan.Wrap(std::move(pipe.left));
          const absl::Status status = Careless(*flow);
          EXPECT_EQ(status.ok(), !plan.fired());
        },
        options);
  }
  EXPECT_THAT(
      Messages(failures),
      ElementsAre(
          HasSubstr("fault point: error in write 1 of flow 0 (2 bytes)"),
          HasSubstr(
              "fault point: error halfway in write 1 of flow 0 (2 bytes)")));
}

TEST(ForEachFaultPointTest, AWrongResultWithoutAFaultIsCaughtToo) {
  EXPECT_NONFATAL_FAILURE(ForEachFaultPoint([](FaultPlan& plan) {
                            auto flow = plan.Wrap(MakePipe().left);
                            flow->Read().IgnoreError();
                            EXPECT_TRUE(plan.fired());
                          }),
                          "fault point: no fault");
}

TEST(ForEachFaultPointTest, TooManyPointsAreAFailure) {
  FaultPointOptions options;
  options.max_points = 4;
  const auto visit = [&](int writes) {
    return ForEachFaultPoint(
        [&](FaultPlan& plan) {
          Pipe pipe = MakePipe();
          auto flow = plan.Wrap(std::move(pipe.left));
          for (int i = 0; i < writes; ++i) flow->Write("ab").IgnoreError();
        },
        options);
  };
  EXPECT_EQ(visit(1), 4);
  EXPECT_NONFATAL_FAILURE(EXPECT_EQ(visit(2), 4),
                          "more than 4 fault points: 8");
}

// Runs in a child, where failures of the body are real ones. Says on the
// standard error which failures there were that are no body's, and how many
// runs.
void ReportFailuresOf(absl::FunctionRef<void(FaultPlan&)> body) {
  int runs = 0;
  ForEachFaultPoint([&](FaultPlan& plan) {
    ++runs;
    body(plan);
  });
  std::string report = absl::StrCat(runs, " runs");
  const ::testing::TestResult& result =
      *::testing::UnitTest::GetInstance()->current_test_info()->result();
  for (int i = 0; i < result.total_part_count(); ++i) {
    const ::testing::TestPartResult& part = result.GetTestPartResult(i);
    if (absl::StrContains(part.message(), "of the body")) continue;
    absl::StrAppend(&report, "; ", part.message());
  }
  std::cerr << report << std::endl;
  ::_exit(0);
}

TEST(ForEachFaultPointDeathTest, FailuresAtTenPointsAreEnough) {
  const auto fails_often = [](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    auto flow = plan.Wrap(std::move(pipe.left));
    for (int i = 0; i < 5; ++i) flow->Write("ab").IgnoreError();
    EXPECT_FALSE(plan.fired()) << "a failure of the body";
  };
  EXPECT_EXIT(ReportFailuresOf(fails_often), ::testing::ExitedWithCode(0),
              "^11 runs; Failed\nfailures at 10 of the first 10 fault points; "
              "the other 10 are not visited\n");
}

TEST(ForEachFaultPointDeathTest, NoFaultComesAfterARunWithoutOneThatFails) {
  const auto fails = [](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    plan.Wrap(std::move(pipe.left))->Write("ab").IgnoreError();
    EXPECT_TRUE(plan.fired()) << "a failure of the body";
  };
  EXPECT_EXIT(ReportFailuresOf(fails), ::testing::ExitedWithCode(0),
              "^1 runs\n$");
}

TEST(ForEachFaultPointDeathTest, AFatalFailureEndsIt) {
  const auto fails = [](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    plan.Wrap(std::move(pipe.left))->Write("ab").IgnoreError();
    ASSERT_FALSE(plan.fired()) << "a failure of the body";
  };
  EXPECT_EXIT(ReportFailuresOf(fails), ::testing::ExitedWithCode(0),
              "^2 runs\n$");
}

TEST(ForEachFaultPointDeathTest, TheRunWithoutAFaultHasNoneToAskFor) {
  EXPECT_DEATH(
      ForEachFaultPoint([](FaultPlan& plan) { plan.error().IgnoreError(); }),
      "look at fired\\(\\) first");
}

TEST(ForEachFaultPointTest, ARunThatHangsIsNamed) {
  absl::Notification named;
  absl::ScopedMockLog log(absl::MockLogDefault::kIgnoreUnexpected);
  EXPECT_CALL(log, Log(absl::LogSeverity::kError, _,
                       AllOf(HasSubstr("a run has not ended: no fault"),
                             HasSubstr("Does it wait for a thread"))))
      .WillOnce([&] { named.Notify(); });
  log.StartCapturingLogs();
  FaultPointOptions options;
  options.modes = {FaultMode::kError};
  options.hang_timeout = absl::Milliseconds(1);
  ForEachFaultPoint(
      [&](FaultPlan& plan) {
        Pipe pipe = MakePipe();
        plan.Wrap(std::move(pipe.left))->Write("x").IgnoreError();
        named.WaitForNotification();
      },
      options);
}

// Threads may wrap flows that are then not used.
TEST(ForEachFaultPointTest, AFlowThatIsNotUsedHasNoPoints) {
  FaultPointOptions options;
  options.modes = {FaultMode::kError};
  EXPECT_EQ(ForEachFaultPoint(
                [](FaultPlan& plan) {
                  Pipe pipe = MakePipe();
                  const auto unused = plan.Wrap(std::move(pipe.left));
                  auto used = plan.Wrap(std::move(pipe.right));
                  used->Write("x").IgnoreError();
                },
                options),
            1);
}

TEST(ForEachFaultPointTest, ABodyThatWrapsNothingIsAFailure) {
  EXPECT_NONFATAL_FAILURE(ForEachFaultPoint([](FaultPlan&) {}),
                          "forget plan.Wrap()?");
}

}  // namespace
}  // namespace flow::testing
