// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: queue_flow.h
//
// An example: how functions that block keep the whole contract of a flow. The
// thing that blocks is a queue with a condition variable, and the interrupt
// function wakes who waits for it.
//
// When not to use it: in programs. flow::MakePipe() is such a pair, and better.
//
// Thread safety: as flow.h says.

#ifndef FLOW_EXAMPLES_QUEUE_FLOW_H_
#define FLOW_EXAMPLES_QUEUE_FLOW_H_

#include <cstddef>
#include <memory>

#include "flow/flow.h"

namespace flow::examples {

// QueueFlows
//
// Two ends: what is written to one is read from the other.
struct QueueFlows {
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

// MakeQueueFlows()
//
// Returns two ends that are connected by two queues. A write waits while
// `capacity` bytes, or more, were not read. Close() does not wait for the other
// end, whose unread data are lost.
QueueFlows MakeQueueFlows(size_t capacity);

}  // namespace flow::examples

#endif  // FLOW_EXAMPLES_QUEUE_FLOW_H_
