// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/connect.h
//
// Connects to the first of some addresses that answers. Not for users of the
// library.
//
// Thread safety: the function may be called from any thread; that of a value.

#ifndef FLOW_INTERNAL_CONNECT_H_
#define FLOW_INTERNAL_CONNECT_H_

#include <poll.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/poll_set.h"
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

// Connector
//
// The same in steps, none of which waits.
class Connector {
 public:
  Connector(absl::Span<const KernelAddress> addresses,
            const SocketOptions& options);

  // Connector::Step()
  //
  // Returns the outcome if there is one. Otherwise call it again when one of
  // the sockets is ready, or at next_step().
  std::optional<absl::StatusOr<OwnedFd>> Step(const DialLimits& limits);

  // Never, if only a socket can be ready.
  const MonotonicDeadline& next_step() const { return next_step_; }

  // Waits until a socket is ready, or until `deadline`.
  absl::Status Wait(const MonotonicDeadline& deadline);

  // Returns a descriptor to watch for POLLIN, which is ready when a socket is;
  // -1 if there is no socket to wait for. It belongs to this.
  absl::StatusOr<int> Watched();

 private:
  struct Attempt {
    OwnedFd fd;
    bool is_in_set = false;
  };

  std::optional<absl::StatusOr<OwnedFd>> StepUnix(const DialLimits& limits);
  // Begins an attempt, and returns false if it has failed at once.
  bool Start(const KernelAddress& address);
  std::vector<struct pollfd> Polled() const;
  // Takes the sockets that are ready, and returns whether there was one.
  absl::StatusOr<bool> Look();
  void Finish(OwnedFd fd);
  void FailToConnect(int error);
  void Fail(absl::Status error, bool says_little);

  const SocketOptions options_;
  const std::vector<KernelAddress> turns_;
  size_t next_ = 0;  // whose turn it is
  MonotonicDeadline next_step_;
  std::vector<Attempt> waiting_;  // those that have no answer yet
  OwnedFd connected_;
  // Why there is no connection. Ok as long as no attempt has failed.
  absl::Status error_;
  int weight_of_error_ = 0;
  PollSet set_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CONNECT_H_
