// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/canceller.h"

#include <algorithm>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/mutex_lock.h"

namespace flow {

void Canceller::Cancel(absl::Status reason) {
  internal::MutexLock lock(mu_);
  if (cancelled()) return;
  if (reason.ok()) reason = absl::CancelledError("cancelled");
  if (absl::IsDeadlineExceeded(reason)) {
    reason = absl::AbortedError(reason.message());
  }
  reason_ = std::move(reason);
  cancelled_.store(true);
  // With the lock held, so that the destructor of an AtCancel waits.
  for (const AtCancel* each : std::exchange(waiting_, {})) {
    each->Call(reason_);
  }
}

absl::Status Canceller::reason() const {
  return cancelled() ? reason_ : absl::OkStatus();
}

AtCancel::AtCancel(const Canceller& canceller, Function function)
    : canceller_(canceller), function_(std::move(function)) {
  ABSL_CHECK(function_ != nullptr) << "an AtCancel without a function";
  internal::MutexLock lock(canceller_.mu_);
  if (canceller_.cancelled()) {
    Call(canceller_.reason_);
  } else {
    canceller_.waiting_.push_back(this);
  }
}

AtCancel::~AtCancel() {
  internal::MutexLock lock(canceller_.mu_);
  auto& all = canceller_.waiting_;
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

}  // namespace flow
