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
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/listening_socket.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"

namespace flow::internal {

// Acceptor
//
// Of the threads that wait, one looks at the sockets, and the others wait for
// its place. So a connection wakes only the thread that takes it and the one
// that looks from then on.
//
// In a process that was forked since this was made, Close() and destruction
// only close descriptors. One thread at a time may Accept() there; it shares
// only the sockets with the other process.
class Acceptor {
 public:
  // `closed` is an eventfd(2) of 0.
  Acceptor(std::vector<ListeningSocket> sockets, OwnedFd closed);
  ~Acceptor() { Close(); }

  struct Connection {
    OwnedFd fd;
    KernelAddress peer;
  };

  // See Listener::Accept(). Errors do not name the address.
  absl::StatusOr<Connection> Accept(const MonotonicDeadline& deadline);

  // See Listener::Close().
  void Close();

 private:
  bool IsCopy() const;

  absl::StatusOr<Connection> AcceptOne(const MonotonicDeadline& deadline,
                                       bool& looks);
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
  // Emptied when nobody is in AcceptOne(), nor ever will be.
  std::vector<ListeningSocket> sockets_;
  std::atomic<size_t> next_{0};  // which socket has its turn

  absl::Mutex mu_;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool somebody_looks_ ABSL_GUARDED_BY(mu_) = false;
  int accepting_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_ACCEPTOR_H_
