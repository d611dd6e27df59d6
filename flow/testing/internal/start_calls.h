// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/start_calls.h
//
// Makes the calls of a flow start if the environment has FLOW_START_CALLS, so
// that the same tests hold for both kinds. Only for the tests of this library.

#ifndef FLOW_TESTING_INTERNAL_START_CALLS_H_
#define FLOW_TESTING_INTERNAL_START_CALLS_H_

#include <cstdlib>
#include <memory>

#include "flow/flow.h"
#include "flow/testing/internal/block_by_starting.h"
#include "flow/testing/internal/engine_threads.h"

namespace flow::testing {

// Whether MaybeStarts() makes them start.
inline bool StartsCalls() { return std::getenv("FLOW_START_CALLS") != nullptr; }

// Returns `flow`, of which every call that can start does so, and waits until
// it is over. Precondition: it can start.
inline std::unique_ptr<Flow> MaybeStarts(std::unique_ptr<Flow> flow) {
  if (!StartsCalls()) return flow;
  static EngineThreads* const threads = new EngineThreads(2);
  flow->SetEngine(threads->engine());
  BlockByStarting(*flow);
  return flow;
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_START_CALLS_H_
