// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/rate_queue.h
//
// Lets calls wait for the tokens of a bucket, in the order in which they came:
// threads that block, and started calls. Not for users of the library.
//
// Thread safety: any thread may call anything at any time.

#ifndef FLOW_INTERNAL_RATE_QUEUE_H_
#define FLOW_INTERNAL_RATE_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/token_bucket.h"
#include "flow/transport.h"

namespace flow::internal {

// RateQueue
class RateQueue {
 public:
  RateQueue(int64_t tokens_per_second, int64_t burst);

  // RateQueue::Caller
  //
  // One direction of a flow, which waits for one thing at a time. Its fields
  // are the queue's.
  class Caller {
   public:
    Caller() = default;

   private:
    friend class RateQueue;
    absl::CondVar woken_;
    MonotonicDeadline deadline_;
    bool stopped_ = false;
    // Of a started call that waits.
    std::optional<std::list<Caller*>::iterator> place_;
    Retry* retry_ = nullptr;
  };

  // RateQueue::Take()
  //
  // Waits until `caller` is the first one and there are `tokens`, of which
  // there may be no more than the burst, and takes them. Returns false, and
  // takes none, if its deadline has passed before. One that is stopped does not
  // wait.
  bool Take(Caller& caller, int64_t tokens);

  // RateQueue::AwaitUpTo()
  //
  // Waits in the same way, and takes nothing. At a rate of 0, where waiting
  // brings nothing, one token is enough. Returns how many of `tokens` there
  // are, and 0 if the deadline has passed before.
  int64_t AwaitUpTo(Caller& caller, int64_t tokens);

  // RateQueue::TryTake(), RateQueue::TryUpTo()
  //
  // The same for a started call. They return nullopt as long as it waits, and
  // tell `*retry` when to try again. It has its place in the queue from its
  // first try to its last. Null for `retry`: its deadline has passed.
  std::optional<bool> TryTake(Caller& caller, int64_t tokens, Retry* retry);
  std::optional<int64_t> TryUpTo(Caller& caller, int64_t tokens, Retry* retry);

  // Adds `tokens`, or takes them away if they are negative.
  void Add(int64_t tokens);

  // Also for a call that waits. Stop() ends the wait, and all later ones.
  void SetDeadline(Caller& caller, absl::Time deadline);
  void Stop(Caller& caller);

  // How many callers wait.
  size_t waiting() const;

 private:
  int64_t Await(Caller& caller, int64_t tokens, bool takes);
  std::optional<int64_t> Try(Caller& caller, int64_t tokens, bool takes,
                             Retry* retry);
  // How long `caller` has to wait at least; infinite if only another call can
  // end that. Lowers `tokens` to what there is where that is enough.
  absl::Duration Until(const Caller& caller, int64_t& tokens, bool takes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static void Wake(Caller& caller);
  void WakeFirst() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  TokenBucket bucket_ ABSL_GUARDED_BY(mu_);
  std::list<Caller*> callers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_RATE_QUEUE_H_
