// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/bind_error.h
//
// Tells what an errno of bind(2) or listen(2) means to a caller of Listen().
// Not for users of the library.

#ifndef FLOW_INTERNAL_BIND_ERROR_H_
#define FLOW_INTERNAL_BIND_ERROR_H_

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/internal/fd_error.h"
#include "flow/status.h"

namespace flow::internal {

inline absl::Status BindError(int error, absl::string_view tried = "bind") {
  switch (error) {
    case EADDRINUSE:
      return WithErrno(absl::AlreadyExistsError("somebody else listens there"),
                       error);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return WithErrno(
          absl::InvalidArgumentError("the address is not one of this machine"),
          error);
    default:
      return FdError(error, tried);
  }
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_BIND_ERROR_H_
