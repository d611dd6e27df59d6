// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules of one end, by example. Every order of them is tried by
// //flow/verification:flow_state_exhaustive_test.

#include "flow/internal/flow_state.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::StartsWith;
using Answer = FlowState::Answer;
using ClosePhase = FlowState::ClosePhase;
using Hook = FlowState::Hook;

// --- Gate

TEST(GateTest, OneCallAtATime) {
  const int me = 0;
  Gate gate;
  EXPECT_TRUE(gate.Take(&me));
  EXPECT_FALSE(gate.Take(nullptr));
  EXPECT_EQ(gate.caller(), &me);
  EXPECT_TRUE(gate.Give());
  EXPECT_EQ(gate.caller(), nullptr);
  EXPECT_TRUE(gate.Take(&me));
}

TEST(GateTest, ACallThatWasShutInCannotGiveBackUnseen) {
  Gate gate;
  EXPECT_TRUE(gate.Take(nullptr));
  EXPECT_TRUE(gate.undisturbed());
  EXPECT_TRUE(gate.Shut());
  EXPECT_FALSE(gate.undisturbed());
  EXPECT_FALSE(gate.Give());
  EXPECT_TRUE(gate.busy());
  gate.ForceGive();
  EXPECT_FALSE(gate.busy());
}

TEST(GateTest, NoCallBeginsAfterItWasShut) {
  Gate gate;
  EXPECT_FALSE(gate.Shut());
  EXPECT_FALSE(gate.Take(nullptr));
  EXPECT_TRUE(gate.shut());
}

TEST(GateTest, CountsWhatCallsHaveMoved) {
  Gate gate;
  gate.Count(3);
  gate.Count(4);
  EXPECT_EQ(gate.bytes(), 7);
}

// --- FlowState

const absl::Status& Lost() {
  static const auto* const kLost =
      new absl::Status(absl::DataLossError("lost"));
  return *kLost;
}

class FlowStateTest : public ::testing::Test {
 protected:
  void BeginRead() { ASSERT_TRUE(state_.read_gate().Take(this)); }
  void BeginWrite() { ASSERT_TRUE(state_.write_gate().Take(this)); }

  // Ends a read; what it gets if it was discarded.
  std::optional<Answer> EndRead(size_t size, const absl::Status& error) {
    std::optional<Answer> answer =
        state_.FinishRead(size, error, /*passes=*/false);
    state_.EndRead();
    return answer;
  }
  Answer EndWrite(size_t accepted, const absl::Status& status) {
    const Answer answer =
        state_.FinishWrite(accepted, status, absl::AbortedError("cut"));
    state_.EndWrite();
    return answer;
  }

  // Runs what has to be due next.
  void Run(Hook hook, const absl::Status& result = absl::OkStatus()) {
    EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, hook);
    state_.Finish(hook, result);
  }
  void ExpectNothingDue() {
    EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, Hook::kNone);
  }

  FlowState state_;
};

TEST_F(FlowStateTest, CloseSendsTheEndWaitsForTheRemoteAndFrees) {
  state_.BeginClose(/*patient=*/false);
  Run(Hook::kEndWrite);
  Run(Hook::kAwaitRemoteEnd);
  Run(Hook::kFree);
  EXPECT_THAT(state_.closed(), Optional(IsOk()));
  ExpectNothingDue();
}

TEST_F(FlowStateTest, OnlyTheThreadThatClosesWaitsForTheRemoteAndFrees) {
  state_.BeginClose(/*patient=*/false);
  Run(Hook::kEndWrite);
  EXPECT_EQ(state_.TakeDue(/*closer=*/false).hook, Hook::kNone);
  Run(Hook::kAwaitRemoteEnd);
  EXPECT_EQ(state_.TakeDue(/*closer=*/false).hook, Hook::kNone);
  Run(Hook::kFree);
}

TEST_F(FlowStateTest, AWriteUnderWaySendsTheEnd) {
  BeginWrite();
  state_.RequestEnd();
  ExpectNothingDue();
  EXPECT_EQ(EndWrite(3, absl::OkStatus()).kind, Answer::kOk);
  const FlowState::Due due = state_.TakeDue(/*closer=*/false);
  EXPECT_EQ(due.hook, Hook::kEndWrite);
  EXPECT_THAT(due.status, IsOk());
  EXPECT_EQ(state_.write_gate().bytes(), 3);
}

