// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: endpoint_file.h
//
// The endpoints of flowcat that are files and descriptors, for endpoint.cc.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOWCAT_ENDPOINT_FILE_H_
#define FLOWCAT_ENDPOINT_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "flowcat/endpoint.h"
#include "flowcat/stop.h"

namespace flowcat {

// See OpenSource(), OpenSink() and OpenBothWays(). `stop` may be null.
absl::StatusOr<Endpoint> OpenFileSource(const std::string& path, Stop* stop);
absl::StatusOr<Endpoint> OpenFileSink(const std::string& path,
                                      const Endpoint& source, Stop* stop);

absl::StatusOr<Endpoint> OpenStandardInput();
absl::StatusOr<Endpoint> OpenStandardOutput(const Endpoint& source);
absl::StatusOr<Endpoint> OpenStandardStreams();

// Standard error stays open for messages; its endpoint is a duplicate.
absl::StatusOr<Endpoint> OpenDescriptorSource(int fd);
absl::StatusOr<Endpoint> OpenDescriptorSink(int fd, const Endpoint& source);
absl::StatusOr<Endpoint> OpenDescriptor(int fd);

}  // namespace flowcat

#endif  // FLOWCAT_ENDPOINT_FILE_H_
