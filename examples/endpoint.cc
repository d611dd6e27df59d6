// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/endpoint.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "examples/byte_size.h"
#include "examples/endpoint_file.h"
#include "flow/copy.h"
#include "flow/function_flow.h"
#include "flow/string_flow.h"

namespace flowcat {
namespace {

using Kind = EndpointSpec::Kind;

// Splits `SCHEME:REST`, where SCHEME is formed as in a URL (RFC 3986, section
// 3.1). Without such a beginning, returns nullopt.
std::optional<std::pair<absl::string_view, absl::string_view>> SplitScheme(
    absl::string_view operand) {
  const size_t colon = operand.find(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  const absl::string_view scheme = operand.substr(0, colon);
  const auto in_scheme = [](char c) {
    return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
  };
  if (scheme.empty() || !absl::ascii_isalpha(scheme.front()) ||
      !absl::c_all_of(scheme, in_scheme)) {
    return std::nullopt;
  }
  return std::make_pair(scheme, operand.substr(colon + 1));
}

EndpointSpec Spec(Kind kind, absl::string_view text = "", int64_t size = 0) {
  EndpointSpec spec;
  spec.kind = kind;
  spec.text = std::string(text);
  spec.size = size;
  return spec;
}

absl::StatusOr<EndpointSpec> File(absl::string_view path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("the name of a file is empty");
  }
  return Spec(Kind::kFile, path);
}

absl::StatusOr<EndpointSpec> Parse(absl::string_view operand, bool is_source) {
  if (operand == "-") return Spec(Kind::kStandardStream);
  const auto split = SplitScheme(operand);
  if (!split.has_value()) return File(operand);
  const auto [scheme, rest] = *split;
  if (scheme == "file") return File(rest);
  if (scheme == "null") {
    if (rest.empty()) return Spec(Kind::kNull);
    return absl::InvalidArgumentError(
        absl::StrCat("'", operand, "': nothing may follow null:"));
  }
  const bool known = scheme == "string" || scheme == "zero";
  if (known && !is_source) {
    return absl::InvalidArgumentError(
        absl::StrCat(scheme, ": can only be read from, not written to"));
  }
  if (scheme == "string") return Spec(Kind::kString, rest);
  if (scheme == "zero") {
    const absl::StatusOr<int64_t> size = ParseByteSize(rest);
    if (!size.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("zero: ", size.status().message()));
    }
    return Spec(Kind::kZero, "", *size);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", scheme, ":' is none of file:, null:, string:, zero:; for the file ",
      operand, " write ./", operand, " or file:", operand));
}

// Hands the same memory over again and again.
flow::Input Zeros(int64_t size) {
  // As much as Copy() takes at a time, so that it need not be divided.
  static constexpr size_t kBlock = flow::CopyOptions().max_read;
  static char zeros[kBlock];
  absl::Cord block =
      absl::MakeCordFromExternal(absl::string_view(zeros, kBlock), [] {});
  return flow::Input::Buffers(
      [block = std::move(block),
       remaining = size]() mutable -> absl::StatusOr<absl::Cord> {
        if (remaining >= static_cast<int64_t>(kBlock)) {
          remaining -= kBlock;
          return block;
        }
        return block.Subcord(0, std::exchange(remaining, 0));
      });
}

Endpoint InMemory(std::string name, flow::Input input, flow::Output output,
                  std::optional<int64_t> size) {
  Endpoint endpoint;
  endpoint.name = name;
  endpoint.size = size;
  flow::FunctionFlowOptions options;
  options.name = std::move(name);
  options.input = std::move(input);
  options.output = std::move(output);
  endpoint.flow = flow::MakeFunctionFlow(std::move(options));
  return endpoint;
}

}  // namespace

absl::StatusOr<EndpointSpec> ParseSource(absl::string_view operand) {
  return Parse(operand, /*is_source=*/true);
}

absl::StatusOr<EndpointSpec> ParseSink(absl::string_view operand) {
  return Parse(operand, /*is_source=*/false);
}

absl::StatusOr<Endpoint> OpenSource(EndpointSpec spec) {
  switch (spec.kind) {
    case Kind::kStandardStream:
      return OpenStandardInput();
    case Kind::kFile:
      return OpenFileSource(spec.text);
    case Kind::kNull:
      return InMemory("null:", flow::Input(), flow::Output(), 0);
    case Kind::kString: {
      const auto size = static_cast<int64_t>(spec.text.size());
      return InMemory("string:", flow::InputString(std::move(spec.text)),
                      flow::Output(), size);
    }
    case Kind::kZero:
      return InMemory("zero:", Zeros(spec.size), flow::Output(), spec.size);
  }
  return absl::InternalError("an unknown kind of source");
}

absl::StatusOr<Endpoint> OpenSink(EndpointSpec spec, const Endpoint& source) {
  switch (spec.kind) {
    case Kind::kStandardStream:
      return OpenStandardOutput(source);
    case Kind::kFile:
      return OpenFileSink(spec.text, source);
    case Kind::kNull:
      return InMemory(
          "null:", flow::Input(),
          flow::Output::Buffers([](absl::Cord) { return absl::OkStatus(); }),
          std::nullopt);
    case Kind::kString:
    case Kind::kZero:
      break;
  }
  return absl::InternalError("this kind of endpoint is not a sink");
}

std::string CauseOf(const absl::Status& status) {
  const std::optional<absl::Cord> cause = status.GetPayload(kCausePayload);
  return cause.has_value() ? std::string(*cause)
                           : std::string(status.message());
}

}  // namespace flowcat
