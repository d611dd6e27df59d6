// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/acceptor.h
//
// Accepts connections: what a Listener (socket.h) does, without the flows. Not
// for users of the library.
//
// Thread safety: everything may be called from any thread, except to destroy
// it.

#ifndef FLOW_INTERNAL_ACCEPTOR_H_
#define FLOW_INTERNAL_ACCEPTOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "flow/engine.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/listening_socket.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/poll_set.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"

namespace flow::internal {

// Acceptor
//
// Of the threads that wait, one looks at the sockets, and the others wait for
// its place. So a connection wakes only the thread that takes it and the one
// that looks from then on.
//
// Of the accepts that were started, the one that has waited longest lets its
// engine look. The engine looks at a PollSet and not at the sockets, so Close()
// can close these at once. The set lasts until the last of them has ended.
//
// In a process that was forked since this was made, Close() and destruction
// only close descriptors. One thread at a time may Accept() there; it shares
// only the sockets with the other process.
class Acceptor {
 public:
  // `closed` is an eventfd(2) of 0.
  Acceptor(std::vector<ListeningSocket> sockets, OwnedFd closed);
  ~Acceptor();

  struct Connection {
    OwnedFd fd;
    KernelAddress peer;
  };

  // See Listener::Accept(). Errors do not name the address.
  absl::StatusOr<Connection> Accept(const MonotonicDeadline& deadline);

  // See Listener::StartAccept(). `finish` is given the outcome, before this
  // returns true or before `operation` is done.
  using Finish = absl::AnyInvocable<void(absl::StatusOr<Connection>)>;
  bool Start(Engine& engine, const MonotonicDeadline& deadline,
             Operation* operation, Finish finish);

  // See Listener::Close().
  void Close();

 private:
  bool IsCopy() const;

  class Started;

  // What one accept has met so far, and what it waits for.
  struct Progress {
    int passed_over = 0;
    MonotonicDeadline shortage_ends;
    // Until then only time helps. If it is never, somebody is to come.
    MonotonicDeadline pause_ends;
  };

  absl::StatusOr<Connection> AcceptOne(const MonotonicDeadline& deadline,
                                       bool& looks);
  // Looks once. Returns the outcome, or what to wait for, in `progress`.
  std::optional<absl::StatusOr<Connection>> Look(
      const MonotonicDeadline& deadline, Progress& progress);
  // `status` says what is lacking. Returns it if that has lasted for too long,
  // and otherwise Ok: there is to be a pause.
  static absl::Status Lacks(absl::Status status,
                            const MonotonicDeadline& deadline,
                            Progress& progress);
  // Returns whether a socket has a connection by `deadline`.
  absl::StatusOr<bool> PollSockets(const MonotonicDeadline& deadline,
                                   bool& closed);
  // Accepts from the next socket that has a connection. Returns errno, or 0.
  int TakeNext(Connection& connection);
  // Waits for the place of the one that looks, and then for a connection.
  absl::Status AwaitSomebody(const MonotonicDeadline& deadline, bool& looks);
  // Waits because only time helps. Returns Closed after Close().
  absl::Status Pause(const MonotonicDeadline& until);
  bool MayLook() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return is_closed_ || !somebody_looks_;
  }

  const uint32_t generation_;
  const OwnedFd closed_;  // readable once Close() was called
  // Emptied when nobody uses them, nor ever will.
  std::vector<ListeningSocket> sockets_;
  std::atomic<size_t> next_{0};  // which socket has its turn

  absl::Mutex mu_;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool somebody_looks_ ABSL_GUARDED_BY(mu_) = false;
  int accepting_ ABSL_GUARDED_BY(mu_) = 0;  // who use the sockets
  // Those that are pending. The engine of the first one watches the set.
  std::deque<std::unique_ptr<Started>> started_ ABSL_GUARDED_BY(mu_);
  PollSet set_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_ACCEPTOR_H_
