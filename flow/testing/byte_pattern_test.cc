// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/byte_pattern.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/strings/cord_test_helpers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// More than one piece of a Cord, and no multiple of anything.
constexpr size_t kLarge = 200001;

TEST(PatternTest, IsTheSameHoweverItIsCut) {
  const std::string whole = PatternString(0, kLarge, 7);
  EXPECT_EQ(Pattern(0, kLarge, 7), whole);
  for (size_t offset = 0; offset < 20; ++offset) {
    for (size_t size = 0; size < 40; ++size) {
      EXPECT_EQ(PatternString(static_cast<int64_t>(offset), size, 7),
                whole.substr(offset, size));
    }
  }
  EXPECT_EQ(PatternString(kLarge - 5, 5, 7), whole.substr(kLarge - 5));
}

TEST(PatternTest, IsFixedForever) {
  EXPECT_EQ(PatternString(0, 8), "\x3e\xc1\x31\xf2\x9b\x2b\x80\x76");
  EXPECT_NE(PatternString(0, 64, 1), PatternString(0, 64, 2));
}

TEST(PatternTest, SixteenBytesOccurOnceInAndAmongSeeds) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const std::string bytes = PatternString(0, 5000, seed);
    for (size_t i = 0; i + 16 <= bytes.size(); ++i) {
      EXPECT_TRUE(seen.insert(bytes.substr(i, 16)).second)
          << "seed " << seed << ", offset " << i;
    }
  }
}

TEST(PatternCheckerTest, AcceptsThePatternInPiecesOfAnySize) {
  PatternChecker checker(3, 1000);
  int64_t offset = 1000;
  for (size_t size = 0; size < 300; ++size) {
    ASSERT_THAT(checker.Check(Pattern(offset, size, 3)), IsOk());
    offset += static_cast<int64_t>(size);
    EXPECT_EQ(checker.offset(), offset);
  }
  ASSERT_THAT(checker.Check(Pattern(offset, kLarge, 3)), IsOk());
  EXPECT_EQ(checker.offset(), offset + static_cast<int64_t>(kLarge));
}

TEST(PatternCheckerTest, ReachesFarOffsets) {
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max() - 100;
  PatternChecker checker(0, kFar);
  EXPECT_THAT(checker.Check(PatternString(kFar, 100)), IsOk());
}

TEST(PatternCheckerTest, SaysHowManyBytesWereLost) {
  for (const size_t lost : {size_t{1}, size_t{7}, size_t{500}, kLarge}) {
    PatternChecker checker;
    ASSERT_THAT(checker.Check(PatternString(0, 1003)), IsOk());
    const auto resumed = static_cast<int64_t>(1003 + lost);
    EXPECT_THAT(checker.Check(PatternString(resumed, 100)),
                StatusIs(absl::StatusCode::kDataLoss,
                         EndsWith(absl::StrCat(
                             "; it goes on at byte ", resumed, ": ", lost,
                             lost == 1 ? " byte" : " bytes", " lost"))));
    EXPECT_EQ(checker.offset(), 1003);
  }
}

TEST(PatternCheckerTest, SaysHowManyBytesCameAgain) {
  PatternChecker checker(5);
  EXPECT_THAT(
      checker.Check(PatternString(0, 1003, 5) + PatternString(999, 100, 5)),
      StatusIs(absl::StatusCode::kDataLoss,
               EndsWith("; it goes on at byte 999: 4 bytes again")));
}

TEST(PatternCheckerTest, NamesAByteThatWasChanged) {
  for (const size_t where : {0, 1, 63, 4095, 4096, 9000}) {
    std::string bytes = PatternString(0, 10000);
    bytes[where] ^= 1;
    PatternChecker checker;
    EXPECT_THAT(checker.Check(bytes),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(absl::StrCat("is broken at byte ", where,
                                                ": found "))));
    EXPECT_EQ(checker.offset(), where);
    PatternChecker again;
    EXPECT_THAT(again.Check(bytes),
                StatusIs(absl::StatusCode::kDataLoss,
                         EndsWith(absl::StrCat(
                             "; after 1 byte of something else it goes on at "
                             "byte ",
                             where + 1, ", in its place"))));
  }
}

TEST(PatternCheckerTest, NamesBytesThatWereInserted) {
  PatternChecker checker;
  EXPECT_THAT(checker.Check(absl::StrCat(PatternString(0, 100), "garbage!",
                                         PatternString(100, 100))),
              StatusIs(absl::StatusCode::kDataLoss,
                       EndsWith("; after 8 bytes of something else it goes on "
                                "at byte 100: 8 bytes too many")));
}

TEST(PatternCheckerTest, ShowsAFewBytesAndGuessesNothingAboutForeignData) {
  PatternChecker checker(9);
  const std::string expected = PatternString(0, 16, 9);
  const absl::Status status = checker.Check(std::string(kLarge, 'x'));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("the pattern (seed 9) is broken at "
                                         "byte 0: found \"xxxxxxxxxxxxxxxx\", "
                                         "expected \"")));
  EXPECT_THAT(status.message(), Not(HasSubstr("goes on")));
  EXPECT_LT(status.message().size(), 250);
}

TEST(PatternCheckerTest, LooksAcrossTheChunksOfACord) {
  const std::string rest = PatternString(300, 100);
  PatternChecker checker;
  EXPECT_THAT(checker.Check(absl::MakeFragmentedCord(
                  {PatternString(0, 33), rest.substr(0, 3), rest.substr(3, 5),
                   rest.substr(8)})),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("it goes on at byte 300: 267 bytes lost")));
  EXPECT_EQ(checker.offset(), 33);
}

TEST(PatternCheckerTest, ADifferenceStays) {
  PatternChecker checker;
  const absl::Status first = checker.Check("x");
  EXPECT_THAT(first, Not(IsOk()));
  EXPECT_EQ(checker.Check(PatternString(0, 10)), first);
  EXPECT_EQ(checker.Check(Pattern(0, 10)), first);
  EXPECT_EQ(checker.offset(), 0);
}

}  // namespace
}  // namespace flow::testing
