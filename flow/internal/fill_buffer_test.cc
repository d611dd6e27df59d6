// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fill_buffer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>  // NOLINT(build/c++11)

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/copied_bytes.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::AllocationCounter;
using ::flow::testing::AllocationLimit;
using ::flow::testing::CopiedBytes;

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

absl::Cord Fill(FillBuffer& buffer, size_t max_bytes, size_t n, char c) {
  const absl::Span<char> space = *buffer.Space(max_bytes);
  n = std::min(n, space.size());
  std::fill_n(space.begin(), n, c);
  return *buffer.Take(n);
}

TEST(FillBufferTest, GivesAtMostWhatIsAskedFor) {
  FillBuffer buffer;
  for (const size_t most : {size_t{1}, size_t{10}, kMaxCopied, kMinBlock / 2}) {
    EXPECT_EQ(buffer.Space(most)->size(), most);
  }
  EXPECT_EQ(buffer.Space(kMaxBlock)->size(), kMinBlock);
}

TEST(FillBufferTest, GrowsWhileItIsFilled) {
  FillBuffer buffer;
  for (size_t size = kMinBlock; size < kMaxBlock; size *= 2) {
    EXPECT_EQ(Fill(buffer, kNoLimit, kMaxBlock, 'x').size(), size);
  }
  EXPECT_EQ(Fill(buffer, kNoLimit, kMaxBlock, 'x').size(), kMaxBlock);
  EXPECT_EQ(Fill(buffer, kNoLimit, kMaxBlock, 'x').size(), kMaxBlock);
}

TEST(FillBufferTest, GivesALimitThatIsNotRoundWhole) {
  FillBuffer buffer;
  for (int i = 0; i < 10; ++i) Fill(buffer, kNoLimit, kMaxBlock, 'x');
  EXPECT_EQ(buffer.Space(10240)->size(), 10240);
}

TEST(FillBufferTest, WhatWasTakenNeverChanges) {
  FillBuffer buffer;
  const absl::Cord large = Fill(buffer, kMinBlock, kMinBlock, 'a');
  const absl::Cord small = Fill(buffer, kMinBlock, 10, 'b');
  Fill(buffer, kMinBlock, kMinBlock, 'c');
  EXPECT_EQ(large, std::string(kMinBlock, 'a'));
  EXPECT_EQ(small, std::string(10, 'b'));
}

TEST(FillBufferTest, APartOrACopyOfWhatWasTakenNeverChanges) {
  for (const bool is_full : {true, false}) {
    FillBuffer buffer;
    const size_t n = is_full ? kMinBlock : kMinBlock * 3 / 4;
    absl::Cord taken = Fill(buffer, kMinBlock, n, 'a');
    const absl::Cord part = taken.Subcord(100, 1000);
    absl::Cord copy = taken;
    taken.Clear();
    Fill(buffer, kMinBlock, n, 'b');
    EXPECT_EQ(copy, std::string(n, 'a'));
    copy.Clear();
    Fill(buffer, kMinBlock, n, 'c');
    EXPECT_EQ(part, std::string(1000, 'a'));
  }
}

TEST(FillBufferTest, WhatWasTakenOutlivesTheBuffer) {
  absl::Cord taken;
  {
    FillBuffer buffer;
    taken = Fill(buffer, kMinBlock, kMinBlock, 'a');
  }
  EXPECT_EQ(taken, std::string(kMinBlock, 'a'));
}

TEST(FillBufferTest, WhatAnotherThreadHadIsFilledAgainOnlyAfterThat) {
  FillBuffer buffer;
  std::atomic<bool> is_gone{false};
  std::thread other(
      [&is_gone, taken = Fill(buffer, kMinBlock, kMinBlock, 'a')]() mutable {
        EXPECT_EQ(taken, std::string(kMinBlock, 'a'));
        taken.Clear();
        // Orders nothing, so that the block itself has to.
        is_gone.store(true, std::memory_order_relaxed);
      });
  while (!is_gone.load(std::memory_order_relaxed)) std::this_thread::yield();
  EXPECT_EQ(Fill(buffer, kMinBlock, kMinBlock, 'b'),
            std::string(kMinBlock, 'b'));
  other.join();
}

TEST(FillBufferTest, AShortFillPinsNoBlockAndLeavesItForTheNext) {
  FillBuffer buffer;
  Fill(buffer, kMinBlock, 10, 'a');
  AllocationCounter counter;
  const absl::Cord small = Fill(buffer, kMinBlock, 10, 'b');
  EXPECT_EQ(counter.blocks(), 0);
  EXPECT_LT(small.EstimatedMemoryUsage(), kMinBlock / 2);
}

