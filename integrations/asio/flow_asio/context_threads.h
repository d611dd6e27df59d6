// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/context_threads.h
//
// An AsioEngine whose io_context has threads that run it, for tests. Not for
// users of the library.

#ifndef FLOW_ASIO_CONTEXT_THREADS_H_
#define FLOW_ASIO_CONTEXT_THREADS_H_

#include <memory>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "flow_asio/asio_engine.h"

namespace flow_asio {

// ContextThreads
//
// Destroy it after the flows that it serves.
class ContextThreads {
 public:
  explicit ContextThreads(int threads) {
    absl::StatusOr<std::unique_ptr<flow::AsioEngine>> engine =
        flow::AsioEngine::Make(context_);
    ABSL_CHECK_OK(engine.status());
    engine_ = *std::move(engine);
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { context_.run(); });
    }
  }

  ~ContextThreads() {
    context_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

  asio::io_context& context() { return context_; }
  flow::AsioEngine* engine() { return engine_.get(); }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      context_.get_executor()};
  std::unique_ptr<flow::AsioEngine> engine_;
  std::vector<std::thread> threads_;
};

}  // namespace flow_asio

#endif  // FLOW_ASIO_CONTEXT_THREADS_H_
