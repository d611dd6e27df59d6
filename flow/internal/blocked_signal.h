// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/blocked_signal.h
//
// Keeps a system call from raising a signal that would end the process, such as
// SIGPIPE. Unlike ignoring the signal, that changes nothing for others. Not for
// users of the library.
//
// Thread safety: each belongs to the thread that made it.

#ifndef FLOW_INTERNAL_BLOCKED_SIGNAL_H_
#define FLOW_INTERNAL_BLOCKED_SIGNAL_H_

#include <signal.h>
#include <time.h>

#include <cerrno>

namespace flow::internal {

// BlockedSignal
//
// As long as it lives, `signal` is not delivered to this thread.
class BlockedSignal {
 public:
  explicit BlockedSignal(int signal) {
    sigemptyset(&signal_);
    sigaddset(&signal_, signal);
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
    was_blocked_ = sigismember(&before_, signal) == 1;
    if (was_blocked_) {
      sigset_t pending;
      sigpending(&pending);
      was_pending_ = sigismember(&pending, signal) == 1;
    }
  }
  BlockedSignal(const BlockedSignal&) = delete;
  BlockedSignal& operator=(const BlockedSignal&) = delete;
  ~BlockedSignal() {
    if (!was_blocked_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  // BlockedSignal::Consume()
  //
  // Takes away the signal that a call has raised, and no other. Keeps `errno`.
  void Consume() {
    if (was_pending_) return;
    const int error = errno;
    const struct timespec at_once = {};
    while (sigtimedwait(&signal_, nullptr, &at_once) < 0 && errno == EINTR) {
    }
    errno = error;
  }

 private:
  sigset_t signal_;
  sigset_t before_;
  bool was_blocked_ = false;
  bool was_pending_ = false;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_BLOCKED_SIGNAL_H_
