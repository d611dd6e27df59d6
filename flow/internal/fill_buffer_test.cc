// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fill_buffer.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/testing/allocation_counter.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::AllocationCounter;

absl::Cord Fill(FillBuffer& buffer, size_t max_bytes, size_t n, char c) {
  const absl::Span<char> space = buffer.Space(max_bytes);
  n = std::min(n, space.size());
  std::fill_n(space.begin(), n, c);
  return buffer.Take(n);
}

TEST(FillBufferTest, GivesAtMostWhatIsAskedFor) {
  FillBuffer buffer;
  for (const size_t most : {size_t{1}, size_t{10}, kMaxCopied, kMinBlock / 2}) {
    EXPECT_EQ(buffer.Space(most).size(), most);
  }
  EXPECT_LE(buffer.Space(kMaxBlock).size(), kMinBlock);
}

TEST(FillBufferTest, GrowsWhileItIsFilled) {
  FillBuffer buffer;
  size_t largest = 0;
  for (int i = 0; i < 10; ++i) {
    largest = Fill(buffer, kMaxBlock, kMaxBlock, 'x').size();
  }
  EXPECT_GT(largest, kMaxBlock / 2);
}

TEST(FillBufferTest, WhatWasTakenNeverChanges) {
  FillBuffer buffer;
  const absl::Cord large = Fill(buffer, kMinBlock, kMaxCopied + 1, 'a');
  const absl::Cord small = Fill(buffer, kMinBlock, 10, 'b');
  Fill(buffer, kMinBlock, kMinBlock, 'c');
  EXPECT_EQ(large, std::string(kMaxCopied + 1, 'a'));
  EXPECT_EQ(small, std::string(10, 'b'));
}

TEST(FillBufferTest, AShortFillPinsNoBlockAndLeavesItForTheNext) {
  FillBuffer buffer;
  Fill(buffer, kMinBlock, 10, 'a');
  AllocationCounter counter;
  const absl::Cord small = Fill(buffer, kMinBlock, 10, 'b');
  EXPECT_EQ(counter.blocks(), 0);
  EXPECT_LT(small.EstimatedMemoryUsage(), kMinBlock / 2);
}

TEST(FillBufferTest, AfterDropItHoldsNoBlock) {
  FillBuffer buffer;
  Fill(buffer, kMinBlock, 10, 'a');
  buffer.Drop();
  AllocationCounter counter;
  buffer.Space(kMinBlock);
  EXPECT_EQ(counter.blocks(), 1);
}

}  // namespace
}  // namespace flow::internal
