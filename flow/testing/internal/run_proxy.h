// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/run_proxy.h
//
// Proxy(), or StartProxy() if the environment has FLOW_START_PROXY, so that the
// same tests hold for both. Only for the tests of this library.

#ifndef FLOW_TESTING_INTERNAL_RUN_PROXY_H_
#define FLOW_TESTING_INTERNAL_RUN_PROXY_H_

#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/testing/internal/shared_engine.h"

namespace flow::testing {

// Whether RunProxy() starts.
inline bool StartsProxies() {
  return std::getenv("FLOW_START_PROXY") != nullptr;
}

// Binds both to an engine if RunProxy() starts. Call this before another thread
// may call them.
inline void BindForProxy(Flow& a, Flow& b) {
  if (!StartsProxies()) return;
  BindToSharedEngine(a);
  BindToSharedEngine(b);
}

// Waits until it is over. Flows that cannot start, as those of functions, get a
// Proxy().
inline ProxyResult RunProxy(Flow& a, Flow& b,
                            const ProxyOptions& options = {}) {
  if (!StartsProxies()) return Proxy(a, b, options);
  struct Operation final : ProxyOperation {
    void Done() override { over.Notify(); }
    absl::Notification over;
  };
  BindForProxy(a, b);
  Operation operation;
  if (!StartProxy(&operation, a, b, options)) {
    operation.over.WaitForNotification();
  }
  if (absl::IsUnimplemented(operation.result.status)) {
    return Proxy(a, b, options);
  }
  return std::move(operation.result);
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_RUN_PROXY_H_
