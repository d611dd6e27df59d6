// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: endpoint_file.h
//
// File descriptors as flows. Private to endpoint.cc.

#ifndef EXAMPLES_ENDPOINT_FILE_H_
#define EXAMPLES_ENDPOINT_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "examples/endpoint.h"

namespace flowcat {

// The payload of an endpoint's error that holds what CauseOf() returns.
inline constexpr absl::string_view kCausePayload = "flowcat/cause";

// See OpenSource() and OpenSink().
absl::StatusOr<Endpoint> OpenFileSource(const std::string& path);
absl::StatusOr<Endpoint> OpenStandardInput();
absl::StatusOr<Endpoint> OpenFileSink(const std::string& path,
                                      const Endpoint& source);
absl::StatusOr<Endpoint> OpenStandardOutput(const Endpoint& source);

}  // namespace flowcat

#endif  // EXAMPLES_ENDPOINT_FILE_H_
