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
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/testing/internal/block_by_starting.h"
#include "flow/testing/internal/shared_engine.h"

namespace flow::testing {

// Whether MaybeStarts() makes them start.
inline bool StartsCalls() { return std::getenv("FLOW_START_CALLS") != nullptr; }

// Returns `flow`, of which every call that can start does so, and waits until
// it is over. Precondition: it can start.
inline std::unique_ptr<Flow> MaybeStarts(std::unique_ptr<Flow> flow) {
  if (!StartsCalls()) return flow;
  BindToSharedEngine(*flow);
  BlockByStarting(*flow);
  return flow;
}

// Makes all calls of `flow` block, as those of every flow do at first.
inline void BlockAgain(Flow& flow) {
  internal::FlowAccess::Core(flow).BlockByStarting(
      internal::FlowCore::ByStarting::kNone);
}

// Makes the calls of both do so if both can start, and otherwise block.
inline void StartOrBlockBoth(Flow& a, Flow& b) {
  if (!StartsCalls()) return;
  bool can_start = true;
  for (Flow* flow : {&a, &b}) {
    BindToSharedEngine(*flow);
    can_start =
        can_start && internal::FlowAccess::CanStart(*flow, "a test").ok();
  }
  for (Flow* flow : {&a, &b}) {
    can_start ? BlockByStarting(*flow) : BlockAgain(*flow);
  }
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_START_CALLS_H_
