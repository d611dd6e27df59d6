// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/descriptor_transport.h
//
// One or two descriptors as a transport: pipes, terminals, files; whatever is
// not a connection. What fd_flow.h makes flows of. Not for users of the
// library.

#ifndef FLOW_INTERNAL_DESCRIPTOR_TRANSPORT_H_
#define FLOW_INTERNAL_DESCRIPTOR_TRANSPORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "flow/transport.h"

namespace flow::internal {

// MakeDescriptorTransport()
//
// Returns a transport that owns both descriptors, which are open and may be the
// same. They stay the caller's if the kernel does not say what they are, which
// is an error.
absl::StatusOr<std::unique_ptr<Transport>> MakeDescriptorTransport(
    int read_fd, int write_fd, std::string name);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_DESCRIPTOR_TRANSPORT_H_
