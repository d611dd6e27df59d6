// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The started calls of a flow of your own, on top of one that can start.

#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "examples/masked_flow.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::HoldsData;

template <typename Operation>
struct Started final : Operation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

class StartedMaskedFlowTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<EpollEngine>> engine = EpollEngine::Make();
    ASSERT_THAT(engine, IsOk());
    engine_ = *std::move(engine);
    thread_ = std::thread([this] { engine_->Run(); });
    // What is written passes when it is read.
    Pipe pipe = MakePipe(/*capacity=*/0);
    near_ = MakeMaskedFlow(std::move(pipe.left), 'k');
    near_->SetEngine(engine_.get());
    far_ = MakeMaskedFlow(std::move(pipe.right), 'k');
  }
  void TearDown() override {
    engine_->Stop();
    thread_.join();
  }

  std::unique_ptr<EpollEngine> engine_;
  std::thread thread_;
  std::unique_ptr<Flow> near_, far_;
};

TEST_F(StartedMaskedFlowTest, APendingWriteGoesOnWhereItIs) {
  Started<Flow::WriteOperation> write;
  write.rest = absl::Cord("hello");
  ASSERT_FALSE(near_->StartWrite(&write));
  EXPECT_THAT(far_->Read(2), HoldsData("he"));
  EXPECT_THAT(far_->Read(), HoldsData("llo"));
  write.over.WaitForNotification();
  EXPECT_THAT(write.status, IsOk());
  EXPECT_EQ(write.rest, "");
}

TEST_F(StartedMaskedFlowTest, ALateWriteLeavesWhatWasNotAccepted) {
  Started<Flow::WriteOperation> late;
  late.rest = absl::Cord("hello");
  ASSERT_FALSE(near_->StartWrite(&late));
  EXPECT_THAT(far_->Read(2), HoldsData("he"));
  near_->SetWriteDeadline(absl::InfinitePast());
  late.over.WaitForNotification();
  EXPECT_THAT(late.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(late.rest, "llo");
  near_->SetWriteDeadline(absl::InfiniteFuture());
  Started<Flow::WriteOperation> next;
  next.rest = late.rest;
  ASSERT_FALSE(near_->StartWrite(&next));
  EXPECT_THAT(far_->Read(), HoldsData("llo"));
  next.over.WaitForNotification();
  EXPECT_THAT(next.status, IsOk());
}

TEST_F(StartedMaskedFlowTest, APendingReadIsUnmasked) {
  Started<Flow::ReadOperation> read;
  ASSERT_FALSE(near_->StartRead(&read));
  EXPECT_THAT(far_->Write("answer"), IsOk());
  read.over.WaitForNotification();
  EXPECT_THAT(read.result, HoldsData("answer"));
}

}  // namespace
}  // namespace flow::examples
