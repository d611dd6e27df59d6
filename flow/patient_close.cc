// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/patient_close.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow {
namespace {

// Nothing tells when bytes arrive, so they are looked at this often.
constexpr absl::Duration kLooksAgain = absl::Milliseconds(10);

}  // namespace

absl::Status PatientClose(Flow& flow, absl::Duration idle_timeout) {
  if (idle_timeout == absl::InfiniteDuration()) return flow.Close();
  auto give_up = internal::MonotonicDeadline::In(idle_timeout);
  int64_t in_transit = flow.bytes_in_transit();
  // An error, also one that comes meanwhile, is that of Close().
  while (flow.Shutdown(ShutdownMode::kWrite).ok() && in_transit > 0) {
    if (give_up.has_passed()) return flow.Close(absl::InfinitePast());
    absl::SleepFor(std::min(kLooksAgain, give_up.left()));
    const int64_t before = std::exchange(in_transit, flow.bytes_in_transit());
    if (in_transit < before) {
      give_up = internal::MonotonicDeadline::In(idle_timeout);
    }
  }
  return flow.Close(absl::Now() + idle_timeout);
}

}  // namespace flow