TEST_F(FlowStateTest, AWriteThatIsCutDoesNotEndWell) {
  BeginWrite();
  state_.RequestEnd();
  EXPECT_EQ(EndWrite(1, absl::DeadlineExceededError("late")).error.code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(state_.TakeDue(/*closer=*/false).status, absl::AbortedError("cut"));
}

TEST_F(FlowStateTest, ADeadlineOfACallDoesNotStay) {
  BeginRead();
  EXPECT_EQ(EndRead(0, absl::DeadlineExceededError("late")), std::nullopt);
  BeginRead();
  EXPECT_EQ(EndRead(0, Lost()), std::nullopt);
  EXPECT_FALSE(state_.read_gate().Take(this));
  EXPECT_EQ(state_.ReadAnswer().error, Lost());
}

TEST_F(FlowStateTest, WhatAReadBringsAfterARefusalIsDiscarded) {
  BeginRead();
  state_.RefuseRead();
  Run(Hook::kRefuseRead);
  const std::optional<Answer> answer = EndRead(5, absl::OkStatus());
  ASSERT_NE(answer, std::nullopt);
  EXPECT_EQ(answer->kind, Answer::kOk);  // end-of-file
  EXPECT_EQ(state_.read_gate().bytes(), 0);
}

TEST_F(FlowStateTest, AReadThatFailsLetsCloseGoOn) {
  BeginRead();
  state_.BeginClose(/*patient=*/false);
  Run(Hook::kEndWrite);
  EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, Hook::kAwaitRemoteEnd);
  EXPECT_EQ(EndRead(0, Lost()), std::nullopt);
  Run(Hook::kRefuseRead);
  state_.Finish(Hook::kAwaitRemoteEnd, absl::OkStatus());
  Run(Hook::kFree);
  EXPECT_THAT(state_.closed(), Optional(Lost()));
}

TEST_F(FlowStateTest, AfterAnAbortTheLastCallUnderWayFrees) {
  BeginRead();
  state_.Abort(Lost());
  Run(Hook::kAbort);
  ExpectNothingDue();
  EXPECT_EQ(EndRead(5, absl::OkStatus())->error, Lost());
  Run(Hook::kFree);
  state_.BeginClose(/*patient=*/false);
  EXPECT_THAT(state_.closed(), Optional(Lost()));
  ExpectNothingDue();
}

TEST_F(FlowStateTest, NoEndAfterAnAbort) {
  BeginWrite();
  state_.RequestEnd();
  state_.Abort(Lost());
  Run(Hook::kAbort);
  EXPECT_EQ(EndWrite(2, absl::OkStatus()).error, Lost());
  EXPECT_EQ(state_.write_gate().bytes(), 2);
  Run(Hook::kFree);
}

TEST_F(FlowStateTest, ADirectionThatHadBrokenKeepsItsErrorAfterAnAbort) {
  BeginRead();
  EXPECT_EQ(EndRead(0, Lost()), std::nullopt);
  state_.Abort(absl::AbortedError("aborted"));
  EXPECT_EQ(state_.ReadAnswer().error, Lost());
  EXPECT_EQ(state_.WriteAnswer().error, absl::AbortedError("aborted"));
}

TEST_F(FlowStateTest, ALateCloseAbortsAndItsResultStays) {
  const absl::Status late = absl::DeadlineExceededError("late");
  state_.BeginClose(/*patient=*/false);
  Run(Hook::kEndWrite);
  EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, Hook::kAwaitRemoteEnd);
  EXPECT_EQ(state_.close_phase(), ClosePhase::kRemote);
  state_.GiveUpClose(late, absl::AbortedError("for this end"),
                     absl::AbortedError("for the remote"));
  const FlowState::Due due = state_.TakeDue(/*closer=*/false);
  EXPECT_EQ(due.hook, Hook::kAbort);
  EXPECT_EQ(due.status, absl::AbortedError("for the remote"));
  state_.Finish(Hook::kAbort, absl::OkStatus());
  state_.Finish(Hook::kAwaitRemoteEnd, Lost());
  Run(Hook::kFree);
  EXPECT_THAT(state_.closed(), Optional(late));
  EXPECT_EQ(state_.ReadAnswer().error, absl::AbortedError("for this end"));
}

TEST_F(FlowStateTest, APatientCloseWaitsForWhatIsInTransit) {
  state_.BeginClose(/*patient=*/true);
  Run(Hook::kEndWrite);
  Run(Hook::kAwaitRemoteEnd);
  ExpectNothingDue();
  EXPECT_EQ(state_.close_phase(), ClosePhase::kTransit);
  state_.Arrive();
  Run(Hook::kFree);
}

