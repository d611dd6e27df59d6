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
//   if (flow.ok()) (*flow)->Write("hello").IgnoreError();
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
// Returns a flow that reads from and writes to `fd`. It takes ownership of the
// descriptor, and closes it if this fails. If a descriptor is not open for
// reading, Read is end-of-file; if not for writing, a write is Closed.
//
//  * kInvalidArgument: a descriptor is not open, or is not a stream of bytes.
//  * kUnavailable: the connection was reset before.
//  * The code of an errno (ErrnoOf() in status.h): a system call failed.
//
//   taken                      refused
//   sockets of SOCK_STREAM     those that listen or are not connected; of other
//                              types (SOCK_SEQPACKET, netlink); SCTP
//   pipes, FIFOs               of packets (O_DIRECT); see docs/semantics.md
//   terminals, both sides of
//   pseudo-terminals
//   files, block devices       with O_DIRECT; message queues
//   other devices              tun and tap, which have packets
//                              directories, O_PATH, and what is not a file:
//                              eventfd, epoll, inotify, ...
//
// Some devices hand out records (/dev/input, hidraw, /dev/kmsg). To read one,
// ask for at least as many bytes as the largest record has.
//
// When a flow closes descriptor 0, 1 or 2, /dev/null takes its place, so that
// no other file gets that number.
//
// The flags of the open file may be anything, and are never changed: everyone
// who shares it, such as the user's shell, would see O_NONBLOCK.
//
// What the kernel can do decides what the flow can do (docs/semantics.md,
// "Descriptors and sockets"):
//
//  * TCP keeps all of the contract, except that after Shutdown(kRead) the
//    remote's writes do not fail at once. Close() then waits until the remote
//    has ended, and discards what still comes. A remote that has been sent
//    everything and goes on sending gets a reset. An Abort() arrives as a
//    reset, too: the remote gets kUnavailable, possibly before it has read all
//    that was accepted. What had ended in good order drains nevertheless.
//  * Unix sockets cannot carry an abort: the remote may see end-of-file on a
//    stream that was cut. (It gets kUnavailable if data that it had sent was
//    left unread.)
//  * Pipes, FIFOs, terminals, files, and two different descriptors have no
//    remote end that Close() could wait for or that could learn of an abort.
//    Shutdown() closes a descriptor that serves that direction only: the reader
//    of a pipe sees end-of-file, and the writer is Closed. A descriptor that is
//    open for both directions stays open until Close().
//    A call on a FIFO or terminal that cannot be opened a second time, such as
//    another user's, may wait beyond a deadline if somebody else uses it, too.
//  * Regular files never make a call wait, so deadlines do not apply to them. A
//    write is kResourceExhausted if there is no room for it, or if the file may
//    not grow (RLIMIT_FSIZE).
//
// local_address() and remote_address() are those of the connection, and peer()
// tells who made the other end of a Unix socket (docs/semantics.md, "Addresses
// and peers").
absl::StatusOr<std::unique_ptr<Flow>> MakeFdFlow(int fd,
                                                 FdFlowOptions options = {});

// MakeFdPairFlow()
//
// Like MakeFdFlow(), for a flow that reads from `read_fd` and writes to
// `write_fd`, such as the two pipes of a child process. It takes ownership of
// both, and closes them if this fails. The same descriptor may be given twice.
// Two that refer to one socket, as standard input and output may, count as one.
// Two others are kInvalidArgument if `read_fd` is not open for reading or
// `write_fd` not for writing.
absl::StatusOr<std::unique_ptr<Flow>> MakeFdPairFlow(
    int read_fd, int write_fd, FdFlowOptions options = {});

}  // namespace flow

#endif  // FLOW_FD_FLOW_H_
