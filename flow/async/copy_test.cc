// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/async/copy.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/time.h"
#include "flow/async/operations.h"
#include "flow/async/task.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::async {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;

class AsyncCopyTest : public ::testing::Test {
 protected:
  AsyncCopyTest() {
    from_.right->SetEngine(&engine_);
    to_.left->SetEngine(&engine_);
  }

  ManualEngine engine_;
  Pipe from_ = MakePipe();
  Pipe to_ = MakePipe();
};

TEST_F(AsyncCopyTest, ACoroutineCopiesToTheEndAndClosesTheSink) {
  std::optional<CopyResult> result;
  const auto copy = [&]() -> Task<void> {
    CopyOptions options;
    options.close_timeout = absl::Seconds(10);
    result = co_await async::Copy(*from_.right, *to_.left, options);
  };
  Spawn(copy());
  ASSERT_THAT(from_.left->Write("data"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(to_.right->Read(), IsOkAndHolds("data"));
  EXPECT_FALSE(result.has_value());
  ASSERT_THAT(from_.left->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(to_.right->Read(), IsEof());
  EXPECT_THAT(to_.right->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(result->status, IsOk());
  EXPECT_EQ(result->statistics.bytes, 4);
}

TEST_F(AsyncCopyTest, ACoroutineConnectsTwoFlows) {
  std::optional<ProxyResult> result;
  const auto relay = [&]() -> Task<void> {
    result = co_await async::Proxy(*from_.right, *to_.left);
  };
  Spawn(relay());
  ASSERT_THAT(from_.left->Write("there"), IsOk());
  ASSERT_THAT(to_.right->Write("back"), IsOk());
  engine_.RunAll();
  EXPECT_THAT(to_.right->Read(), IsOkAndHolds("there"));
  EXPECT_THAT(from_.left->Read(), IsOkAndHolds("back"));
  ASSERT_THAT(from_.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(to_.right->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(result->status, IsOk());
}

TEST_F(AsyncCopyTest, ACoroutineAwaitsARefusal) {
  absl::Status refusal;
  const auto watch = [&]() -> Task<void> {
    refusal = co_await AwaitRefusal(*to_.left);
  };
  Spawn(watch());
  ASSERT_THAT(to_.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(refusal, IsOk());
  engine_.RunAll();
  EXPECT_THAT(refusal, IsClosed());
}

}  // namespace
}  // namespace flow::async
