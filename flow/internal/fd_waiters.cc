// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fd_waiters.h"

#include <memory>

namespace flow::internal {

// Whoever sets a deadline or stops keeps that first, and then looks whether
// there are waiters. Here it is the other way round, so one of both tells them.
FdWaiters::Waiters& FdWaiters::MakeWaiters() {
  auto made = std::make_unique<Waiters>();
  Waiters* all = nullptr;
  if (!waiters_.compare_exchange_strong(all, made.get())) return *all;
  all = made.release();
  Tell(all->of[kReader], read_deadline_);
  Tell(all->of[kWriter], write_deadline_);
  for (const Kind kind : {kReader, kWriter, kRefusal, kCloser, kLingerer}) {
    if (stopped(kind)) all->of[kind].Stop();
  }
  return *all;
}

}  // namespace flow::internal
