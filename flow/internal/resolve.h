// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/resolve.h
//
// Looks up the addresses that a name has. Not for users of the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_RESOLVE_H_
#define FLOW_INTERNAL_RESOLVE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/socket_address.h"

namespace flow::internal {

// Resolve()
//
// Returns the addresses of `name` to connect to or to listen on, at least one
// and each once. To connect, 0.0.0.0 and :: are the loopback addresses. Errors
// are as Dial() returns them, without the name.
absl::StatusOr<std::vector<KernelAddress>> Resolve(const SocketAddress& name,
                                                   bool to_listen,
                                                   const DialLimits& limits);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_RESOLVE_H_
