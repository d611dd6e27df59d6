// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/allocation_counter.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace flow::testing {
namespace {

struct alignas(256) Aligned {
  char bytes[256];
};

TEST(AllocationCounterTest, CountsBlocksAndBytes) {
  AllocationCounter counter;
  EXPECT_EQ(counter.blocks(), 0);
  std::vector<char> first(1000);
  EXPECT_EQ(counter.blocks(), 1);
  EXPECT_EQ(counter.bytes(), 1000);
  AllocationCounter later;
  auto second = std::make_unique<Aligned>();
  EXPECT_EQ(later.blocks(), 1);
  EXPECT_EQ(later.bytes(), 256);
  EXPECT_EQ(counter.blocks(), 2);
}

TEST(AllocationCounterTest, CountsWhatWasFreedAgain) {
  AllocationCounter counter;
  std::string(1000, 'x').swap(*std::make_unique<std::string>());
  EXPECT_EQ(counter.blocks(), 2);
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
