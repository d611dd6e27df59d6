// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/brief_wait.h
//
// Waits a few microseconds for another thread before the caller goes to sleep.
// To sleep and to be woken takes longer than that, so two threads that answer
// each other at once are several times faster. Not for users of the library.
//
// Thread safety: Wake() may be called by any thread at any time. Everything
// else is for the thread that waits.

#ifndef FLOW_INTERNAL_BRIEF_WAIT_H_
#define FLOW_INTERNAL_BRIEF_WAIT_H_

#include <atomic>
#include <cstdint>

namespace flow::internal {

// BriefWait
//
// Learns whether it pays: while its waits end in time it goes on; otherwise it
// tries only every 64th time. It is never worthwhile on a machine that has one
// processor, because then nobody else runs while this thread looks.
class BriefWait {
 public:
  // How often Wake() was called.
  uint32_t wakes() const { return wakes_.load(std::memory_order_acquire); }
  void Wake() { wakes_.fetch_add(1, std::memory_order_release); }

  bool is_worthwhile() {
    return (credit_ > 0 || ++skipped_ % kTriesAgain == 0) && HasProcessors();
  }

  // Waits until wakes() is not `seen` any more. Returns false if that has not
  // happened soon.
  bool Await(uint32_t seen);

 private:
  static constexpr int kMaxCredit = 16;
  static constexpr uint32_t kTriesAgain = 64;

  // Whether there is more than one, as of the first call.
  static bool HasProcessors();

  std::atomic<uint32_t> wakes_{0};
  int credit_ = kMaxCredit / 2;
  uint32_t skipped_ = 0;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_BRIEF_WAIT_H_
