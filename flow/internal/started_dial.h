// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/started_dial.h
//
// A Dial() that goes on without a thread, without the flow. Not for users of
// the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_STARTED_DIAL_H_
#define FLOW_INTERNAL_STARTED_DIAL_H_

#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow/engine.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/owned_fd.h"
#include "flow/operation.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"

namespace flow::internal {

// StartDialing()
//
// Looks `address` up, lets `filter` leave out what it forbids, and connects to
// one of the others. Returns whether it is over. If not, `operation` is done
// later, on `engine`. Before either, `finish` is given the outcome.
bool StartDialing(
    Engine& engine, Operation* operation, const SocketAddress& address,
    const DialLimits& limits, const SocketOptions& options,
    absl::AnyInvocable<absl::Status(std::vector<KernelAddress>&)> filter,
    absl::AnyInvocable<void(absl::StatusOr<OwnedFd>)> finish);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_STARTED_DIAL_H_
