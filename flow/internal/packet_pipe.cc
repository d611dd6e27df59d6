// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/packet_pipe.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"

namespace flow::internal {
namespace {

// Returns how many bytes are in a pipe; -1 if it does not say.
int Content(int fd) {
  int size = 0;
  return ::ioctl(fd, FIONREAD, &size) == 0 ? size : -1;
}

}  // namespace

// O_DIRECT is a flag of the write end, which somebody else has. But it marks
// what is in the pipe, and tee(2) copies that with its mark.
PipeKind KindOfPipe(int fd) {
  if (Content(fd) < 2) return PipeKind::kUnknown;
  int copy[2];
  // Without a descriptor to find out, assume what it nearly always is.
  if (::pipe2(copy, O_CLOEXEC) != 0) return PipeKind::kStream;
  const auto close_both = absl::MakeCleanup([&copy] {
    for (const int end : copy) ::close(end);
  });
  // Room for one packet, or for one page of a stream.
  char first;
  if (::fcntl(copy[1], F_SETPIPE_SZ, PIPE_BUF) < 0 ||
      ::tee(fd, copy[1], PIPE_BUF, SPLICE_F_NONBLOCK) < 2 ||
      ::read(copy[0], &first, 1) != 1) {
    return PipeKind::kUnknown;
  }
  const int rest = Content(copy[0]);
  return rest < 0    ? PipeKind::kUnknown
         : rest == 0 ? PipeKind::kPackets
                     : PipeKind::kStream;
}

}  // namespace flow::internal
