// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests the conformance suite itself: each of the flows below breaks the
// contract in one way, and the checks that are meant for it must fail.
//
// A transport cannot break some rules, as class Flow keeps them for all: that
// end-of-file and errors stay, that writes after Shutdown() or Close() are
// Closed, that Close() frees once and its result stays, that a Read returns no
// more than was asked for (see ReadsMoreThanAsked), that a second reader or
// writer is refused, and what empty writes do. The checks of these hold the
// class to them.

#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/conformance/broken_flow.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace flow::testing::conformance {
namespace {

std::vector<Defect> Defects() {
  std::vector<Defect> all;
  for (std::vector<Defect> some : {DefectsOfData(), DefectsOfEnds(),
                                   DefectsOfAborts(), DefectsOfDeadlines()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

// One end has the defect, so that it is tried in both roles, and so that the
// watchdog can abort the other end.
ConformanceOptions PipesWith(const std::string& name, const Plant& plant) {
  ConformanceOptions options;
  options.name = name;
  options.make_pair = [plant] {
    Pipe pipe = MakePipe(4096);
    return FlowPair{plant(std::move(pipe.left)), std::move(pipe.right)};
  };
  options.make_full = options.make_pair;
  options.more_than_full = 16 << 10;
  return options;
}

struct Report {
  std::string outcome = "passed";  // or "failed" or "hung"
  std::string messages;
};

// Runs a check whose failures are not those of this test.
Report RunAside(const std::string& check, const ConformanceOptions& options) {
  ::testing::TestPartResultArray results;
  {
    using Reporter = ::testing::ScopedFakeTestPartResultReporter;
    Reporter reporter(Reporter::INTERCEPT_ALL_THREADS, &results);
    RunConformanceCheck(check, options);
  }
  Report report;
  for (int i = 0; i < results.size(); ++i) {
    const ::testing::TestPartResult& result = results.GetTestPartResult(i);
    absl::StrAppend(&report.messages, result.message(), "\n");
    if (!result.failed()) continue;
    if (absl::StrContains(result.message(), "has hung for")) {
      report.outcome = "hung";
    } else if (report.outcome == "passed") {
      report.outcome = "failed";
    }
  }
  return report;
}

// How often a check is run again that did not do what was expected.
constexpr int kRetries = 10;

class BrokenFlowTest : public ::testing::TestWithParam<Defect> {};

TEST_P(BrokenFlowTest, FailsTheChecksMeantForItAndNoOthers) {
  const Defect& defect = GetParam();
  for (const std::string& check : ConformanceCheckNames()) {
    ConformanceOptions options = PipesWith(defect.name, defect.plant);
    const bool fails = absl::c_linear_search(defect.fail, check);
    const bool hangs = absl::c_linear_search(defect.hang, check);
    const bool may_fail = absl::c_linear_search(defect.may_fail, check);
    // Patient where a thread has to get somewhere for the defect to show, and
    // quick where time is known to be lost.
    if (fails || hangs) options.blocked_wait = absl::Milliseconds(50);
    if (hangs || may_fail) options.hang_timeout = absl::Milliseconds(400);
    if (may_fail) {
      RunAside(check, options);
      continue;
    }
    const std::string expected = hangs ? "hung" : fails ? "failed" : "passed";
    // On a loaded machine threads may miss each other, so that what a defect
    // does to a check does not show in every run.
    Report report = RunAside(check, options);
    for (int i = 0; i < kRetries && report.outcome != expected; ++i) {
      report = RunAside(check, options);
    }
    EXPECT_EQ(report.outcome, expected) << check << ":\n" << report.messages;
  }
}

INSTANTIATE_TEST_SUITE_P(Defects, BrokenFlowTest,
                         ::testing::ValuesIn(Defects()),
                         [](const auto& info) { return info.param.name; });

TEST(ConformanceTest, EveryCheckFailsForADefectUnlessFlowKeepsItsRule) {
  std::vector<std::string> kept_by_flow = {
      "AReadOfAtMostZeroBytesIsInvalidAndChangesNothing",
      "ASecondReaderIsRefusedAndDisturbsNothing",
      "ASecondWriterIsRefusedAndDisturbsNothing",
      "AfterAbortEveryOperationReturnsTheReason",
      "AfterCloseReadsAndWritesAreClosed",
      "EmptyWritesDoNothing",
      "EndOfFileStays",
      "ShutdownReadDiscardsWhatWasNotRead",
      "TheResultOfCloseStays",
  };
  std::vector<std::string> by_luck = {
      "AReaderThatIsDestroyedTooEarlySpoilsClose",
      "BothEndsMayCloseAtTheSameTime"};
  absl::btree_set<std::string> tested(kept_by_flow.begin(), kept_by_flow.end());
  tested.insert(by_luck.begin(), by_luck.end());
  for (const Defect& defect : Defects()) {
    tested.insert(defect.fail.begin(), defect.fail.end());
    tested.insert(defect.hang.begin(), defect.hang.end());
  }
  EXPECT_THAT(ConformanceCheckNames(),
              ::testing::UnorderedElementsAreArray(tested));
}

class IgnoresAborts : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  void Abort(const absl::Status&) override {}
};

TEST(ConformanceTest, AHangIsReportedWithTheStateOfBothEnds) {
  ConformanceOptions options =
      PipesWith("deaf", Defect::Of<IgnoresAborts>("").plant);
  options.blocked_wait = absl::Milliseconds(50);
  options.hang_timeout = absl::Milliseconds(200);
  const Report report = RunAside("AbortWakesABlockedRead", options);
  EXPECT_EQ(report.outcome, "hung");
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("AbortWakesABlockedRead on deaf has hung"));
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("clear traits.interruptible."));
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("local: pipe (left end) [in: aborted"));
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("remote: pipe (right end) [in: open"));
}

TEST(ConformanceDeathTest, AHangThatNoAbortEndsEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ConformanceOptions options;
  options.name = "dead";
  options.make_pair = [] {
    Pipe pipe = MakePipe();
    const Plant plant = Defect::Of<IgnoresAborts>("").plant;
    return FlowPair{plant(std::move(pipe.left)), plant(std::move(pipe.right))};
  };
  options.blocked_wait = absl::Milliseconds(50);
  options.hang_timeout = absl::Milliseconds(200);
  EXPECT_DEATH(RunConformanceCheck("AbortWakesABlockedRead", options),
               "AbortWakesABlockedRead on dead has hung: 10s after both ends "
               "were aborted, a call has still not returned.*in Read");
}

TEST(ConformanceTest, WhatTheTransportCannotDoIsSkippedWithASentence) {
  ConformanceOptions options =
      PipesWith("full", Defect::Of<ForwardingTransport>("").plant);
  options.make_full = nullptr;
  EXPECT_THAT(RunAside("AbortWakesABlockedWrite", options).messages,
              ::testing::HasSubstr("There is no pair that fills up."));
  options.traits.carries_abort = false;
  EXPECT_THAT(RunAside("AnAbortedStreamNeverEndsInEndOfFile", options).messages,
              ::testing::HasSubstr("The transport does not carry an abort."));
}

INSTANTIATE_TEST_SUITE_P(
    WithoutDefect, FlowConformanceTest,
    ::testing::Values(PipesWith("flawless",
                                Defect::Of<ForwardingTransport>("").plant)),
    ConformanceName);

}  // namespace
}  // namespace flow::testing::conformance
