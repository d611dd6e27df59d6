// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/engine_threads.h"

#include <algorithm>
#include <memory>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/statusor.h"
#include "flow/epoll_engine.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

constexpr unsigned kMostEngines = 8;

}  // namespace

absl::StatusOr<std::unique_ptr<EngineThreads>> EngineThreads::Start(int count) {
  auto threads = absl::WrapUnique(new EngineThreads());
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::unique_ptr<flow::EpollEngine>> engine =
        flow::EpollEngine::Make();
    if (!engine.ok()) return engine.status();
    threads->engines_.push_back(*std::move(engine));
    try {
      threads->threads_.emplace_back(
          [engine = threads->engines_.back().get()] { engine->Run(); });
    } catch (const std::system_error& error) {
      return NoThread(error);
    }
  }
  return threads;
}

EngineThreads::~EngineThreads() {
  for (const auto& engine : engines_) engine->Stop();
  for (std::thread& thread : threads_) thread.join();
}

int EnginesForThisMachine() {
  // 0 if nobody knows.
  return static_cast<int>(
      std::clamp(std::thread::hardware_concurrency(), 1U, kMostEngines));
}

}  // namespace flowcat
