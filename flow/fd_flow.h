// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fd_flow.h
//
// POSIX file descriptors as flows: connected stream sockets, pipes and FIFOs,
// terminals, files.
//
//   int fds[2];
//   PCHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
//   absl::StatusOr<std::unique_ptr<Flow>> flow = MakeFdFlow(fds[0]);
//
// To connect and to accept, see socket.h.
//
// When not to use it: for datagrams and other sockets that keep boundaries; for
// random access to files.
//
// Thread safety: that of `flow::Flow`. The descriptors belong to the flow:
// nobody else may read, write or close them. (Others may share what they refer
// to, as a child process does.)

#ifndef FLOW_FD_FLOW_H_
#define FLOW_FD_FLOW_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "flow/flow.h"

namespace flow {

// FdFlowOptions
struct FdFlowOptions {
  // What DebugString() and errors call the flow. Default: made from what the
  // descriptor refers to, such as `tcp 127.0.0.1:80` or `pipe (fd 5)`.
  std::string name;
};

// MakeFdFlow()
//
// Returns a flow that reads from and writes to `fd`. It owns the descriptor,
// also if this fails. What a descriptor is not open for is as in a flow without
// that direction: Read is end-of-file, a write is Closed.
//
// kInvalidArgument: a descriptor is not open, or is not a stream of bytes.
// kUnavailable: a connection that was reset before.
//
//   taken                      refused
//   sockets of SOCK_STREAM     those that listen or are not connected; of other
//                              types (SOCK_SEQPACKET, netlink); SCTP
//   pipes, FIFOs               of packets (O_DIRECT); see docs/semantics.md
//   terminals, both sides of
//   pseudo-terminals
//   files, block devices       with O_DIRECT; message queues
//   other devices              tun and tap, which have packets
//                              directories, O_PATH, and what is no file:
//                              eventfd, epoll, inotify, ...
//
// Some devices hand out records (/dev/input, hidraw, /dev/kmsg). Who reads them
// asks for as much as the largest one has.
//
// The numbers 0, 1 and 2 stay taken when a flow closes them: by /dev/null.
//
// The flags of the open file are never changed (O_NONBLOCK would be seen by
// everyone who shares it, such as the user's shell); they may be anything.
//
// What the kernel can do decides what the flow can do (docs/semantics.md,
// "Descriptors and sockets"):
//
//  * TCP: all of the contract, but after Shutdown(kRead) the remote's writes do
//    not fail at once. Close() then waits until the remote has ended,
//    discarding what still comes; if it goes on sending after it was sent
//    everything, it gets a reset. An Abort() arrives as a reset, too: the
//    remote gets kUnavailable, possibly before it has read all that was
//    accepted. But what had ended in good order drains, whatever happens then.
//  * Unix sockets cannot carry an abort: the remote may see end-of-file on a
//    stream that was cut. (It gets kUnavailable if data that it had sent was
//    left unread.)
//  * Pipes, FIFOs, terminals, files, and two different descriptors: there is no
//    remote end that Close() could wait for, and none that learns of an abort.
//    Shutdown() closes a descriptor that serves that direction only, so the
//    reader of a pipe sees end-of-file, and its writer is Closed. One that is
//    open for both stays open until Close().
//    FIFOs and terminals that cannot be opened once more, such as another
//    user's, may wait beyond a deadline if somebody else uses them, too.
//  * Regular files never make a call wait; deadlines do not apply to them. A
//    write that a file has no room for, or may not have (RLIMIT_FSIZE), is
//    kResourceExhausted.
absl::StatusOr<std::unique_ptr<Flow>> MakeFdFlow(int fd,
                                                 FdFlowOptions options = {});

// MakeFdPairFlow()
//
// As MakeFdFlow(), for a flow that reads from `read_fd` and writes to
// `write_fd`, as with the two pipes of a child process. It owns both, also if
// this fails: each is closed exactly once, the same one given twice as well.
// Two that refer to the same socket, as standard input and output may, are one.
absl::StatusOr<std::unique_ptr<Flow>> MakeFdPairFlow(
    int read_fd, int write_fd, FdFlowOptions options = {});

}  // namespace flow

#endif  // FLOW_FD_FLOW_H_
