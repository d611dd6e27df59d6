// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/allocation_counter.h"

#include <cstdint>
#include <new>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace flow::testing {
namespace {

// Calls of the functions; a compiler may leave a new-expression out.
TEST(AllocationCounterTest, CountsBlocksAndBytes) {
  AllocationCounter counter;
  EXPECT_EQ(counter.blocks(), 0);
  void* const first = ::operator new(1000);
  EXPECT_EQ(counter.blocks(), 1);
  EXPECT_EQ(counter.bytes(), 1000);
  constexpr std::align_val_t kAlignment{256};
  AllocationCounter later;
  void* const second = ::operator new[](256, kAlignment);
  EXPECT_EQ(later.blocks(), 1);
  EXPECT_EQ(later.bytes(), 256);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % 256, 0);
  EXPECT_EQ(counter.blocks(), 2);
  ::operator delete(first);
  ::operator delete[](second, kAlignment);
}

TEST(AllocationCounterTest, CountsWhatWasFreedAgain) {
  AllocationCounter counter;
  ::operator delete(::operator new(1));
  ::operator delete(::operator new(1));
  EXPECT_EQ(counter.blocks(), 2);
}

TEST(AllocationCounterTest, KnowsWhatIsStillHeld) {
  AllocationCounter counter;
  void* const block = ::operator new(1000);
  EXPECT_GE(counter.live_bytes(), 1000);
  EXPECT_LT(counter.live_bytes(), 1100);
  EXPECT_EQ(counter.live_blocks(), 1);
  ::operator delete(block);
  EXPECT_EQ(counter.live_bytes(), 0);
  EXPECT_EQ(counter.live_blocks(), 0);
}

TEST(AllocationLimitTest, FailsWhatIsLargerWhileItIsAlive) {
  {
    AllocationLimit limit(1000);
    EXPECT_EQ(::operator new(1000, std::nothrow), nullptr);
    void* const smaller = ::operator new(999, std::nothrow);
    EXPECT_NE(smaller, nullptr);
    ::operator delete(smaller);
  }
  void* const later = ::operator new(1000, std::nothrow);
  EXPECT_NE(later, nullptr);
  ::operator delete(later);
}

TEST(AllocationCounterTest, DoesNotCountOtherThreads) {
  std::vector<char> elsewhere;
  std::thread thread;
  AllocationCounter counter;
  thread = std::thread([&] { elsewhere.resize(100000); });
  thread.join();
  EXPECT_LT(counter.bytes(), 100000);
}

}  // namespace
}  // namespace flow::testing
