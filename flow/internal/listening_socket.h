// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/listening_socket.h
//
// Sockets that listen. Not for users of the library.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOW_INTERNAL_LISTENING_SOCKET_H_
#define FLOW_INTERNAL_LISTENING_SOCKET_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/socket_file.h"
#include "flow/socket_options.h"

namespace flow::internal {

// ListeningSocket
//
// A socket for calls that do not wait.
struct ListeningSocket {
  OwnedFd fd;
  KernelAddress address;  // with the port that was chosen, if it was 0
  SocketFile file;        // last, so that it is removed before `fd` is closed
};

// ListenOnAll()
//
// Listens on each of `addresses`, at least one: those of one name, with one
// port. If the port is 0, one is chosen that is free on all of them. Addresses
// that this machine does not have are left out, as long as it has one. Errors
// are as Listen() returns them, without the address, and leave nothing behind.
// `options` are valid.
absl::StatusOr<std::vector<ListeningSocket>> ListenOnAll(
    absl::Span<const KernelAddress> addresses, const ListenOptions& options);

// AdoptListeningSocket()
//
// Takes over `fd`, which somebody else has made and which listens. Its number
// changes, so that a standard stream is replaced by /dev/null. Errors are as
// ListenOnFd() returns them, without the number, and close it.
absl::StatusOr<ListeningSocket> AdoptListeningSocket(
    int fd, const SocketOptions& accepted);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_LISTENING_SOCKET_H_
