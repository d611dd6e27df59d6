// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/set_socket_options.h
//
// SocketOptions as the kernel wants them. Not for users of the library.

#ifndef FLOW_INTERNAL_SET_SOCKET_OPTIONS_H_
#define FLOW_INTERNAL_SET_SOCKET_OPTIONS_H_

#include "absl/status/status.h"
#include "flow/socket_options.h"

namespace flow::internal {

// CheckSocketOptions()
//
// Returns kInvalidArgument if one has a value that it cannot have.
absl::Status CheckSocketOptions(const SocketOptions& options);

// SetTcpOptions()
//
// Sets `fd`, a TCP socket, up by `options`, which are valid, with TCP_NODELAY,
// and such that urgent data are data. What is set for one that listens holds
// for those that it accepts.
void SetTcpOptions(int fd, const SocketOptions& options);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SET_SOCKET_OPTIONS_H_
