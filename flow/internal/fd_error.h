// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/fd_error.h
//
// Tells what an errno of a system call on a stream means as an absl::Status.
// Not for users of the library.

#ifndef FLOW_INTERNAL_FD_ERROR_H_
#define FLOW_INTERNAL_FD_ERROR_H_

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/status.h"

namespace flow::internal {

// Returns `tried: Connection reset by peer` with the code `code`; ErrnoOf()
// (status.h) of it is `error`, which is not 0.
inline absl::Status FdErrorAs(absl::StatusCode code, int error,
                              absl::string_view tried) {
  return WithErrno(
      absl::Status(code, absl::ErrnoToStatus(error, tried).message()), error);
}

// Returns the same with the code for `error`. The code of absl::ErrnoToStatus()
// does not always fit here: kDeadlineExceeded would mean a deadline of ours,
// kOutOfRange a stream that has ended, and an error that stays must not look
// like a mistake of the caller.
inline absl::Status FdError(int error, absl::string_view tried) {
  switch (error) {
    case ETIMEDOUT:
    case ETIME:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
      return FdErrorAs(absl::StatusCode::kUnavailable, error, tried);
    case EFBIG:  // RLIMIT_FSIZE, or a limit of the file system
      return FdErrorAs(absl::StatusCode::kResourceExhausted, error, tried);
    default:
      return FdErrorAs(absl::ErrnoToStatusCode(error), error, tried);
  }
}

// Returns the error of poll(2). Its limit is a number of descriptors, and a
// sandbox may set that to 0.
inline absl::Status PollError(int error) {
  if (error != EINVAL) {
    return FdErrorAs(absl::StatusCode::kResourceExhausted, error, "poll");
  }
  return WithErrno(
      absl::ResourceExhaustedError(
          "poll: the limit of descriptors (RLIMIT_NOFILE) is too low to wait"),
      error);
}

// Returns whether a call that failed with `error` is to be tried again, because
// there was no data or no room. (Some systems have two names for that.)
inline bool WouldBlock(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FD_ERROR_H_
