// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/started_call.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow::internal {

bool StartedCall::Start() {
  is_over_ = false;
  is_late_ = false;
  seen_ = 0;
  word_.store(kPending | kRunning);
  if (!Run()) return false;
  End();
  return true;
}

void StartedCall::Now() {
  uint32_t word = word_.load();
  uint32_t next = 0;
  do {
    if ((word & kPending) == 0) return;
    next = word | ((word & kRunning) != 0 ? kMarked : kRunning);
  } while (!word_.compare_exchange_weak(word, next));
  // Now it is this function's.
  if ((word & kRunning) == 0) engine().Post([this] { RunOnEngine(); });
}

void StartedCall::Report(uint32_t source) {
  uint32_t word = word_.load();
  uint32_t next = 0;
  do {
    next = (word & ~source) | ((word & kRunning) != 0 ? kMarked : kRunning);
  } while (!word_.compare_exchange_weak(word, next));
  if ((word & kRunning) == 0) RunOnEngine();
}

void StartedCall::RunOnEngine() {
  if (Run()) End()->Done();
}

bool StartedCall::Run() {
  while (true) {
    // It is cheaper to look first.
    if (Has(kMarked)) Clear(kMarked);
    if (!is_over_) {
      wanted_fd_ = -1;
      wanted_at_ = MonotonicDeadline();
      is_over_ = Try(is_late_);
      // Somebody else may read before the next one.
      if (!Has(kWatch)) seen_ = 0;
      if (!is_over_ && !is_late_) {
        // What is ready comes before what is late.
        const MonotonicDeadline deadline = Deadline();
        is_late_ = deadline.has_passed();
        if (is_late_) continue;
        Arm(std::min(deadline, wanted_at_));
      }
    }
    if (is_over_ && Has(kTimer | kWatch)) Disarm();
    uint32_t word = word_.load();
    do {
      if ((word & kMarked) != 0) break;
      if (is_over_ && (word & (kTimer | kWatch)) == 0) {
        // Nobody reports any more, and a mark that comes late is for nobody.
        word_.store(0, std::memory_order_release);
        return true;
      }
      // From here on another thread can have it.
      if (word_.compare_exchange_weak(word, word & ~kRunning)) return false;
    } while (true);
  }
}

// --- What it waits for

void StartedCall::WhenReady(int fd, short events) {
  wanted_fd_ = fd;
  wanted_events_ = events;
}

void StartedCall::After(absl::Duration patience) {
  wanted_at_ = std::min(wanted_at_, MonotonicDeadline::In(patience));
}

short StartedCall::TakeSeen(int fd) {
  // While something is watched, an answer may be on its way.
  if (Has(kWatch) || fd != watched_fd_) return 0;
  return std::exchange(seen_, short{0});
}

void StartedCall::Arm(MonotonicDeadline at) {
  // Meanwhile others can only report, and then they leave a mark.
  if (Has(kTimer) && !(timer_at_ == at) && engine().Cancel(timer_)) {
    Clear(kTimer);
  }
  if (!Has(kTimer) && !at.is_never()) {
    word_.fetch_or(kTimer);
    timer_at_ = at;
    timer_ = engine().RunAt(at.ToTime(), [this] { Report(kTimer); });
  }
  if (Has(kWatch)) {
    const bool is_same =
        watched_fd_ == wanted_fd_ && watched_events_ == wanted_events_;
    if (!is_same) engine().CancelWatch(watched_fd_, this);
  } else if (wanted_fd_ >= 0) {
    word_.fetch_or(kWatch);
    const int before = watched_fd();
    if (before >= 0 && before != wanted_fd_) LeaveBehind(before);
    watched_fd_ = wanted_fd_;
    watched_events_ = wanted_events_;
    engine().Watch(watched_fd_,
                   static_cast<short>(watched_events_ & ~kStaysOpen), this);
  }
}

void StartedCall::Disarm() {
  if (Has(kTimer) && engine().Cancel(timer_)) Clear(kTimer);
  Unwatch();
}

bool StartedCall::Unwatch() {
  if (Has(kWatch)) engine().CancelWatch(watched_fd_, this);
  return !Has(kWatch);
}

void StartedCall::Forget() {
  if (watched_fd() >= 0) engine().Forget(watched_fd_);
  watched_fd_ = -1;
}

}  // namespace flow::internal
