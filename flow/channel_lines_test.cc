// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Channel::ReadLine() and Channel::ReadUntil().

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsEof;
using ::testing::HasSubstr;

constexpr size_t kLimit = 100;  // of lines, where it does not matter
constexpr auto kNone = std::nullopt;

// A channel that reads `text` in pieces, then end-of-file.
std::unique_ptr<Channel> Reading(absl::string_view text, size_t piece = 3) {
  std::vector<absl::Cord> pieces;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    pieces.push_back(absl::Cord(text.substr(0, piece)));
  }
  return MakeChannel(MakeInputFlow(InputCords(std::move(pieces))));
}

// --- ReadLine

TEST(ReadLineTest, ReturnsLinesWithoutTheirEndHoweverTheyCome) {
  for (const size_t piece : {1, 2, 3, 100}) {
    auto channel = Reading("one\n\ntwo\r\n\r\nlast\n", piece);
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("one"));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(""));
    EXPECT_EQ(channel->bytes_read(), 5);
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("two"));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(""));
    EXPECT_EQ(channel->bytes_read(), 12);
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("last"));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(kNone));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(kNone));
    EXPECT_THAT(channel->Read(), IsEof());
    EXPECT_EQ(channel->bytes_read(), 17);
  }
}

TEST(ReadLineTest, OnlyACarriageReturnBeforeTheNewlineIsPartOfTheEnd) {
  for (const size_t piece : {1, 100}) {
    auto channel = Reading("a\rb\n\r\r\n\rc\n", piece);
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("a\rb"));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("\r"));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("\rc"));
  }
}

TEST(ReadLineTest, ALastLineThatWasCutIsOutOfRangeAndLosesNothing) {
  for (const size_t piece : {1, 2, 100}) {
    auto channel = Reading("GET\nDEL", piece);
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("GET"));
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(
          channel->ReadLine(kLimit),
          StatusIs(absl::StatusCode::kOutOfRange,
                   HasSubstr("ended after 3 bytes without end of line")));
    }
    EXPECT_EQ(channel->bytes_read(), 4);
    EXPECT_THAT(channel->Peek(4), IsOkAndHolds("DEL"));
    EXPECT_THAT(channel->Read(), IsOkAndHolds("DEL"));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(kNone));
  }
}

TEST(ReadLineTest, ALastLineThatNeedsNoNewlineIsALine) {
  for (const absl::string_view end : {"", "\n", "\r\n"}) {
    auto channel = Reading(absl::StrCat("one\ntwo", end));
    std::vector<std::string> lines;
    while (true) {
      absl::StatusOr<std::optional<std::string>> line =
          channel->ReadLine(kLimit, LastLine::kNeedsNoNewline);
      ASSERT_THAT(line, IsOk());
      if (!line->has_value()) break;
      lines.push_back(**line);
    }
    EXPECT_THAT(lines, ::testing::ElementsAre("one", "two"));
  }
  // A '\r' is part of an end only if a '\n' follows.
  auto channel = Reading("one\r");
  EXPECT_THAT(channel->ReadLine(kLimit, LastLine::kNeedsNoNewline),
              IsOkAndHolds("one\r"));
}

