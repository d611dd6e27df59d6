// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/resolve.h
//
// Looks up the addresses that a name has. Not for users of the library.
//
// Thread safety: the function may be called from any thread. That of a value.

#ifndef FLOW_INTERNAL_RESOLVE_H_
#define FLOW_INTERNAL_RESOLVE_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/socket_address.h"
#include "flow/transport.h"

namespace flow::internal {

// Resolve()
//
// Returns the addresses of `name` to connect to or to listen on, at least one
// and each once. To connect, 0.0.0.0 and :: are the loopback addresses. Errors
// are as Dial() returns them, without the name.
absl::StatusOr<std::vector<KernelAddress>> Resolve(const SocketAddress& name,
                                                   bool to_listen,
                                                   const DialLimits& limits);

// The error if the deadline passes before there is an answer.
absl::Status NameIsLate();

// StartedResolve
//
// The same, to connect, for a call that was started. Names are looked up by at
// most four threads, for all calls together. They exist only as long as there
// is something to look up.
class StartedResolve {
 public:
  // `retry` hears when there is an answer.
  StartedResolve(const SocketAddress& name, Retry* retry);
  StartedResolve(const StartedResolve&) = delete;
  StartedResolve& operator=(const StartedResolve&) = delete;
  // Gives up. `retry` hears nothing afterwards.
  ~StartedResolve();

  // Returns the answer, once, or nothing as long as there is none.
  std::optional<absl::StatusOr<std::vector<KernelAddress>>> Take();

 private:
  struct Shared;
  class Pool;

  // What can be said without a look-up.
  std::optional<absl::StatusOr<std::vector<KernelAddress>>> at_once_;
  std::shared_ptr<Shared> shared_;  // with the thread that looks it up
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_RESOLVE_H_
