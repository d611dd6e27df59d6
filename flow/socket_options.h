// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: socket_options.h
//
// How the sockets of Dial(), Listen() and Accept() (socket.h) are set up.
//
//   SocketOptions options;
//   options.keep_alive_idle = absl::Seconds(20);
//   flow = Dial("tcp:example.org:80", deadline, options);
//
//   ListenOptions listen;
//   listen.file_mode = 0660;  // this user and this group may connect
//   listen.accepted = options;
//   listener = Listen("unix:/run/server.socket", listen);
//
//   // A stranger says where to connect to. It may not be this machine.
//   DialOptions dial(options);
//   dial.may_dial = [](const SocketAddress& address) {
//     return !address.is_loopback();  // and more, by ip_network.h
//   };
//   flow = Dial(asked_for, deadline, dial);
//
// An invalid value makes the call fail with kInvalidArgument and the name of
// the option.
//
// When not to use it: for MakeFdFlow(), whose descriptor you have set up.
//
// Thread safety: that of a value.

#ifndef FLOW_SOCKET_OPTIONS_H_
#define FLOW_SOCKET_OPTIONS_H_

#include <sys/types.h>

#include <functional>
#include <optional>

#include "absl/time/time.h"
#include "flow/socket_address.h"

namespace flow {

// SocketOptions
//
// Those of a connection. Options of TCP, which are all but the sizes of the
// buffers, do nothing to a Unix socket.
struct SocketOptions {
  // TCP keep-alive: an idle connection is probed now and then, and ends in
  // kUnavailable if the peer's machine does not answer. Without it, a reader
  // would never learn that a peer has vanished (power, cable, a firewall that
  // has forgotten the connection). By default that takes two minutes, and a
  // probe each minute keeps a firewall from forgetting. While something that
  // was sent is not acknowledged, the kernel does not probe but sends it again,
  // and gives up after about 15 minutes (tcp_retries2 in tcp(7)).
  bool keep_alive = true;
  // How long the connection is idle before the first probe: 1 s to 32,767 s.
  // The kernel counts in seconds, so fractions are rounded up.
  absl::Duration keep_alive_idle = absl::Seconds(60);
  // The time from one probe to the next, with the same limits.
  absl::Duration keep_alive_interval = absl::Seconds(15);
  // How many probes without an answer end the connection: 1 to 127.
  int keep_alive_count = 4;

  // Sends each write at once (TCP_NODELAY). Without it, the kernel holds back a
  // small write until the peer has acknowledged the last one, in the hope of
  // more: a flow gathers what is written together, so there is rarely more.
  bool no_delay = true;

  // How many bytes the kernel buffers each way (SO_SNDBUF, SO_RCVBUF in
  // socket(7)), at least 1. By default it decides, and on TCP it adapts the
  // sizes to the connection, which a size of yours ends. It takes twice the
  // size, as it also pays for its own records out of it, and keeps to limits
  // (net.core.wmem_max, rmem_max) without saying so. A Unix socket has a buffer
  // for sending only.
  std::optional<int> send_buffer;
  std::optional<int> receive_buffer;
};

// DialOptions
//
// Those of a connection that Dial() makes. SocketOptions are some of them.
struct DialOptions : SocketOptions {
  DialOptions() = default;
  DialOptions(const SocketOptions& options)  // NOLINT(runtime/explicit)
      : SocketOptions(options) {}

  // Returns whether `address` may be connected to. By default every address
  // may. Dial() asks about each address that a name was found to have, before
  // it connects to any, and leaves out those that may not be connected to. If
  // there is no other, it returns kPermissionDenied, and the error has no
  // ErrnoOf() (status.h).
  //
  // Dial() asks on the thread that called it, and StartDial() on one of the
  // engine as well (socket.h). It never asks about a name:
  // `address` is numeric, with a numeric port, or the path of a Unix socket as
  // it was given. 0.0.0.0 and ::, at which this machine answers, are 127.0.0.1
  // and ::1 by then. An IPv4 address may come as the IPv6 address that it is
  // mapped to (::ffff:127.0.0.1). IpNetwork and is_loopback() count that as the
  // IPv4 address.
  std::function<bool(const SocketAddress& address)> may_dial;
};

// ListenOptions
struct ListenOptions {
  // How many connections may wait to be accepted: 0 or more. The kernel keeps
  // to a limit of its own (net.core.somaxconn).
  int backlog = 1024;

  // Lets others of this user listen on the same TCP port, if all set this
  // (SO_REUSEPORT). The kernel spreads connections over them. Does nothing to a
  // Unix socket.
  bool reuse_port = false;

  // Takes IPv6 connections only. IPv4 addresses are left out, and an IPv6
  // address that stands for all serves no IPv4. Does nothing to a Unix socket.
  bool ipv6_only = false;

  // The rights (0 to 0777), owner and group of a Unix socket's file: who may
  // write to it may connect. They are as asked for from the first moment that
  // anybody can connect, whatever the umask. By default they are those of a new
  // file. An address without a file (TCP, an abstract name) keeps nobody out
  // and cannot have them: that is kInvalidArgument.
  std::optional<mode_t> file_mode;
  std::optional<uid_t> file_owner;
  std::optional<gid_t> file_group;

  // How the connections that are accepted are set up.
  SocketOptions accepted;
};

}  // namespace flow

#endif  // FLOW_SOCKET_OPTIONS_H_
