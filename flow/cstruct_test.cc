// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What one sees through a window: sizes, bounds, typed access, text. Who owns
// the memory is in cstruct_ownership_test.cc, everything at random in
// cstruct_model_test.cc.

#include "flow/cstruct.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kMaxSize = std::numeric_limits<size_t>::max();

// Windows.

TEST(CstructTest, SubIsAWindowOnTheSameMemory) {
  const Cstruct all = Cstruct::CopyOf("abcdef");
  const absl::StatusOr<Cstruct> sub = all.Sub(2, 3);
  ASSERT_THAT(sub, IsOk());
  EXPECT_EQ(sub->view(), "cde");
  EXPECT_EQ(sub->data(), all.data() + 2);
  sub->Fill('-');
  EXPECT_EQ(all.view(), "ab---f");
}

TEST(CstructTest, SubOfASubCountsFromTheInnerWindow) {
  const Cstruct inner = *Cstruct::CopyOf("abcdef").Sub(1, 4);
  EXPECT_EQ(inner.Sub(1, 2)->view(), "cd");
  EXPECT_THAT(inner.Sub(0, 5), StatusIs(absl::StatusCode::kOutOfRange))
      << "a window never grows, though the memory goes on";
}

TEST(CstructTest, WindowsReachUpToTheEndAndNoFurther) {
  constexpr size_t kSize = 8;
  const Cstruct all = Cstruct::Create(kSize);
  constexpr std::array<size_t, 8> kEdges = {0,
                                            1,
                                            kSize - 1,
                                            kSize,
                                            kSize + 1,
                                            kMaxSize / 2,
                                            kMaxSize - kSize + 1,
                                            kMaxSize};
  for (const size_t offset : kEdges) {
    for (const size_t length : kEdges) {
      SCOPED_TRACE(absl::StrCat("offset ", offset, ", length ", length));
      // Written so that it cannot overflow, in another way than the code.
      const bool fits =
          offset <= kSize && length <= kSize && offset + length <= kSize;
      EXPECT_EQ(all.Sub(offset, length).ok(), fits);
    }
    SCOPED_TRACE(absl::StrCat("n ", offset));
    EXPECT_EQ(all.Shift(offset).ok(), offset <= kSize);
    EXPECT_EQ(all.Split(offset).ok(), offset <= kSize);
    EXPECT_EQ(all.Blit(offset, "").ok(), offset <= kSize);
    EXPECT_EQ(all.Blit(offset, "x").ok(), offset < kSize);
    EXPECT_EQ(all.Blit(offset, all).ok(), offset == 0);
  }
  EXPECT_TRUE(all.IsSoleOwner()) << "a failure keeps no reference";
}

TEST(CstructTest, SubOutOfRangeIsAnErrorThatNamesTheNumbers) {
  const Cstruct all = Cstruct::Create(10);
  EXPECT_THAT(all.Sub(7, 4),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "Cstruct::Sub: 4 bytes at offset 7 of a window of 10"));
  EXPECT_THAT(all.Sub(kMaxSize, 2),
              StatusIs(absl::StatusCode::kOutOfRange,
                       HasSubstr(absl::StrCat(kMaxSize))));
}

TEST(CstructTest, ShiftOutOfRangeIsAnErrorThatNamesTheNumbers) {
  EXPECT_THAT(Cstruct::Create(10).Shift(11),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "Cstruct::Shift: by 11 of a window of 10"));
}

TEST(CstructTest, SplitOutOfRangeIsAnErrorThatNamesTheNumbers) {
  EXPECT_THAT(Cstruct::Create(10).Split(11),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "Cstruct::Split: at 11 of a window of 10"));
}

TEST(CstructTest, BlitOutOfRangeIsAnErrorThatNamesTheNumbers) {
  EXPECT_THAT(Cstruct::Create(10).Blit(8, "abc"),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "Cstruct::Blit: 3 bytes to offset 8 of a window of 10"));
}

TEST(CstructTest, ShiftDropsTheFirstBytesAndSharesTheRest) {
  const Cstruct all = Cstruct::CopyOf("abc");
  EXPECT_EQ(all.Shift(0)->view(), "abc");
  EXPECT_EQ(all.Shift(1)->view(), "bc");
  EXPECT_EQ(all.Shift(1)->data(), all.data() + 1);
  EXPECT_EQ(all.Shift(3)->view(), "");
  EXPECT_EQ(all.view(), "abc");
}

