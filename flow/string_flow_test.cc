// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The adapters for strings. The tests named Original repeat what the tests of
// the original project (MirageOS) observe.

#include "flow/string_flow.h"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;

TEST(OriginalTest, AStringIsReadWholeThenEndOfFileAndAWriteIsClosed) {
  auto flow = MakeInputFlow(InputString("xxxxxxxxxx"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("xxxxxxxxxx"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("y"), IsClosed());
}

TEST(OriginalTest, ThreeWritesIntoTenBytesTheThirdClosed) {
  std::array<char, 10> memory{};
  auto flow = MakeOutputFlow(OutputBytes(absl::MakeSpan(memory)));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("hell"), IsOk());
  EXPECT_THAT(flow->Write("o! "), IsOk());
  EXPECT_THAT(flow->Write("world"), IsClosed());
  EXPECT_EQ(std::string(memory.data(), memory.size()), "hello! wor");
  EXPECT_EQ(flow->bytes_written(), 10);
}

TEST(OriginalTest, AListOfStringsGivesOneReadForEachThatIsNotEmpty) {
  auto flow = MakeInputFlow(InputStrings({"", "123", "45", "6789", "0"}));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("123"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("45"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("6789"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("0"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("y"), IsClosed());
}

TEST(OriginalTest, AListOfOutputsIsFilledInTurnAndEmptyOnesAreSkipped) {
  std::array<std::string, 4> memory = {
      std::string(3, '-'), "", std::string(2, '-'), std::string(3, '-')};
  std::vector<absl::Span<char>> spans;
  for (std::string& string : memory) spans.push_back(absl::MakeSpan(string));
  auto flow = MakeOutputFlow(OutputBytes(std::move(spans)));
  EXPECT_THAT(flow->Write("hell"), IsOk());
  EXPECT_THAT(flow->Write("o! "), IsOk());
  EXPECT_THAT(flow->Write("world"), IsClosed());
  EXPECT_THAT(memory, ElementsAre("hel", "", "lo", "! w"));
  EXPECT_EQ(flow->bytes_written(), 8);
}

TEST(InputStringTest, AnEmptyOneIsEndOfFileAtOnce) {
  EXPECT_THAT(MakeInputFlow(InputString(""))->Read(), IsEof());
  EXPECT_THAT(MakeInputFlow(InputStrings({}))->Read(), IsEof());
  EXPECT_THAT(MakeInputFlow(InputStrings({"", ""}))->Read(), IsEof());
}

TEST(InputStringTest, KeepsNulBytes) {
  const std::string data("a\0b", 3);
  EXPECT_THAT(MakeInputFlow(InputString(data))->Read(), IsOkAndHolds(data));
}

// Upstream concatenates what is left on every refill: O(n^2).
TEST(InputStringsTest, ManyOneByteStringsAreOneCallEach) {
  constexpr int kMany = 200000;
  auto flow = MakeInputFlow(InputStrings(std::vector<std::string>(kMany, "x")));
  int reads = 0;
  while (true) {
    absl::StatusOr<absl::Cord> data = flow->Read();
    ASSERT_THAT(data, IsOk());
    if (data->empty()) break;
    ASSERT_EQ(data->size(), 1);
    ++reads;
  }
  EXPECT_EQ(reads, kMany);
}

TEST(OutputBytesTest, AWriteThatFitsExactlyIsOkAndTheNextClosed) {
  std::array<char, 4> memory{};
  auto flow = MakeOutputFlow(OutputBytes(absl::MakeSpan(memory)));
  EXPECT_THAT(flow->Write("abcd"), IsOk());
  EXPECT_THAT(flow->Write(""), IsOk());
  EXPECT_THAT(flow->Write("e"), IsClosed());
  EXPECT_THAT(flow->Write(""), IsClosed());
}

TEST(OutputBytesTest, OfNoSizeIsClosedAtTheFirstByte) {
  EXPECT_THAT(MakeOutputFlow(OutputBytes(absl::Span<char>()))->Write("x"),
              IsClosed());
  EXPECT_THAT(
      MakeOutputFlow(OutputBytes(std::vector<absl::Span<char>>()))->Write("x"),
      IsClosed());
}

TEST(OutputBytesTest, OneWritevCanSpanManyOutputs) {
  std::string a(2, '-'), b(1, '-'), c(4, '-');
  auto flow = MakeOutputFlow(
      OutputBytes({absl::MakeSpan(a), absl::MakeSpan(b), absl::MakeSpan(c)}));
  EXPECT_THAT(flow->Writev({"12345", "6789"}), IsClosed());
  EXPECT_EQ(a + b + c, "1234567");
  EXPECT_EQ(flow->bytes_written(), 7);
}

TEST(OutputStringTest, AppendsWithoutABound) {
  std::string sink = "already here, ";
  auto flow = MakeOutputFlow(OutputString(&sink));
  EXPECT_THAT(flow->Write(std::string(100000, 'x')), IsOk());
  EXPECT_EQ(sink, "already here, " + std::string(100000, 'x'));
}

TEST(OutputStringDeathTest, NullEndsTheProgramAtOnce) {
  EXPECT_DEATH(OutputString(nullptr), "OutputString");
}

TEST(MakeStringFlowTest, ReadsOneAndWritesTheOther) {
  std::array<char, 4> memory{};
  auto flow = MakeStringFlow("question", absl::MakeSpan(memory));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("question"));
  EXPECT_THAT(flow->Write("answer"), IsClosed());
  EXPECT_EQ(std::string(memory.data(), 4), "answ");

  std::string sink;
  auto unbounded = MakeStringFlow("question", &sink);
  EXPECT_THAT(unbounded->Write("answer"), IsOk());
  EXPECT_EQ(sink, "answer");

  std::string a(3, '-'), b(3, '-');
  auto lists =
      MakeStringFlow({"1", "", "2"}, {absl::MakeSpan(a), absl::MakeSpan(b)});
  EXPECT_THAT(lists->Read(), IsOkAndHolds("1"));
  EXPECT_THAT(lists->Read(), IsOkAndHolds("2"));
  EXPECT_THAT(lists->Read(), IsEof());
  EXPECT_THAT(lists->Write("abcde"), IsOk());
  EXPECT_EQ(a + b, "abcde-");

  std::vector<std::string> list = {"3", "4"};
  auto vector = MakeStringFlow(std::move(list), &sink);
  EXPECT_THAT(vector->Read(), IsOkAndHolds("3"));
}

// Two literals in braces are a list, and never a std::string made of a pair of
// iterators.
TEST(MakeStringFlowTest, TwoLiteralsInBracesAreAList) {
  std::string sink;
  auto flow = MakeStringFlow({"hello", "world"}, &sink);
  EXPECT_THAT(flow->Read(), IsOkAndHolds("hello"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("world"));
  auto bounded = MakeStringFlow({"a", "b"}, std::vector<absl::Span<char>>());
  EXPECT_THAT(bounded->Read(), IsOkAndHolds("a"));
}

}  // namespace
}  // namespace flow
