// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/shared_engine.h
//
// An engine for tests that hold for calls that block and for started ones, so
// that only the latter need a system that has one. Only for the tests of this
// library.

#ifndef FLOW_TESTING_INTERNAL_SHARED_ENGINE_H_
#define FLOW_TESTING_INTERNAL_SHARED_ENGINE_H_

#include "flow/engine.h"
#include "flow/flow.h"

#ifdef __linux__
#include "flow/testing/internal/engine_threads.h"
#endif

namespace flow::testing {

// Returns an engine with two threads, which serves the whole process. Null on
// other systems than Linux.
inline Engine* SharedEngine() {
#ifdef __linux__
  static EngineThreads* const threads = new EngineThreads(2);
  return threads->engine();
#else
  return nullptr;
#endif
}

// Binds `flow` to it, unless it has an engine.
inline void BindToSharedEngine(Flow& flow) {
  if (flow.engine() == nullptr) flow.SetEngine(SharedEngine());
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_SHARED_ENGINE_H_
