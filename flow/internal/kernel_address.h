// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/kernel_address.h
//
// Addresses of sockets as the kernel wants them. socket_address.h has those
// that users see. Not for users of the library.
//
// Thread safety: that of a value.

#ifndef FLOW_INTERNAL_KERNEL_ADDRESS_H_
#define FLOW_INTERNAL_KERNEL_ADDRESS_H_

#include <sys/socket.h>

#include <string>

#include "absl/strings/string_view.h"

namespace flow::internal {

// KernelAddress
//
// An address that bind(2) and connect(2) take.
struct KernelAddress {
  struct sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);

  struct sockaddr* get() {
    return reinterpret_cast<struct sockaddr*>(&storage);
  }
  const struct sockaddr* get() const {
    return reinterpret_cast<const struct sockaddr*>(&storage);
  }
  bool is_unix() const { return storage.ss_family == AF_UNIX; }

  // Returns it as SocketAddress::Parse() takes it, such as `tcp:127.0.0.1:80`,
  // `tcp:[::1]:80`, `unix:/path` or `unix:@name`; empty if it has no name. The
  // bytes of a path are as they are: escape them for people.
  std::string ToString() const;

  // Returns the path of a Unix socket's file; empty if it has none.
  std::string path() const;
};

// UnixAddress()
//
// Returns the address of `path`, that of a SocketAddress.
KernelAddress UnixAddress(absl::string_view path);

// LocalAddressOf(), RemoteAddressOf()
//
// Return the addresses of the connection `fd`; one without a name if the kernel
// does not tell, as after a reset.
KernelAddress LocalAddressOf(int fd);
KernelAddress RemoteAddressOf(int fd);

// NameOfConnection()
//
// Returns what to call the connection `fd` from `local` to `remote`: `tcp
// 127.0.0.1:80`, `unix /path`, `unix socket (fd 5)`. A remote without a name is
// called by the address that it dialed. The result is for people, and escaped.
std::string NameOfConnection(int fd, const KernelAddress& local,
                             const KernelAddress& remote);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_KERNEL_ADDRESS_H_
