// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/string_flow.h"
#include "flowcat/child_process.h"
#include "flowcat/endpoint_file.h"
#include "flowcat/endpoint_socket.h"
#include "flowcat/endpoint_spec.h"
#include "flowcat/explained_flow.h"

namespace flowcat {
namespace {

using Kind = EndpointSpec::Kind;

// Hands the same memory over again and again.
flow::Input Zeros(int64_t size) {
  // As much as Copy() takes at a time, so that it need not be divided.
  static const size_t block_size = flow::CopyOptions().max_read;
  static const auto* const zeros = new std::string(block_size, '\0');
  absl::Cord block = absl::MakeCordFromExternal(*zeros, [] {});
  return flow::Input::Buffers(
      [block = std::move(block),
       remaining = size]() mutable -> absl::StatusOr<absl::Cord> {
        const auto whole = static_cast<int64_t>(block.size());
        if (remaining >= whole) {
          remaining -= whole;
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

absl::StatusOr<Endpoint> OpenCommand(const EndpointSpec& spec,
                                     ChildProcess::Streams streams,
                                     const OpenOptions& options) {
  std::string command = spec.text;
  if (options.descriptors_of_commands.has_value()) {
    // By the shell, as posix_spawn(3) cannot set a limit, prlimit(2) afterwards
    // could come too late, and to lower our own for a moment would fail other
    // threads. On the same line, so that its errors name the same line.
    command = absl::StrCat("ulimit -S -n ", *options.descriptors_of_commands,
                           "; ", command);
  }
  absl::StatusOr<std::unique_ptr<ChildProcess>> child =
      ChildProcess::Start(command, streams);
  if (!child.ok()) return Explained(child.status(), "run", spec.operand);
  absl::StatusOr<std::unique_ptr<flow::Flow>> pipes = (*child)->TakePipes();
  if (!pipes.ok()) return Explained(pipes.status(), "run", spec.operand);
  Endpoint endpoint;
  endpoint.name = spec.operand;
  endpoint.two_way = true;
  endpoint.child = *std::move(child);
  endpoint.flow =
      MakeExplainedFlow(*std::move(pipes), endpoint.name, endpoint.name);
  return endpoint;
}

absl::Status NotPossible(const EndpointSpec& spec, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(spec.operand, " cannot be ", what));
}

}  // namespace

void Endpoint::Abort(const absl::Status& reason) {
  if (child != nullptr) child->Terminate();
  flow->Abort(reason);
}

void Endpoint::Discard(const absl::Status& reason) {
  Abort(reason);
  flow.reset();
  if (child == nullptr) return;
  child->End(absl::ZeroDuration()).IgnoreError();
}

absl::StatusOr<Endpoint> OpenSource(const EndpointSpec& spec,
                                    const OpenOptions& options) {
  switch (spec.kind) {
    case Kind::kStandardStream:
      return OpenStandardInput();
    case Kind::kFile:
      return OpenFileSource(spec.text, options.stop);
    case Kind::kNull:
      return InMemory("null:", flow::Input(), flow::Output(), 0);
    case Kind::kString:
      return InMemory("string:", flow::InputString(std::string(spec.text)),
                      flow::Output(), static_cast<int64_t>(spec.text.size()));
    case Kind::kZero:
      return InMemory("zero:", Zeros(spec.size), flow::Output(), spec.size);
    case Kind::kDial:
      return OpenDialed(spec.text, options);
    case Kind::kExec:
      return OpenCommand(spec, ChildProcess::Streams::kOutput, options);
    case Kind::kDescriptor:
      return OpenDescriptorSource(spec.descriptor);
    case Kind::kListen:
      break;
  }
  return NotPossible(spec, "opened as a source");
}

absl::StatusOr<Endpoint> OpenSink(const EndpointSpec& spec,
                                  const Endpoint& source,
                                  const OpenOptions& options) {
  switch (spec.kind) {
    case Kind::kStandardStream:
      return OpenStandardOutput(source);
    case Kind::kFile:
      return OpenFileSink(spec.text, source, options.stop);
    case Kind::kNull:
      return InMemory(
          "null:", flow::Input(),
          flow::Output::Buffers([](absl::Cord) { return absl::OkStatus(); }),
          std::nullopt);
    case Kind::kDial:
      return OpenDialed(spec.text, options);
    case Kind::kExec:
      return OpenCommand(spec, ChildProcess::Streams::kInput, options);
    case Kind::kDescriptor:
      return OpenDescriptorSink(spec.descriptor, source);
    case Kind::kListen:
    case Kind::kString:
    case Kind::kZero:
      break;
  }
  return NotPossible(spec, "opened as a sink");
}

absl::StatusOr<Endpoint> OpenBothWays(const EndpointSpec& spec,
                                      const OpenOptions& options) {
  switch (spec.kind) {
    case Kind::kStandardStream:
      return OpenStandardStreams();
    case Kind::kDial:
      return OpenDialed(spec.text, options);
    case Kind::kExec:
      return OpenCommand(spec, ChildProcess::Streams::kBoth, options);
    case Kind::kDescriptor:
      return OpenDescriptor(spec.descriptor);
    case Kind::kFile:
    case Kind::kNull:
    case Kind::kString:
    case Kind::kZero:
    case Kind::kListen:
      break;
  }
  return NotPossible(spec, "read and written");
}

}  // namespace flowcat
