// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: pipe.h
//
// A pipe connects two ends in memory: what one end writes, the other one reads.
// It keeps the whole contract of flow.h: half-close, refusal, abort, deadlines,
// and a Close() that waits for the other end. Use it to test protocols, and to
// connect two threads of one program.
//
// When not to use it: to hand over messages (a flow keeps no boundaries), or to
// run both ends on one thread with more in flight than the capacity. A write
// that is held back would wait for a Read that never comes.
//
// Thread safety: each end is as thread-safe as any `flow::Flow`. You may use
// and destroy the two ends independently of each other.

#ifndef FLOW_PIPE_H_
#define FLOW_PIPE_H_

#include <cstddef>
#include <memory>

#include "flow/flow.h"

namespace flow {

// Pipe
//
// The two ends of a pipe. There is no difference between them.
struct Pipe {
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

// MakePipe()
//
// Returns the ends of a new pipe. `capacity` bounds, for each direction, the
// bytes that are accepted and not read yet:
//
//  * A Cord is shared, not copied. It is memory that exists anyway, so it is
//    accepted whole while less than `capacity` bytes are queued. The same holds
//    for a moved string, and for the concatenation of a list of these.
//  * Borrowed bytes are copied, and accepted up to `capacity` exactly. (To make
//    a test work in small pieces, write borrowed bytes, or see
//    testing/fault_flow.h.)
//  * kNoLimit: a write never waits.
//  * 0 is a rendezvous: only what a Read takes is accepted. With a deadline in
//    the past, a write succeeds only as far as a Read is already waiting.
//
// A Read returns all that is queued, up to its `max_bytes`: small writes arrive
// together, and a large one may arrive in parts.
//
// An Abort() at one end reaches the other end with its reason, after the data
// that was accepted before. Destroying an end without Close() aborts it. If it
// had not read all that the other end sent before ending its direction, the
// Close() of the other end fails, so that lost data does not count as
// delivered.
Pipe MakePipe(size_t capacity = size_t{256} << 10);

}  // namespace flow

#endif  // FLOW_PIPE_H_
