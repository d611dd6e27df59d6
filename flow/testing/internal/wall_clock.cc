// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/internal/wall_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace {

std::atomic<int64_t> ahead_nanoseconds{0};

}  // namespace

// The program's own function is taken for the C library's, also by what the C
// and C++ libraries do not resolve inside themselves.
extern "C" int clock_gettime(clockid_t clock, struct timespec* now) noexcept {
  if (::syscall(SYS_clock_gettime, clock, now) != 0) return -1;
  if (clock != CLOCK_REALTIME) return 0;
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t nanoseconds =
      now->tv_sec * kSecond + now->tv_nsec + ahead_nanoseconds.load();
  now->tv_sec = static_cast<time_t>(nanoseconds / kSecond);
  now->tv_nsec = static_cast<long>(nanoseconds % kSecond);  // NOLINT
  return 0;
}

namespace flow::testing {

void SetWallClock(absl::Duration ahead) {
  ahead_nanoseconds.store(absl::ToInt64Nanoseconds(ahead));
}

}  // namespace flow::testing
