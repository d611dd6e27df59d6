// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/fd_waiters.h
//
// The waiters of one descriptor, one for each kind of call. Only a call that
// blocks needs their memory: a flow of which none ever blocks has none. Not for
// users of the library.
//
// Thread safety: that of FdWaiter, for each kind.

#ifndef FLOW_INTERNAL_FD_WAITERS_H_
#define FLOW_INTERNAL_FD_WAITERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow::internal {

// FdWaiters
class FdWaiters {
 public:
  enum Kind : size_t {
    kReader,
    kWriter,
    kRefusal,  // what waits for one
    kCloser,
    kLingerer,  // the closer of a direction that was refused
  };

  FdWaiters() = default;
  FdWaiters(const FdWaiters&) = delete;
  FdWaiters& operator=(const FdWaiters&) = delete;
  ~FdWaiters() { delete waiters_.load(); }

  // As FdWaiter::Wait().
  absl::StatusOr<FdWaiter::Outcome> Wait(
      Kind kind, int fd, short events,
      absl::Duration patience = absl::InfiniteDuration()) {
    return waiters().of[kind].Wait(fd, events, patience);
  }

  // As FdWaiter::SetDeadline().
  void SetReadDeadline(absl::Time deadline) {
    SetDeadline(kReader, read_deadline_, MonotonicDeadline(deadline));
  }
  void SetWriteDeadline(absl::Time deadline) {
    SetDeadline(kWriter, write_deadline_, MonotonicDeadline(deadline));
  }
  // For a thread that is about to wait.
  void SetDeadline(Kind kind, MonotonicDeadline deadline) {
    waiters().of[kind].SetDeadline(deadline);
  }

  // As FdWaiter::Stop().
  void Stop(Kind kind) {
    stopped_.fetch_or(Bit(kind));
    if (Waiters* const all = waiters_.load(); all != nullptr) {
      all->of[kind].Stop();
    }
  }
  bool stopped(Kind kind) const { return (stopped_.load() & Bit(kind)) != 0; }

 private:
  struct Waiters {
    FdWaiter of[kLingerer + 1];
  };

  static uint8_t Bit(Kind kind) { return static_cast<uint8_t>(1u << kind); }

  Waiters& waiters() {
    Waiters* const all = waiters_.load();
    return all != nullptr ? *all : MakeWaiters();
  }
  Waiters& MakeWaiters();

  void SetDeadline(Kind kind, std::atomic<MonotonicDeadline>& kept,
                   MonotonicDeadline deadline) {
    kept.store(deadline);
    if (Waiters* const all = waiters_.load(); all != nullptr) {
      Tell(all->of[kind], kept);
    }
  }
  // Tells `waiter` what is kept, until that has stayed the same meanwhile.
  static void Tell(FdWaiter& waiter,
                   const std::atomic<MonotonicDeadline>& kept) {
    MonotonicDeadline told;
    do {
      told = kept.load();
      waiter.SetDeadline(told);
    } while (!(told == kept.load()));
  }

  std::atomic<Waiters*> waiters_{nullptr};
  std::atomic<MonotonicDeadline> read_deadline_{MonotonicDeadline()};
  std::atomic<MonotonicDeadline> write_deadline_{MonotonicDeadline()};
  std::atomic<uint8_t> stopped_{0};
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FD_WAITERS_H_
