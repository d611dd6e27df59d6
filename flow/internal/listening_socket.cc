// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/listening_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "flow/internal/bind_error.h"
#include "flow/internal/close_fd.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/set_socket_options.h"
#include "flow/internal/socket_file.h"
#include "flow/socket_options.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

using Sockets = absl::StatusOr<std::vector<ListeningSocket>>;

void Set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

// Returns the port of a TCP address.
in_port_t& Port(KernelAddress& address) {
  return address.storage.ss_family == AF_INET6
             ? reinterpret_cast<struct sockaddr_in6&>(address.storage).sin6_port
             : reinterpret_cast<struct sockaddr_in&>(address.storage).sin_port;
}

// Gives the file of a Unix socket, which does not listen yet, its rights.
absl::Status SetRights(const std::string& path, const ListenOptions& options) {
  // By the path: what fchmod(2) changes is the socket, not its file. A link
  // that somebody else has put there is not followed.
  if (options.file_mode.has_value() &&
      ::fchmodat(AT_FDCWD, path.c_str(), *options.file_mode,
                 AT_SYMLINK_NOFOLLOW) != 0) {
    return FdError(errno, "file_mode cannot be set: chmod");
  }
  if (!options.file_owner.has_value() && !options.file_group.has_value()) {
    return absl::OkStatus();
  }
  // -1 leaves it as it is.
  constexpr auto kSameOwner = static_cast<uid_t>(-1);
  constexpr auto kSameGroup = static_cast<gid_t>(-1);
  if (::lchown(path.c_str(), options.file_owner.value_or(kSameOwner),
               options.file_group.value_or(kSameGroup)) != 0) {
    return FdError(errno, "file_owner or file_group cannot be set: chown");
  }
  return absl::OkStatus();
}

// `alone`: it is the only one. Then the one for any IPv6 address also serves
// IPv4.
absl::StatusOr<ListeningSocket> ListenOn(const KernelAddress& address,
                                         bool alone,
                                         const ListenOptions& options) {
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
    // Nobody can connect before listen(2).
    if (absl::Status s = SetRights(address.path(), options); !s.ok()) return s;
  } else {
    Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (address.storage.ss_family == AF_INET6) {
      const bool serves_ipv4 = alone && !options.ipv6_only;
      Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, serves_ipv4 ? 0 : 1);
    }
    SetTcpOptions(fd, options.accepted);
    if (::bind(fd, address.get(), address.size) != 0) return BindError(errno);
    // The port, if that was left to the kernel.
    socket.address.size = sizeof(socket.address.storage);
    if (::getsockname(fd, socket.address.get(), &socket.address.size) != 0) {
      return FdError(errno, "getsockname");
    }
  }
  if (::listen(fd, options.backlog) != 0) return BindError(errno, "listen");
  return socket;
}

Sockets ListenOnEach(absl::Span<const KernelAddress> addresses,
                     const ListenOptions& options) {
  std::vector<ListeningSocket> sockets;
  absl::Status none;
  for (KernelAddress address : addresses) {
    if (!sockets.empty()) Port(address) = Port(sockets.front().address);
    absl::StatusOr<ListeningSocket> socket =
        ListenOn(address, addresses.size() == 1, options);
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

// An int that a socket tells of itself; -1 if it does not.
int Get(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

absl::Status CheckListens(int fd) {
  const int domain = Get(fd, SO_DOMAIN);
  if (domain < 0 && errno == ENOTSOCK) {
    return absl::InvalidArgumentError("the descriptor is not a socket");
  }
  const int type = Get(fd, SO_TYPE);
  const int listens = Get(fd, SO_ACCEPTCONN);
  if (domain < 0 || type < 0 || listens < 0) {
    return FdError(errno, "getsockopt");
  }
  const bool is_ip = domain == AF_INET || domain == AF_INET6;
  if ((!is_ip && domain != AF_UNIX) || type != SOCK_STREAM ||
      Get(fd, SO_PROTOCOL) == IPPROTO_SCTP) {
    return absl::InvalidArgumentError(
        "the descriptor is neither a TCP socket nor a Unix stream socket");
  }
  if (listens != 1) {
    return absl::InvalidArgumentError(
        "the socket does not listen (a connection is for MakeFdFlow())");
  }
  return absl::OkStatus();
}

}  // namespace

Sockets ListenOnAll(absl::Span<const KernelAddress> addresses,
                    const ListenOptions& options) {
  KernelAddress first = addresses.front();
  // A port that is free on one address can be in use on another.
  int tries = addresses.size() > 1 && Port(first) == 0 ? 20 : 1;
  Sockets sockets = ListenOnEach(addresses, options);
  while (absl::IsAlreadyExists(sockets.status()) && --tries > 0) {
    sockets = ListenOnEach(addresses, options);
  }
  return sockets;
}

absl::StatusOr<ListeningSocket> AdoptListeningSocket(
    int fd, const SocketOptions& accepted) {
  const absl::Cleanup close_given = [fd] { CloseFd(fd).IgnoreError(); };
  if (absl::Status s = CheckSocketOptions(accepted); !s.ok()) return s;
  ListeningSocket socket;
  socket.fd = OwnedFd(::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  const int own = socket.fd.get();
  if (own < 0) {
    if (errno != EBADF) return FdError(errno, "dup");
    return WithErrno(absl::InvalidArgumentError("the descriptor is not open"),
                     EBADF);
  }
  if (absl::Status s = CheckListens(own); !s.ok()) return s;
  const int flags = ::fcntl(own, F_GETFL);
  if (flags < 0 || ::fcntl(own, F_SETFL, flags | O_NONBLOCK) != 0) {
    return FdError(errno, "fcntl");
  }
  if (::getsockname(own, socket.address.get(), &socket.address.size) != 0) {
    return FdError(errno, "getsockname");
  }
  if (!socket.address.is_unix()) SetTcpOptions(own, accepted);
  return socket;
}

}  // namespace flow::internal
