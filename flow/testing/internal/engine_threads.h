// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/engine_threads.h
//
// An EpollEngine with threads that run it, for tests. Not for users of the
// library.

#ifndef FLOW_TESTING_INTERNAL_ENGINE_THREADS_H_
#define FLOW_TESTING_INTERNAL_ENGINE_THREADS_H_

#include <memory>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "flow/engine.h"
#include "flow/epoll_engine.h"

namespace flow::testing {

// EngineThreads
//
// Destroy it after the flows that it serves.
class EngineThreads {
 public:
  explicit EngineThreads(int threads) {
    absl::StatusOr<std::unique_ptr<EpollEngine>> engine = EpollEngine::Make();
    ABSL_CHECK_OK(engine.status());
    engine_ = *std::move(engine);
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { engine_->Run(); });
    }
  }

  ~EngineThreads() {
    engine_->Stop();
    for (std::thread& thread : threads_) thread.join();
  }

  Engine* engine() { return engine_.get(); }

 private:
  std::unique_ptr<EpollEngine> engine_;
  std::vector<std::thread> threads_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_ENGINE_THREADS_H_
