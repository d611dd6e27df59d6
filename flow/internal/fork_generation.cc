// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fork_generation.h"

#include <atomic>
#include <cstdint>

#include "absl/synchronization/mutex.h"

#if __has_include(<pthread.h>) && !defined(_WIN32)
#define FLOW_HAS_FORK 1
#include <pthread.h>
#endif

namespace flow::internal {
namespace {

std::atomic<uint32_t> generation{0};

#ifdef FLOW_HAS_FORK
void InChild() {
  ++generation;
  // Without NDEBUG, Abseil keeps a graph of all mutexes under one lock. Another
  // thread may have held it, and then no mutex of the child could be locked or
  // destroyed anymore.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

bool Watch() { return ::pthread_atfork(nullptr, nullptr, &InChild) == 0; }
#else
bool Watch() { return false; }  // There is no fork, either.
#endif

}  // namespace

uint32_t ForkGeneration() {
  [[maybe_unused]] static const bool watched = Watch();
  return generation.load(std::memory_order_relaxed);
}

}  // namespace flow::internal
