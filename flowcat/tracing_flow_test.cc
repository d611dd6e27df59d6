// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/tracing_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/conformance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowConformanceTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

flow::testing::FlowPair TracedPair(size_t capacity) {
  const Trace nobody = [](absl::string_view) {};
  flow::Pipe pipe = flow::MakePipe(capacity);
  return {MakeTracingFlow(std::move(pipe.left), nobody),
          MakeTracingFlow(std::move(pipe.right), nobody)};
}

flow::testing::ConformanceOptions TracedFlows() {
  flow::testing::ConformanceOptions options;
  options.name = "traced";
  options.make_pair = [] { return TracedPair(256 << 10); };
  options.make_full = [] { return TracedPair(4096); };
  return options;
}

INSTANTIATE_TEST_SUITE_P(TracingFlow, FlowConformanceTest,
                         ::testing::Values(TracedFlows()),
                         flow::testing::ConformanceName);

class TracingFlowTest : public ::testing::Test {
 protected:
  flow::Pipe pipe_ = flow::MakePipe();
  std::vector<std::string> lines_;
  std::unique_ptr<flow::Flow> flow_ = MakeTracingFlow(
      std::move(pipe_.left),
      [this](absl::string_view line) { lines_.emplace_back(line); });
};

TEST_F(TracingFlowTest, AConversationIsToldInOrder) {
  EXPECT_THAT(pipe_.right->Write("hello"), IsOk());
  EXPECT_THAT(flow_->Read(1), IsOk());
  EXPECT_THAT(flow_->Read(), IsOk());
  EXPECT_THAT(flow_->Write("abc"), IsOk());
  EXPECT_THAT(flow_->Writev({"de", "f"}), IsOk());
  EXPECT_THAT(flow_->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe_.right->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow_->Read(), IsOk());
  EXPECT_THAT(flow_->Close(absl::Now() + absl::Seconds(10)), IsOk());
  EXPECT_THAT(lines_, ElementsAre("read 1 byte", "read 4 bytes",
                                  "write 3 bytes", "write 3 bytes",
                                  "shutdown write", "end-of-file", "close"));
}

TEST_F(TracingFlowTest, ErrorsAreTold) {
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe_.right->Shutdown(flow::ShutdownMode::kRead), IsOk());
  EXPECT_TRUE(flow::IsClosed(flow_->Write("abc")));
  flow_->Abort(absl::AbortedError("enough"));
  EXPECT_THAT(lines_,
              ElementsAre(StartsWith("read: "),
                          StartsWith("write 0 of 3 bytes: "), "abort: enough"));
}

// What interrupts a call can make it return anything.
TEST(TracedAbortTest, AReadThatItEndsIsNoEndOfFile) {
  std::vector<std::string> lines;
  std::unique_ptr<flow::Flow> flow;
  flow::FunctionFlowOptions options;
  options.input = flow::Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    flow->Abort(absl::AbortedError("enough"));
    return absl::Cord();
  });
  flow = MakeTracingFlow(
      flow::MakeFunctionFlow(std::move(options)),
      [&](absl::string_view line) { lines.emplace_back(line); });
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(lines, ElementsAre("abort: enough", "read: enough", "close"));
}

TEST_F(TracingFlowTest, RefusingIsTold) {
  EXPECT_THAT(flow_->Shutdown(flow::ShutdownMode::kRead), IsOk());
  EXPECT_THAT(lines_, ElementsAre("shutdown read"));
}

TEST_F(TracingFlowTest, DestructionIsAnAbort) {
  flow_.reset();
  EXPECT_THAT(lines_, ElementsAre(StartsWith("abort: "), HasSubstr("close")));
}

}  // namespace
}  // namespace flowcat
