// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// operations.h in coroutines of Asio, which need C++20.

#include "asio/awaitable.hpp"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "asio/co_spawn.hpp"
#include "asio/io_context.hpp"
#include "asio/use_awaitable.hpp"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "flow_asio/asio_engine.h"
#include "flow_asio/operations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow_asio {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::IsEof;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;

// Answers with what comes until the end. Returns how it ended.
asio::awaitable<absl::Status> Echo(flow::Flow& flow) {
  while (true) {
    absl::StatusOr<absl::Cord> data =
        co_await async_read(flow, asio::use_awaitable);
    if (!data.ok()) co_return data.status();
    if (data->empty()) break;
    absl::Status status =
        co_await async_write(flow, *std::move(data), asio::use_awaitable);
    if (!status.ok()) co_return status;
  }
  co_return co_await async_close(flow, absl::InfiniteFuture(),
                                 asio::use_awaitable);
}

class AwaitableTest : public ::testing::Test {
 protected:
  // Starts a coroutine that echoes, whose result is `result_`.
  void Start(flow::Flow& flow) {
    flow.SetEngine(engine_.get());
    asio::co_spawn(context_, Echo(flow),
                   [this](std::exception_ptr error, absl::Status status) {
                     EXPECT_EQ(error, nullptr);
                     result_ = std::move(status);
                   });
  }

  asio::io_context context_;
  std::unique_ptr<flow::AsioEngine> engine_ = *flow::AsioEngine::Make(context_);
  std::optional<absl::Status> result_;
};

TEST_F(AwaitableTest, ACoroutineEchoes) {
  flow::Pipe pipe = flow::MakePipe();
  Start(*pipe.right);
  for (const std::string word : {"one", "two"}) {
    ASSERT_THAT(pipe.left->Write(word), IsOk());
    context_.poll();
    EXPECT_THAT(pipe.left->Read(), IsOkAndHolds(word));
  }
  EXPECT_EQ(result_, std::nullopt);
  ASSERT_THAT(pipe.left->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  context_.run();
  EXPECT_THAT(pipe.left->Read(), IsEof());
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, IsOk());
}

TEST_F(AwaitableTest, AnAbortEndsACoroutineWithItsReason) {
  flow::Pipe pipe = flow::MakePipe();
  Start(*pipe.right);
  context_.poll();
  pipe.right->Abort(absl::CancelledError("enough"));
  context_.run();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(AwaitableTest, ACoroutineOnSeveralThreadsEchoes) {
  const RawPair pair = RawTcp();
  const std::unique_ptr<flow::Flow> left = FlowOf(pair.left);
  const std::unique_ptr<flow::Flow> right = FlowOf(pair.right);
  Start(*right);
  // They end when the coroutine does: it keeps its executor busy.
  std::thread first([&] { context_.run(); });
  std::thread second([&] { context_.run(); });
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(left->Write("data"), IsOk());
    ASSERT_THAT(left->Read(), IsOkAndHolds("data"));
  }
  EXPECT_THAT(left->Close(), IsOk());
  first.join();
  second.join();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, IsOk());
}

}  // namespace
}  // namespace flow_asio
