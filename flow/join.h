// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: join.h
//
// The two directions of a flow as two flows, and two flows as the directions of
// one:
//
//   // The output of one program is the input of another.
//   std::unique_ptr<flow::Flow> shell =
//       flow::JoinFlow(std::move(from_shell), std::move(to_shell));
//
//   // A connection whose directions belong to two threads.
//   flow::SplitHalves halves = flow::SplitFlow(std::move(connection));
//   std::thread reader([in = std::move(halves.reader)] { Receive(*in); });
//   Send(*halves.writer);
//
// When not to use it: to read on one thread and write on another. Any flow can
// do that; SplitFlow() is for two owners, each of which closes its own half.
//
// Thread safety: that of `flow::Flow`, for each flow. Both halves may be used,
// closed and destroyed at the same time.

#ifndef FLOW_JOIN_H_
#define FLOW_JOIN_H_

#include <memory>

#include "flow/flow.h"

namespace flow {

// JoinFlow()
//
// Returns a flow that reads from `input` and writes to `output`. Each direction
// keeps its state, its count and its deadline.
//
//  * The other directions end at once: that of `input` by Shutdown(kWrite), so
//    flush it before, and that of `output` by Shutdown(kRead).
//  * Close() ends `output`, waits until the remote of `input` has ended its
//    direction (and that of `output`, if it could not be told of the refusal),
//    and frees both. Its result is the first error.
//  * Abort() reaches both. If one was aborted before, both are.
//  * The addresses and the peer are those of `input`.
//  * It starts calls if both can, and has the engine of `input`, or else that
//    of `output`. If they have different ones, it can only block.
//
// Precondition: neither is null or closed, and no call on them is under way.
std::unique_ptr<Flow> JoinFlow(std::unique_ptr<Flow> input,
                               std::unique_ptr<Flow> output);

// SplitHalves
//
// The two directions of one flow. Writes to `reader` are Closed, and `writer`
// is at end-of-file.
struct SplitHalves {
  std::unique_ptr<Flow> reader;
  std::unique_ptr<Flow> writer;
};

// SplitFlow()
//
// Returns the two directions of `flow`. Each keeps its state, its count and its
// deadline. What one half means to the other:
//
//  * Close() of the writer ends its direction, as Shutdown(kWrite) does; the
//    reader goes on. Close() of the reader leaves what it has not read; call
//    Shutdown(kRead) before if the remote is to know that.
//  * The second Close() is that of the whole flow: if the inbound direction is
//    still open or was refused, it waits for the end of the remote. Then it
//    frees, and reports what that finds. The first Close() waits for no remote.
//    It waits for a read of its half that is under way, so refuse that before.
//  * Abort() of one half, and its destruction without Close(), aborts both.
//    The other half gets the reason in its next call, or in the one under way,
//    and from Close().
//  * Both have the engine of `flow`, and start calls if it can. Without one
//  they
//    can only block, so bind `flow` to its engine before you split it.
//
// Precondition: `flow` is not null or closed, and no call on it is under way.
SplitHalves SplitFlow(std::unique_ptr<Flow> flow);

}  // namespace flow

#endif  // FLOW_JOIN_H_