TEST(CstructTest, SplitGivesTwoWindowsThatMeet) {
  const Cstruct all = Cstruct::CopyOf("abc");
  for (size_t n = 0; n <= all.size(); ++n) {
    const auto halves = all.Split(n);
    ASSERT_THAT(halves, IsOk());
    EXPECT_EQ(halves->first.view(), all.view().substr(0, n));
    EXPECT_EQ(halves->second.view(), all.view().substr(n));
    EXPECT_EQ(halves->first.data() + n, halves->second.data());
    EXPECT_EQ(halves->first.data(), all.data());
  }
}

// The example of the header: a length of 2 bytes at offset 2, then the payload.
absl::StatusOr<Cstruct> Payload(const Cstruct& packet) {
  absl::StatusOr<Cstruct> header = packet.Sub(0, 4);
  if (!header.ok()) return header.status();
  return packet.Sub(4, header->GetUint16Be(2));
}

TEST(CstructTest, AShortOrLyingPacketIsAnErrorAndNotACrash) {
  const auto packet = [](absl::string_view bytes) {
    return Payload(Cstruct::CopyOf(bytes));
  };
  using Bytes = std::string;
  EXPECT_THAT(packet(Bytes("..\0\2ab", 6)),
              IsOkAndHolds(Eq(Cstruct::CopyOf("ab"))));
  EXPECT_THAT(packet(Bytes("..\0", 3)),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "Cstruct::Sub: 4 bytes at offset 0 of a window of 3"));
  EXPECT_THAT(packet(Bytes("..\1\2ab", 6)),
              StatusIs(absl::StatusCode::kOutOfRange,
                       "Cstruct::Sub: 258 bytes at offset 4 of a window of 6"));
}

// Bulk operations.

TEST(CstructTest, BlitCopiesTheWholeSource) {
  const Cstruct target = Cstruct::CopyOf("......");
  EXPECT_THAT(target.Blit(1, Cstruct::CopyOf("abc")), IsOk());
  EXPECT_EQ(target.view(), ".abc..");
  EXPECT_THAT(target.Blit(3, "xyz"), IsOk());
  EXPECT_EQ(target.view(), ".abxyz");
}

