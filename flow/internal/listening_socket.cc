// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/listening_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "flow/internal/bind_error.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/set_socket_options.h"
#include "flow/internal/socket_address.h"
#include "flow/internal/socket_file.h"
#include "flow/socket_options.h"

namespace flow::internal {
namespace {

using Sockets = absl::StatusOr<std::vector<ListeningSocket>>;

void Set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

// Returns the port of a TCP address.
in_port_t& Port(SocketAddress& address) {
  return address.storage.ss_family == AF_INET6
             ? reinterpret_cast<struct sockaddr_in6&>(address.storage).sin6_port
             : reinterpret_cast<struct sockaddr_in&>(address.storage).sin_port;
}

// `alone`: it is the only one. Then the one for any IPv6 address also serves
// IPv4.
absl::StatusOr<ListeningSocket> ListenOn(const SocketAddress& address,
                                         bool alone, int backlog,
                                         const SocketOptions& options) {
  ListeningSocket socket;
  socket.address = address;
  socket.fd = OwnedFd(::socket(address.storage.ss_family,
                               SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int fd = socket.fd.get();
  if (fd < 0) return BindError(errno, "socket");
  if (address.is_unix()) {
    absl::StatusOr<SocketFile> file = BindUnix(fd, address);
    if (!file.ok()) return file.status();
    socket.file = *std::move(file);
  } else {
    Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.storage.ss_family == AF_INET6) {
      Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, alone ? 0 : 1);
    }
    SetTcpOptions(fd, options);
    if (::bind(fd, address.get(), address.size) != 0) return BindError(errno);
    ::getsockname(fd, socket.address.get(), &socket.address.size);
  }
  if (::listen(fd, backlog) != 0) return BindError(errno, "listen");
  return socket;
}

Sockets ListenOnEach(absl::Span<const SocketAddress> addresses, int backlog,
                     const SocketOptions& options) {
  std::vector<ListeningSocket> sockets;
  absl::Status none;
  for (SocketAddress address : addresses) {
    if (!sockets.empty()) Port(address) = Port(sockets.front().address);
    absl::StatusOr<ListeningSocket> socket =
        ListenOn(address, addresses.size() == 1, backlog, options);
    if (socket.ok()) {
      sockets.push_back(*std::move(socket));
    } else if (!absl::IsInvalidArgument(socket.status())) {
      return socket.status();
    } else if (none.ok()) {
      none = socket.status();
    }
  }
  if (sockets.empty()) return none;
  return sockets;
}

}  // namespace

Sockets ListenOnAll(absl::Span<const SocketAddress> addresses, int backlog,
                    const SocketOptions& options) {
  SocketAddress first = addresses.front();
  // A port that is free on one address can be in use on another.
  int tries = addresses.size() > 1 && Port(first) == 0 ? 20 : 1;
  Sockets sockets = ListenOnEach(addresses, backlog, options);
  while (absl::IsAlreadyExists(sockets.status()) && --tries > 0) {
    sockets = ListenOnEach(addresses, backlog, options);
  }
  return sockets;
}

}  // namespace flow::internal
