// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/close_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "flow/internal/fd_error.h"

namespace flow::internal {
namespace {

absl::Status Close(int fd) {
  // After EINTR it is closed nevertheless (close(2), on Linux).
  if (::close(fd) == 0 || errno == EINTR) return absl::OkStatus();
  return FdError(errno, "close");
}

// Opens something that can be read or written without harm; -1 if there is no
// descriptor.
int OpenNothing() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  // There may be no /dev.
  return null >= 0 ? null : ::open("/", O_PATH | O_CLOEXEC);
}

// Like dup2(2), closes what was at `to`.
bool Duplicate(int from, int to) {
  while (::dup2(from, to) < 0) {
    if (errno != EINTR && errno != EBUSY) return false;
  }
  return true;
}

}  // namespace

absl::Status CloseFd(int fd) {
  if (fd < 0) return absl::OkStatus();
  if (fd > STDERR_FILENO) return Close(fd);
  // dup2(2) does not report the error of the close; close(2) of any duplicate
  // does.
  const int duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0 && errno == EBADF) return FdError(errno, "close");
  absl::Status status;
  if (duplicate >= 0) status = Close(duplicate);
  const int nothing = OpenNothing();
  const bool replaced = nothing >= 0 && Duplicate(nothing, fd);
  if (nothing >= 0) ::close(nothing);
  if (replaced) return status;
  status.Update(Close(fd));
  // There was no other descriptor, so the next one to be opened has its number.
  const int opened = OpenNothing();
  if (opened > STDERR_FILENO) ::close(opened);
  if (opened == fd) ::fcntl(fd, F_SETFD, 0);
  return status;
}

}  // namespace flow::internal
