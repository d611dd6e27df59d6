// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow_asio/copy.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "asio/io_context.hpp"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/testing/matchers.h"
#include "flow_asio/asio_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow_asio {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsEof;

// Two pipes, the inner ends of which have an engine.
class CopyTest : public ::testing::Test {
 protected:
  CopyTest() {
    first_.right->SetEngine(engine_.get());
    second_.left->SetEngine(engine_.get());
  }

  // Runs what there is to run.
  void Run() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_;
  std::unique_ptr<flow::AsioEngine> engine_ = *flow::AsioEngine::Make(context_);
  flow::Pipe first_ = flow::MakePipe();
  flow::Pipe second_ = flow::MakePipe();
};

TEST_F(CopyTest, ACopyTellsWhatItHasCopied) {
  std::optional<flow::CopyResult> result;
  async_copy(*first_.right, *second_.left,
             [&](flow::CopyResult copied) { result = std::move(copied); });
  ASSERT_THAT(first_.left->Write("data"), IsOk());
  Run();
  EXPECT_THAT(second_.right->Read(), IsOkAndHolds("data"));
  EXPECT_FALSE(result.has_value());
  ASSERT_THAT(first_.left->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(result->status, IsOk());
  EXPECT_EQ(result->statistics.bytes, 4);
}

TEST_F(CopyTest, TheOptionsOfACopyCount) {
  std::optional<flow::CopyResult> result;
  flow::CopyOptions options;
  options.max_bytes = 3;
  ASSERT_THAT(first_.left->Write("data"), IsOk());
  async_copy(*first_.right, *second_.left, options,
             [&](flow::CopyResult copied) { result = std::move(copied); });
  EXPECT_FALSE(result.has_value()) << "not inside the function";
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->statistics.bytes, 3);
}

TEST_F(CopyTest, AProxyCarriesBothWaysUntilBothEnds) {
  std::optional<flow::ProxyResult> result;
  flow::ProxyOptions options;
  int64_t written = 0;
  options.on_write = [&](flow::ProxyDirection, int64_t n) { written += n; };
  async_proxy(*first_.right, *second_.left, options,
              [&](flow::ProxyResult proxied) { result = std::move(proxied); });
  ASSERT_THAT(first_.left->Write("to b"), IsOk());
  ASSERT_THAT(second_.right->Write("to a"), IsOk());
  Run();
  EXPECT_THAT(second_.right->Read(), IsOkAndHolds("to b"));
  EXPECT_THAT(first_.left->Read(), IsOkAndHolds("to a"));
  ASSERT_THAT(first_.left->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  Run();
  EXPECT_THAT(second_.right->Read(), IsEof());
  EXPECT_FALSE(result.has_value());
  ASSERT_THAT(second_.right->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(result->status, IsOk());
  EXPECT_EQ(written, 8);
}

TEST_F(CopyTest, AnAbortOfBothEndsAProxy) {
  std::optional<flow::ProxyResult> result;
  async_proxy(*first_.right, *second_.left,
              [&](flow::ProxyResult proxied) { result = std::move(proxied); });
  Run();
  first_.right->Abort(absl::CancelledError("enough"));
  second_.left->Abort(absl::CancelledError("enough"));
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(result->status, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace flow_asio
