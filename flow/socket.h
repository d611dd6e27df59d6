// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: socket.h
//
// Stream sockets by name: Dial() connects, Listen() waits for those who do.
//
//   absl::StatusOr<std::unique_ptr<Flow>> flow =
//       Dial("tcp:localhost:8080", absl::Now() + absl::Seconds(5));
//
//   absl::StatusOr<std::unique_ptr<Listener>> listener = Listen("tcp:8080");
//   while (true) {
//     absl::StatusOr<std::unique_ptr<Flow>> peer = (*listener)->Accept();
//     if (peer.ok()) {
//       threads.emplace_back(Serve, *std::move(peer));
//     } else if (!absl::IsResourceExhausted(peer.status())) {
//       break;  // Close(), by another thread, or an error that stays
//     }
//   }
//
// flowcat/serve.cc is a server with a limit and an end in good order. To stop
// one by a signal: no function here may be called by a signal handler; let a
// thread wait for the signal (sigwait), then Close() the listener and Abort()
// the flows.
//
// Addresses are text:
//
//   tcp:HOST:PORT  HOST is a name, an IPv4 address, or an IPv6 address in
//                  brackets; PORT a number or the name of a service.
//   tcp:PORT       to listen on every address of this machine; tcp:*:PORT is
//                  the same
//   unix:PATH      a Unix socket, of at most 107 bytes; `unix:@NAME` is one in
//                  Linux's abstract namespace, which has no file
//
// What the flows can and cannot do is said in fd_flow.h; above all, a Unix
// socket cannot carry an abort, so over it let a protocol say itself when all
// is sent. TCP_NODELAY is set, as flows gather themselves what is written
// together; and so is keep-alive, as socket_options.h says.
//
// Errors and names show what came from outside escaped (`\n`, `\x1b`).
//
// When not to use it: for a socket that needs other options or comes from
// elsewhere; make it and give it to MakeFdFlow().
//
// Thread safety: the functions may be called from any thread, and so may those
// of a Listener, except to destroy it. What a child of fork(2) may do with its
// copy is said in docs/semantics.md.

#ifndef FLOW_SOCKET_H_
#define FLOW_SOCKET_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/dial_canceller.h"
#include "flow/flow.h"
#include "flow/socket_options.h"

namespace flow {

// Dial()
//
// Connects to `address` and returns the flow. A name is looked up, and its
// addresses are tried as RFC 8305 says, with or without a deadline: IPv6 and
// IPv4 take turns, the next one is tried when the last has failed or has had no
// answer for 250 ms, and the first that connects wins.
//
//  * kInvalidArgument: the address is not one, or an option has no such value.
//  * kNotFound: the name, or the file of a Unix socket, does not exist.
//  * kUnavailable: nobody listens there, or it cannot be reached.
//  * kDeadlineExceeded: `deadline` has passed before there was a connection.
//  * kResourceExhausted: no descriptor or thread can be had, or no memory. Also
//    if the look-up of a name fails for that.
//  * kCancelled: another thread has called `canceller->Cancel()`.
//  * Others, such as kPermissionDenied, as said by the system.
//
// `canceller` may be null, and must live until this returns.
absl::StatusOr<std::unique_ptr<Flow>> Dial(
    absl::string_view address, absl::Time deadline = absl::InfiniteFuture(),
    const SocketOptions& options = {},
    const DialCanceller* canceller = nullptr);

// Listener
//
// A socket that others connect to. Destroying it closes it.
class Listener {
 public:
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Precondition: no Accept() is under way (Close() ends them).
  virtual ~Listener() = default;

  // Listener::Accept()
  //
  // Waits for the next connection and returns it as a flow. Any number of
  // threads may wait at once; a connection wakes only who takes it, and one
  // that waits in its place. A TCP connection that was reset before it could be
  // accepted is passed over, unless it has left something to be read. So are
  // those that the kernel reports to be broken (accept(2)).
  //
  //  * kDeadlineExceeded: `deadline` has passed, and none had come.
  //  * Closed (status.h): Close() was called.
  //  * kResourceExhausted: somebody is there, but for 100 ms, or until
  //    `deadline`, there was no descriptor or no memory for it. The connection
  //    goes on waiting, so ask again.
  //  * Others: the socket cannot accept, and asking again will hardly help.
  virtual absl::StatusOr<std::unique_ptr<Flow>> Accept(
      absl::Time deadline = absl::InfiniteFuture()) = 0;

  // Listener::Close()
  //
  // Listens no more: every Accept(), also one that waits, returns Closed. The
  // file of a Unix socket is removed, unless it was replaced by somebody else.
  // Connections that were accepted go on; those that were not are reset.
  virtual void Close() = 0;

  // Listener::address()
  //
  // Returns the address to Dial(), such as `tcp:127.0.0.1:40123` if port 0 was
  // asked for, or `unix:PATH`: of several, the first, and a path as it was
  // given. (So a relative one can be dialed from the folder only in which
  // Listen() was called.)
  virtual std::string address() const = 0;

 protected:
  Listener() = default;
};

// ListenOptions
struct ListenOptions {
  // How many connections may wait to be accepted.
  int backlog = 1024;
  // How those that are accepted are set up.
  SocketOptions accepted;
};

// Listen()
//
// Listens on `address`; if that is a name, on every address of this machine
// that it has, with one port. A port of 0 means any free one. A TCP port that
// was in use a moment ago can be used again (SO_REUSEADDR). The file of a Unix
// socket is made; one that is left from a process that has died is replaced. Of
// several that replace it at once, one succeeds. (Meanwhile, PATH.take-over is
// there.) If Listen() fails, it leaves no file. To look a name up takes as long
// as the system takes.
//
//  * kInvalidArgument: the address is not one, or not one of this machine, or
//    an option has no such value.
//  * kNotFound: the name, or the folder of a Unix socket, does not exist.
//  * kAlreadyExists: somebody else listens there, or the file is not a socket.
//  * kPermissionDenied: as said by the system; for instance, a file is left
//    there and cannot be removed.
//  * kResourceExhausted: as of Dial().
absl::StatusOr<std::unique_ptr<Listener>> Listen(absl::string_view address,
                                                 ListenOptions options = {});

}  // namespace flow

#endif  // FLOW_SOCKET_H_