TEST_F(FlowStateTest, CloseFromInsideAbortsInsteadOfWaitingForItself) {
  const absl::Status misuse = absl::InvalidArgumentError("inside");
  BeginRead();
  EXPECT_EQ(state_.CloseInside(misuse), misuse);
  Run(Hook::kAbort);
  EXPECT_EQ(EndRead(1, absl::OkStatus())->error, misuse);
  Run(Hook::kFree);
}

TEST_F(FlowStateTest, FreeWaitsForOtherFunctions) {
  state_.BeginOther();
  state_.BeginClose(/*patient=*/false);
  Run(Hook::kEndWrite);
  Run(Hook::kAwaitRemoteEnd);
  EXPECT_EQ(state_.close_phase(), ClosePhase::kCalls);
  ExpectNothingDue();
  state_.EndOther();
  Run(Hook::kFree);
}

// flow_state_exhaustive_test takes states with one text for one state.
TEST_F(FlowStateTest, TextsOfStatesThatDifferDiffer) {
  std::set<std::string> texts;
  const auto expect_new = [&] {
    EXPECT_TRUE(texts.insert(state_.DebugString()).second)
        << state_.DebugString();
  };
  expect_new();
  BeginRead();
  expect_new();
  BeginWrite();
  expect_new();
  state_.RefuseRead();
  expect_new();
  state_.RequestEnd();
  expect_new();
  Run(Hook::kRefuseRead);
  expect_new();
  EXPECT_NE(EndRead(0, absl::OkStatus()), std::nullopt);
  expect_new();
  EXPECT_EQ(EndWrite(3, absl::OkStatus()).kind, Answer::kOk);
  expect_new();
  state_.BeginClose(/*patient=*/true);
  EXPECT_THAT(state_.DebugString(), HasSubstr("patient"));
  expect_new();
  Run(Hook::kEndWrite);
  expect_new();
  EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, Hook::kAwaitRemoteEnd);
  expect_new();
  state_.Finish(Hook::kAwaitRemoteEnd, Lost());
  expect_new();
  state_.Arrive();
  expect_new();
  EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, Hook::kFree);
  expect_new();
  state_.Finish(Hook::kFree, absl::OkStatus());
  expect_new();
}

TEST_F(FlowStateTest, TheTextSaysWhatHasGoneWrongAndWhatIsDue) {
  BeginRead();
  EXPECT_EQ(EndRead(0, Lost()), std::nullopt);
  EXPECT_THAT(state_.DebugString(), StartsWith("[in: broken, lost, shut; out: "
                                               "open, running 0]"));
  BeginWrite();
  EXPECT_EQ(EndWrite(0, Lost()).error, Lost());
  EXPECT_THAT(state_.DebugString(), AllOf(HasSubstr("out: broken, lost, shut"),
                                          HasSubstr("end due")));
}

TEST_F(FlowStateTest, TheTextSaysThatACloseWasGivenUp) {
  state_.BeginClose(/*patient=*/false);
  Run(Hook::kEndWrite);
  EXPECT_EQ(state_.TakeDue(/*closer=*/true).hook, Hook::kAwaitRemoteEnd);
  state_.GiveUpClose(absl::DeadlineExceededError("late"),
                     absl::AbortedError("local"), absl::AbortedError("remote"));
  EXPECT_THAT(state_.DebugString(),
              AllOf(HasSubstr("aborted: local, for the remote: remote"),
                    HasSubstr("closing"), HasSubstr("closed: late"),
                    HasSubstr("free when idle"), HasSubstr("abort due")));
  Run(Hook::kAbort);
  state_.Finish(Hook::kAwaitRemoteEnd, absl::OkStatus());
  EXPECT_THAT(state_.DebugString(),
              AllOf(HasSubstr("freed"), HasSubstr("free due")));
}

TEST_F(FlowStateTest, CloseFromInsideAfterAnAbortReturnsItsReason) {
  BeginRead();
  state_.Abort(Lost());
  EXPECT_EQ(state_.CloseInside(absl::InvalidArgumentError("inside")), Lost());
}

TEST_F(FlowStateTest, DestructionAbortsAndFrees) {
  state_.Destroy(Lost());
  Run(Hook::kAbort);
  Run(Hook::kFree);
  ExpectNothingDue();
}

// A thread that reads does not take the writer's cache line, nor the reverse.
TEST(GateTest, TheGatesOfAFlowShareNoCacheLine) {
  FlowState state;
  const auto read = reinterpret_cast<uintptr_t>(&state.read_gate());
  const auto write = reinterpret_cast<uintptr_t>(&state.write_gate());
  constexpr uintptr_t kCacheLine = 64;
  EXPECT_GE(write - read, sizeof(Gate) + kCacheLine);
}

}  // namespace
}  // namespace flow::internal
