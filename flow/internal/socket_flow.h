// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/socket_flow.h
//
// A connected stream socket as a flow: what fd_flow.h and socket.h make. Not
// for users of the library.

#ifndef FLOW_INTERNAL_SOCKET_FLOW_H_
#define FLOW_INTERNAL_SOCKET_FLOW_H_

#include <memory>
#include <string>

#include "flow/flow.h"

namespace flow::internal {

// MakeSocketFlow()
//
// Returns a flow that owns `fd`, a connected socket of the type SOCK_STREAM.
std::unique_ptr<Flow> MakeSocketFlow(int fd, std::string name);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SOCKET_FLOW_H_
