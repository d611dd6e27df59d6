// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/set_socket_options.h
//
// SocketOptions and ListenOptions as the kernel wants them. Not for users of
// the library.

#ifndef FLOW_INTERNAL_SET_SOCKET_OPTIONS_H_
#define FLOW_INTERNAL_SET_SOCKET_OPTIONS_H_

#include "absl/status/status.h"
#include "flow/socket_options.h"

namespace flow::internal {

// CheckSocketOptions(), CheckListenOptions()
//
// Return kInvalidArgument if an option is invalid.
absl::Status CheckSocketOptions(const SocketOptions& options);
absl::Status CheckListenOptions(const ListenOptions& options);

// SetTcpOptions()
//
// Sets up `fd`, a TCP socket, by `options`, which are valid, and so that urgent
// data are data. The connections that a listening socket accepts inherit what
// was set for it.
void SetTcpOptions(int fd, const SocketOptions& options);

// SetBufferSizes()
//
// Sets the sizes of the buffers of `fd`, which is all that a Unix socket has of
// `options`. Its connections that are accepted inherit nothing.
void SetBufferSizes(int fd, const SocketOptions& options);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SET_SOCKET_OPTIONS_H_
