// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/outgoing_pieces.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"
#include "flow/testing/copied_bytes.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::CopiedBytes;

std::string Bytes(const Outgoing& data) {
  std::string bytes;
  data.ForEachPiece([&](absl::string_view piece) { bytes.append(piece); });
  return bytes;
}

TEST(OutgoingPiecesTest, PiecesOfAnySizeAreTheWrite) {
  const absl::Cord cord("cdefg");
  for (size_t size = 1; size <= 12; ++size) {
    std::string moved = "hij";
    const std::vector<Buffer> buffers = {"ab", "", cord, std::move(moved), "k"};
    OutgoingPieces pieces{Outgoing(absl::Span<const Buffer>(buffers))};
    EXPECT_TRUE(pieces.borrows());
    std::string all;
    while (pieces.left() > 0) {
      const size_t left = pieces.left();
      const Outgoing piece = pieces.Next(size);
      EXPECT_EQ(piece.size(), std::min(size, left));
      EXPECT_EQ(pieces.left(), left - piece.size());
      for (size_t n = 0; n <= piece.size(); ++n) {
        EXPECT_EQ(pieces.Keep(n), Bytes(piece).substr(0, n));
      }
      all += Bytes(piece);
    }
    EXPECT_EQ(all, "abcdefghijk");
  }
}

TEST(OutgoingPiecesTest, CordsAreSharedAndBorrowedBytesAreBorrowed) {
  const absl::Cord cord(std::string(10000, 'x'));
  OutgoingPieces shared{Outgoing(Buffer(cord))};
  EXPECT_FALSE(shared.borrows());
  for (int i = 0; i < 2; ++i) {
    Outgoing piece = shared.Next(5000);
    const absl::Cord part = cord.Subcord(i * 5000, 5000);
    EXPECT_EQ(CopiedBytes(part, shared.Keep(5000)), 0);
    EXPECT_EQ(CopiedBytes(part, piece.TakeCord()), 0);
  }
  const absl::string_view text = "hello";
  OutgoingPieces borrowed{Outgoing(Buffer(text))};
  EXPECT_EQ(borrowed.Next(2).bytes().data(), text.data());
  EXPECT_EQ(borrowed.Next(3).bytes().data(), text.data() + 2);
}

}  // namespace
}  // namespace flow::internal
