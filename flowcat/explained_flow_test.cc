// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/explained_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/operation.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/conformance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowConformanceTest;

flow::testing::FlowPair ExplainedPair(size_t capacity) {
  flow::Pipe pipe = flow::MakePipe(capacity);
  return {MakeExplainedFlow(std::move(pipe.left), "a", "a"),
          MakeExplainedFlow(std::move(pipe.right), "b", "b")};
}

flow::testing::ConformanceOptions ExplainedFlows() {
  flow::testing::ConformanceOptions options;
  options.name = "explained";
  options.make_pair = [] { return ExplainedPair(256 << 10); };
  options.make_full = [] { return ExplainedPair(4096); };
  return options;
}

INSTANTIATE_TEST_SUITE_P(ExplainedFlow, FlowConformanceTest,
                         ::testing::Values(ExplainedFlows()),
                         flow::testing::ConformanceName);

// A flow whose functions all fail.
std::unique_ptr<flow::Flow> Broken() {
  flow::FunctionFlowOptions options;
  options.name = "broken";
  options.input = flow::Input::Buffers([]() -> absl::StatusOr<absl::Cord> {
    return absl::InternalError("read: Input/output error");
  });
  options.output = flow::Output::Buffers([](absl::Cord) {
    return absl::ResourceExhaustedError("write: No space left on device");
  });
  options.close = [] { return absl::InternalError("close: Disk on fire"); };
  return MakeExplainedFlow(flow::MakeFunctionFlow(std::move(options)), "in",
                           "out");
}

TEST(ExplainedFlowTest, ErrorsSayWhatWasTriedOnWhat) {
  const auto flow = Broken();
  const absl::Status read = flow->Read().status();
  EXPECT_THAT(read, StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(CauseOf(read), "cannot read in: Input/output error");
  const absl::Status write = flow->Write("x");
  EXPECT_THAT(write, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(CauseOf(write), "cannot write out: No space left on device");
}

TEST(ExplainedFlowTest, ErrorsOfClosingDoToo) {
  EXPECT_EQ(CauseOf(Broken()->Close()), "cannot close out: Disk on fire");
}

TEST(ExplainedFlowTest, TheFirstCauseStays) {
  const auto flow = MakeExplainedFlow(Broken(), "outer", "outer");
  EXPECT_EQ(CauseOf(flow->Read().status()),
            "cannot read in: Input/output error");
}

TEST(ExplainedFlowTest, AReaderThatTakesNoMoreIsClosed) {
  flow::Pipe pipe = flow::MakePipe();
  EXPECT_THAT(pipe.right->Shutdown(flow::ShutdownMode::kRead), IsOk());
  const auto flow = MakeExplainedFlow(std::move(pipe.left), "a", "b");
  const absl::Status status = flow->Write("x");
  EXPECT_TRUE(flow::IsClosed(status));
  EXPECT_EQ(CauseOf(status), "cannot write b: its reader has closed it");
}

TEST(ExplainedFlowTest, AReasonOfAbortIsItself) {
  const auto flow = Broken();
  flow->Abort(absl::AbortedError("ended: by me"));
  EXPECT_EQ(CauseOf(flow->Read().status()), "ended: by me");
}

struct Reading final : flow::ReadOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

struct Writing final : flow::WriteOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

struct Closing final : flow::CloseOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

TEST(ExplainedFlowTest, StartedCallsAreExplainedToo) {
  const auto engine = flow::EpollEngine::Make().value();
  std::thread thread([&] { engine->Run(); });
  {
    const std::string name = "a";
    flow::Pipe pipe = flow::MakePipe(/*capacity=*/4);
    pipe.left->SetEngine(engine.get());
    const auto flow = MakeExplainedFlow(std::move(pipe.left), &name);
    Reading read;
    ASSERT_FALSE(flow->StartRead(&read));
    EXPECT_THAT(pipe.right->Write("data"), IsOk());
    read.over.WaitForNotification();
    EXPECT_THAT(read.result, IsOkAndHolds("data"));

    EXPECT_THAT(flow->Write("full"), IsOk());
    Writing write;
    write.rest = absl::Cord("too much");
    ASSERT_FALSE(flow->StartWrite(&write));
    EXPECT_THAT(pipe.right->Shutdown(flow::ShutdownMode::kRead), IsOk());
    write.over.WaitForNotification();
    EXPECT_EQ(CauseOf(write.status),
              "cannot write a: its reader has closed it");

    pipe.right->Abort(absl::AbortedError("broken: by the peer"));
    Reading broken;
    if (!flow->StartRead(&broken)) broken.over.WaitForNotification();
    EXPECT_EQ(CauseOf(broken.result.status()), "cannot read a: by the peer");
    Closing close;
    if (!flow->StartClose(&close)) close.over.WaitForNotification();
    EXPECT_FALSE(close.status.ok());
  }
  engine->Stop();
  thread.join();
}

TEST(CauseOfTest, IsTheMessageOfAStatusFromElsewhere) {
  EXPECT_EQ(CauseOf(absl::InternalError("why")), "why");
}

TEST(ExplainedTest, OkStaysOk) {
  EXPECT_THAT(Explained(absl::OkStatus(), "read", "a"), IsOk());
}

}  // namespace
}  // namespace flowcat
