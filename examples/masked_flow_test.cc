// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The examples of docs/testing.md: a flow of your own under the conformance
// suite, and code under every fault. And its started calls.

#include "examples/masked_flow.h"

#include <cstddef>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::HoldsData;
using ::testing::Not;

flow::testing::FlowPair MaskedPair(size_t capacity) {
  flow::Pipe pipe = flow::MakePipe(capacity);
  return {MakeMaskedFlow(std::move(pipe.left), 'k'),
          MakeMaskedFlow(std::move(pipe.right), 'k')};
}

flow::testing::ConformanceOptions MaskedFlows() {
  flow::testing::ConformanceOptions options;
  options.name = "masked";
  options.make_pair = [] { return MaskedPair(256 << 10); };
  options.make_full = [] { return MaskedPair(4096); };
  return options;
}

INSTANTIATE_TEST_SUITE_P(MaskedFlow, FlowConformanceTest,
                         ::testing::Values(MaskedFlows()),
                         flow::testing::ConformanceName);

// Sends a message and its end.
absl::Status Send(Flow& flow, absl::string_view message) {
  absl::Status status = flow.Write(message);
  return status.ok() ? flow.Shutdown(ShutdownMode::kWrite) : status;
}

TEST(MaskedFlowTest, ATruncatedMessageNeverLooksWhole) {
  flow::testing::ForEachFaultPoint([](flow::testing::FaultPlan& plan) {
    flow::Pipe pipe = flow::MakePipe();
    auto sender = MakeMaskedFlow(plan.Wrap(std::move(pipe.left)), 'k');
    auto receiver = MakeMaskedFlow(std::move(pipe.right), 'k');
    const absl::Status sent = Send(*sender, "hello");
    sender = nullptr;
    const absl::StatusOr<absl::Cord> received =
        flow::ReadAll(*receiver, /*limit=*/100);
    if (plan.fired()) {
      EXPECT_THAT(sent, StatusIs(plan.error().code()));
      EXPECT_THAT(received, Not(IsOk()));
    } else {
      EXPECT_THAT(sent, IsOk());
      EXPECT_THAT(received, HoldsData("hello"));
    }
  });
}

// --- Started calls

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
    pair_ = MaskedPair(/*capacity=*/0);
    pair_.left->SetEngine(engine_.get());
  }
  void TearDown() override {
    engine_->Stop();
    thread_.join();
  }

  std::unique_ptr<EpollEngine> engine_;
  std::thread thread_;
  flow::testing::FlowPair pair_;
};

TEST_F(StartedMaskedFlowTest, APendingWriteGoesOnWhereItIs) {
  Started<Flow::WriteOperation> write;
  write.rest = absl::Cord("hello");
  ASSERT_FALSE(pair_.left->StartWrite(&write));
  EXPECT_THAT(pair_.right->Read(2), HoldsData("he"));
  EXPECT_THAT(pair_.right->Read(), HoldsData("llo"));
  write.over.WaitForNotification();
  EXPECT_THAT(write.status, IsOk());
  EXPECT_EQ(write.rest, "");
}

TEST_F(StartedMaskedFlowTest, ALateWriteLeavesWhatWasNotAccepted) {
  Started<Flow::WriteOperation> late;
  late.rest = absl::Cord("hello");
  ASSERT_FALSE(pair_.left->StartWrite(&late));
  EXPECT_THAT(pair_.right->Read(2), HoldsData("he"));
  pair_.left->SetWriteDeadline(absl::InfinitePast());
  late.over.WaitForNotification();
  EXPECT_THAT(late.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(late.rest, "llo");
  pair_.left->SetWriteDeadline(absl::InfiniteFuture());
  Started<Flow::WriteOperation> next;
  next.rest = late.rest;
  ASSERT_FALSE(pair_.left->StartWrite(&next));
  EXPECT_THAT(pair_.right->Read(), HoldsData("llo"));
  next.over.WaitForNotification();
  EXPECT_THAT(next.status, IsOk());
}

TEST_F(StartedMaskedFlowTest, APendingReadIsUnmasked) {
  Started<Flow::ReadOperation> read;
  ASSERT_FALSE(pair_.left->StartRead(&read));
  EXPECT_THAT(pair_.right->Write("answer"), IsOk());
  read.over.WaitForNotification();
  EXPECT_THAT(read.result, HoldsData("answer"));
}

}  // namespace
}  // namespace flow::examples
