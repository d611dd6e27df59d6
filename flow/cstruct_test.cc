// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cstruct.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
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

// The largest window that a Cord copies although it could share it.
constexpr size_t kLargestCopied = 511;
constexpr size_t kSmallestShared = kLargestCopied + 1;

// More than a std::string holds inside itself.
constexpr size_t kOutOfLine = 64;

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + 1);
  return bytes;
}

// The address of the bytes of a Cord that is known to be of one piece.
const char* AddressOf(const absl::Cord& cord) {
  return cord.TryFlat().value_or("").data();
}

static_assert(std::is_nothrow_copy_constructible_v<Cstruct>);
static_assert(std::is_nothrow_move_constructible_v<Cstruct>);
static_assert(std::is_nothrow_move_assignable_v<Cstruct>);
static_assert(std::is_copy_assignable_v<Cstruct>);
// Whether to copy, adopt or wrap is always written out.
static_assert(!std::is_constructible_v<Cstruct, absl::string_view>);
static_assert(!std::is_constructible_v<Cstruct, std::string>);
static_assert(!std::is_constructible_v<Cstruct, absl::Span<char>>);

// Construction and ownership.

TEST(CstructTest, DefaultIsEmptyAndEverythingOnItIsDefined) {
  const Cstruct none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0);
  EXPECT_EQ(none.view(), "");
  EXPECT_TRUE(none.span().empty());
  EXPECT_TRUE(none.IsSoleOwner());
  EXPECT_EQ(none.ToString(), "");
  EXPECT_TRUE(none.ToCord().empty());
  EXPECT_TRUE(Cstruct().ToCord().empty());
  EXPECT_EQ(none.HexDump(), "");
  EXPECT_EQ(none, none);
  EXPECT_EQ(none.Compare(Cstruct::CopyOf("")), 0);
  EXPECT_THAT(none.Sub(0, 0), IsOkAndHolds(Eq(none)));
  EXPECT_THAT(none.Shift(0), IsOkAndHolds(Eq(none)));
  EXPECT_THAT(none.Split(0), IsOkAndHolds(Eq(std::make_pair(none, none))));
  EXPECT_THAT(none.Blit(0, none), IsOk());
  EXPECT_THAT(none.Blit(0, ""), IsOk());
  none.Fill('x');
  EXPECT_EQ(Cstruct::Concat({}), none);
  EXPECT_EQ(Cstruct::Concat({none, none}), none);
}

TEST(CstructTest, CreateIsZeroed) {
  for (size_t size : {size_t{0}, size_t{1}, kOutOfLine, kSmallestShared}) {
    EXPECT_EQ(Cstruct::Create(size).ToString(), std::string(size, '\0'));
  }
}

TEST(CstructTest, CopyOfDoesNotShareItsArgument) {
  std::string bytes = Pattern(kOutOfLine);
  const Cstruct copy = Cstruct::CopyOf(bytes);
  bytes[0] = 'x';
  EXPECT_EQ(copy.view(), Pattern(kOutOfLine));
}

TEST(CstructTest, AdoptDoesNotCopyALongString) {
  std::string bytes = Pattern(kOutOfLine);
  const char* address = bytes.data();
  const Cstruct adopted = Cstruct::Adopt(std::move(bytes));
  EXPECT_EQ(adopted.data(), address);
  EXPECT_EQ(adopted.view(), Pattern(kOutOfLine));
}

TEST(CstructTest, AdoptKeepsAShortStringThroughMoves) {
  Cstruct adopted = Cstruct::Adopt("abc");
  const Cstruct moved = std::move(adopted);
  EXPECT_EQ(moved.view(), "abc");
}

TEST(CstructTest, CopiesShareTheMemoryAndConstIsAboutTheWindow) {
  const Cstruct a = Cstruct::CopyOf("abc");
  const Cstruct b = a;
  EXPECT_EQ(a.data(), b.data());
  b.SetUint8(1, 'X');
  a[2] = 'Y';
  EXPECT_EQ(a.view(), "aXY");
  EXPECT_EQ(b.view(), "aXY");
}

