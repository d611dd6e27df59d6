// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: engine_threads.h
//
// Engines for started calls, each with a thread of its own. What one of them
// runs needs no lock against the rest that it runs.
//
// Thread safety: engines() may be called from any thread.

#ifndef FLOWCAT_ENGINE_THREADS_H_
#define FLOWCAT_ENGINE_THREADS_H_

#include <memory>
#include <thread>  // NOLINT(build/c++11)
#include <vector>

#include "absl/status/statusor.h"
#include "flow/epoll_engine.h"

namespace flowcat {

// EngineThreads
class EngineThreads {
 public:
  // Starts `count` engines and their threads.
  //
  // kResourceExhausted: there was no descriptor or no thread for one of them.
  static absl::StatusOr<std::unique_ptr<EngineThreads>> Start(int count);

  EngineThreads(const EngineThreads&) = delete;
  EngineThreads& operator=(const EngineThreads&) = delete;

  // Stops the engines, and waits for what they run at the moment. Precondition:
  // nobody has a call pending on one of them.
  ~EngineThreads();

  const std::vector<std::unique_ptr<flow::EpollEngine>>& engines() const {
    return engines_;
  }

 private:
  EngineThreads() = default;

  std::vector<std::unique_ptr<flow::EpollEngine>> engines_;
  std::vector<std::thread> threads_;
};

// EnginesForThisMachine()
//
// Returns how many engines keep its processors busy: one for each, but no more
// than a few.
int EnginesForThisMachine();

}  // namespace flowcat

#endif  // FLOWCAT_ENGINE_THREADS_H_
