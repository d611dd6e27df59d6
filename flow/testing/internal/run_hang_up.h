// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/run_hang_up.h
//
// HangUp(), or StartHangUp() if the environment has FLOW_START_HANG_UP, so that
// the same tests hold for both. Only for the tests of this library.

#ifndef FLOW_TESTING_INTERNAL_RUN_HANG_UP_H_
#define FLOW_TESTING_INTERNAL_RUN_HANG_UP_H_

#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/hang_up.h"
#include "flow/testing/internal/shared_engine.h"

namespace flow::testing {

// Waits until it is over. Precondition: the flow can start, and no other thread
// calls it.
inline absl::Status RunHangUp(Flow& flow, absl::string_view last_word,
                              absl::Time deadline) {
  if (std::getenv("FLOW_START_HANG_UP") == nullptr) {
    return HangUp(flow, last_word, deadline);
  }
  struct Operation final : HangUpOperation {
    void Done() override { over.Notify(); }
    absl::Notification over;
  };
  BindToSharedEngine(flow);
  Operation operation;
  if (!StartHangUp(&operation, flow, absl::Cord(last_word), deadline)) {
    operation.over.WaitForNotification();
  }
  return operation.status;
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_RUN_HANG_UP_H_