TEST(CstructTest, AMovedFromWindowIsEmptyAndOwnsNothing) {
  Cstruct a = Cstruct::CopyOf("abc");
  Cstruct b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(a.data(), nullptr);
  EXPECT_TRUE(b.IsSoleOwner());
  Cstruct c;
  c = std::move(b);
  EXPECT_TRUE(b.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(c.IsSoleOwner());
  EXPECT_EQ(c.view(), "abc");
}

TEST(CstructTest, AssignmentDropsTheOldMemoryAlsoOnItself) {
  char bytes[] = {'a', 'b', 'c'};
  int releases = 0;
  Cstruct a = Cstruct::Wrap(absl::MakeSpan(bytes), [&] { ++releases; });
  Cstruct& self = a;
  a = self;
  a = std::move(self);
  EXPECT_EQ(releases, 0);
  EXPECT_EQ(a.view(), "abc");
  EXPECT_TRUE(a.IsSoleOwner());
  a = Cstruct::CopyOf("d");
  EXPECT_EQ(releases, 1);
  EXPECT_EQ(a.view(), "d");
}

TEST(CstructTest, OnlyTheLastOwnerIsSole) {
  Cstruct a = Cstruct::CopyOf("abc");
  EXPECT_TRUE(a.IsSoleOwner());
  {
    const Cstruct copy = a;
    EXPECT_FALSE(a.IsSoleOwner());
    EXPECT_FALSE(copy.IsSoleOwner());
  }
  EXPECT_TRUE(a.IsSoleOwner());
  a = *a.Sub(1, 1);
  EXPECT_TRUE(a.IsSoleOwner());
  const Cstruct empty_window = *a.Sub(0, 0);
  EXPECT_FALSE(a.IsSoleOwner()) << "an empty window holds its memory, too";
}

TEST(CstructTest, WrapReleasesOnceAfterTheLastWindow) {
  char bytes[] = {'a', 'b', 'c', 'd'};
  int releases = 0;
  {
    Cstruct window;
    {
      const Cstruct all =
          Cstruct::Wrap(absl::MakeSpan(bytes), [&] { ++releases; });
      EXPECT_EQ(all.data(), bytes);
      EXPECT_EQ(all.size(), sizeof(bytes));
      window = *all.Sub(1, 2);
    }
    EXPECT_EQ(releases, 0);
    window.Fill('x');
  }
  EXPECT_EQ(releases, 1);
  EXPECT_EQ(absl::string_view(bytes, sizeof(bytes)), "axxd");
}

TEST(CstructTest, WrapReleasesAlsoWhenThereAreNoBytes) {
  int releases = 0;
  {
    const Cstruct empty = Cstruct::Wrap({}, [&] { ++releases; });
  }
  EXPECT_EQ(releases, 1);
}

TEST(CstructTest, WrapTakesNoReleaseForAnAnswer) {
  char bytes[] = {'a'};
  EXPECT_EQ(Cstruct::Wrap(absl::MakeSpan(bytes), nullptr).data(), bytes);
}

TEST(CstructTest, WrapTakesAMoveOnlyRelease) {
  auto block = std::make_unique<std::string>("abc");
  const absl::Span<char> memory(&block->front(), block->size());
  const Cstruct window =
      Cstruct::Wrap(memory, [block = std::move(block)]() mutable {});
  EXPECT_EQ(window.view(), "abc");
}

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

// Conversions.

TEST(CstructTest, ToStringIsACopy) {
  const Cstruct c = Cstruct::CopyOf("abc");
  const std::string bytes = c.ToString();
  c.Fill('x');
  EXPECT_EQ(bytes, "abc");
}

TEST(CstructTest, ToCordOfAnLvalueIsACopyThatLaterWritesDoNotChange) {
  for (size_t size : {size_t{1}, kLargestCopied, kSmallestShared}) {
    const Cstruct c = Cstruct::Adopt(Pattern(size));
    const absl::Cord cord = c.ToCord();
    EXPECT_NE(AddressOf(cord), c.data());
    c.Fill('x');
    EXPECT_EQ(cord, Pattern(size));
    EXPECT_TRUE(c.IsSoleOwner());
  }
}

TEST(CstructTest, ToCordOfTheSoleLargeRvalueSharesTheMemory) {
  Cstruct c = Cstruct::Adopt(Pattern(kSmallestShared));
  const char* address = c.data();
  const absl::Cord cord = std::move(c).ToCord();
  EXPECT_EQ(AddressOf(cord), address);
  EXPECT_EQ(cord, Pattern(kSmallestShared));
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(CstructTest, ToCordOfASharedRvalueIsACopy) {
  Cstruct c = Cstruct::Adopt(Pattern(kSmallestShared));
  const Cstruct other = *c.Sub(0, 1);
  const absl::Cord cord = std::move(c).ToCord();
  EXPECT_NE(AddressOf(cord), other.data());
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(other.IsSoleOwner()) << "the copy keeps no reference";
  other[0] = 'x';
  EXPECT_EQ(cord, Pattern(kSmallestShared));
}

TEST(CstructTest, ToCordOfASmallRvalueIsACopyThatDoesNotPinTheBlock) {
  std::string block = Pattern(1 << 20);
  int releases = 0;
  Cstruct c = Cstruct::Wrap(absl::MakeSpan(block), [&] { ++releases; });
  c = *c.Sub(5, kLargestCopied);
  const absl::Cord cord = std::move(c).ToCord();
  EXPECT_EQ(releases, 1);
  EXPECT_EQ(cord, Pattern(1 << 20).substr(5, kLargestCopied));
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(CstructTest, WrapReleasesOnceAfterTheLastCord) {
  std::string block = Pattern(2 * kSmallestShared);
  int releases = 0;
  {
    absl::Cord part;
    {
      Cstruct c = Cstruct::Wrap(absl::MakeSpan(block), [&] { ++releases; });
      c = *c.Shift(1);
      const absl::Cord cord = std::move(c).ToCord();
      EXPECT_EQ(AddressOf(cord), &block[1]);
      part = cord.Subcord(1, kSmallestShared);
      EXPECT_EQ(AddressOf(part), &block[2]);
    }
    EXPECT_EQ(releases, 0);
    EXPECT_EQ(part, Pattern(block.size()).substr(2, kSmallestShared));
  }
  EXPECT_EQ(releases, 1);
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
  std::ostringstream large;
  large << Cstruct::Create(1 << 20);
  EXPECT_THAT(large.str(), StartsWith("Cstruct of 1048576: \"\\x00"));
  EXPECT_THAT(large.str(), ::testing::EndsWith("\\x00\"..."));
  EXPECT_LT(large.str().size(), 400);
}

// Threads. These say most under the thread sanitizer.

TEST(CstructTest, ThreadsDropTheirWindowsAndReleaseRunsOnce) {
  constexpr size_t kThreads = 4;
  constexpr size_t kShare = 64;
  for (int round = 0; round < 200; ++round) {
    std::string block(kThreads * kShare, '\0');
    // Not atomic: that the release comes after all else is the rule.
    int releases = 0;
    {
      Cstruct rest = Cstruct::Wrap(absl::MakeSpan(block), [&] {
        ++releases;
        for (char c : block) EXPECT_EQ(c, 'x');
      });
      std::vector<std::thread> threads;
      for (size_t t = 0; t < kThreads; ++t) {
        auto halves = rest.Split(kShare);
        ASSERT_THAT(halves, IsOk());
        rest = std::move(halves->second);
        threads.emplace_back([share = std::move(halves->first)]() mutable {
          for (int i = 0; i < 10; ++i) {
            const Cstruct copy = share;
            *share.Shift(1) = copy;
          }
          share.Fill('x');
          share = Cstruct();
        });
      }
      rest = Cstruct();
      for (std::thread& thread : threads) thread.join();
    }
    EXPECT_EQ(releases, 1);
  }
}

TEST(CstructTest, TheSoleOwnerSeesWhatOthersWroteBeforeTheyDroppedTheirs) {
  for (int round = 0; round < 100; ++round) {
    Cstruct mine = Cstruct::Create(kSmallestShared);
    std::thread thread([theirs = mine]() mutable {
      theirs.Fill('x');
      theirs = Cstruct();
    });
    while (!mine.IsSoleOwner()) std::this_thread::yield();
    // No join yet: the sole-owner test alone orders the two threads.
    EXPECT_EQ(mine.view(), std::string(kSmallestShared, 'x'));
    mine.Fill('y');
    EXPECT_EQ(std::move(mine).ToCord(), std::string(kSmallestShared, 'y'));
    thread.join();
  }
}

// Random operations on windows of a few blocks, against std::strings.

struct Modelled {
  Cstruct real;
  std::shared_ptr<std::string> block;
  size_t offset = 0;
  size_t size = 0;

  absl::string_view view() const {
    return absl::string_view(*block).substr(offset, size);
  }
};

class RandomOperations {
 public:
  explicit RandomOperations(uint32_t seed) : random_(seed) {}

  void Run(int steps) {
    windows_.push_back(NewBlock(Pattern(random_() % 80)));
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(absl::StrCat("step ", step));
      Step();
      for (const Modelled& w : windows_) ASSERT_EQ(w.real.view(), w.view());
    }
  }

 private:
  static constexpr size_t kMaxWindows = 12;

  static Modelled NewBlock(const std::string& bytes) {
    return {Cstruct::CopyOf(bytes), std::make_shared<std::string>(bytes), 0,
            bytes.size()};
  }

  // A number up to `limit`, or now and then a huge one.
  size_t Number(size_t limit) {
    if (limit > 0 && random_() % 32 == 0) return kMaxSize - random_() % 100;
    return random_() % (limit + 1);
  }

  Modelled& Any() { return windows_[random_() % windows_.size()]; }

  void Keep(Modelled window) {
    if (windows_.size() < kMaxWindows) {
      windows_.push_back(std::move(window));
    } else {
      Any() = std::move(window);
    }
  }

  // Holds `result` to the model: it exists if the numbers fit, and then it is
  // the window at `offset` of `of`.
  void Expect(absl::StatusOr<Cstruct> result, const Modelled& of, size_t offset,
              size_t size) {
    const bool fits =
        offset <= of.size && size <= of.size && offset + size <= of.size;
    if (!fits) {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kOutOfRange));
      return;
    }
    ASSERT_THAT(result, IsOk());
    Keep({*std::move(result), of.block, of.offset + offset, size});
  }

  void ExpectBlit(absl::Status result, const Modelled& to, size_t offset,
                  std::string bytes) {
    if (offset > to.size || offset + bytes.size() > to.size) {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kOutOfRange));
      return;
    }
    EXPECT_THAT(result, IsOk());
    to.block->replace(to.offset + offset, bytes.size(), bytes);
  }

  void Step() {
    const Modelled w = Any();  // A copy, as Keep() may replace it.
    const size_t a = Number(w.size + 2);
    const size_t b = Number(w.size + 2);
    switch (random_() % 9) {
      case 0:
        return Expect(w.real.Sub(a, b), w, a, b);
      case 1:
        return Expect(w.real.Shift(a), w, a, a <= w.size ? w.size - a : 0);
      case 2: {
        auto halves = w.real.Split(a);
        if (!halves.ok()) return Expect(halves.status(), w, 0, a);
        Expect(halves->first, w, 0, a);
        return Expect(halves->second, w, a, w.size - a);
      }
      case 3: {
        const Modelled source = Any();
        const std::string bytes(source.view());
        return ExpectBlit(w.real.Blit(a, source.real), w, a, bytes);
      }
      case 4: {
        const std::string bytes = Pattern(random_() % 8);
        return ExpectBlit(w.real.Blit(a, bytes), w, a, bytes);
      }
      case 5: {
        const char byte = static_cast<char>(random_());
        w.real.Fill(byte);
        w.block->replace(w.offset, w.size, w.size, byte);
        return;
      }
      case 6: {
        if (w.size < sizeof(uint32_t)) return;
        const size_t offset = random_() % (w.size - sizeof(uint32_t) + 1);
        const auto value = static_cast<uint32_t>(random_());
        w.real.SetUint32Be(offset, value);
        for (size_t i = 0; i < sizeof(uint32_t); ++i) {
          (*w.block)[w.offset + offset + i] =
              static_cast<char>(value >> (24 - 8 * i));
        }
        EXPECT_EQ(w.real.GetUint32Be(offset), value);
        return;
      }
      case 7: {
        const Modelled other = Any();
        const std::string bytes = absl::StrCat(w.view(), other.view());
        Modelled all = NewBlock(bytes);
        all.real = Cstruct::Concat({w.real, other.real});
        // Longer ones would only make the run slower.
        if (bytes.size() < 200) Keep(std::move(all));
        return;
      }
      case 8: {
        Modelled fresh = NewBlock(Pattern(random_() % 80));
        return Keep(std::move(fresh));
      }
    }
  }

  std::mt19937 random_;
  std::vector<Modelled> windows_;
};

TEST(CstructTest, RandomOperationsAgreeWithAModelOfStrings) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomOperations(seed).Run(/*steps=*/500);
  }
}

}  // namespace
}  // namespace flow
