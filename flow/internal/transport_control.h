// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/transport_control.h
//
// Lets a server interrupt and abort a flow that it has handed over, and that is
// by now a Channel, or anything else, whose address it does not know. The
// control is tied to the transport, which all of these keep. Not for users of
// the library.
//
// Thread safety: everything may be called from any thread.

#ifndef FLOW_INTERNAL_TRANSPORT_CONTROL_H_
#define FLOW_INTERNAL_TRANSPORT_CONTROL_H_

#include <atomic>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/transport.h"

namespace flow::internal {

// TransportControl
//
// Does nothing before Control() and after the flow was freed.
class TransportControl {
 public:
  // From Interrupt() on, a read does not wait while the flow is interruptible:
  // it returns what is there, or kDeadlineExceeded. After
  // SetInterruptible(false) has returned, no read is interrupted.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mu_);
  void SetInterruptible(bool is_interruptible) ABSL_LOCKS_EXCLUDED(mu_);
  bool interrupted() const ABSL_LOCKS_EXCLUDED(mu_);

  // Breaks both directions, as Flow::Abort() does, unless the flow was aborted
  // before. The Flow learns that from what its calls return. `reason` is not
  // Ok.
  void Abort(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mu_);
  // Returns whether an Abort() has reached the flow.
  bool aborted() const { return aborted_.load(std::memory_order_acquire); }
  // Returns whether it did so before the flow had ended its writes in good
  // order, and so cut what it might still have said.
  bool cut() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class ControlledTransport;
  friend std::unique_ptr<Transport> Control(
      std::unique_ptr<Transport> transport,
      std::shared_ptr<TransportControl> control);

  void SetReadDeadline(absl::Time deadline) ABSL_LOCKS_EXCLUDED(mu_);
  void ApplyReadDeadline() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Release() ABSL_LOCKS_EXCLUDED(mu_);
  void SetEnded() ABSL_LOCKS_EXCLUDED(mu_);
  void EndWrites() ABSL_LOCKS_EXCLUDED(writes_mu_);
  // Waits until the Flow has ended its writes, or it or a server has aborted.
  absl::Status AwaitWritesOver(absl::Time deadline) const
      ABSL_LOCKS_EXCLUDED(writes_mu_);

  // Returns whether the caller is the first to abort.
  bool BeginAbort() { return !aborting_.exchange(true); }
  // The reason of Abort(); Ok if there was none.
  absl::Status Reason() const ABSL_LOCKS_EXCLUDED(mu_);

  std::atomic<bool> aborting_{false};
  std::atomic<bool> aborted_{false};  // `reason_` is set

  // Held while the transport is called from here, so that it is not freed
  // meanwhile, and hears of deadlines in their order.
  mutable absl::Mutex mu_;
  Transport* transport_ ABSL_GUARDED_BY(mu_) = nullptr;
  MonotonicDeadline read_deadline_ ABSL_GUARDED_BY(mu_);
  bool is_interruptible_ ABSL_GUARDED_BY(mu_) = false;
  bool is_interrupted_ ABSL_GUARDED_BY(mu_) = false;
  bool has_ended_ ABSL_GUARDED_BY(mu_) = false;  // its writes, in good order
  bool is_cut_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status reason_ ABSL_GUARDED_BY(mu_);

  // Not `mu_`, for an Abort() of the flow in a function of the transport.
  mutable absl::Mutex writes_mu_;
  bool writes_over_ ABSL_GUARDED_BY(writes_mu_) = false;
};

// Returns `transport` under `control`, for DecorateFlow(). Once for each.
std::unique_ptr<Transport> Control(std::unique_ptr<Transport> transport,
                                   std::shared_ptr<TransportControl> control);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_TRANSPORT_CONTROL_H_
