// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/fd_flow.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/internal/call_error.h"
#include "flow/internal/close_fd.h"
#include "flow/internal/descriptor_transport.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/packet_pipe.h"
#include "flow/internal/socket_transport.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::PipeKind;

// What a descriptor refers to.
struct Kind {
  absl::string_view noun;
  bool is_socket = false;
};

absl::Status NotAStream(int fd, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("descriptor ", fd, " is ", what));
}

// What errno says of a system call on `fd`.
absl::Status Failed(int fd, absl::string_view call) {
  return internal::FdError(errno, absl::StrCat("descriptor ", fd, ": ", call));
}

// An int that a socket tells of itself; -1 if it does not.
int SocketOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool IsMessageQueue(int fd) {
  struct statfs info;
  return ::fstatfs(fd, &info) == 0 &&
         info.f_type == decltype(info.f_type){0x19800202};  // MQUEUE_MAGIC
}

absl::StatusOr<Kind> KindOf(int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    if (errno != EBADF) return Failed(fd, "fstat");
    return WithErrno(absl::InvalidArgumentError(
                         absl::StrCat("descriptor ", fd, " is not open")),
                     EBADF);
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return Failed(fd, "fcntl");
  if ((flags & O_PATH) != 0) {
    return NotAStream(fd, "open as a path only (O_PATH)");
  }
  const bool is_direct = (flags & O_DIRECT) != 0;
  switch (info.st_mode & S_IFMT) {
    case S_IFDIR:
      return NotAStream(fd, "a directory");
    case S_IFREG:
    case S_IFBLK:
      if (is_direct) {
        return NotAStream(fd, "open with O_DIRECT, for aligned memory only");
      }
      if (IsMessageQueue(fd)) return NotAStream(fd, "a message queue");
      return Kind{S_ISREG(info.st_mode) ? "file" : "block device"};
    case S_IFIFO:
      // The read end does not say so before there is something in it.
      if (is_direct || internal::KindOfPipe(fd) == PipeKind::kPackets) {
        return NotAStream(fd, "a pipe of packets (O_DIRECT)");
      }
      return Kind{"pipe"};
    case S_IFCHR:
      if (info.st_rdev == makedev(10, 200)) {  // devices.txt of the kernel
        return NotAStream(fd, "a network device (tun), which has packets");
      }
      return Kind{::isatty(fd) == 1 ? "terminal" : "device"};
    case S_IFSOCK:
      break;
    default:  // epoll, eventfd, timerfd and their kin
      return NotAStream(fd, "not a file, pipe, terminal or socket");
  }
  const int type = SocketOption(fd, SO_TYPE);
  if (type < 0) return Failed(fd, "getsockopt");
  if (type != SOCK_STREAM || SocketOption(fd, SO_PROTOCOL) == IPPROTO_SCTP) {
    return NotAStream(fd, "a socket that is not a stream (SOCK_STREAM)");
  }
  if (SocketOption(fd, SO_ACCEPTCONN) == 1) {
    return NotAStream(fd, "a socket that listens");
  }
  struct sockaddr_storage peer;
  socklen_t size = sizeof(peer);
  if (::getpeername(fd, reinterpret_cast<struct sockaddr*>(&peer), &size) ==
          0 ||
      errno != ENOTCONN) {
    return Kind{"socket", /*is_socket=*/true};
  }
  // The kernel reports an error once, so it must be reported here.
  if (const int error = SocketOption(fd, SO_ERROR); error > 0) {
    return internal::FdError(error, absl::StrCat("socket ", fd));
  }
  return NotAStream(fd, "a socket that is not connected");
}

// `mode` is O_RDONLY or O_WRONLY.
absl::Status CheckMode(int fd, int mode) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return Failed(fd, "fcntl");
  const int is = flags & O_ACCMODE;
  if (is == mode || is == O_RDWR) return absl::OkStatus();
  return NotAStream(
      fd, mode == O_RDONLY ? "not open for reading" : "not open for writing");
}

// Whether two descriptors refer to the same socket, as standard input and
// output do in a process that was started for a connection.
bool AreOneSocket(int a, int b) {
  struct stat info_a;
  struct stat info_b;
  return ::fstat(a, &info_a) == 0 && ::fstat(b, &info_b) == 0 &&
         info_a.st_dev == info_b.st_dev && info_a.st_ino == info_b.st_ino;
}

absl::StatusOr<std::unique_ptr<Flow>> MakeSocket(int fd, std::string name) {
  return internal::MakeSocketFlow(fd, std::move(name),
                                  internal::RemoteAddressOf(fd));
}

absl::StatusOr<std::unique_ptr<Flow>> MakeFlowOf(int read_fd, int write_fd,
                                                 FdFlowOptions options) {
  // A flow closes them itself, later.
  auto close_both = absl::MakeCleanup([read_fd, write_fd] {
    internal::CloseFd(read_fd).IgnoreError();
    if (write_fd != read_fd) internal::CloseFd(write_fd).IgnoreError();
  });
  const absl::StatusOr<Kind> read_kind = KindOf(read_fd);
  if (!read_kind.ok()) return read_kind.status();
  if (read_fd == write_fd) {
    if (read_kind->is_socket) {
      std::move(close_both).Cancel();
      return MakeSocket(read_fd, std::move(options.name));
    }
    if (options.name.empty()) {
      options.name = absl::StrCat(read_kind->noun, " (fd ", read_fd, ")");
    }
  } else {
    const absl::StatusOr<Kind> write_kind = KindOf(write_fd);
    if (!write_kind.ok()) return write_kind.status();
    if (read_kind->is_socket && write_kind->is_socket &&
        AreOneSocket(read_fd, write_fd)) {
      std::move(close_both).Cancel();
      internal::CloseFd(write_fd).IgnoreError();
      return MakeSocket(read_fd, std::move(options.name));
    }
    absl::Status status = CheckMode(read_fd, O_RDONLY);
    status.Update(CheckMode(write_fd, O_WRONLY));
    if (!status.ok()) return status;
    if (options.name.empty()) {
      options.name = absl::StrCat(read_kind->noun, " (fd ", read_fd, ") and ",
                                  write_kind->noun, " (fd ", write_fd, ")");
    }
  }
  absl::StatusOr<std::unique_ptr<Transport>> transport =
      internal::MakeDescriptorTransport(read_fd, write_fd,
                                        std::move(options.name));
  if (!transport.ok()) return transport.status();
  std::move(close_both).Cancel();
  return MakeFlow(*std::move(transport));
}

absl::StatusOr<std::unique_ptr<Flow>> InContext(
    absl::string_view function, absl::StatusOr<std::unique_ptr<Flow>> flow) {
  if (flow.ok()) return flow;
  return internal::CallError(function, flow.status());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Flow>> MakeFdFlow(int fd,
                                                 FdFlowOptions options) {
  return InContext("MakeFdFlow", MakeFlowOf(fd, fd, std::move(options)));
}

absl::StatusOr<std::unique_ptr<Flow>> MakeFdPairFlow(int read_fd, int write_fd,
                                                     FdFlowOptions options) {
  return InContext("MakeFdPairFlow",
                   MakeFlowOf(read_fd, write_fd, std::move(options)));
}

}  // namespace flow
