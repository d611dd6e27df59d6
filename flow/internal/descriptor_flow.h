// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/descriptor_flow.h
//
// One or two descriptors as a flow: pipes, terminals, files; whatever is not a
// connection. What fd_flow.h makes. Not for users of the library.

#ifndef FLOW_INTERNAL_DESCRIPTOR_FLOW_H_
#define FLOW_INTERNAL_DESCRIPTOR_FLOW_H_

#include <memory>
#include <string>

#include "flow/flow.h"

namespace flow::internal {

// MakeDescriptorFlow()
//
// Returns a flow that owns both descriptors, which are open and may be the
// same.
std::unique_ptr<Flow> MakeDescriptorFlow(int read_fd, int write_fd,
                                         std::string name);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_DESCRIPTOR_FLOW_H_