TEST(ReadLineTest, ALineThatIsTooLongIsResourceExhaustedAndLosesNothing) {
  for (const size_t piece : {1, 2, 100}) {
    auto channel = Reading("12345\n789\n", piece);
    for (const size_t limit : {4, 5, 1, 5}) {
      EXPECT_THAT(channel->ReadLine(limit),
                  StatusIs(absl::StatusCode::kResourceExhausted));
    }
    EXPECT_EQ(channel->bytes_read(), 0);
    EXPECT_THAT(channel->ReadLine(6), IsOkAndHolds("12345"));
    EXPECT_THAT(channel->ReadLine(3),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(channel->ReadExactly(2), IsOkAndHolds("78"));
    EXPECT_THAT(channel->ReadLine(2), IsOkAndHolds("9"));
    EXPECT_THAT(channel->ReadLine(2), IsOkAndHolds(kNone));
  }
}

// Long before the end of the stream is known.
TEST(ReadLineTest, TooLongIsDecidedByTheBytesThatCame) {
  Pipe pipe = MakePipe(kNoLimit);
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(pipe.right->Write("1234"), IsOk());
  channel->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(channel->ReadLine(4),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(channel->ReadLine(5),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(pipe.right->Write("\n"), IsOk());
  EXPECT_THAT(channel->ReadLine(5), IsOkAndHolds("1234"));
}

TEST(ReadLineTest, OfAtMostNothingIsInvalid) {
  auto channel = Reading("a\n");
  EXPECT_THAT(channel->ReadLine(0),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("a"));
}

// --- ReadUntil

TEST(ReadUntilTest, ReturnsWhatIsBeforeTheDelimiterHoweverItComes) {
  for (const size_t piece : {1, 2, 3, 5, 100}) {
    auto channel = Reading("one\r\n\r\n\r\n\r\ntwo\r\n\r\n", piece);
    EXPECT_THAT(channel->ReadUntil("\r\n\r\n", kLimit), IsOkAndHolds("one"));
    EXPECT_EQ(channel->bytes_read(), 7);
    EXPECT_THAT(channel->ReadUntil("\r\n\r\n", kLimit), IsOkAndHolds(""));
    EXPECT_THAT(channel->ReadUntil("\r\n\r\n", kLimit), IsOkAndHolds("two"));
    EXPECT_THAT(channel->ReadUntil("\r\n\r\n", kLimit), IsOkAndHolds(kNone));
    EXPECT_EQ(channel->bytes_read(), 18);
  }
}

TEST(ReadUntilTest, FindsADelimiterThatBeginsInAFalseStart) {
  for (const size_t piece : {1, 2, 3, 100}) {
    auto channel = Reading(
        "aaab"
        "--x---xy"
        "abababac",
        piece);
    EXPECT_THAT(channel->ReadUntil("aab", kLimit), IsOkAndHolds("a"));
    EXPECT_THAT(channel->ReadUntil("--xy", kLimit), IsOkAndHolds("--x-"));
    EXPECT_THAT(channel->ReadUntil("ababac", kLimit), IsOkAndHolds("ab"));
  }
}

TEST(ReadUntilTest, TheDelimiterMayHaveZeroBytes) {
  const std::string text("a\0b\0\0c\0", 7);
  auto channel = Reading(text);
  EXPECT_THAT(channel->ReadUntil(absl::string_view("\0", 1), kLimit),
              IsOkAndHolds("a"));
  EXPECT_THAT(channel->ReadUntil(absl::string_view("\0\0", 2), kLimit),
              IsOkAndHolds("b"));
  EXPECT_THAT(channel->ReadUntil(absl::string_view("\0", 1), kLimit),
              IsOkAndHolds("c"));
}

TEST(ReadUntilTest, AnEndBeforeTheDelimiterIsOutOfRangeAndLosesNothing) {
  for (const size_t piece : {1, 2, 100}) {
    auto channel = Reading("one--two-", piece);
    EXPECT_THAT(channel->ReadUntil("--", kLimit), IsOkAndHolds("one"));
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(channel->ReadUntil("--", kLimit),
                  StatusIs(absl::StatusCode::kOutOfRange));
    }
    EXPECT_THAT(channel->Read(), IsOkAndHolds("two-"));
    EXPECT_THAT(channel->ReadUntil("--", kLimit), IsOkAndHolds(kNone));
  }
}

TEST(ReadUntilTest, TooMuchIsResourceExhaustedAndLosesNothing) {
  for (const size_t piece : {1, 2, 100}) {
    auto channel = Reading("12345--789--", piece);
    for (const size_t limit : {5, 6, 1, 6}) {
      EXPECT_THAT(channel->ReadUntil("--", limit),
                  StatusIs(absl::StatusCode::kResourceExhausted));
    }
    EXPECT_EQ(channel->bytes_read(), 0);
    EXPECT_THAT(channel->ReadUntil("--", 7), IsOkAndHolds("12345"));
    // A limit that is less than the delimiter.
    EXPECT_THAT(channel->ReadUntil("--", 1),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(channel->ReadUntil("--", 5), IsOkAndHolds("789"));
  }
}

// What was looked at counts for neither another delimiter nor other bytes.
TEST(ReadUntilTest, OtherWaysToReadMayComeInBetween) {
  for (const size_t piece : {1, 100}) {
    auto channel = Reading("xab|yab-c|\nd", piece);
    EXPECT_THAT(channel->ReadUntil("ab-", 3),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(channel->ReadUntil("|", kLimit), IsOkAndHolds("xab"));
    EXPECT_THAT(channel->ReadUntil("ab-", 3),
                StatusIs(absl::StatusCode::kResourceExhausted));
    // Takes the beginning of the delimiter away.
    EXPECT_THAT(channel->ReadExactly(2), IsOkAndHolds("ya"));
    EXPECT_THAT(channel->ReadUntil("ab-", 5),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(channel->ReadUntil("b-", kLimit), IsOkAndHolds(""));
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("c|"));
    EXPECT_THAT(channel->ReadUntil("d", kLimit), IsOkAndHolds(""));
  }
}

TEST(ReadUntilTest, ADeadlineLosesNothing) {
  Pipe pipe = MakePipe(kNoLimit);
  const auto channel = MakeChannel(std::move(pipe.left));
  channel->SetReadDeadline(absl::InfinitePast());
  for (const absl::string_view piece : {"a", "-", "-", "x"}) {
    EXPECT_THAT(channel->ReadUntil("--x", kLimit),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    ASSERT_THAT(pipe.right->Write(piece), IsOk());
  }
  EXPECT_THAT(channel->ReadUntil("--x", kLimit), IsOkAndHolds("a"));
}

TEST(ReadUntilTest, AnEmptyDelimiterAndALimitOfNothingAreInvalid) {
  auto channel = Reading("a|");
  EXPECT_THAT(channel->ReadUntil("", kLimit),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(channel->ReadUntil("|", 0),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(channel->ReadUntil("|", kLimit), IsOkAndHolds("a"));
}

// To look at all of what has come again with each byte would take minutes.
TEST(ReadUntilTest, LooksAtEachByteOnceAlsoIfTheyComeOneByOne) {
  constexpr size_t kMany = size_t{1} << 18;
  size_t left = kMany;
  auto channel = MakeChannel(
      MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
        if (left == 0) return absl::Cord();
        return absl::Cord(--left == 0 ? "y" : "x");
      })));
  const auto before = channel->ReadUntil("xy", kNoLimit);
  ASSERT_THAT(before, IsOk());
  EXPECT_EQ(before->value().size(), kMany - 2);
}

}  // namespace
}  // namespace flow
