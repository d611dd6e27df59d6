// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/connect.h
//
// Connects to the first of some addresses that answers. Not for users of the
// library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_CONNECT_H_
#define FLOW_INTERNAL_CONNECT_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/owned_fd.h"
#include "flow/socket_options.h"

namespace flow::internal {

// How long one address is tried alone ("Connection Attempt Delay", RFC 8305).
inline constexpr absl::Duration kTriedAlone = absl::Milliseconds(250);

// ConnectToOneOf()
//
// Returns a connection to one of `addresses`, at least one, as RFC 8305 says.
// They are tried in their order, except that the families take turns. The next
// one is tried when the last has failed or has not answered for kTriedAlone.
// The first that connects wins, and the others are closed.
//
// Errors are as Dial() returns them, without the address. If all fail, it is
// the first of those that tell most: a lack of resources above all, and a lack
// of such addresses on this machine only if there is no other.
absl::StatusOr<OwnedFd> ConnectToOneOf(
    absl::Span<const KernelAddress> addresses, const DialLimits& limits,
    const SocketOptions& options);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CONNECT_H_
