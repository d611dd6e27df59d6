// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: socket.h
//
// Stream sockets by name: Dial() connects, Listen() waits for connections.
//
//   absl::StatusOr<std::unique_ptr<Flow>> flow =
//       Dial("tcp:localhost:8080", absl::Now() + absl::Seconds(5));
//   if (!flow.ok()) return flow.status();
//   absl::StatusOr<absl::Cord> data = (*flow)->Read();
//
//   // BUG: does not compile, as there may be no flow: the first `->` is that
//   // of the StatusOr. Write `(*flow)->Read()`, as above.
//   Dial("tcp:localhost:8080")->Read();
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
// server.h is that loop with a limit, threads that are used again, and an end
// in good order, which a signal can begin.
//
// socket_address.h says how addresses are written: `tcp:HOST:PORT`, `tcp:PORT`
// for every address of this machine, `unix:PATH`, `unix:@NAME`. They are text
// or a SocketAddress. A flow tells its own by local_address() and
// remote_address(), and of a Unix socket, who the peer() is (flow.h).
//
// fd_flow.h says what the flows can and cannot do. Above all, a Unix socket
// cannot carry an abort, so over it a protocol must say itself when all is
// sent. socket_options.h says how sockets are set up: TCP_NODELAY and
// keep-alive are on. If a stranger says where to connect to, its
// DialOptions::may_dial keeps your own machines from being reached.
//
// StartDial() and Listener::StartAccept() need no thread while they wait
// (docs/started.md).
//
// Errors and names show text from outside escaped (`\n`, `\x1b`).
//
// When not to use it: for a connection that comes from elsewhere. Give it to
// MakeFdFlow().
//
// Thread safety: any thread may call the functions, and those of a Listener,
// except its destructor. docs/semantics.md says what a child of fork(2) may do
// with its copy.

#ifndef FLOW_SOCKET_H_
#define FLOW_SOCKET_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/operation.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"

namespace flow {

// Dial()
//
// Connects to `address` and returns the flow. A name is looked up, and its
// addresses are tried as RFC 8305 says, with or without a deadline: IPv6 and
// IPv4 take turns, the next one is tried when the last has failed or has not
// answered for 250 ms, and the first that connects wins.
//
//  * kInvalidArgument: `address` is not an address, or an option is invalid.
//  * kNotFound: the name, or the file of a Unix socket, does not exist.
//  * kUnavailable: nobody listens there, or it cannot be reached.
//  * kPermissionDenied: options.may_dial forbids all of its addresses, or the
//    system forbids to connect.
//  * kDeadlineExceeded: `deadline` passed before there was a connection.
//  * kResourceExhausted: there was no descriptor, thread or memory to connect
//    or to look the name up.
//  * The reason of `canceller`, if another thread has cancelled that.
//  * Others come from the system.
//
// What the system said is in the text, and ErrnoOf() (status.h) tells it apart:
// ECONNREFUSED, EHOSTUNREACH, ENETUNREACH and so on. Of several addresses, the
// error is that of the first to fail, except that a lack of descriptors or
// memory comes before all others, and that this machine lacks such addresses or
// a route (ENETUNREACH) comes last.
//
// `canceller` may be null, and must live until this returns.
absl::StatusOr<std::unique_ptr<Flow>> Dial(
    absl::string_view address, absl::Time deadline = absl::InfiniteFuture(),
    const DialOptions& options = {}, const Canceller* canceller = nullptr);
absl::StatusOr<std::unique_ptr<Flow>> Dial(
    const SocketAddress& address, absl::Time deadline = absl::InfiniteFuture(),
    const DialOptions& options = {}, const Canceller* canceller = nullptr);

// ConnectionOperation
//
// What whoever starts an accept or a dial keeps until it is over. operation.h
// says more.
struct ConnectionOperation : Operation {
  // What Accept() or Dial() would have returned.
  absl::StatusOr<std::unique_ptr<Flow>> flow;

 protected:
  ~ConnectionOperation() = default;
};
using AcceptOperation = ConnectionOperation;
using DialOperation = ConnectionOperation;

// StartDial()
//
// Like Dial(), but it does not wait. It returns true if the call is over:
// `*operation` has the outcome, and nobody is told. Otherwise the dial is
// pending. Then it returns false, and `operation->Done()` runs later, once, on
// `engine` and inside no other call. It may run before this returns.
//
// The flow is bound to `engine` already (Flow::SetEngine()), which must outlive
// it. `canceller` must live until the dial is over, and ends it as it ends
// Dial(). `options` are copied; `may_dial` runs on a thread of the engine if a
// name was looked up.
//
// Threads look names up, at most four for all dials together, which end when
// nothing is left to look up. The deadline of a dial holds even if they are all
// busy. A dial over TCP needs a descriptor for each attempt and one more as
// long as it is pending.
[[nodiscard]] bool StartDial(DialOperation* operation, Engine& engine,
                             absl::string_view address,
                             absl::Time deadline = absl::InfiniteFuture(),
                             const DialOptions& options = {},
                             const Canceller* canceller = nullptr);
[[nodiscard]] bool StartDial(DialOperation* operation, Engine& engine,
                             const SocketAddress& address,
                             absl::Time deadline = absl::InfiniteFuture(),
                             const DialOptions& options = {},
                             const Canceller* canceller = nullptr);

// Listener
//
// A socket that others connect to. Destroying it closes it.
class Listener {
 public:
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Precondition: no Accept() is under way (Close() ends them), and each Done()
  // that StartAccept() has promised has begun.
  virtual ~Listener() = default;

