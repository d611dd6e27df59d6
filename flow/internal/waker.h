// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/waker.h
//
// A descriptor by which a thread can be woken that waits in poll(2). Not for
// users of the library.
//
// Thread safety: any thread may Raise(); the rest is for the thread whose waker
// it is.

#ifndef FLOW_INTERNAL_WAKER_H_
#define FLOW_INTERNAL_WAKER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace flow::internal {

// Waker
//
// Belongs to threads and not to flows, so that an idle flow holds one
// descriptor and no more. A process has few: above kMaxWakers threads, some
// share one. To wake one of these then wakes the others, too, and they wait
// again.
class Waker {
 public:
  static constexpr size_t kMaxWakers = 32;

  // Returns the waker of this thread, which has it until it ends. Returns
  // nullptr if there is no descriptor left, or if the thread is at its end.
  static Waker* OfThisThread();

  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // Readable from Raise() until the thread that was meant has called Lower().
  int fd() const { return fd_; }

  void Raise();
  void Lower();

  // For a thread that was not meant, but found fd() readable.
  void Pass();

 private:
  class Set;
  struct ThreadEnd;

  Waker(int fd, uint32_t generation) : fd_(fd), generation_(generation) {}
  ~Waker();

  void Write();
  void Clear();

  const int fd_;
  const uint32_t generation_;   // in a forked child, it is the parent's
  std::atomic<int> raised_{0};  // by how many, for threads still to wake up
  int threads_ = 0;             // that have it; guarded by the mutex of the Set
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_WAKER_H_
