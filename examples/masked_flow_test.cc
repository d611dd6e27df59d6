// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The examples of docs/testing.md: a flow of your own under the conformance
// suite, and code under every fault.

#include "examples/masked_flow.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/copy.h"
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

}  // namespace
}  // namespace flow::examples
