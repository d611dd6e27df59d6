// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A transport of one's own under the whole contract, and what it adds.

#include "meter.h"

#include <string>
#include <utility>

#include "absl/status/status_matchers.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/string_flow.h"
#include "flow/testing/conformance.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::absl_testing::IsOk;
using ::flow::testing::ConformanceName;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;

flow::testing::ConformanceOptions MeteredPipes() {
  static Meter& meter = *new Meter;
  flow::testing::ConformanceOptions options;
  options.name = "metered_pipe";
  options.make_pair = [] {
    flow::Pipe pipe = flow::MakePipe();
    return flow::testing::FlowPair{MeterFlow(std::move(pipe.left), &meter),
                                   MeterFlow(std::move(pipe.right), &meter)};
  };
  // Fills up, so that writes block.
  options.make_full = [] {
    flow::Pipe pipe = flow::MakePipe(/*capacity=*/4096);
    return flow::testing::FlowPair{MeterFlow(std::move(pipe.left), &meter),
                                   MeterFlow(std::move(pipe.right), &meter)};
  };
  return options;
}

INSTANTIATE_TEST_SUITE_P(Meter, FlowConformanceTest,
                         ::testing::Values(MeteredPipes()), ConformanceName);

TEST(MeterTest, CountsWhatPasses) {
  Meter meter;
  std::string space(5, '-');
  const auto flow =
      MeterFlow(flow::MakeStringFlow("hello", absl::MakeSpan(space)), &meter);
  EXPECT_THAT(flow->Read(), HoldsData("hello"));
  EXPECT_EQ(meter.bytes_read, 5);
  EXPECT_THAT(flow->Write("wor"), IsOk());
  // Of these, two are accepted.
  EXPECT_THAT(flow->Write("ld and more"), IsClosed());
  EXPECT_EQ(meter.bytes_written, 5);
}

}  // namespace
