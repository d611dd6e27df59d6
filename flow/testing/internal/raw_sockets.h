// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/raw_sockets.h
//
// Connected descriptors without a flow around them, for tests of what a flow
// does with them and with a peer that knows no flows. Only for our own tests.
//
// Whatever fails here ends the test program.

#ifndef FLOW_TESTING_INTERNAL_RAW_SOCKETS_H_
#define FLOW_TESTING_INTERNAL_RAW_SOCKETS_H_

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pty.h>
#include <stdlib.h>  // mkdtemp
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"

namespace flow::testing {

// Two descriptors: the ends of a connection, or the read end and the write end
// of a pipe. Who uses them closes them.
struct RawPair {
  int left;
  int right;
};

// As small as the kernel allows.
inline void ShrinkBuffers(int fd) {
  const int size = 4096;
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    ABSL_PCHECK(::setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)) == 0);
  }
}

inline RawPair RawUnix() {
  int fds[2];
  ABSL_PCHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  return {fds[0], fds[1]};
}

// A connection over loopback. Small buffers must be set before there is a
// connection; others grow up to some MiB.
inline RawPair RawTcp(bool small = false) {
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<struct sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  RawPair pair;
  pair.left = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (small) {
    ShrinkBuffers(listener);
    ShrinkBuffers(pair.left);
  }
  ABSL_PCHECK(::bind(listener, any, size) == 0);
  ABSL_PCHECK(::listen(listener, 1) == 0);
  ABSL_PCHECK(::getsockname(listener, any, &size) == 0);
  ABSL_PCHECK(::connect(pair.left, any, size) == 0);
  pair.right = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  ABSL_PCHECK(pair.right >= 0);
  ::close(listener);
  return pair;
}

// Left reads what right writes.
inline RawPair RawPipe() {
  int fds[2];
  ABSL_PCHECK(::pipe2(fds, O_CLOEXEC) == 0);
  return {fds[0], fds[1]};
}

// A pipe that has a path, as it is opened by that; the path is gone already.
inline RawPair RawFifo() {
  std::string folder = "/tmp/raw_fifo.XXXXXX";
  ABSL_PCHECK(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/fifo";
  ABSL_PCHECK(::mkfifo(path.c_str(), 0600) == 0);
  // Opening one end waits for the other one.
  const int both = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const RawPair fifo = {::open(path.c_str(), O_RDONLY | O_CLOEXEC),
                        ::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  ABSL_PCHECK(fifo.left >= 0 && fifo.right >= 0);
  ::close(both);
  ::unlink(path.c_str());
  ::rmdir(folder.c_str());
  return fifo;
}

// Left is a terminal that hands everything on as it is, right its master.
inline RawPair RawTerminal() {
  RawPair pair;
  ABSL_PCHECK(::openpty(&pair.right, &pair.left, nullptr, nullptr, nullptr) ==
              0);
  struct termios raw;
  ABSL_PCHECK(::tcgetattr(pair.left, &raw) == 0);
  ::cfmakeraw(&raw);
  ABSL_PCHECK(::tcsetattr(pair.left, TCSANOW, &raw) == 0);
  return pair;
}

inline std::unique_ptr<Flow> FlowOf(int read_fd, int write_fd) {
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      MakeFdPairFlow(read_fd, write_fd);
  ABSL_CHECK_OK(flow.status());
  return *std::move(flow);
}
inline std::unique_ptr<Flow> FlowOf(int fd) { return FlowOf(fd, fd); }

// Writes all of `bytes`, waiting as it must.
inline void RawWrite(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    ABSL_PCHECK(n > 0);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// What read(2) said to somebody who knows no flows, to the end.
struct RawReceived {
  std::string bytes;
  int error = 0;  // 0: a clean end
};
inline RawReceived RawReadToEnd(int fd) {
  RawReceived received;
  while (true) {
    char buffer[65536];
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0) received.error = errno;
    if (n <= 0) return received;
    received.bytes.append(buffer, static_cast<size_t>(n));
  }
}

// Closes a connection such that its peer gets a reset.
inline void RawReset(int fd) {
  const struct linger at_once = {1, 0};
  ABSL_PCHECK(
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
  ::close(fd);
}

// How many descriptors this process has open.
inline size_t OpenDescriptors() {
  DIR* const directory = ::opendir("/proc/self/fd");
  ABSL_PCHECK(directory != nullptr);
  size_t count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count - 3;  // ".", "..", and the directory itself
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_RAW_SOCKETS_H_
