// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow_asio/socket.h"

#include <future>  // NOLINT(build/c++11): for asio::use_future
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/use_future.hpp"
#include "flow/canceller.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/socket_options.h"
#include "flow/status.h"
#include "flow/testing/matchers.h"
#include "flow_asio/context_threads.h"
#include "flow_asio/operations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow_asio {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsEof;

using FlowOr = absl::StatusOr<std::unique_ptr<flow::Flow>>;

// For a machine under load.
absl::Time Patience() { return absl::Now() + absl::Seconds(30); }

TEST(SocketTest, ADialMeetsAnAccept) {
  ContextThreads threads(1);
  const std::unique_ptr<flow::Listener> listener =
      *flow::Listen("tcp:127.0.0.1:0");
  std::future<FlowOr> accepted = async_accept(
      *listener, *threads.engine(), absl::InfiniteFuture(), asio::use_future);
  std::future<FlowOr> dialed = async_dial(
      *threads.engine(), listener->address(), Patience(), asio::use_future);
  FlowOr left = dialed.get();
  FlowOr right = accepted.get();
  ASSERT_THAT(left, IsOk());
  ASSERT_THAT(right, IsOk());
  std::future<absl::StatusOr<absl::Cord>> read =
      async_read(**right, asio::use_future);
  EXPECT_THAT((*left)->Write("data"), IsOk());
  EXPECT_THAT(read.get(), IsOkAndHolds("data"));
  std::future<absl::Status> closed =
      async_close(**right, Patience(), asio::use_future);
  EXPECT_THAT((*left)->Read(), IsEof());
  EXPECT_THAT((*left)->Close(), IsOk());
  EXPECT_THAT(closed.get(), IsOk());
}

TEST(SocketTest, AnAcceptHasADeadlineAndEndsWithItsListener) {
  ContextThreads threads(1);
  const std::unique_ptr<flow::Listener> listener =
      *flow::Listen("tcp:127.0.0.1:0");
  EXPECT_THAT(
      async_accept(*listener, *threads.engine(),
                   absl::Now() + absl::Milliseconds(5), asio::use_future)
          .get(),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::future<FlowOr> accepted = async_accept(
      *listener, *threads.engine(), absl::InfiniteFuture(), asio::use_future);
  listener->Close();
  EXPECT_TRUE(flow::IsClosed(accepted.get().status()));
}

TEST(SocketTest, TheOptionsAndTheCancellerOfADialCount) {
  ContextThreads threads(1);
  flow::Canceller canceller;
  canceller.Cancel(absl::CancelledError("enough"));
  EXPECT_THAT(async_dial(*threads.engine(), "tcp:127.0.0.1:1", Patience(),
                         flow::DialOptions(), &canceller, asio::use_future)
                  .get(),
              StatusIs(absl::StatusCode::kCancelled));
  flow::DialOptions options;
  options.may_dial = [](const flow::SocketAddress&) { return false; };
  EXPECT_THAT(async_dial(*threads.engine(), "tcp:127.0.0.1:1", Patience(),
                         options, /*canceller=*/nullptr, asio::use_future)
                  .get(),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST(SocketTest, AnAddressThatIsNoneIsToldToTheHandler) {
  ContextThreads threads(1);
  EXPECT_THAT(
      async_dial(*threads.engine(), "nonsense", Patience(), asio::use_future)
          .get(),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace flow_asio
