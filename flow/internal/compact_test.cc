// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/compact.h"

#include <cstddef>
#include <string>

#include "absl/strings/cord.h"
#include "flow/internal/buffer_size.h"
#include "flow/testing/copied_bytes.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::CopiedBytes;

absl::Cord Buffer(size_t size) { return absl::Cord(std::string(size, 'x')); }

TEST(CompactTest, CopiesAPartOfLessThanHalfABlock) {
  for (const size_t size : {size_t{16}, kMaxCopied, size_t{600}, size_t{5000},
                            kMaxBlock / 2 - 200}) {
    const absl::Cord part = Buffer(kMaxBlock).Subcord(100, size);
    const absl::Cord compact = Compact(part);
    EXPECT_EQ(compact, part);
    EXPECT_EQ(CopiedBytes(part, compact), size);
    EXPECT_LE(compact.EstimatedMemoryUsage(), 2 * size + 128);
  }
}

TEST(CompactTest, CopiesAPartThatBeginsInOneBlockAndEndsInAnother) {
  absl::Cord blocks = Buffer(kMaxBlock);
  blocks.Append(Buffer(kMaxBlock));
  const size_t size = kMaxBlock / 2;
  const absl::Cord part = blocks.Subcord(kMaxBlock - size / 2, size);
  EXPECT_EQ(CopiedBytes(part, Compact(part)), size);
}

TEST(CompactTest, CopiesAPartWithAWholeBlockBetweenTwoThatItHardlyUses) {
  absl::Cord blocks;
  for (int i = 0; i < 3; ++i) blocks.Append(Buffer(kMaxBlock));
  const size_t size = kMaxBlock + 1000;
  const absl::Cord part = blocks.Subcord(kMaxBlock - 500, size);
  EXPECT_EQ(CopiedBytes(part, Compact(part)), size);
}

TEST(CompactTest, SharesWhatUsesItsMemory) {
  for (const size_t size : {kMaxBlock / 2, kMaxBlock - 1, kMaxBlock}) {
    const absl::Cord part = Buffer(kMaxBlock).Subcord(0, size);
    EXPECT_EQ(CopiedBytes(part, Compact(part)), 0) << size;
  }
  const absl::Cord small = Buffer(100);
  EXPECT_EQ(CopiedBytes(small, Compact(small)), 0);
}

TEST(CompactTest, SharesALargeBufferThatWasHandedOver) {
  const absl::Cord large = Buffer(size_t{1} << 20);
  for (const size_t size : {kMaxCopied + 1, kMaxBlock, 2 * kMaxBlock}) {
    const absl::Cord part = large.Subcord(0, size);
    EXPECT_EQ(CopiedBytes(part, Compact(part)), 0) << size;
  }
  const absl::Cord little = large.Subcord(0, kMaxCopied);
  EXPECT_EQ(CopiedBytes(little, Compact(little)), kMaxCopied);
}

}  // namespace
}  // namespace flow::internal
