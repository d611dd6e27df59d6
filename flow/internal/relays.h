// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/relays.h
//
// How the started calls of a flow become calls of a transport that others use,
// too: that of its lender (borrow.h), or that of both halves (join.h). Whoever
// hears of that transport hears it through a relay, which lives as long as the
// transport: a borrower or a half may end earlier. Not for users of the
// library.
//
// Thread safety: any thread may call anything.

#ifndef FLOW_INTERNAL_RELAYS_H_
#define FLOW_INTERNAL_RELAYS_H_

#include <deque>
#include <utility>

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
// Those of one transport. All that hear of it have one engine.
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
      // Underneath there may be other relays, which have marked it already.
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

  // Call
  //
  // A started call, which has a relay until its last try. One thread at a time
  // knows of it.
  class Call {
   public:
    // Returns what the transport is to tell in place of `retry`.
    Retry* Through(Relays& relays, Retry* retry) {
      if (retry == nullptr) return nullptr;
      return relay_ = relays.Tell(relay_, *retry);
    }
    // That was the last try. Nobody is told from now on.
    void End(Relays& relays) {
      if (relay_ != nullptr) relays.Free(*std::exchange(relay_, nullptr));
    }

   private:
    Relay* relay_ = nullptr;
  };

  // Something has happened to the transport.
  void TellAll() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (Relay& relay : relays_) relay.TellNow();
  }

  // The transport is about to close what `engine` has watched.
  void Forget(Engine& engine) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    for (const int fd : fds_) engine.Forget(fd);
    fds_.clear();
  }

 private:
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
  void Free(Relay& relay) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    relay.Tell(nullptr);
  }

  absl::Mutex mu_;
  std::deque<Relay> relays_ ABSL_GUARDED_BY(mu_);  // which do not move
  absl::InlinedVector<int, 2> fds_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_RELAYS_H_
