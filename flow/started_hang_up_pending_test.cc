// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// StartHangUp() as something that is pending: who is told, when, and once. What
// it does is that of HangUp(), whose tests run for both
// (testing/internal/run_hang_up.h).

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/hang_up.h"
#include "flow/pipe.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::Patience;
using ::testing::Not;

constexpr absl::Time kAtOnce = absl::InfinitePast();

struct HangingUp final : HangUpOperation {
  void Done() override { ++done; }
  int done = 0;
};

class StartedHangUpTest : public ::testing::Test {
 protected:
  StartedHangUpTest() { flow().SetEngine(&engine_); }

  Flow& flow() { return *pipe_.left; }
  Flow& remote() { return *pipe_.right; }

  ManualEngine engine_;
  // A write waits until it is read.
  Pipe pipe_ = MakePipe(0);
  HangingUp hanging_up_;
};

TEST_F(StartedHangUpTest, ItWritesThenClosesAndTellsOnce) {
  ASSERT_FALSE(
      StartHangUp(&hanging_up_, flow(), absl::Cord("bye"), Patience()));
  engine_.RunAll();
  EXPECT_EQ(hanging_up_.done, 0);
  EXPECT_THAT(remote().Read(), IsOkAndHolds("bye"));
  EXPECT_EQ(hanging_up_.done, 0);
  engine_.RunAll();
  // The remote may go on: nobody waits for its end.
  EXPECT_EQ(hanging_up_.done, 1);
  EXPECT_THAT(remote().Read(), IsEof());
  EXPECT_THAT(hanging_up_.status, IsOk());
}

TEST_F(StartedHangUpTest, AReadThatIsPendingEndsFirst) {
  struct Reading final : ReadOperation {
    void Done() override { ++done; }
    int done = 0;
  } reading;
  ASSERT_FALSE(flow().StartRead(&reading));
  ASSERT_FALSE(
      StartHangUp(&hanging_up_, flow(), absl::Cord("bye"), Patience()));
  engine_.RunAll();
  EXPECT_EQ(reading.done, 1);
  EXPECT_THAT(reading.result, IsEof());
  EXPECT_EQ(hanging_up_.done, 0);
  flow().Abort(absl::CancelledError("enough"));
  engine_.RunAll();
  EXPECT_EQ(hanging_up_.done, 1);
  EXPECT_THAT(hanging_up_.status, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StartedHangUpTest, ALastWordThatIsLateAborts) {
  ASSERT_FALSE(
      StartHangUp(&hanging_up_, flow(), absl::Cord("bye"), testing::Soon()));
  engine_.RunAll();
  EXPECT_EQ(hanging_up_.done, 0);
  flow().SetWriteDeadline(kAtOnce);
  engine_.RunAll();
  EXPECT_EQ(hanging_up_.done, 1);
  EXPECT_THAT(hanging_up_.status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(remote().Read(), Not(IsOk()));
}

TEST_F(StartedHangUpTest, ItsDoneMayDestroyTheFlowAndTheOperation) {
  struct Owner final : HangUpOperation {
    Owner(std::unique_ptr<Flow> flow, bool* gone)
        : flow(std::move(flow)), gone(gone) {}
    void Done() override {
      *gone = true;
      delete this;
    }
    std::unique_ptr<Flow> flow;
    bool* const gone;
  };
  bool gone = false;
  auto* const owner = new Owner(std::move(pipe_.left), &gone);
  ASSERT_FALSE(StartHangUp(owner, *owner->flow, absl::Cord("bye"), Patience()));
  remote().Abort(absl::CancelledError("enough"));
  engine_.RunAll();
  EXPECT_TRUE(gone);
}

TEST_F(StartedHangUpTest, WhatCannotStartIsAnErrorAndNothingIsDone) {
  Pipe unbound = MakePipe();
  ASSERT_TRUE(
      StartHangUp(&hanging_up_, *unbound.left, absl::Cord("bye"), kAtOnce));
  EXPECT_THAT(hanging_up_.status,
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(unbound.right->Write("data"), IsOk());
  EXPECT_THAT(unbound.left->Read(), IsOkAndHolds("data"));

  const std::unique_ptr<Flow> function = MakeFunctionFlow({});
  function->SetEngine(&engine_);
  ASSERT_TRUE(StartHangUp(&hanging_up_, *function, absl::Cord(), kAtOnce));
  EXPECT_THAT(hanging_up_.status, StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_EQ(hanging_up_.done, 0);
}

}  // namespace
}  // namespace flow
