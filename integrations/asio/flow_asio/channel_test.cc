// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow_asio/channel.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/matchers.h"
#include "flow_asio/asio_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow_asio {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::Eq;
using ::testing::Optional;

// A channel that has an engine, and the other end of its pipe.
class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    flow::Pipe pipe = flow::MakePipe();
    other_ = std::move(pipe.left);
    channel_ = flow::MakeChannel(std::move(pipe.right));
    channel_->SetEngine(engine_.get());
  }

  // Runs what there is to run.
  void Run() {
    context_.restart();
    context_.poll();
  }

  // A handler that keeps what it gets.
  template <typename T>
  static auto Into(std::optional<T>& result) {
    return [&result](T value) { result = std::move(value); };
  }

  asio::io_context context_;
  std::unique_ptr<flow::AsioEngine> engine_ = *flow::AsioEngine::Make(context_);
  std::unique_ptr<flow::Flow> other_;
  std::unique_ptr<flow::Channel> channel_;
};

TEST_F(ChannelTest, ReadsALineInPieces) {
  std::optional<absl::StatusOr<std::optional<std::string>>> line;
  async_read_line(*channel_, 100, Into(line));
  ASSERT_THAT(other_->Write("one li"), IsOk());
  Run();
  EXPECT_FALSE(line.has_value());
  ASSERT_THAT(other_->Write("ne\nand more"), IsOk());
  Run();
  ASSERT_TRUE(line.has_value());
  EXPECT_THAT(*line, IsOkAndHolds(Optional(Eq("one line"))));
}

TEST_F(ChannelTest, TheLastLineIsAsItWasAskedFor) {
  ASSERT_THAT(other_->Write("cut"), IsOk());
  ASSERT_THAT(other_->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  std::optional<absl::StatusOr<std::optional<std::string>>> line;
  async_read_line(*channel_, 100, Into(line));
  Run();
  ASSERT_TRUE(line.has_value());
  EXPECT_THAT(*line, StatusIs(absl::StatusCode::kOutOfRange));
  async_read_line(*channel_, 100, flow::LastLine::kNeedsNoNewline, Into(line));
  Run();
  EXPECT_THAT(*line, IsOkAndHolds(Optional(Eq("cut"))));
}

TEST_F(ChannelTest, ReadsUpToADelimiter) {
  std::optional<absl::StatusOr<std::optional<absl::Cord>>> part;
  {
    const std::string delimiter = "--";  // which need not live longer
    async_read_until(*channel_, delimiter, 100, Into(part));
  }
  ASSERT_THAT(other_->Write("a-b--c"), IsOk());
  Run();
  ASSERT_TRUE(part.has_value());
  EXPECT_THAT(*part, IsOkAndHolds(Optional(Eq("a-b"))));
}

TEST_F(ChannelTest, PeeksAndReadsExactly) {
  std::optional<absl::StatusOr<absl::Cord>> bytes;
  async_peek(*channel_, 3, Into(bytes));
  ASSERT_THAT(other_->Write("12345"), IsOk());
  Run();
  ASSERT_TRUE(bytes.has_value());
  EXPECT_THAT(*bytes, IsOkAndHolds("123"));
  async_read_exactly(*channel_, 5, Into(bytes));
  Run();
  EXPECT_THAT(*bytes, IsOkAndHolds("12345"));
}

TEST_F(ChannelTest, HandsOnWhatWasBuffered) {
  std::optional<absl::Status> written;
  async_write_buffered(*channel_, absl::Cord("data"), Into(written));
  Run();
  ASSERT_TRUE(written.has_value());
  EXPECT_THAT(*written, IsOk());
  other_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(other_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::optional<absl::Status> flushed;
  async_flush(*channel_, Into(flushed));
  Run();
  ASSERT_TRUE(flushed.has_value());
  EXPECT_THAT(*flushed, IsOk());
  EXPECT_THAT(other_->Read(), IsOkAndHolds("data"));
}

}  // namespace
}  // namespace flow_asio
