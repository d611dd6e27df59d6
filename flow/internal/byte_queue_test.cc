// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/byte_queue.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/internal/buffer_size.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/copied_bytes.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::AllocationCounter;
using ::flow::testing::CopiedBytes;

constexpr size_t kLarge = kMaxCopied + 1;  // the least that is shared

absl::Cord Buffer(size_t size) { return absl::Cord(std::string(size, 'x')); }

TEST(ByteQueueTest, IsTheConcatenationInWhateverPiecesItIsTaken) {
  ByteQueue queue;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    const std::string piece(static_cast<size_t>(i * 37 % 700 + 1),
                            static_cast<char>('a' + i % 26));
    expected += piece;
    if (i % 3 == 0) {
      queue.Append(absl::string_view(piece));
    } else {
      queue.Append(absl::Cord(piece));
    }
  }
  EXPECT_EQ(queue.size(), expected.size());
  EXPECT_EQ(queue.cord(), expected);
  std::string taken;
  for (size_t n = 1; n <= queue.size(); n = n * 5 / 4 + 1) {
    taken += std::string(queue.Take(n));
    queue.Append(absl::string_view("+"));
    expected += "+";
  }
  taken += std::string(queue.TakeAll());
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(taken, expected);
}

TEST(ByteQueueTest, SharesWhatIsNotSmall) {
  ByteQueue queue;
  const absl::Cord first = Buffer(kLarge);
  const absl::Cord second = Buffer(kLarge);
  queue.Append(absl::Cord(first));
  queue.Append(absl::Cord(second));
  EXPECT_EQ(CopiedBytes(first, queue.Take(kLarge)), 0);
  EXPECT_EQ(CopiedBytes(second, queue.Take(kLarge)), 0);
}

TEST(ByteQueueTest, ACopiedTailIsTheSameAndKeepsNoLargerBuffer) {
  for (const size_t n : {size_t{0}, size_t{1}, kLarge}) {
    const std::string front(kLarge, 'f');
    const std::string large(10 * kLarge, 'x');
    AllocationCounter counter;
    ByteQueue queue;
    queue.Append(absl::Cord(front));
    queue.Append(absl::Cord(large).Subcord(3, n));
    queue.CopyTail(n);
    EXPECT_EQ(queue.cord(), front + large.substr(3, n));
    EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * (kLarge + n)));
  }
}

TEST(ByteQueueTest, LeavesWhatItCopiesForTheCallerToFree) {
  ByteQueue queue;
  queue.Append(Buffer(kLarge));
  absl::Cord small = Buffer(kMaxCopied);
  queue.Append(std::move(small));
  EXPECT_EQ(small.size(), kMaxCopied);  // NOLINT: that is the rule
}

TEST(ByteQueueTest, HoldsTwiceItsBytesWhereSmallPiecesAndBuffersAlternate) {
  constexpr int kTimes = 200;
  for (const size_t small : {1, 15, 16, 100, 511}) {
    for (const size_t in_a_row : {1, 2, 10}) {
      for (const size_t large : {kLarge, size_t{4000}}) {
        AllocationCounter counter;
        ByteQueue queue;
        for (int i = 0; i < kTimes; ++i) {
          for (size_t j = 0; j < in_a_row; ++j) {
            queue.Append(absl::string_view(std::string(small, 's')));
          }
          queue.Append(Buffer(large));
        }
        EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * queue.size()))
            << in_a_row << " x " << small << ", " << large;
      }
    }
  }
}

TEST(ByteQueueTest, ManySmallPiecesInARowShareBlocks) {
  ByteQueue queue;
  queue.Append(Buffer(kLarge));
  AllocationCounter counter;
  for (int i = 0; i < 10000; ++i) queue.Append(absl::string_view("12345678"));
  EXPECT_LT(counter.blocks(), 2500);
  EXPECT_LT(counter.live_bytes(), 100000);
}

}  // namespace
}  // namespace flow::internal
