// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/run_copy.h
//
// Copy(), or StartCopy() if the environment has FLOW_START_COPY, so that the
// same tests hold for both. Only for the tests of this library.

#ifndef FLOW_TESTING_INTERNAL_RUN_COPY_H_
#define FLOW_TESTING_INTERNAL_RUN_COPY_H_

#include <cstdlib>
#include <utility>

#include "absl/synchronization/notification.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/testing/internal/shared_engine.h"

namespace flow::testing {

// Waits until it is over. Precondition: both flows can start, and no other
// thread calls them yet.
inline CopyResult RunCopy(Flow& source, Flow& sink,
                          const CopyOptions& options = {}) {
  if (std::getenv("FLOW_START_COPY") == nullptr) {
    return Copy(source, sink, options);
  }
  struct Operation final : CopyOperation {
    void Done() override { over.Notify(); }
    absl::Notification over;
  };
  BindToSharedEngine(source);
  BindToSharedEngine(sink);
  Operation operation;
  if (!StartCopy(&operation, source, sink, options)) {
    operation.over.WaitForNotification();
  }
  return std::move(operation.result);
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_RUN_COPY_H_
