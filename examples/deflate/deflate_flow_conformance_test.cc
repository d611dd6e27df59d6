// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Deflate flows under the conformance suite.

#include <cstddef>
#include <string>
#include <utility>

#include "examples/deflate/deflate_flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "gtest/gtest.h"

namespace flow::examples {
namespace {

using ::flow::testing::ConformanceOptions;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;

FlowPair DeflatePair(size_t capacity, const DeflateOptions& options) {
  Pipe pipe = MakePipe(capacity);
  return {MakeDeflateFlow(std::move(pipe.left), options),
          MakeDeflateFlow(std::move(pipe.right), options)};
}

ConformanceOptions DeflateFlows(std::string name,
                                const DeflateOptions& options) {
  ConformanceOptions conformance;
  conformance.name = std::move(name);
  conformance.make_pair = [options] { return DeflatePair(256 << 10, options); };
  // Of what was compressed, an abort leaves a part behind.
  conformance.traits.keeps_accepted_before_abort = false;
  conformance.traits.ends_at_once = false;  // the trailer
  conformance.make_full = [options] { return DeflatePair(4096, options); };
  return conformance;
}

INSTANTIATE_TEST_SUITE_P(DeflateFlow, FlowConformanceTest,
                         ::testing::Values(DeflateFlows("deflate",
                                                        DeflateOptions())),
                         flow::testing::ConformanceName);

}  // namespace
}  // namespace flow::examples
