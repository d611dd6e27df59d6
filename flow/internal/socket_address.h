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
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

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

  // Returns it as text, such as `tcp:127.0.0.1:80`, `tcp:[::1]:80`,
  // `unix:/path` or `unix:@name`; `unix:` if it has no name.
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
  std::string host;  // else; empty: every address of this machine
  std::string port;
};
absl::StatusOr<SocketName> ParseSocketAddress(absl::string_view text);

// Resolve()
//
// Returns the addresses of `name`, one at least: to connect to, or to listen
// on. Errors are as Dial() returns them, without the name.
absl::StatusOr<std::vector<SocketAddress>> Resolve(const SocketName& name,
                                                   bool to_listen,
                                                   absl::Time deadline);

// NameOfSocket()
//
// Returns what to call the connection `fd`, after its peer if that has a name:
// `tcp 127.0.0.1:80`, `unix /path`, `unix socket (fd 5)`.
std::string NameOfSocket(int fd);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SOCKET_ADDRESS_H_
