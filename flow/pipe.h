// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: pipe.h
//
// Two ends connected in memory: what one writes, the other reads. With the
// whole contract of flow.h: half-close, refusal, abort, deadlines and a Close()
// that waits for the other end. For tests of protocols, and to connect two
// threads of one program.
//
// When not to use it: to hand over messages (a flow keeps no boundaries), or to
// run both ends on one thread with more in flight than the capacity: a write
// that is held back waits for a Read, which then never comes.
//
// Thread safety: that of `flow::Flow`, for each end. The two ends may be used
// and destroyed independently of each other.

#ifndef FLOW_PIPE_H_
#define FLOW_PIPE_H_

#include <cstddef>
#include <memory>

#include "flow/flow.h"

namespace flow {

// Pipe
//
// The two ends of a pipe. They are alike.
struct Pipe {
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

// MakePipe()
//
// Returns the ends of a new pipe. `capacity` bounds, for each direction, the
// bytes that are accepted and not read yet:
//
//  * A Cord is shared and not copied. As it is memory that exists anyway, it is
//    accepted whole while less than `capacity` bytes are queued; so is the
//    concatenation of a list of Cords.
//  * Borrowed bytes are copied, and accepted up to `capacity` exactly. (To have
//    a test go through small pieces, write these, or see testing/fault_flow.h.)
//  * kNoLimit: a write never waits.
//  * 0 is a rendezvous: bytes are accepted when a Read takes them, and only
//    those that it takes. With a deadline in the past a write succeeds only as
//    far as a Read is waiting already.
//
// A Read returns all that is queued, up to its `max_bytes`: small writes arrive
// together, and a large one may arrive in parts.
//
// An Abort() at one end reaches the other one with its reason, after the data
// that was accepted before. Destroying an end without Close() aborts it; if it
// had not read all that the other end sent and ended, then the Close() of that
// end fails, so that lost data is not taken for delivered.
Pipe MakePipe(size_t capacity = size_t{256} << 10);

}  // namespace flow

#endif  // FLOW_PIPE_H_
