// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/block_by_starting.h
//
// Makes the calls of a flow that block start instead, and wait for what they
// started, so that a test of calls that block is one of an engine. Only for the
// tests of engines, here and in integrations/.

#ifndef FLOW_TESTING_INTERNAL_BLOCK_BY_STARTING_H_
#define FLOW_TESTING_INTERNAL_BLOCK_BY_STARTING_H_

#include "flow/flow.h"
#include "flow/internal/flow_access.h"

namespace flow::testing {

// BlockByStarting()
//
// For Read(), ReadInto(), writes, AwaitRefusal(), Close() and PatientClose() of
// `flow`.
// Precondition: it has an engine, which has a thread of its own.
inline void BlockByStarting(Flow& flow) {
  internal::FlowAccess::BlockByStarting(flow);
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_BLOCK_BY_STARTING_H_
