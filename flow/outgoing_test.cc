// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a transport sees of a write. Which arguments become which buffers is in
// flow_overloads_test.cc.

#include "flow/outgoing.h"

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

constexpr size_t kLarge = 100000;  // a Cord adopts a string of this size

std::vector<std::string> Pieces(const Outgoing& data) {
  std::vector<std::string> pieces;
  data.ForEachPiece(
      [&](absl::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

absl::Cord Fragmented() {
  absl::Cord cord = absl::MakeCordFromExternal("frag", [] {});
  cord.Append(absl::MakeCordFromExternal("mented", [] {}));
  return cord;
}

TEST(BufferTest, TakesACopyOfBorrowedBytes) {
  std::string text = "text";
  const absl::Cord cord = Buffer(text).TakeCord();
  text = "gone";
  EXPECT_EQ(cord, "text");
}

TEST(BufferTest, TakesAStringThatWasMovedHereWithoutACopy) {
  std::string text(kLarge, 'x');
  const char* const before = text.data();
  const absl::Cord cord = Buffer(std::move(text)).TakeCord();
  EXPECT_EQ(cord.Chunks().begin()->data(), before);
}

TEST(BufferTest, LeavesWhatWasMovedHereAloneUntilItIsTaken) {
  std::string text(kLarge, 'x');
  absl::Cord cord(std::string(kLarge, 'y'));
  const Buffer string_buffer(std::move(text));
  const Buffer cord_buffer(std::move(cord));
  EXPECT_EQ(string_buffer.size(), kLarge);
  EXPECT_EQ(cord_buffer.size(), kLarge);
  EXPECT_EQ(text.size(), kLarge);  // NOLINT: that is the point
  EXPECT_EQ(cord.size(), kLarge);  // NOLINT: that is the point
}

TEST(BufferTest, SharesACordAndLeavesItToItsOwner) {
  const absl::Cord cord(std::string(kLarge, 'x'));
  const absl::Cord taken = Buffer(cord).TakeCord();
  EXPECT_EQ(cord.size(), kLarge);
  EXPECT_EQ(taken.Chunks().begin()->data(), cord.Chunks().begin()->data());
}

TEST(OutgoingTest, OneBufferIsAListOfOne) {
  Outgoing data{Buffer("abc")};
  EXPECT_EQ(data.size(), 3u);
  ASSERT_EQ(data.count(), 1u);
  EXPECT_EQ(data[0].bytes(), "abc");
  EXPECT_TRUE(data.is_borrowed());
  EXPECT_EQ(Pieces(data), std::vector<std::string>{"abc"});
  EXPECT_EQ(data.TakeCord(), "abc");
}

TEST(OutgoingTest, AListOfEachKindHasItsBuffersInOrder) {
  const absl::Cord cord = Fragmented();
  std::string moved = "moved";
  const Buffer buffers[] = {"a", cord, "", std::move(moved)};
  Outgoing mixed{absl::Span<const Buffer>(buffers)};
  EXPECT_EQ(mixed.size(), 16u);
  ASSERT_EQ(mixed.count(), 4u);
  EXPECT_FALSE(mixed.is_borrowed());
  EXPECT_TRUE(mixed[0].is_borrowed());
  EXPECT_FALSE(mixed[1].is_borrowed());
  EXPECT_FALSE(mixed[3].is_borrowed());
  EXPECT_EQ(Pieces(mixed),
            (std::vector<std::string>{"a", "frag", "mented", "", "moved"}));
  EXPECT_EQ(mixed.TakeCord(), "afragmentedmoved");

  const absl::Cord cords[] = {absl::Cord("ab"), absl::Cord(), cord};
  Outgoing shared{absl::Span<const absl::Cord>(cords)};
  EXPECT_EQ(shared.size(), 12u);
  EXPECT_EQ(shared.count(), 3u);
  EXPECT_FALSE(shared.is_borrowed());
  EXPECT_EQ(shared[2].size(), 10u);
  EXPECT_EQ(shared.TakeCord(), "abfragmented");
  EXPECT_EQ(cords[0], "ab");

  const absl::string_view views[] = {"ab", "", "c"};
  Outgoing borrowed{absl::Span<const absl::string_view>(views)};
  EXPECT_EQ(borrowed.size(), 3u);
  EXPECT_EQ(borrowed.count(), 3u);
  EXPECT_TRUE(borrowed.is_borrowed());
  EXPECT_EQ(borrowed[2].bytes(), "c");
  EXPECT_EQ(borrowed.TakeCord(), "abc");
}

TEST(OutgoingTest, AListOfBorrowedBuffersIsBorrowed) {
  const Buffer buffers[] = {"a", "b"};
  EXPECT_TRUE(Outgoing{absl::Span<const Buffer>(buffers)}.is_borrowed());
}

TEST(OutgoingTest, AnEmptyListHasNothing) {
  Outgoing data{absl::Span<const Buffer>()};
  EXPECT_EQ(data.size(), 0u);
  EXPECT_EQ(data.count(), 0u);
  EXPECT_TRUE(data.TakeCord().empty());
}

// Uses pieces of `data` until `most` were used, and stops then.
template <typename Data>
std::vector<std::string> FirstPieces(const Data& data, size_t most) {
  std::vector<std::string> pieces;
  const std::function<bool(absl::string_view)> use =
      [&](absl::string_view piece) {
        pieces.emplace_back(piece);
        return pieces.size() < most;
      };
  const bool used_all = data.ForEachPieceWhile(use);
  EXPECT_EQ(used_all, pieces.size() < most);
  return pieces;
}

TEST(OutgoingTest, TheWayThroughThePiecesOfEachKindStopsWhereItIsTold) {
  const std::vector<std::string> one = {"ab"};
  const std::vector<std::string> all = {"ab", "frag", "mented"};
  const absl::Cord cord = Fragmented();
  EXPECT_EQ(FirstPieces(Buffer("ab"), 1), one);
  EXPECT_EQ(FirstPieces(Buffer(std::string("ab")), 1), one);
  EXPECT_EQ(FirstPieces(Buffer(std::string("ab")), 2), one);
  EXPECT_EQ(FirstPieces(Buffer(cord), 1), std::vector<std::string>{"frag"});
  EXPECT_EQ(FirstPieces(Buffer(cord), 3),
            (std::vector<std::string>{"frag", "mented"}));

  std::string moved = "ab";
  const Buffer buffers[] = {std::move(moved), cord};
  const absl::Cord cords[] = {absl::Cord("ab"), cord};
  const absl::string_view views[] = {"ab", "frag", "mented"};
  const Outgoing lists[] = {
      Outgoing{absl::Span<const Buffer>(buffers)},
      Outgoing{absl::Span<const absl::Cord>(cords)},
      Outgoing{absl::Span<const absl::string_view>(views)}};
  for (const Outgoing& list : lists) {
    EXPECT_EQ(FirstPieces(list, 1), one);
    EXPECT_EQ(FirstPieces(list, 4), all);
  }
}

TEST(OutgoingTest, CountsWhatIsAcceptedWhateverItsSize) {
  Outgoing data{Buffer("abc")};
  data.Accept(1);
  data.Accept(1);
  EXPECT_EQ(data.accepted(), 2u);
  EXPECT_EQ(data.size(), 3u);
}

// Only their sizes are looked at.
TEST(OutgoingTest, ASizeThatCannotBeCountedIsTheLargest) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  const absl::string_view half("", kMost / 2 + 1);
  const absl::string_view halves[] = {half, half, "x"};
  EXPECT_EQ(Outgoing{absl::Span<const absl::string_view>(halves)}.size(),
            kMost);
  const Buffer buffers[] = {half, half, "x"};
  EXPECT_EQ(Outgoing{absl::Span<const Buffer>(buffers)}.size(), kMost);
}

}  // namespace
}  // namespace flow
