// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Who owns the memory of a Cstruct, when it is shared, copied and released.

#include <cstddef>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/cstruct.h"
#include "flow/testing/byte_pattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::PatternString;
using ::testing::Eq;

// The largest window that a Cord copies although it could share it.
constexpr size_t kLargestCopied = 511;
constexpr size_t kSmallestShared = kLargestCopied + 1;

// More than a std::string holds inside itself.
constexpr size_t kOutOfLine = 64;

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
  std::string bytes = PatternString(0, kOutOfLine);
  const Cstruct copy = Cstruct::CopyOf(bytes);
  bytes[0] = 'x';
  EXPECT_EQ(copy.view(), PatternString(0, kOutOfLine));
}

TEST(CstructTest, AdoptDoesNotCopyALongString) {
  std::string bytes = PatternString(0, kOutOfLine);
  const char* address = bytes.data();
  const Cstruct adopted = Cstruct::Adopt(std::move(bytes));
  EXPECT_EQ(adopted.data(), address);
  EXPECT_EQ(adopted.view(), PatternString(0, kOutOfLine));
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

// Conversions.

TEST(CstructTest, ToStringIsACopy) {
  const Cstruct c = Cstruct::CopyOf("abc");
  const std::string bytes = c.ToString();
  c.Fill('x');
  EXPECT_EQ(bytes, "abc");
}

TEST(CstructTest, ToCordOfAnLvalueIsACopyThatLaterWritesDoNotChange) {
  for (size_t size : {size_t{1}, kLargestCopied, kSmallestShared}) {
    const Cstruct c = Cstruct::Adopt(PatternString(0, size));
    const absl::Cord cord = c.ToCord();
    EXPECT_NE(AddressOf(cord), c.data());
    c.Fill('x');
    EXPECT_EQ(cord, PatternString(0, size));
    EXPECT_TRUE(c.IsSoleOwner());
  }
}

TEST(CstructTest, ToCordOfTheSoleLargeRvalueSharesTheMemory) {
  Cstruct c = Cstruct::Adopt(PatternString(0, kSmallestShared));
  const char* address = c.data();
  const absl::Cord cord = std::move(c).ToCord();
  EXPECT_EQ(AddressOf(cord), address);
  EXPECT_EQ(cord, PatternString(0, kSmallestShared));
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(CstructTest, ToCordOfASharedRvalueIsACopy) {
  Cstruct c = Cstruct::Adopt(PatternString(0, kSmallestShared));
  const Cstruct other = *c.Sub(0, 1);
  const absl::Cord cord = std::move(c).ToCord();
  EXPECT_NE(AddressOf(cord), other.data());
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(other.IsSoleOwner()) << "the copy keeps no reference";
  other[0] = 'x';
  EXPECT_EQ(cord, PatternString(0, kSmallestShared));
}

TEST(CstructTest, ToCordOfASmallRvalueIsACopyThatDoesNotPinTheBlock) {
  std::string block = PatternString(0, 1 << 20);
  int releases = 0;
  Cstruct c = Cstruct::Wrap(absl::MakeSpan(block), [&] { ++releases; });
  c = *c.Sub(5, kLargestCopied);
  const absl::Cord cord = std::move(c).ToCord();
  EXPECT_EQ(releases, 1);
  EXPECT_EQ(cord, PatternString(0, 1 << 20).substr(5, kLargestCopied));
  EXPECT_TRUE(c.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(CstructTest, WrapReleasesOnceAfterTheLastCord) {
  std::string block = PatternString(0, 2 * kSmallestShared);
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
    EXPECT_EQ(part, PatternString(0, block.size()).substr(2, kSmallestShared));
  }
  EXPECT_EQ(releases, 1);
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

}  // namespace
}  // namespace flow
