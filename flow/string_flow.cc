// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/string_flow.h"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/buffer_list.h"
#include "flow/flow.h"
#include "flow/function_flow.h"

namespace flow {
namespace {

std::unique_ptr<Flow> Make(Input input, Output output) {
  FunctionFlowOptions options;
  options.name = "string";
  options.input = std::move(input);
  options.output = std::move(output);
  return MakeFunctionFlow(std::move(options));
}

}  // namespace

Input InputString(std::string data) {
  std::vector<std::string> list;
  list.push_back(std::move(data));
  return InputStrings(std::move(list));
}

Input InputStrings(std::vector<std::string> data) {
  return internal::InputList(std::move(data), [](std::string&& string) {
    return absl::Cord(std::move(string));
  });
}

Output OutputBytes(absl::Span<char> memory) {
  return OutputBytes(std::vector<absl::Span<char>>{memory});
}

Output OutputBytes(std::vector<absl::Span<char>> memory) {
  return internal::OutputList(std::move(memory),
                              [](absl::Span<char> span) { return span; });
}

Output OutputString(std::string* sink) {
  ABSL_CHECK(sink != nullptr) << "OutputString(nullptr)";
  return Output::Lists([sink](absl::Span<const absl::string_view> list)
                           -> absl::StatusOr<size_t> {
    size_t size = 0;
    for (absl::string_view piece : list) {
      sink->append(piece.data(), piece.size());
      size += piece.size();
    }
    return size;
  });
}

std::unique_ptr<Flow> MakeStringFlow(std::string input,
                                     absl::Span<char> output) {
  return Make(InputString(std::move(input)), OutputBytes(output));
}

std::unique_ptr<Flow> MakeStringFlow(std::vector<std::string> input,
                                     std::vector<absl::Span<char>> output) {
  return Make(InputStrings(std::move(input)), OutputBytes(std::move(output)));
}

std::unique_ptr<Flow> MakeStringFlow(std::string input, std::string* output) {
  return Make(InputString(std::move(input)), OutputString(output));
}

std::unique_ptr<Flow> MakeStringFlow(std::vector<std::string> input,
                                     std::string* output) {
  return Make(InputStrings(std::move(input)), OutputString(output));
}

std::unique_ptr<Flow> MakeStringFlow(
    std::initializer_list<absl::string_view> input,
    std::vector<absl::Span<char>> output) {
  return MakeStringFlow(std::vector<std::string>(input.begin(), input.end()),
                        std::move(output));
}

std::unique_ptr<Flow> MakeStringFlow(
    std::initializer_list<absl::string_view> input, std::string* output) {
  return MakeStringFlow(std::vector<std::string>(input.begin(), input.end()),
                        output);
}

}  // namespace flow
