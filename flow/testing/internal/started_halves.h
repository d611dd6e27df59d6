// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/started_halves.h
//
// The halves of a flow, for tests that hold for calls that block and for
// started ones (start_calls.h). Only for the tests of this library.

#ifndef FLOW_TESTING_INTERNAL_STARTED_HALVES_H_
#define FLOW_TESTING_INTERNAL_STARTED_HALVES_H_

#include <memory>
#include <utility>

#include "flow/flow.h"
#include "flow/join.h"
#include "flow/testing/internal/shared_engine.h"
#include "flow/testing/internal/start_calls.h"

namespace flow::testing {

// Splits `flow`. Of both halves MaybeStarts() makes the calls start.
inline SplitHalves SplitMaybeStarts(std::unique_ptr<Flow> flow) {
  if (StartsCalls()) BindToSharedEngine(*flow);
  SplitHalves halves = SplitFlow(std::move(flow));
  return {MaybeStarts(std::move(halves.reader)),
          MaybeStarts(std::move(halves.writer))};
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_STARTED_HALVES_H_
