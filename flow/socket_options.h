// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: socket_options.h
//
// How the sockets of Dial() and Accept() (socket.h) are set up.
//
//   SocketOptions options;
//   options.keep_alive_idle = absl::Seconds(20);
//   flow = Dial("tcp:example.org:80", deadline, options);
//
// When not to use it: for MakeFdFlow(), whose descriptor you have set up.

#ifndef FLOW_SOCKET_OPTIONS_H_
#define FLOW_SOCKET_OPTIONS_H_

#include "absl/time/time.h"

namespace flow {

// SocketOptions
//
// A value that the kernel does not take makes Dial() and Listen() fail with
// kInvalidArgument. Options of TCP do nothing to a Unix socket.
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
};

}  // namespace flow

#endif  // FLOW_SOCKET_OPTIONS_H_
