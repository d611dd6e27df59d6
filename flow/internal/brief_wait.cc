// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/brief_wait.h"

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <thread>  // NOLINT(build/c++11)

namespace flow::internal {
namespace {

// About as long as it takes to sleep and to be woken.
constexpr std::chrono::microseconds kMost{20};

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

bool BriefWait::HasProcessors() {
  // Of the machine: Linux counts those, too, that this process may not use.
  static const bool has = std::thread::hardware_concurrency() > 1;
  return has;
}

bool BriefWait::Await(uint32_t seen) {
  const auto until = std::chrono::steady_clock::now() + kMost;
  for (int i = 0;; ++i) {
    if (wakes() != seen) {
      credit_ = std::min(credit_ + 2, kMaxCredit);
      return true;
    }
    if (i % 32 != 31) {
      Pause();
      continue;
    }
    // Somebody else may need this processor, such as the one waited for.
    std::this_thread::yield();
    if (std::chrono::steady_clock::now() >= until) break;
  }
  // A wake-up that was so late does not pay, as on a busy machine, where a
  // yield takes long.
  credit_ = std::max(credit_ - 4, 0);
  return wakes() != seen;
}

}  // namespace flow::internal
