// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/gather.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/outgoing.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

TEST(GathererTest, TakesWhatIsAskedForAcrossTheBoundsOfBuffers) {
  const std::vector<absl::string_view> buffers = {"", "ab", "", "cde", ""};
  const Outgoing data{absl::Span<const absl::string_view>(buffers)};
  Gatherer gatherer(data, 0, data.count());
  EXPECT_EQ(gatherer.remaining(), 5u);
  EXPECT_EQ(gatherer.Take(3), "abc");
  EXPECT_EQ(gatherer.remaining(), 2u);
  char bytes[1];
  gatherer.TakeInto(absl::MakeSpan(bytes));
  EXPECT_EQ(bytes[0], 'd');
  EXPECT_EQ(gatherer.Take(100), "e");
  EXPECT_EQ(gatherer.remaining(), 0u);
  EXPECT_TRUE(gatherer.Take(1).empty());
}

TEST(GathererTest, TakesTheBuffersOfItsPartOfTheList) {
  const absl::Cord cord("cord");
  const Buffer buffers[] = {cord, "ab", absl::string_view("cd"), cord, "ef"};
  const Outgoing data{absl::Span<const Buffer>(buffers)};
  EXPECT_EQ(Gatherer(data, 1, 3).Take(100), "abcd");
  EXPECT_EQ(Gatherer(data, 4, 5).Take(100), "ef");
}

TEST(GathererTest, NothingRemainsOfNothing) {
  const std::vector<absl::string_view> empties(3);
  const Outgoing data{absl::Span<const absl::string_view>(empties)};
  EXPECT_EQ(Gatherer(data, 0, 0).remaining(), 0u);
  EXPECT_EQ(Gatherer(data, 0, 3).remaining(), 0u);
}

TEST(GathererTest, CopiesEachPieceOfUpToABlockIntoOne) {
  for (const size_t size : {size_t{1}, size_t{511}, size_t{4083}, size_t{4084},
                            size_t{4096}, kMaxBlock}) {
    const std::string piece(size, 'x');
    const Outgoing data{Buffer(piece)};
    const absl::Cord copy = Gatherer(data, 0, 1).Take(size);
    EXPECT_EQ(copy.TryFlat(), piece) << size;
  }
}

TEST(GathererTest, CopiesIntoWholeBlocks) {
  const std::string piece(1000, 'x');
  const std::vector<absl::string_view> buffers(500, piece);
  const Outgoing data{absl::Span<const absl::string_view>(buffers)};
  const absl::Cord all =
      Gatherer(data, 0, data.count()).Take(500 * piece.size());
  EXPECT_EQ(all, std::string(500 * piece.size(), 'x'));
  size_t blocks = 0;
  for (absl::string_view chunk : all.Chunks()) {
    EXPECT_LE(chunk.size(), kMaxBlock);
    ++blocks;
  }
  EXPECT_EQ(blocks, 500 * 1000 / kMaxBlock + 1);
}

}  // namespace
}  // namespace flow::internal
