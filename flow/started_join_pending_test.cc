// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of a joined flow that are pending. Their outcomes are those of calls
// that block, which join_test.cc tests in both ways.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/borrow.h"
#include "flow/flow.h"
#include "flow/join.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Counted;
using ::flow::testing::FlowOf;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::Soon;

class StartedJoinTest : public ::testing::Test {
 protected:
  StartedJoinTest()
      : in_(MakePipe()),
        out_(MakePipe(/*capacity=*/1)),
        flow_(JoinFlow(std::move(in_.left), std::move(out_.left))) {
    flow_->SetEngine(&engine_);
    write_.rest = absl::Cord("abc");
  }

  ManualEngine engine_;
  Pipe in_;
  Pipe out_;
  std::unique_ptr<Flow> flow_;
  Counted<Flow::ReadOperation> read_;
  Counted<Flow::WriteOperation> write_;
  Counted<Flow::RefusalOperation> refusal_;
  Counted<Flow::CloseOperation> close_;
};

TEST_F(StartedJoinTest, EachDirectionWaitsForItsOwnFlow) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  ASSERT_THAT(out_.right->Write("x"), IsClosed());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 0);
  ASSERT_THAT(in_.right->Write("in"), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, HoldsData("in"));
}

TEST_F(StartedJoinTest, AnAbortEndsAllThatIsPending) {
  flow_->SetWriteDeadline(absl::InfiniteFuture());
  ASSERT_THAT(flow_->Write("x"), IsOk());
  ASSERT_FALSE(flow_->StartRead(&read_));
  ASSERT_FALSE(flow_->StartWrite(&write_));
  ASSERT_FALSE(flow_->StartAwaitRefusal(&refusal_));
  flow_->Abort(absl::DataLossError("no"));
  engine_.RunAll();
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(refusal_.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(read_.done + write_.done + refusal_.done, 3);
}

TEST_F(StartedJoinTest, ADeadlineInThePastLosesNothing) {
  ASSERT_FALSE(flow_->StartRead(&read_));
  flow_->SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(in_.right->Write("in"), IsOk());
  EXPECT_TRUE(flow_->StartRead(&read_));
  EXPECT_THAT(read_.result, HoldsData("in"));
}

TEST_F(StartedJoinTest, ACloseEndsTheOutputAndWaitsForTheInput) {
  ASSERT_FALSE(flow_->StartClose(&close_));
  engine_.RunAll();
  EXPECT_THAT(out_.right->Read(), IsEof());
  EXPECT_EQ(close_.done, 0);
  ASSERT_THAT(in_.right->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close_.done, 1);
  EXPECT_THAT(close_.status, IsOk());
}

// A TCP remote is not told that it is refused. Its end is awaited second.
TEST_F(StartedJoinTest, ACloseWatchesOneAfterTheOtherAndForgetsBoth) {
  const RawPair in = RawUnix();
  const RawPair out = RawTcp();
  auto in_remote = FlowOf(in.right);
  auto out_remote = FlowOf(out.right);
  auto flow = JoinFlow(FlowOf(in.left), FlowOf(out.left));
  flow->SetEngine(&engine_);
  ASSERT_FALSE(flow->StartClose(&close_));
  EXPECT_TRUE(engine_.knows(in.left));
  ASSERT_THAT(in_remote->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.MakeReady(in.left);
  engine_.RunAll();
  // It looks again by a timer until the remote has acknowledged the end.
  while (!engine_.knows(out.left) && close_.done == 0) {
    engine_.FireTimers();
    engine_.RunAll();
    std::this_thread::yield();
  }
  EXPECT_TRUE(engine_.knows(out.left));
  ASSERT_THAT(out_remote->Shutdown(ShutdownMode::kWrite), IsOk());
  while (close_.done == 0) {
    engine_.MakeReady(out.left);
    engine_.FireTimers();
    engine_.RunAll();
    std::this_thread::yield();
  }
  EXPECT_THAT(close_.status, IsOk());
  // Somebody else may get these numbers.
  EXPECT_FALSE(engine_.knows(in.left));
  EXPECT_FALSE(engine_.knows(out.left));
}

// A remote that does not end. A transport may say that it is late, or nothing.
class EndlessTransport final : public Transport {
 public:
  EndlessTransport(bool says_so, int* aborts)
      : says_so_(says_so), aborts_(*aborts) {}
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
  std::string Describe() const override { return "endless"; }
  bool CanStart() const override { return true; }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    if (retry != nullptr || !says_so_) return std::nullopt;
    return absl::DeadlineExceededError("late");
  }
  void Abort(const absl::Status&) override { ++aborts_; }

 private:
  const bool says_so_;
  int& aborts_;
};

// The lender of the input goes on, so the whole is not aborted.
TEST_F(StartedJoinTest, AnOutputThatIsLateInCloseIsAbortedAndTheLenderGoesOn) {
  for (const bool says_so : {false, true}) {
    int aborts = 0;
    Pipe pipe = MakePipe();
    pipe.left->SetEngine(&engine_);
    auto flow = JoinFlow(
        BorrowFlow(*pipe.left),
        MakeFlow(std::make_unique<EndlessTransport>(says_so, &aborts)));
    const absl::Time deadline = Soon();
    if (!flow->StartClose(&close_, deadline)) {
      absl::SleepFor(deadline - absl::Now() + absl::Milliseconds(20));
      engine_.FireTimers();
      engine_.RunAll();
    }
    EXPECT_THAT(close_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(aborts, 1);
    EXPECT_THAT(pipe.left->Write("on"), IsOk());
  }
}

TEST_F(StartedJoinTest, AJoinedFlowHasTheEngineOfItsInputOrOutput) {
  for (const bool of_input : {false, true}) {
    Pipe in = MakePipe();
    Pipe out = MakePipe();
    (of_input ? in : out).left->SetEngine(&engine_);
    auto flow = JoinFlow(std::move(in.left), std::move(out.left));
    EXPECT_EQ(flow->engine(), &engine_);
    EXPECT_FALSE(flow->StartRead(&read_));
    flow->Abort(absl::OkStatus());
    engine_.RunAll();
  }
}

TEST_F(StartedJoinTest, OnTwoEnginesItCanOnlyBlock) {
  ManualEngine other;
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  in.left->SetEngine(&engine_);
  out.left->SetEngine(&other);
  auto flow = JoinFlow(std::move(in.left), std::move(out.left));
  EXPECT_TRUE(flow->StartRead(&read_));
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kUnimplemented));
  ASSERT_THAT(in.right->Write("in"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("in"));
}

}  // namespace
}  // namespace flow
