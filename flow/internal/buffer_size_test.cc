// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/buffer_size.h"

#include <cstddef>

#include "gtest/gtest.h"

namespace flow::internal {
namespace {

void FillWhole(BlockSize& size, int times) {
  for (int i = 0; i < times; ++i) size.Update(size.get(), size.get());
}

TEST(BlockSizeTest, GrowsWhileBlocksAreFilledUpToTheMaximum) {
  BlockSize size;
  EXPECT_EQ(size.get(), kMinBlock);
  FillWhole(size, 1);
  EXPECT_EQ(size.get(), 2 * kMinBlock);
  FillWhole(size, 10);
  EXPECT_EQ(size.get(), kMaxBlock);
}

TEST(BlockSizeTest, ShrinksOverShortFillsDownToTheMinimum) {
  BlockSize size;
  FillWhole(size, 10);
  size.Update(100, kMaxBlock);
  EXPECT_EQ(size.get(), kMaxBlock / 2);
  for (int i = 0; i < 10; ++i) size.Update(100, size.get());
  EXPECT_EQ(size.get(), kMinBlock);
}

TEST(BlockSizeTest, KeepsItsSizeWhenBlocksAreMoreThanHalfFull) {
  BlockSize size;
  FillWhole(size, 2);
  size.Update(size.get() / 2 + 1, size.get());
  EXPECT_EQ(size.get(), 4 * kMinBlock);
  size.Update(size.get() / 2, size.get());
  EXPECT_EQ(size.get(), 2 * kMinBlock);
}

// Of many messages of a size, few are read into a block that is too large.
TEST(BlockSizeTest, MessagesThatJustFillABlockDoNotMakeItGrowAgainAndAgain) {
  BlockSize size;
  int too_large = 0;
  for (int i = 0; i < 1000; ++i) {
    if (size.get() > kMinBlock) ++too_large;
    size.Update(kMinBlock, size.get());
  }
  EXPECT_LT(too_large, 25);
}

TEST(BlockSizeTest, AfterSuchMessagesABulkTransferGetsLargeBlocksSoon) {
  BlockSize size;
  for (int i = 0; i < 1000; ++i) size.Update(kMinBlock, size.get());
  FillWhole(size, 70);
  EXPECT_EQ(size.get(), kMaxBlock);
}

TEST(BlockSizeTest, AfterGrowthInVainFullBlocksMustComeInARow) {
  BlockSize size;
  FillWhole(size, 1);
  size.Update(kMinBlock, size.get());
  for (int i = 0; i < 10; ++i) {
    FillWhole(size, 1);
    size.Update(size.get() - 1, size.get());
    EXPECT_EQ(size.get(), kMinBlock);
  }
  FillWhole(size, 2);
  EXPECT_EQ(size.get(), 2 * kMinBlock);
}

TEST(BlockSizeTest, AReadWithASmallLimitDoesNotMakeItGrow) {
  BlockSize size;
  size.Update(5, 5);
  EXPECT_EQ(size.get(), kMinBlock);
}

}  // namespace
}  // namespace flow::internal
