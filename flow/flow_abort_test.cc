// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// "Abort" and "Destruction" of docs/semantics.md, rule by rule, on a flow whose
// transport calls functions of the test.

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
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
using ::absl_testing::StatusIs;
using ::flow::testing::Blocker;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;

constexpr absl::Duration kShort = absl::Milliseconds(20);

// --- Abort

TEST(AbortTest, EveryLaterOperationReturnsTheReason) {
  HookFlow flow;
  const absl::Status reason = absl::PermissionDeniedError("intruder");
  flow.Abort(reason);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Write("x"), reason);
  EXPECT_EQ(flow.Write(""), reason);
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kWrite), reason);
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kRead), reason);
  EXPECT_EQ(flow.Close(), reason);
  EXPECT_EQ(flow.Close(), reason);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Write("x"), reason);
  EXPECT_THAT(flow.hooks.log(), ElementsAre("abort PERMISSION_DENIED", "free"));
}

TEST(AbortTest, AnOkOrDeadlineReasonBecomesAborted) {
  HookFlow ok;
  ok.Abort(absl::OkStatus());
  EXPECT_THAT(ok.Read(), StatusIs(absl::StatusCode::kAborted));
  HookFlow late;
  late.Abort(absl::DeadlineExceededError("too slow"));
  EXPECT_THAT(late.Read(), StatusIs(absl::StatusCode::kAborted, "too slow"));
}

TEST(AbortTest, TheFirstCounts) {
  HookFlow flow;
  flow.Abort(absl::AbortedError("first"));
  flow.Abort(absl::AbortedError("second"));
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kAborted, "first"));
  EXPECT_THAT(flow.hooks.log(), ElementsAre("abort ABORTED"));
}

TEST(AbortTest, ADirectionThatBrokeEarlierKeepsItsError) {
  HookFlow flow;
  flow.hooks.write = [](absl::Cord, size_t*) {
    return absl::DataLossError("x");
  };
  const absl::Status broken = flow.Write("x");
  const absl::Status reason = absl::CancelledError("stop");
  flow.Abort(reason);
  EXPECT_EQ(flow.Write("x"), broken);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Close(), reason);
}

TEST(AbortTest, AfterShutdownAndEndOfFileEverythingIsTheReason) {
  HookFlow flow;
  flow.hooks.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  const absl::Status reason = absl::CancelledError("stop");
  flow.Abort(reason);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Write("x"), reason);
}

TEST(AbortTest, WakesABlockedReadAndWriteAndClose) {
  HookFlow flow;
  Blocker read_blocker, write_blocker;
  flow.hooks.read = [&](size_t) {
    read_blocker.Block();
    return absl::Cord("discarded");
  };
  flow.hooks.write = [&](absl::Cord, size_t* accepted) {
    write_blocker.Block();
    *accepted = 1;
    return absl::UnavailableError("");
  };
  flow.hooks.abort = [&] {
    read_blocker.Leave();
    write_blocker.Leave();
  };
  const absl::Status reason = absl::CancelledError("stop");
  std::thread reader([&] { EXPECT_EQ(flow.Read().status(), reason); });
  std::thread writer([&] { EXPECT_EQ(flow.Write("xyz"), reason); });
  read_blocker.WaitUntilEntered();
  write_blocker.WaitUntilEntered();
  std::thread closer([&] { EXPECT_EQ(flow.Close(), reason); });
  absl::SleepFor(kShort);
  flow.Abort(reason);
  reader.join();
  writer.join();
  closer.join();
  EXPECT_EQ(flow.bytes_read(), 0);
  EXPECT_EQ(flow.bytes_written(), 1);
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("abort CANCELLED", "lose read", "free"));
}

TEST(AbortTest, UnderACallTheLastCallToReturnFrees) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("discarded");
  };
  std::thread reader(
      [&] { EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kAborted)); });
  blocker.WaitUntilEntered();
  flow.Abort(absl::OkStatus());
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flow.hooks.log(), ElementsAre("abort ABORTED"));
  blocker.Leave();
  reader.join();
  EXPECT_THAT(flow.hooks.log(),
              ElementsAre("abort ABORTED", "lose read", "free"));
}

TEST(AbortTest, AfterCloseItChangesNothing) {
  HookFlow flow;
  EXPECT_THAT(flow.Close(), IsOk());
  flow.Abort(absl::CancelledError("late"));
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.Read().status(), IsClosed());
  EXPECT_THAT(flow.hooks.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(AbortTest, AWriteThatIsUnderWayReturnsTheReasonAndCountsWhatItTook) {
  HookFlow flow;
  const absl::Status reason = absl::CancelledError("stop");
  flow.hooks.write = [&](absl::Cord, size_t*) {
    flow.Abort(reason);
    return absl::OkStatus();
  };
  absl::Cord source("abc");
  EXPECT_EQ(flow.WriteFrom(&source), reason);
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(AbortTest, WhileTheEndIsSentIsTheFirstAndOnlyError) {
  HookFlow flow;
  const absl::Status reason = absl::CancelledError("stop");
  flow.hooks.end_write = [&](absl::Time) {
    flow.Abort(reason);
    return absl::DataLossError("second");
  };
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kWrite), reason);
  EXPECT_EQ(flow.Write("x"), reason);
  EXPECT_EQ(flow.Close(), reason);
}

// --- Destruction

TEST(DestructionTest, WithoutCloseAbortsAndFreesAndNeitherFlushesNorWaits) {
  std::vector<std::string> log;
  {
    HookFlow flow;
    flow.hooks.also_log = [&](std::string what) {
      log.push_back(std::move(what));
    };
  }
  EXPECT_THAT(log, ElementsAre("abort ABORTED", "free"));
}

TEST(DestructionTest, AfterCloseDoesNothingMore) {
  std::vector<std::string> log;
  {
    HookFlow flow;
    flow.hooks.also_log = [&](std::string what) {
      log.push_back(std::move(what));
    };
    EXPECT_THAT(flow.Close(), IsOk());
  }
  EXPECT_THAT(log, ElementsAre("end", "await remote end", "free"));
}

TEST(DestructionDeathTest, UnderACallEndsTheProgramWithAWord) {
  EXPECT_DEATH(
      {
        auto flow = std::make_unique<HookFlow>();
        HookFlow* raw = flow.get();
        raw->hooks.read = [&](size_t) {
          flow.reset();
          return absl::Cord();
        };
        raw->Read().IgnoreError();
      },
      "destroyed while a call is under way");
}

TEST(AbortTest, AReasonThatBecomesAbortedKeepsItsPayload) {
  HookFlow flow;
  absl::Status reason = absl::DeadlineExceededError("late");
  reason.SetPayload("type", absl::Cord("payload"));
  flow.Abort(reason);
  const absl::Status status = flow.Read().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, "late"));
  EXPECT_EQ(status.GetPayload("type"), absl::Cord("payload"));
}

}  // namespace
}  // namespace flow
