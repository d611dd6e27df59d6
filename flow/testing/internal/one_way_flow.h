// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/one_way_flow.h
//
// A function flow with an input, or an output, and nothing else. Only for our
// own tests and benchmarks.

#ifndef FLOW_TESTING_INTERNAL_ONE_WAY_FLOW_H_
#define FLOW_TESTING_INTERNAL_ONE_WAY_FLOW_H_

#include <memory>
#include <utility>

#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow::testing {

inline std::unique_ptr<Flow> FromInput(Input input) {
  FunctionFlowOptions options;
  options.input = std::move(input);
  return MakeFunctionFlow(std::move(options));
}

inline std::unique_ptr<Flow> FromOutput(Output output) {
  FunctionFlowOptions options;
  options.output = std::move(output);
  return MakeFunctionFlow(std::move(options));
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_ONE_WAY_FLOW_H_