TEST(CstructTest, BlitThatDoesNotFitChangesNothing) {
  const Cstruct all = Cstruct::CopyOf("abcdef");
  const Cstruct target = *all.Sub(0, 3);
  EXPECT_THAT(target.Blit(1, "xyz"), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(all.view(), "abcdef");
}

TEST(CstructTest, BlitBetweenOverlappingWindowsIsRightBothWays) {
  const Cstruct up = Cstruct::CopyOf("abcdef");
  EXPECT_THAT(up.Blit(2, *up.Sub(0, 4)), IsOk());
  EXPECT_EQ(up.view(), "ababcd");

  const Cstruct down = Cstruct::CopyOf("abcdef");
  EXPECT_THAT(down.Blit(0, down.view().substr(2)), IsOk());
  EXPECT_EQ(down.view(), "cdefef");

  EXPECT_THAT(down.Blit(0, down), IsOk());
  EXPECT_EQ(down.view(), "cdefef");
}

TEST(CstructTest, FillStaysInsideItsWindow) {
  const Cstruct all = Cstruct::CopyOf("abcdef");
  all.Sub(2, 3)->Fill('\xff');
  EXPECT_EQ(all.view(),
            "ab\xff\xff\xff"
            "f");
  all.Fill('\0');
  EXPECT_EQ(all, Cstruct::Create(6));
}

TEST(CstructTest, ConcatCopiesAllPartsInOrder) {
  const Cstruct ab = Cstruct::CopyOf("ab");
  const Cstruct all =
      Cstruct::Concat({ab, Cstruct(), ab, Cstruct::CopyOf("c")});
  EXPECT_EQ(all.view(), "ababc");
  EXPECT_TRUE(all.IsSoleOwner());
  all.Fill('-');
  EXPECT_EQ(ab.view(), "ab");
}

// Typed access.

TEST(CstructTest, TypedGetReadsTheBytesInTheNamedOrder) {
  const Cstruct c = Cstruct::CopyOf("\x81\x92\xa3\xb4\xc5\xd6\xe7\xf8");
  EXPECT_EQ(c.GetUint8(0), 0x81);
  EXPECT_EQ(c.GetUint16Le(0), 0x9281);
  EXPECT_EQ(c.GetUint16Be(0), 0x8192);
  EXPECT_EQ(c.GetUint32Le(0), 0xb4a39281);
  EXPECT_EQ(c.GetUint32Be(0), 0x8192a3b4);
  EXPECT_EQ(c.GetUint64Le(0), 0xf8e7d6c5b4a39281);
  EXPECT_EQ(c.GetUint64Be(0), 0x8192a3b4c5d6e7f8);
}

TEST(CstructTest, TypedSetWritesTheBytesInTheNamedOrderAndNoOthers) {
  // Sets on a row of dots at offset 1, and returns what the row is then.
  const auto set = [](auto setter, auto value) {
    const Cstruct c = Cstruct::CopyOf("..........");
    (c.*setter)(1, value);
    return c.ToString();
  };
  EXPECT_EQ(set(&Cstruct::SetUint8, uint8_t{'a'}), ".a........");
  EXPECT_EQ(set(&Cstruct::SetUint16Le, uint16_t{0x6162}), ".ba.......");
  EXPECT_EQ(set(&Cstruct::SetUint16Be, uint16_t{0x6162}), ".ab.......");
  EXPECT_EQ(set(&Cstruct::SetUint32Le, uint32_t{0x61626364}), ".dcba.....");
  EXPECT_EQ(set(&Cstruct::SetUint32Be, uint32_t{0x61626364}), ".abcd.....");
  EXPECT_EQ(set(&Cstruct::SetUint64Le, uint64_t{0x6162636465666768}),
            ".hgfedcba.");
  EXPECT_EQ(set(&Cstruct::SetUint64Be, uint64_t{0x6162636465666768}),
            ".abcdefgh.");
}

TEST(CstructTest, TypedAccessNeedsNoAlignment) {
  const Cstruct c = Cstruct::Create(2 * sizeof(uint64_t));
  for (size_t offset = 0; offset <= sizeof(uint64_t); ++offset) {
    c.SetUint64Be(offset, 0x0102030405060708);
    EXPECT_EQ(c.GetUint64Be(offset), 0x0102030405060708);
    EXPECT_EQ(c.GetUint64Le(offset), 0x0807060504030201);
    c.SetUint32Le(offset, 0xfffefdfc);
    EXPECT_EQ(c.GetUint32Le(offset), 0xfffefdfc);
    c.SetUint16Be(offset, 0xfffe);
    EXPECT_EQ(c.GetUint16Be(offset), 0xfffe);
  }
}

TEST(CstructTest, IndexReachesEveryByteOfTheWindow) {
  const Cstruct c = *Cstruct::CopyOf("abcd").Sub(1, 2);
  EXPECT_EQ(c[0], 'b');
  c[1] = 'x';
  EXPECT_EQ(c.view(), "bx");
}

TEST(CstructDeathTest, TypedAccessOutOfBoundsEndsTheProgramWithTheNumbers) {
  // The memory goes on behind the window; the window counts.
  const Cstruct c = *Cstruct::Create(16).Sub(0, 8);
  EXPECT_EQ(c.GetUint64Be(0), 0);  // The last that fits; so below.
  EXPECT_EQ(c.GetUint32Be(4), 0);
  EXPECT_EQ(c.GetUint16Be(6), 0);
  EXPECT_EQ(c.GetUint8(7), 0);
  EXPECT_DEATH(c.GetUint64Be(1), "8 bytes at offset 1 of a window of 8");
  EXPECT_DEATH(c.GetUint64Le(1), "8 bytes at offset 1 of a window of 8");
  EXPECT_DEATH(c.GetUint32Be(5), "4 bytes at offset 5 of a window of 8");
  EXPECT_DEATH(c.GetUint32Le(5), "4 bytes at offset 5 of a window of 8");
  EXPECT_DEATH(c.GetUint16Be(7), "2 bytes at offset 7 of a window of 8");
  EXPECT_DEATH(c.GetUint16Le(7), "2 bytes at offset 7 of a window of 8");
  EXPECT_DEATH(c.GetUint8(8), "1 bytes at offset 8 of a window of 8");
  EXPECT_DEATH(c[8], "1 bytes at offset 8 of a window of 8");
  EXPECT_DEATH(c.SetUint64Be(1, 0), "8 bytes at offset 1 of a window of 8");
  EXPECT_DEATH(c.SetUint64Le(1, 0), "8 bytes at offset 1 of a window of 8");
  EXPECT_DEATH(c.SetUint32Be(5, 0), "4 bytes at offset 5 of a window of 8");
  EXPECT_DEATH(c.SetUint32Le(5, 0), "4 bytes at offset 5 of a window of 8");
  EXPECT_DEATH(c.SetUint16Be(7, 0), "2 bytes at offset 7 of a window of 8");
  EXPECT_DEATH(c.SetUint16Le(7, 0), "2 bytes at offset 7 of a window of 8");
  EXPECT_DEATH(c.SetUint8(8, 0), "1 bytes at offset 8 of a window of 8");
}

TEST(CstructDeathTest, TypedAccessAtAHugeOffsetDoesNotWrapAround) {
  const Cstruct c = Cstruct::Create(8);
  EXPECT_DEATH(c.GetUint64Be(kMaxSize - 7), "8 bytes at offset");
  EXPECT_DEATH(c.GetUint16Le(kMaxSize), "2 bytes at offset");
  EXPECT_DEATH(c.SetUint32Be(kMaxSize - 3, 0), "4 bytes at offset");
  EXPECT_DEATH(c[kMaxSize], "1 bytes at offset");
}

TEST(CstructDeathTest, TypedAccessToAnEmptyWindowEndsTheProgram) {
  EXPECT_DEATH(Cstruct().GetUint8(0), "1 bytes at offset 0 of a window of 0");
  EXPECT_DEATH(Cstruct()[0], "1 bytes at offset 0 of a window of 0");
}

// Text and order.

TEST(CstructTest, HexDumpShowsSixteenBytesALineWithOffsetAndText) {
  EXPECT_EQ(
      Cstruct::CopyOf("hello, world|~\x7f\x80\xff").HexDump(),
      "00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 7c 7e 7f 80  "
      "|hello, world|~..|\n"
      "00000010  ff                                                |.|\n");
}

TEST(CstructTest, HexDumpHasNoEmptyLastLine) {
  constexpr size_t kLine = 16;
  const std::string full =
      "  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  "
      "|................|\n";
  EXPECT_EQ(Cstruct::Create(kLine).HexDump(), "00000000" + full);
  EXPECT_EQ(Cstruct::Create(2 * kLine).HexDump(),
            "00000000" + full + "00000010" + full);
}

TEST(CstructTest, ComparisonIsOfUnsignedBytesAndNotOfAddresses) {
  const Cstruct a = Cstruct::CopyOf("a");
  EXPECT_EQ(a, Cstruct::CopyOf("a"));
  EXPECT_FALSE(a != Cstruct::CopyOf("a"));

  const std::vector<std::string> ascending = {
      "", std::string("\0", 1), "a", "aa", "b", "\x7f", "\x80", "\xff"};
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      SCOPED_TRACE(absl::StrCat(i, " against ", j));
      const Cstruct x = Cstruct::CopyOf(ascending[i]);
      const Cstruct y = Cstruct::CopyOf(ascending[j]);
      EXPECT_EQ(x == y, i == j);
      EXPECT_EQ(x != y, i != j);
      EXPECT_EQ(x < y, i < j);
      EXPECT_EQ(x.Compare(y) < 0, i < j);
      EXPECT_EQ(x.Compare(y) > 0, i > j);
    }
  }
}

TEST(CstructTest, PrintsItsSizeAndItsFirstBytesEscaped) {
  std::ostringstream small;
  small << Cstruct::CopyOf("ab\x01");
  EXPECT_EQ(small.str(), "Cstruct of 3: \"ab\\x01\"");
  std::ostringstream most;
  most << Cstruct::CopyOf(std::string(64, 'x'));
  EXPECT_THAT(most.str(), ::testing::EndsWith("xxx\"")) << "all of it";
  std::ostringstream large;
  large << Cstruct::Create(1 << 20);
  EXPECT_THAT(large.str(), StartsWith("Cstruct of 1048576: \"\\x00"));
  EXPECT_THAT(large.str(), ::testing::EndsWith("\\x00\"..."));
  EXPECT_LT(large.str().size(), 400);
}

}  // namespace
}  // namespace flow