// Of the sizes that are copied out, the larger ones need a block of their own.
TEST(FillBufferTest, OfMessagesThatAreGoneTheNextNeedsNoBlock) {
  FillBuffer buffer;
  Fill(buffer, kMinBlock, 1024, 'a');
  const std::string expected(1024, 'b');
  AllocationCounter counter;
  for (const size_t n : {1024, 1001, 1020}) {
    EXPECT_EQ(Fill(buffer, kMinBlock, n, 'b'),
              absl::string_view(expected).substr(0, n));
  }
  EXPECT_LT(counter.bytes(), 1000);
}

TEST(FillBufferTest, AMessageThatIsStillThereNeverChanges) {
  FillBuffer buffer;
  const absl::Cord first = Fill(buffer, kMinBlock, 1500, 'a');
  const absl::Cord second = Fill(buffer, kMinBlock, 1500, 'b');
  Fill(buffer, kMinBlock, 1500, 'c');
  EXPECT_EQ(first, std::string(1500, 'a'));
  EXPECT_EQ(second, std::string(1500, 'b'));
}

TEST(FillBufferTest, ASmallMessageAfterALargerOnePinsAtMostTwiceItsSize) {
  for (const size_t large : {1100, 1500, 2100}) {
    for (size_t n = 600; n <= large; n += 50) {
      FillBuffer buffer;
      AllocationCounter counter;
      Fill(buffer, kMinBlock, large, 'a');
      const absl::Cord taken = Fill(buffer, kMinBlock, n, 'b');
      buffer.Drop();
      EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * n + 200));
    }
  }
}

// For each size of a block, and how much of it is filled.
TEST(FillBufferTest, WhatIsTakenPinsAtMostTwiceItsSize) {
  for (int grow = 0; grow < 5; ++grow) {
    for (size_t n = 1; n <= kMaxBlock; n = n * 9 / 8 + 1) {
      FillBuffer buffer;
      for (int i = 0; i < grow; ++i) Fill(buffer, kNoLimit, kMaxBlock, 'x');
      AllocationCounter counter;
      const absl::Cord taken = Fill(buffer, kNoLimit, n, 'x');
      buffer.Drop();
      EXPECT_LE(counter.live_bytes(),
                static_cast<int64_t>(2 * taken.size() + 200));
    }
  }
}

// So whoever takes a part can tell what that would pin (compact.h).
TEST(FillBufferTest, ACordCountsItsBlockUnlessThatIsNearlyFull) {
  FillBuffer buffer;
  const size_t size = kMinBlock * 3 / 4;
  EXPECT_GE(Fill(buffer, kMinBlock, size, 'x').EstimatedMemoryUsage(),
            kMinBlock);
}

TEST(FillBufferTest, EveryBlockIsFreedWithItsLastOwner) {
  AllocationCounter counter;
  {
    FillBuffer buffer;
    const absl::Cord kept = Fill(buffer, kMinBlock, kMinBlock, 'a');
    Fill(buffer, kMinBlock, kMinBlock, 'b');
  }
  EXPECT_EQ(counter.live_bytes(), 0);
}

TEST(FillBufferTest, AFullBlockIsHandedOverAndNotCopied) {
  FillBuffer buffer;
  for (int i = 0; i < 10; ++i) {
    const absl::Span<char> space = *buffer.Space(kNoLimit);
    std::fill(space.begin(), space.end(), 'x');
    const absl::string_view filled(space.data(), space.size());
    EXPECT_EQ(CopiedBytes(filled, *buffer.Take(space.size())), 0);
  }
}

TEST(FillBufferTest, WithoutMemoryForABlockItSaysSoAndGoesOnLater) {
  FillBuffer buffer;
  Fill(buffer, kMaxBlock, kMaxBlock, 'x');
  {
    AllocationLimit limit(kMinBlock);
    EXPECT_FALSE(buffer.Space(kNoLimit).has_value());
  }
  EXPECT_EQ(Fill(buffer, kNoLimit, 10, 'x'), std::string(10, 'x'));
}

TEST(FillBufferTest, AfterDropItHoldsNoBlock) {
  FillBuffer buffer;
  Fill(buffer, kMinBlock, 10, 'a');
  buffer.Drop();
  AllocationCounter counter;
  EXPECT_TRUE(buffer.Space(kMinBlock).has_value());
  EXPECT_EQ(counter.blocks(), 1);
}

}  // namespace
}  // namespace flow::internal
