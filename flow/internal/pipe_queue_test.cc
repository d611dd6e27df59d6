// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/pipe_queue.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

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

absl::Cord Take(PipeQueue& queue, size_t n) {
  absl::Cord taken;
  queue.TakeTo(&taken, n);
  return taken;
}

TEST(PipeQueueTest, FewBytesPassWithoutAnAllocation) {
  PipeQueue queue;
  AllocationCounter counter;
  char space[kMaxCopied];
  for (int i = 0; i < 100; ++i) {
    queue.Append("few");
    queue.Append(" bytes");
    ASSERT_EQ(queue.size(), 9);
    ASSERT_TRUE(queue.TakeFew(space, 9));
    ASSERT_EQ(absl::string_view(space, 9), "few bytes");
    ASSERT_TRUE(queue.empty());
  }
  EXPECT_EQ(counter.blocks(), 0);
}

TEST(PipeQueueTest, FewBytesAreNotTakenInPart) {
  PipeQueue queue;
  queue.Append("abc");
  char space[3];
  EXPECT_FALSE(queue.TakeFew(space, 2));
  EXPECT_EQ(Take(queue, 2), "ab");
  EXPECT_EQ(Take(queue, 1), "c");
}

TEST(PipeQueueTest, FewBytesDoNotOvertakeOthers) {
  PipeQueue queue;
  queue.Append(absl::Cord("first"));
  queue.Append("last");
  char space[9];
  EXPECT_FALSE(queue.TakeFew(space, 4));
  EXPECT_FALSE(queue.TakeFew(space, 9));
  EXPECT_EQ(Take(queue, 9), "firstlast");
}

TEST(PipeQueueTest, SharesABuffer) {
  for (const size_t size : {size_t{100}, kMaxCopied + 1, size_t{100000}}) {
    PipeQueue queue;
    const absl::Cord buffer(std::string(size, 'x'));
    if (size > kMaxCopied) queue.Append("few");
    queue.Append(absl::Cord(buffer));
    Take(queue, queue.size() - size);
    EXPECT_EQ(CopiedBytes(buffer, Take(queue, size)), 0) << size;
  }
}

TEST(PipeQueueTest, SmallPiecesNeedFewBlocks) {
  constexpr int kTimes = 10000;
  PipeQueue queue;
  AllocationCounter counter;
  for (int i = 0; i < kTimes; ++i) queue.Append("a small message");
  EXPECT_LE(counter.blocks(), kTimes / 100);
  EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * queue.size()));
}

TEST(PipeQueueTest, GivesTheBytesInOrderHoweverTheyCameAndAreTaken) {
  std::mt19937 random(1);
  const auto up_to = [&](size_t n) { return random() % (n + 1); };
  PipeQueue queue;
  std::string expected;
  const auto expect_front = [&](const absl::Cord& taken) {
    ASSERT_EQ(taken, absl::string_view(expected).substr(0, taken.size()));
    expected.erase(0, taken.size());
  };
  char next = 'a';
  for (int i = 0; i < 20000; ++i) {
    const size_t size = up_to(random() % 4 == 0 ? 2 * kMaxCopied : 20);
    const std::string data(size, next = next == 'z' ? 'a' : next + 1);
    switch (random() % 8) {
      case 0:
      case 1:
        queue.Append(absl::string_view(data).substr(0, kMaxCopied));
        expected += data.substr(0, kMaxCopied);
        break;
      case 2:
      case 3:
        queue.Append(absl::Cord(data));
        expected += data;
        break;
      case 4:
        expect_front(Take(queue, up_to(queue.size())));
        break;
      case 5:
        if (char space[kMaxCopied + 1]; queue.size() <= sizeof(space) &&
                                        queue.TakeFew(space, queue.size())) {
          ASSERT_EQ(absl::string_view(space, expected.size()), expected);
          expected.clear();
        }
        break;
      case 6:
        queue.CopyTail(up_to(std::min(queue.size(), size_t{1000})));
        ASSERT_EQ(queue.buffers(), expected);
        break;
      case 7:
        if (random() % 16 == 0) expect_front(queue.TakeAll());
        break;
    }
    ASSERT_EQ(queue.size(), expected.size());
    ASSERT_EQ(queue.empty(), expected.empty());
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace flow::internal
