// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cord_flow.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/buffer_list.h"
#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow {

Input InputCord(absl::Cord data) {
  return Input::Buffers(
      [data = std::move(data)]() mutable -> absl::StatusOr<absl::Cord> {
        return std::exchange(data, absl::Cord());
      });
}

Input InputCords(std::vector<absl::Cord> data) {
  return internal::InputList(std::move(data),
                             [](absl::Cord&& cord) { return std::move(cord); });
}

Output OutputCord(absl::Cord* sink) {
  ABSL_CHECK(sink != nullptr) << "OutputCord(nullptr)";
  return Output::Buffers([sink](absl::Cord buffer) -> absl::Status {
    sink->Append(std::move(buffer));
    return absl::OkStatus();
  });
}

std::unique_ptr<Flow> MakeCordFlow(absl::Cord input, absl::Cord* output) {
  std::vector<absl::Cord> list;
  list.push_back(std::move(input));
  return MakeCordFlow(std::move(list), output);
}

std::unique_ptr<Flow> MakeCordFlow(std::vector<absl::Cord> input,
                                   absl::Cord* output) {
  FunctionFlowOptions options;
  options.name = "cord";
  options.input = InputCords(std::move(input));
  options.output = OutputCord(output);
  return MakeFunctionFlow(std::move(options));
}

}  // namespace flow