  // Listener::Accept()
  //
  // Waits for the next connection and returns it as a flow. Any number of
  // threads may wait at once. A connection wakes only the thread that takes it
  // and the one that waits in its place from then on. A TCP connection that was
  // reset before it could be accepted is passed over, unless it has left
  // something to be read, and so is one that the kernel reports to be broken
  // (accept(2)).
  //
  //  * kDeadlineExceeded: `deadline` passed before a connection came.
  //  * Closed (status.h): Close() was called.
  //  * kResourceExhausted: a connection is there, but there was no descriptor
  //    or memory for it within 100 ms, or before `deadline`. It goes on
  //    waiting, so ask again.
  //  * Others: the socket cannot accept, and asking again will hardly help.
  virtual absl::StatusOr<std::unique_ptr<Flow>> Accept(
      absl::Time deadline = absl::InfiniteFuture()) = 0;

  // Listener::StartAccept()
  //
  // Like Accept(), but it does not wait. It returns true if the call is over:
  // `*operation` has the outcome, and nobody is told. Otherwise the accept is
  // pending. Then it returns false, and `operation->Done()` runs later, once,
  // on `engine` and inside no other call. It may run before this returns. It
  // may start the next accept, and destroy the listener if no other one is
  // pending.
  //
  // The flow is bound to `engine` already (Flow::SetEngine()), which must
  // outlive it. Any number may be pending, beside calls that block. Each
  // connection goes to one of them. To end a pending accept, Close() the
  // listener, or give it a deadline. Outcomes besides those of Accept():
  //
  //  * kUnimplemented: the listener can only block. Sockets can start.
  //  * kFailedPrecondition: the listener was made before a fork(2).
  //
  // The first one that waits makes a descriptor, which lasts until Close().
  [[nodiscard]] virtual bool StartAccept(
      AcceptOperation* operation, Engine& engine,
      absl::Time deadline = absl::InfiniteFuture());

  // Listener::Close()
  //
  // Stops listening. Every Accept(), including one that waits, returns Closed.
  // It waits until they have, but not for a started one, whose Done() comes
  // later: so a thread of an engine may call it.
  // The file of a Unix socket is removed, unless somebody else has replaced it.
  // Connections that were accepted go on; those that were not are reset.
  virtual void Close() = 0;

  // Listener::address()
  //
  // Returns the address to Dial(), such as `tcp:127.0.0.1:40123` if port 0 was
  // asked for, or `unix:PATH`. Of several addresses it is the first. A path is
  // as it was given, so a relative one can be dialed only from the folder in
  // which Listen() was called.
  virtual std::string address() const = 0;

 protected:
  Listener() = default;
};

// Listen()
//
// Listens on `address`. If that is a name, it listens on every address of this
// machine that the name has, with one port. Port 0 means any free one. A TCP
// port that was in use a moment ago can be used again (SO_REUSEADDR).
//
// The file of a Unix socket is made. A file that a dead process has left is
// replaced; of several calls that replace it at once, one succeeds. (While that
// happens, there is a file PATH.take-over.) A call that fails leaves no file.
//
// To look a name up takes as long as the system takes.
//
//  * kInvalidArgument: `address` is not an address, or not one of this machine,
//    or an option is invalid (or not one for this address).
//  * kNotFound: the name, or the folder of a Unix socket, does not exist.
//  * kAlreadyExists: somebody else listens there, or the file is not a socket.
//  * kPermissionDenied: the system says so; for instance, a file was left there
//    and cannot be removed.
//  * kResourceExhausted: see Dial().
absl::StatusOr<std::unique_ptr<Listener>> Listen(
    absl::string_view address, const ListenOptions& options = {});
absl::StatusOr<std::unique_ptr<Listener>> Listen(
    const SocketAddress& address, const ListenOptions& options = {});

// ListenOnFd()
//
// Returns a listener on `fd`, a socket that listens already: one that this
// process has inherited (inherited_descriptors.h) or been sent. It takes
// ownership of the descriptor, and closes it if this fails; the listener has
// one of another number. That is closed by exec(2).
//
// The socket itself is shared with whoever has made it. So it goes on to listen
// after Close(), until the last descriptor is closed, and the file of a Unix
// socket stays. For all who share it, accept(2) does not wait from now on
// (O_NONBLOCK), and what TCP connections inherit is `accepted`.
//
//  * kInvalidArgument: the descriptor is not open, not a TCP socket or a Unix
//    stream socket, or does not listen; or an option is invalid.
//  * kResourceExhausted: see Dial().
absl::StatusOr<std::unique_ptr<Listener>> ListenOnFd(
    int fd, const SocketOptions& accepted = {});

}  // namespace flow

#endif  // FLOW_SOCKET_H_
