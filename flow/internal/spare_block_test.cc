// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/spare_block.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>  // NOLINT(build/c++11)

#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/testing/allocation_counter.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::AllocationCounter;

constexpr size_t kMost = SpareBlock::kMost;

absl::Cord Make(SpareBlock& spare, size_t size, char c) {
  return spare.MakeCord(size, [c](absl::Span<char> space) {
    std::fill(space.begin(), space.end(), c);
  });
}

TEST(SpareBlockTest, WhatWasMadeNeverChanges) {
  SpareBlock spare;
  const absl::Cord first = Make(spare, 1000, 'a');
  absl::Cord second = Make(spare, 1000, 'b');
  const absl::Cord part = second.Subcord(10, 100);
  second.Clear();
  Make(spare, 1000, 'c');
  EXPECT_EQ(first, std::string(1000, 'a'));
  EXPECT_EQ(part, std::string(100, 'b'));
}

TEST(SpareBlockTest, WhatWasMadeOutlivesTheMaker) {
  absl::Cord made;
  {
    SpareBlock spare;
    made = Make(spare, kMost, 'a');
  }
  EXPECT_EQ(made, std::string(kMost, 'a'));
}

TEST(SpareBlockTest, ABlockThatNobodyHasIsFilledAgain) {
  SpareBlock spare;
  Make(spare, 1024, 'a');
  for (const size_t size : {1024, 1000, 900, 1024}) {
    AllocationCounter counter;
    Make(spare, size, 'b');
    EXPECT_EQ(counter.blocks(), 1) << "the node of a Cord, for " << size;
  }
}

TEST(SpareBlockTest, ACordPinsLittleMoreThanItsBytes) {
  SpareBlock spare;
  for (const size_t before : {size_t{600}, size_t{1024}, kMost}) {
    for (size_t size = 1; size <= kMost; size += 13) {
      Make(spare, before, 'a');
      AllocationCounter counter;
      const absl::Cord made = Make(spare, size, 'b');
      if (counter.blocks() == 1) {
        EXPECT_LE(before, size + size / 7 + 8) << "the same block for " << size;
      } else {
        EXPECT_LE(counter.bytes(), static_cast<int64_t>(size + 200));
      }
    }
  }
}

TEST(SpareBlockTest, KeepsOneBlock) {
  AllocationCounter counter;
  SpareBlock spare;
  for (const size_t size : {size_t{600}, kMost, size_t{1}, size_t{1024}}) {
    Make(spare, size, 'a');
    EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * size + 64));
  }
}

TEST(SpareBlockTest, WhatAnotherThreadHadIsFilledAgainOnlyAfterThat) {
  SpareBlock spare;
  std::atomic<bool> is_gone{false};
  std::thread other([&is_gone, made = Make(spare, 1000, 'a')]() mutable {
    EXPECT_EQ(made, std::string(1000, 'a'));
    made.Clear();
    // Orders nothing, so that the block itself has to.
    is_gone.store(true, std::memory_order_relaxed);
  });
  while (!is_gone.load(std::memory_order_relaxed)) std::this_thread::yield();
  EXPECT_EQ(Make(spare, 1000, 'b'), std::string(1000, 'b'));
  other.join();
}

}  // namespace
}  // namespace flow::internal
