// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/socket_address.h
//
// Addresses of sockets as text, as socket.h describes them, and as the kernel
// wants them. Not for users of the library.

#ifndef FLOW_INTERNAL_SOCKET_ADDRESS_H_
#define FLOW_INTERNAL_SOCKET_ADDRESS_H_

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

// SocketAddress
//
// One that bind(2) and connect(2) take.
struct SocketAddress {
  struct sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);

  struct sockaddr* get() {
    return reinterpret_cast<struct sockaddr*>(&storage);
  }
  const struct sockaddr* get() const {
    return reinterpret_cast<const struct sockaddr*>(&storage);
  }
  bool is_unix() const { return storage.ss_family == AF_UNIX; }

  // Returns it as Dial() takes it, such as `tcp:127.0.0.1:80`, `tcp:[::1]:80`,
  // `unix:/path` or `unix:@name`; `unix:` if it has no name. The bytes of a
  // path are as they are: what people are to read is to be escaped.
  std::string ToString() const;

  // Returns the path of a Unix socket's file; empty if it has none.
  std::string path() const;
};

// ParseSocketAddress()
//
// Returns the parts of `text`, or kInvalidArgument. Nothing is looked up.
struct SocketName {
  bool is_unix = false;
  std::string path;  // if it is
  std::string
      host;  // else; empty (also for `*`): every address of this machine
  std::string port;
};
absl::StatusOr<SocketName> ParseSocketAddress(absl::string_view text);

// UnixAddress()
//
// Returns the address of `path`, that of a parsed SocketName.
SocketAddress UnixAddress(absl::string_view path);

// NameOfSocket()
//
// Returns what to call the connection `fd`, after its peer if that has a name:
// `tcp 127.0.0.1:80`, `unix /path`, `unix socket (fd 5)`. It is for people, and
// escaped.
std::string NameOfSocket(int fd);

// NameOfPeer()
//
// Likewise, of a peer that has `address`, a name other than `unix:`.
std::string NameOfPeer(const SocketAddress& address);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SOCKET_ADDRESS_H_
