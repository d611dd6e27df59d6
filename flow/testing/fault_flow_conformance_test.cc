// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Without faults, a fault flow around a pipe is as good as the pipe, whether
// its calls block or start.

#include <cstddef>
#include <string>
#include <utility>

#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/start_calls.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

ConformanceOptions FaultFlows(std::string name, size_t capacity,
                              size_t max_read, size_t max_write) {
  ConformanceOptions options;
  options.name = std::move(name);
  const auto make = [=](size_t of) {
    FaultOptions pieces;
    pieces.max_read = max_read;
    pieces.max_write = max_write;
    Pipe pipe = MakePipe(of);
    return FlowPair{MaybeStarts(MakeFaultFlow(std::move(pipe.left), pieces)),
                    MaybeStarts(MakeFaultFlow(std::move(pipe.right), pieces))};
  };
  options.make_pair = [=] { return make(capacity); };
  // A started write is a Cord, of which a pipe with any room accepts all.
  const bool accepts_all = StartsCalls() && max_write == kNoLimit;
  options.make_full = [=] { return make(accepts_all ? 0 : capacity); };
  options.more_than_full = 16 << 10;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    FaultFlow, FlowConformanceTest,
    ::testing::Values(FaultFlows("rendezvous", 0, kNoLimit, kNoLimit),
                      FaultFlows("capacity_4096", 4096, kNoLimit, kNoLimit),
                      FaultFlows("in_pieces", 4096, 1000, 100)),
    ConformanceName);

}  // namespace
}  // namespace flow::testing
