// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/close_fd.h
//
// Closes a descriptor so that no connection gets the number of standard output,
// and with it what the program prints. Not for users of the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_CLOSE_FD_H_
#define FLOW_INTERNAL_CLOSE_FD_H_

#include "absl/status/status.h"

namespace flow::internal {

// CloseFd()
//
// Like close(2), but the numbers of the standard streams, 0 to 2, stay taken:
// by /dev/null or, where that cannot be opened, by something that can be
// neither read nor written. Another thread can get the number only if no
// descriptor is left for a moment. A negative `fd` is no descriptor, and the
// result is Ok.
//
// An error is that of close(2), such as that of a file server that could not
// store what was written. The descriptor is closed nevertheless.
absl::Status CloseFd(int fd);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CLOSE_FD_H_
