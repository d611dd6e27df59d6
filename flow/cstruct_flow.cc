// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cstruct_flow.h"

#include <memory>
#include <utility>
#include <vector>

#include "flow/buffer_list.h"
#include "flow/cstruct.h"
#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow {
namespace {

std::vector<Cstruct> ListOf(Cstruct element) {
  std::vector<Cstruct> list;
  list.push_back(std::move(element));
  return list;
}

}  // namespace

Input InputCstruct(Cstruct data) {
  return InputCstructs(ListOf(std::move(data)));
}

Input InputCstructs(std::vector<Cstruct> data) {
  return internal::InputList(std::move(data), [](Cstruct&& window) {
    return std::move(window).ToCord();
  });
}

Output OutputCstruct(Cstruct memory) {
  return OutputCstructs(ListOf(std::move(memory)));
}

Output OutputCstructs(std::vector<Cstruct> memory) {
  return internal::OutputList(std::move(memory),
                              [](Cstruct& window) { return window.span(); });
}

std::unique_ptr<Flow> MakeCstructFlow(Cstruct input, Cstruct output) {
  return MakeCstructFlow(ListOf(std::move(input)), ListOf(std::move(output)));
}

std::unique_ptr<Flow> MakeCstructFlow(std::vector<Cstruct> input,
                                      std::vector<Cstruct> output) {
  FunctionFlowOptions options;
  options.name = "cstruct";
  options.input = InputCstructs(std::move(input));
  options.output = OutputCstructs(std::move(output));
  return MakeFunctionFlow(std::move(options));
}

}  // namespace flow
