// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/socket_transport.h
//
// A flow on a connected stream socket: what fd_flow.h and socket.h make. Not
// for users of the library.

#ifndef FLOW_INTERNAL_SOCKET_TRANSPORT_H_
#define FLOW_INTERNAL_SOCKET_TRANSPORT_H_

#include <memory>
#include <string>

#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/kernel_address.h"

namespace flow::internal {

// MakeSocketFlow()
//
// Returns a flow that owns `fd`, a socket of the type SOCK_STREAM that is
// connected to `remote`. It is called `name`, or after its addresses if that is
// empty. If `engine` is not null, its calls start on that.
std::unique_ptr<Flow> MakeSocketFlow(int fd, std::string name,
                                     const KernelAddress& remote,
                                     Engine* engine = nullptr);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SOCKET_TRANSPORT_H_
