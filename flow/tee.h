// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: tee.h
//
// What is read from a flow, or written to it, also goes to a second flow, the
// *side*: a recording of a connection, a checksum, a mirror.
//
//   flow::TeeOptions options;
//   options.on_side_end = [](const absl::Status& status) {
//     LOG(INFO) << "recording: " << status;
//   };
//   client = flow::TeeReads(std::move(client), std::move(recording), options);
//
// The side gets the end when the direction has ended in good order, and
// otherwise an abort. So a reader of the side knows whether its copy is whole.
//
// When not to use it: to send a stream to several flows of which each matters.
// Copy() to several sinks (copy.h) needs no thread, and says what each of them
// has accepted.
//
// Its calls cannot start (docs/started.md): the side may hold them up, and
// Close() waits for its thread.
//
// Thread safety: that of `flow::Flow`. The side is written to by a thread of
// its own.

#ifndef FLOW_TEE_H_
#define FLOW_TEE_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow {

// TeeOptions
struct TeeOptions {
  // How many bytes may wait for the side. While fewer wait, the next Read, and
  // the next write of a Cord, is taken whole, however large. Borrowed bytes are
  // taken up to the limit exactly. 0 counts as 1.
  size_t buffer = size_t{256} << 10;

  // What happens if that many wait.
  enum class SlowSide {
    // Reads (writes) wait, up to their deadline, before they touch the flow.
    kHold,
    // They never wait. The side is aborted with kResourceExhausted.
    kLose,
  };
  SlowSide slow_side = SlowSide::kHold;

  // By default an error of the side never disturbs the flow: the copy is given
  // up. If the copy is required, the error breaks the direction at the next
  // Read (write); AwaitRefusal() does not tell of it. Close() then fails if the
  // copy is not whole.
  bool required = false;

  // For how long Close() waits for the side, once everything else is done. What
  // the side has not taken then is lost, and the side is aborted. So Close()
  // can last longer than its own deadline by that much, and Abort() does not
  // cut it short. After an earlier Abort() it does not wait.
  absl::Duration close_timeout = absl::Seconds(10);

  // Called once, when the side is finished: Ok if it has taken the whole
  // direction and its own Close() was Ok, otherwise why not. It is called
  // before Close() of the flow returns, on another thread, and must not call
  // the flow.
  std::function<void(const absl::Status& status)> on_side_end;
};

// TeeReads(), TeeWrites()
//
// Return a flow that does what `flow` does. What its reads return (its writes
// accept) goes to `side` in the same order. For both directions use both, with
// two sides.
//
//  * The direction ends: the side is written to the end and closed. Nothing is
//    read from it.
//  * An error, an Abort(), Shutdown(kRead), a Close() before the end was read:
//    the side is aborted with the reason.
//
// Both flows are owned; BorrowFlow() (borrow.h) lends one. A `side` that blocks
// and cannot be interrupted keeps Close() waiting.
//
// Costs: a thread for the life of the flow. (If none can be started, that is an
// error of the side.) A lock per call, and a thread to wake while the side
// keeps up. Cords are shared; borrowed bytes are copied once, for the side.
std::unique_ptr<Flow> TeeReads(std::unique_ptr<Flow> flow,
                               std::unique_ptr<Flow> side,
                               TeeOptions options = {});
std::unique_ptr<Flow> TeeWrites(std::unique_ptr<Flow> flow,
                                std::unique_ptr<Flow> side,
                                TeeOptions options = {});

}  // namespace flow

#endif  // FLOW_TEE_H_
