// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/async/hang_up.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "flow/async/task.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::async {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;

TEST(AsyncHangUpTest, ACoroutineSaysALastWordAndGoesOnWhenAllIsOver) {
  ManualEngine engine;
  const Pipe pipe = MakePipe(0);
  pipe.left->SetEngine(&engine);
  std::optional<absl::Status> status;
  const auto hang_up = [&]() -> Task<void> {
    status = co_await async::HangUp(*pipe.left, absl::Cord("bye"),
                                    testing::Patience());
  };
  Spawn(hang_up());
  engine.RunAll();
  EXPECT_FALSE(status.has_value());
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("bye"));
  engine.RunAll();
  EXPECT_THAT(pipe.right->Read(), IsEof());
  ASSERT_TRUE(status.has_value());
  EXPECT_THAT(*status, IsOk());
}

}  // namespace
}  // namespace flow::async
