// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A flow with a tee under the suite and under faults: the flow keeps its
// contract whatever the side does, and no copy looks whole that is not.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/tee.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/conformance.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/deadlines.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultPlan;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using SlowSide = TeeOptions::SlowSide;

// Takes everything at once.
std::unique_ptr<Flow> WillingSide() {
  FunctionFlowOptions options;
  options.output =
      Output::Buffers([](const absl::Cord&) { return absl::OkStatus(); });
  return MakeFunctionFlow(std::move(options));
}

std::unique_ptr<Flow> TeeBoth(std::unique_ptr<Flow> flow) {
  return TeeReads(TeeWrites(std::move(flow), WillingSide()), WillingSide());
}

// A side whose other end is gone, and whose buffer is full with one byte.
std::unique_ptr<Flow> TeeToNobody(std::unique_ptr<Flow> flow) {
  TeeOptions options;
  options.buffer = 1;
  options.slow_side = SlowSide::kLose;
  return TeeReads(TeeWrites(std::move(flow), MakePipe().left, options),
                  MakePipe().left, options);
}

using Tee = std::unique_ptr<Flow> (*)(std::unique_ptr<Flow> flow);

ConformanceOptions Teed(std::string name, Tee tee) {
  ConformanceOptions options;
  options.name = std::move(name);
  options.make_pair = [tee] {
    Pipe pipe = MakePipe();
    return FlowPair{tee(std::move(pipe.left)), std::move(pipe.right)};
  };
  options.make_full = [tee] {
    Pipe pipe = MakePipe(4096);
    return FlowPair{tee(std::move(pipe.left)), std::move(pipe.right)};
  };
  return options;
}

INSTANTIATE_TEST_SUITE_P(Tee, FlowConformanceTest,
                         ::testing::Values(Teed("held", TeeBoth),
                                           Teed("lost", TeeToNobody)),
                         flow::testing::ConformanceName);

constexpr size_t kSize = 300;
constexpr size_t kPart = 64;

// What can be read from the other end of a side, and how it ends.
void CheckCopy(Flow& copy, size_t passed, bool is_whole) {
  absl::Cord read;
  const absl::Status end = ReadAll(copy, kSize, &read);
  EXPECT_EQ(end.ok(), is_whole) << end;
  if (is_whole) {
    EXPECT_EQ(read, Pattern(0, passed));
  }
  EXPECT_LE(read.size(), passed);
  EXPECT_EQ(read, Pattern(0, read.size()));
}

// With one byte of buffer each call waits for the side, so that the operations
// of the side come in the same parts every time.
TeeOptions InStep() {
  TeeOptions options;
  options.buffer = 1;
  return options;
}

TEST(TeeFaultTest, ReadsAreUndisturbedAndNoCopyLooksWholeThatIsNot) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe(kNoLimit);
    Pipe side = MakePipe(kNoLimit);
    EXPECT_THAT(pipe.right->Write(Pattern(0, kSize)), IsOk());
    EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
    auto main = plan.Wrap(std::move(pipe.left), kPart);
    auto flow =
        TeeReads(std::move(main), plan.Wrap(std::move(side.left)), InStep());
    absl::Cord all;
    absl::Status status = ReadAll(*flow, kSize, &all);
    const bool main_fired = plan.fired() && plan.flow() == 0;
    if (main_fired) {
      EXPECT_THAT(status, StatusIs(plan.error().code()));
    } else {
      EXPECT_THAT(status, IsOk());
    }
    if (absl::IsDeadlineExceeded(status)) status = ReadAll(*flow, kSize, &all);
    EXPECT_EQ(all, Pattern(0, status.ok() ? kSize : flow->bytes_read()));
    const absl::Status closed = flow->Close(Patience());
    const bool side_fired = plan.fired() && plan.flow() == 1;
    if (side_fired) {
      EXPECT_THAT(closed, IsOk());
    }
    CheckCopy(*side.right, all.size(), status.ok() && !side_fired);
  });
  // 6 Reads in 3 modes and an end in 2; 5 writes in 4 and an end in 2.
  EXPECT_EQ(points, 6 * 3 + 2 + 5 * 4 + 2);
}

TEST(TeeFaultTest, WritesAreUndisturbedAndNoCopyLooksWholeThatIsNot) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe(kNoLimit);
    Pipe side = MakePipe(kNoLimit);
    auto main = plan.Wrap(std::move(pipe.left));
    auto flow =
        TeeWrites(std::move(main), plan.Wrap(std::move(side.left)), InStep());
    absl::Status status;
    for (size_t at = 0; at < kSize && status.ok(); at += kPart) {
      absl::Cord part = Pattern(at, std::min(kPart, kSize - at));
      status = flow->WriteFrom(&part);
      // The fault flow has let half of it pass.
      if (absl::IsDeadlineExceeded(status)) status = flow->WriteFrom(&part);
    }
    if (status.ok()) status = flow->Shutdown(ShutdownMode::kWrite);
    if (!plan.fired() || plan.flow() == 1 ||
        plan.mode() == FaultMode::kDeadline) {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status, StatusIs(plan.error().code()));
    }
    pipe.right->Shutdown(ShutdownMode::kWrite).IgnoreError();
    const absl::Status closed = flow->Close(Patience());
    EXPECT_EQ(closed.ok(), status.ok()) << closed;
    // The side is finished only now.
    const bool side_fired = plan.fired() && plan.flow() == 1;
    const size_t written = flow->bytes_written();
    absl::Cord far;
    EXPECT_EQ(ReadAll(*pipe.right, kSize, &far).ok(), status.ok());
    EXPECT_EQ(far, Pattern(0, written));
    CheckCopy(*side.right, written, status.ok() && !side_fired);
  });
  // 5 writes in 4 modes and an end in 2, of each.
  EXPECT_EQ(points, 2 * (5 * 4 + 2));
}

}  // namespace
}  // namespace flow
