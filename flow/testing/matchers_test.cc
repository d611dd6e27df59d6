// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/matchers.h"

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/cord_test_helpers.h"
#include "flow/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::testing::DescribeMatcher;
using ::testing::ExplainMatchResult;
using ::testing::Not;
using ReadResult = absl::StatusOr<absl::Cord>;

constexpr size_t kLarge = 1 << 20;

template <typename Matcher, typename Value>
std::string Explain(const Matcher& matcher, const Value& value) {
  ::testing::StringMatchResultListener listener;
  EXPECT_FALSE(ExplainMatchResult(matcher, value, &listener));
  return listener.str();
}

TEST(IsEofTest, MatchesOnlyAnEmptyResult) {
  EXPECT_THAT(ReadResult(absl::Cord()), IsEof());
  EXPECT_THAT(ReadResult(absl::Cord("x")), Not(IsEof()));
  EXPECT_THAT(ReadResult(absl::AbortedError("x")), Not(IsEof()));
}

TEST(IsEofTest, ExplainsWhatThereIsInstead) {
  EXPECT_EQ(Explain(IsEof(), ReadResult(absl::Cord("a\n"))),
            "which holds 2 bytes: \"a\\n\"");
  EXPECT_EQ(Explain(IsEof(), ReadResult(absl::AbortedError("x"))),
            "which is an error");
  EXPECT_EQ(DescribeMatcher<ReadResult>(IsEof()), "is end-of-file");
  EXPECT_EQ(DescribeMatcher<ReadResult>(Not(IsEof())), "is not end-of-file");
}

TEST(IsClosedTest, MatchesAStatusAndAResultOfAnything) {
  EXPECT_THAT(ClosedError("full"), IsClosed());
  EXPECT_THAT(ReadResult(ClosedError("full")), IsClosed());
  EXPECT_THAT(absl::StatusOr<int>(ClosedError("full")), IsClosed());
  EXPECT_THAT(absl::OkStatus(), Not(IsClosed()));
  EXPECT_THAT(ReadResult(absl::Cord("data")), Not(IsClosed()));
  EXPECT_THAT(absl::FailedPreconditionError("closed"), Not(IsClosed()));
}

TEST(IsClosedTest, ExplainsWhyAnotherStatusIsNot) {
  EXPECT_EQ(Explain(IsClosed(), absl::OkStatus()), "which is Ok");
  EXPECT_EQ(Explain(IsClosed(), ReadResult(absl::Cord())), "which is Ok");
  EXPECT_EQ(Explain(IsClosed(), absl::FailedPreconditionError("closed")),
            "which lacks the payload of flow::ClosedError()");
  EXPECT_EQ(Explain(IsClosed(), absl::AbortedError("closed")),
            "which is another error");
  EXPECT_EQ(DescribeMatcher<absl::Status>(IsClosed()), "is Closed");
  EXPECT_EQ(DescribeMatcher<absl::Status>(Not(IsClosed())), "is not Closed");
}

TEST(HoldsDataTest, MatchesTheSameBytesHoweverTheyAreStored) {
  EXPECT_THAT(ReadResult(absl::Cord("hello")), HoldsData("hello"));
  EXPECT_THAT(absl::Cord("hello"), HoldsData(std::string("hello")));
  EXPECT_THAT(absl::MakeFragmentedCord({"he", "l", "lo"}),
              HoldsData(absl::MakeFragmentedCord({"hel", "lo"})));
  EXPECT_THAT(ReadResult(absl::Cord()), HoldsData(""));
  EXPECT_THAT(absl::Cord("hello"), Not(HoldsData("hallo")));
  EXPECT_THAT(ReadResult(absl::AbortedError("")), Not(HoldsData("")));
}

TEST(HoldsDataTest, NamesTheFirstDifferenceAndShowsItsSurroundings) {
  EXPECT_EQ(Explain(HoldsData("hello, world"), absl::Cord("hello world")),
            "which has 11 bytes and differs from the 12 expected at byte 5: "
            "\"hello world\" instead of \"hello, world\"");
  const std::string before(100, 'a'), after(100, 'b');
  EXPECT_EQ(Explain(HoldsData(before + "x" + after),
                    absl::MakeFragmentedCord({before, "\n", after})),
            "which has 201 bytes and differs from the 201 expected at byte "
            "100: ...\"aaaaaaaa\\nbbbbbbbbbbbbbbbbbbbbbbb\"... instead of "
            "...\"aaaaaaaaxbbbbbbbbbbbbbbbbbbbbbbb\"...");
}

TEST(HoldsDataTest, SaysWhetherBytesAreMissingOrTooMany) {
  EXPECT_EQ(Explain(HoldsData("hello"), absl::Cord("hel")),
            "which ends after 3 of 5 bytes, before ...\"lo\"");
  EXPECT_EQ(Explain(HoldsData("hel"), absl::Cord("hello")),
            "which has 2 bytes after the 3 expected: ...\"lo\"");
  EXPECT_EQ(Explain(HoldsData("x"), absl::Cord()),
            "which ends after 0 of 1 byte, before \"x\"");
}

TEST(HoldsDataTest, AnErrorIsExplainedByItself) {
  EXPECT_EQ(Explain(HoldsData("x"), ReadResult(absl::AbortedError("gone"))),
            "which is ABORTED: gone");
}

TEST(HoldsDataTest, FindsADifferenceAcrossChunksOfDifferentSizes) {
  const absl::Cord left = absl::MakeFragmentedCord({"abc", "defg", "hi"});
  const absl::Cord right = absl::MakeFragmentedCord({"abcde", "fgH", "i"});
  EXPECT_THAT(Explain(HoldsData(right), left),
              ::testing::HasSubstr("at byte 7: "));
}

TEST(HoldsDataTest, DescribesAndExplainsLargeDataInALine) {
  const absl::Cord large(std::string(kLarge, 'a'));
  EXPECT_EQ(DescribeMatcher<absl::Cord>(HoldsData(large)),
            "holds 1048576 bytes: \"" + std::string(32, 'a') + "\"...");
  EXPECT_EQ(DescribeMatcher<absl::Cord>(Not(HoldsData("a"))),
            "does not hold 1 byte: \"a\"");
  absl::Cord other = large;
  other.Append("b");
  EXPECT_EQ(Explain(HoldsData(large), other),
            "which has 1 byte after the 1048576 expected: ...\"b\"");
}

TEST(SameDataTest, FailsWithTheExplanationAlone) {
  absl::Cord large(std::string(kLarge, 'a'));
  EXPECT_TRUE(SameData(large, large));
  absl::Cord other = large;
  other.Append("b");
  const ::testing::AssertionResult result = SameData(other, large);
  EXPECT_FALSE(result);
  EXPECT_STREQ(result.message(),
               "The data has 1 byte after the 1048576 expected: ...\"b\"");
  EXPECT_NONFATAL_FAILURE(
      EXPECT_TRUE(SameData(absl::AbortedError("gone"), absl::Cord("x"))),
      "The data is ABORTED: gone");
}

}  // namespace
}  // namespace flow::testing
