// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/close_fd.h
//
// Closes a descriptor such that nobody writes to standard output, and into a
// connection that has got its number. Not for users of the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_CLOSE_FD_H_
#define FLOW_INTERNAL_CLOSE_FD_H_

#include "absl/status/status.h"

namespace flow::internal {

// CloseFd()
//
// As close(2), but the numbers of the standard streams, 0 to 2, stay taken: by
// /dev/null, or where that cannot be opened by something that can neither be
// read nor written. Only if there is no descriptor left for a moment, another
// thread can get the number. A negative `fd` is none, and Ok.
//
// The error is the one that close(2) reports, such as of what a file server
// could not store. The descriptor is closed nevertheless.
absl::Status CloseFd(int fd);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CLOSE_FD_H_
