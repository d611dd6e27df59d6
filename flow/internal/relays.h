// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/relays.h
//
// How the started calls of a borrower (borrow.h) become calls of its lender.
// Whoever hears of the lender's transport hears it through a relay, which lives
// as long as the lender: a borrower may end earlier. Not for users of the
// library.
//
// Thread safety: any thread may call anything.

#ifndef FLOW_INTERNAL_RELAYS_H_
#define FLOW_INTERNAL_RELAYS_H_

#include <deque>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/started_call.h"
#include "flow/transport.h"

namespace flow::internal {

// Relays
//
// Those of one lender. The engine of its borrowers is that of the lender.
class Relays {
 public:
  // Relay
  //
  // Tells whoever has it now.
  class Relay final : public Retry {
   public:
    explicit Relay(Relays& relays) : relays_(relays) {}

    void Now() override {
      MutexLock lock(relays_.mu_);
      TellNow();
    }
    void WhenReady(int fd, short events) override {
      MutexLock lock(relays_.mu_);
      // The lender of a lender has marked it already.
      if ((events & StartedCall::kStaysOpen) == 0 &&
          !absl::c_linear_search(relays_.fds_, fd)) {
        relays_.fds_.push_back(fd);
      }
      to_->WhenReady(fd, static_cast<short>(events | StartedCall::kStaysOpen));
    }
    void After(absl::Duration patience) override {
      MutexLock lock(relays_.mu_);
      to_->After(patience);
    }
    short TakeSeen(int fd) override {
      MutexLock lock(relays_.mu_);
      return to_->TakeSeen(fd);
    }

   private:
    friend class Relays;
    // With the lock.
    bool is_free() const { return to_ == nullptr; }
    void Tell(Retry* to) { to_ = to; }
    void TellNow() {
      if (to_ != nullptr) to_->Now();
    }

    Relays& relays_;
    Retry* to_ = nullptr;  // guarded by relays_.mu_
  };

  // Lets `relay`, or one that is free if that is null, tell `to`, and returns
  // it.
  Relay* Tell(Relay* relay, Retry& to) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (Relay& other : relays_) {
      if (relay == nullptr && other.is_free()) relay = &other;
    }
    if (relay == nullptr) relay = &relays_.emplace_back(*this);
    relay->Tell(&to);
    return relay;
  }
  // Makes it free. It tells nobody from now on.
  void Free(Relay& relay) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    relay.Tell(nullptr);
  }

  // Something has happened to the lender.
  void TellAll() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (Relay& relay : relays_) relay.TellNow();
  }

  // The lender's transport is about to close what `engine` has watched.
  void Forget(Engine& engine) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (const int fd : fds_) engine.Forget(fd);
    fds_.clear();
  }

 private:
  absl::Mutex mu_;
  std::deque<Relay> relays_ ABSL_GUARDED_BY(mu_);  // which do not move
  absl::InlinedVector<int, 2> fds_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_RELAYS_H_
