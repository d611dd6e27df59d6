// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/socket_transport.h
//
// A connected stream socket as a transport: what fd_flow.h and socket.h make
// flows of. Not for users of the library.

#ifndef FLOW_INTERNAL_SOCKET_TRANSPORT_H_
#define FLOW_INTERNAL_SOCKET_TRANSPORT_H_

#include <memory>
#include <string>

#include "flow/internal/kernel_address.h"
#include "flow/transport.h"

namespace flow::internal {

// MakeSocketTransport()
//
// Returns a transport that owns `fd`, a socket of the type SOCK_STREAM that is
// connected to `remote`. It is called `name`, or after its addresses if that is
// empty.
std::unique_ptr<Transport> MakeSocketTransport(int fd, std::string name,
                                               const KernelAddress& remote);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SOCKET_TRANSPORT_H_
