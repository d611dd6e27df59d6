// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fd_waiters.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <thread>  // NOLINT(build/c++11)

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/testing/allocation_counter.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using Outcome = FdWaiter::Outcome;

constexpr FdWaiters::Kind kKinds[] = {FdWaiters::kReader, FdWaiters::kWriter,
                                      FdWaiters::kRefusal, FdWaiters::kCloser,
                                      FdWaiters::kLingerer};

// A pipe in which there is nothing.
class FdWaitersTest : public ::testing::Test {
 protected:
  FdWaitersTest() { EXPECT_EQ(::pipe(pipe_), 0); }
  ~FdWaitersTest() override {
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }

  Outcome Wait(FdWaiters& waiters, FdWaiters::Kind kind) {
    return waiters.Wait(kind, pipe_[0], POLLIN).value();
  }

  int pipe_[2];
};

TEST_F(FdWaitersTest, WithoutACallThatBlocksTheyNeedNoMemory) {
  const testing::AllocationCounter counter;
  FdWaiters waiters;
  waiters.SetReadDeadline(absl::Now());
  waiters.SetWriteDeadline(absl::Now());
  for (const FdWaiters::Kind kind : kKinds) {
    waiters.Stop(kind);
    EXPECT_TRUE(waiters.stopped(kind));
  }
  EXPECT_EQ(counter.blocks(), 0);
}

TEST_F(FdWaitersTest, AStopBeforeTheFirstWaitCounts) {
  for (const FdWaiters::Kind stopped : kKinds) {
    FdWaiters waiters;
    waiters.Stop(stopped);
    EXPECT_EQ(Wait(waiters, stopped), Outcome::kStopped);
    for (const FdWaiters::Kind kind : kKinds) {
      EXPECT_EQ(waiters.stopped(kind), kind == stopped);
    }
  }
}

TEST_F(FdWaitersTest, AStopAfterTheFirstWaitCounts) {
  FdWaiters waiters;
  waiters.SetDeadline(FdWaiters::kCloser,
                      MonotonicDeadline(absl::InfinitePast()));
  EXPECT_EQ(Wait(waiters, FdWaiters::kCloser), Outcome::kLate);
  for (const FdWaiters::Kind kind : kKinds) {
    waiters.Stop(kind);
    EXPECT_EQ(Wait(waiters, kind), Outcome::kStopped);
  }
}

TEST_F(FdWaitersTest, ADeadlineBeforeTheFirstWaitCounts) {
  FdWaiters waiters;
  waiters.SetReadDeadline(absl::InfinitePast());
  waiters.SetWriteDeadline(absl::InfinitePast());
  EXPECT_EQ(Wait(waiters, FdWaiters::kReader), Outcome::kLate);
  EXPECT_EQ(Wait(waiters, FdWaiters::kWriter), Outcome::kLate);
  waiters.SetReadDeadline(absl::Now() + absl::Milliseconds(1));
  EXPECT_EQ(Wait(waiters, FdWaiters::kReader), Outcome::kLate);
}

// One of the two threads that meet must see what the other one has done.
TEST_F(FdWaitersTest, WhatComesWithTheFirstWaitCounts) {
  for (int round = 0; round < 100; ++round) {
    for (const FdWaiters::Kind kind :
         {FdWaiters::kReader, FdWaiters::kCloser}) {
      const bool stops = kind == FdWaiters::kCloser || round % 2 == 0;
      FdWaiters waiters;
      std::atomic<int> here{0};
      const auto meet = [&] {
        ++here;
        while (here < 2) std::this_thread::yield();
      };
      std::thread other([&] {
        meet();
        if (stops) {
          waiters.Stop(kind);
        } else {
          waiters.SetReadDeadline(absl::InfinitePast());
        }
      });
      meet();
      EXPECT_EQ(Wait(waiters, kind),
                stops ? Outcome::kStopped : Outcome::kLate);
      other.join();
    }
  }
}

TEST_F(FdWaitersTest, TwoFirstWaitsShareThem) {
  for (int round = 0; round < 100; ++round) {
    FdWaiters waiters;
    waiters.SetReadDeadline(absl::InfinitePast());
    std::thread other([&] { Wait(waiters, FdWaiters::kWriter); });
    EXPECT_EQ(Wait(waiters, FdWaiters::kReader), Outcome::kLate);
    waiters.Stop(FdWaiters::kWriter);
    other.join();
  }
}

}  // namespace
}  // namespace flow::internal
