// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/script.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::fuzz {
namespace {

using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr size_t kMaxSize = std::numeric_limits<size_t>::max();
constexpr size_t kMaxOperations = 10;

enum Word { kPiece, kArrive, kFail };

Language MakeLanguage() {
  Grammar grammar;
  grammar.settings = "byte|buffer SIZE";
  grammar.words = {
      {kPiece, "piece string|cord|view SIZE BYTE"},
      {kArrive, "arrive BYTES SIZE"},
      {kFail, "fail"},
  };
  grammar.large_sizes = {512, 4096, kMaxSize};
  grammar.letters = "\n";
  grammar.max_operations = kMaxOperations;
  return Language(grammar);
}

Script ToScript(const std::vector<uint8_t>& bytes) {
  return MakeLanguage().ToScript(bytes);
}

std::string Text(const std::vector<uint8_t>& bytes) {
  return MakeLanguage().ToString(ToScript(bytes));
}

absl::Span<const uint8_t> Bytes(absl::string_view bytes) {
  return absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes.data()),
                             bytes.size());
}

TEST(ToScriptTest, TakesSettingsThenOperations) {
  EXPECT_EQ(Text({1, 5, kPiece, 1, 7, 255, kFail}),
            "buffer 5: piece cord 7 255; fail");
}

TEST(ToScriptTest, TakesAnyByteForAWordAndForAChoice) {
  EXPECT_EQ(Text({255, 0, kFail + 3, kPiece + 6, 254, 0, 0}),
            "buffer 0: fail; piece view 0 0");
}

TEST(ToScriptTest, TakesZerosAfterTheEnd) {
  EXPECT_EQ(Text({}), "byte 0:");
  EXPECT_EQ(Text({1, 3, kPiece}), "buffer 3: piece string 0 0");
  EXPECT_EQ(Text({1, 3, kArrive, 9, 'a'}), "buffer 3: arrive \"a\" 0");
}

TEST(ToScriptTest, HasSmallAndLargeSizes) {
  EXPECT_EQ(Text({0, 39}), "byte 39:");
  EXPECT_EQ(Text({0, 40}), "byte 0:");
  EXPECT_EQ(Text({0, 199}), "byte 39:");
  EXPECT_EQ(Text({0, 200}), "byte 512:");
  EXPECT_EQ(Text({0, 204}), "byte 4096:");
  EXPECT_EQ(Text({0, 202}), "byte 18446744073709551615:");
}

TEST(ToScriptTest, HasOnlySmallSizesIfTheTableSaysNoOther) {
  Grammar grammar;
  grammar.settings = "SIZE";
  grammar.words = {{0, "go"}};
  const Language language(grammar);
  EXPECT_EQ(language.ToString(language.ToScript({255})), "15:");
}

TEST(ToScriptTest, CutsWhatIsTooLong) {
  EXPECT_THAT(ToScript(std::vector<uint8_t>(100, kFail)).operations,
              SizeIs(kMaxOperations));
}

TEST(ToScriptTest, GivesTheArgumentsAsNumbersAndBytes) {
  const Script script = ToScript({1, 5, kPiece, 2, 7, 9, kArrive, 1, 'a', 4});
  EXPECT_THAT(script.settings.numbers, ElementsAre(1, 5, 0, 0));
  EXPECT_EQ(script.operations[0].word, kPiece);
  EXPECT_THAT(script.operations[0].numbers, ElementsAre(2, 7, 9, 0));
  EXPECT_EQ(script.operations[1].word, kArrive);
  EXPECT_EQ(script.operations[1].bytes, "a");
  EXPECT_THAT(script.operations[1].numbers, ElementsAre(4, 0, 0, 0));
}

TEST(ToBytesTest, IsTheOtherWayRound) {
  const std::string bytes("\1\5\0\2\xc8\xff\1\2\"\n\x27\2", 12);
  EXPECT_EQ(MakeLanguage().ToBytes(MakeLanguage().ToScript(Bytes(bytes)), 100),
            bytes);
}

TEST(ToBytesTest, LeavesOutWholeOperations) {
  const Language language = MakeLanguage();
  const Script script = ToScript({1, 5, kFail, kPiece, 2, 7, 9, kFail});
  EXPECT_THAT(language.ToBytes(script, 8), SizeIs(8));
  EXPECT_THAT(language.ToBytes(script, 7), SizeIs(7));
  EXPECT_THAT(language.ToBytes(script, 6), SizeIs(3));
  EXPECT_THAT(language.ToBytes(script, 2), SizeIs(2));
  EXPECT_THAT(language.ToBytes(script, 1), IsEmpty());
}

TEST(ParseTest, ReadsWhatIsPrinted) {
  const Script script =
      ToScript({0, 202, kArrive, 4, 0, '"', ';', '\\', 3, kPiece, 0, 200, 77});
  EXPECT_THAT(MakeLanguage().Parse(MakeLanguage().ToString(script)),
              IsOkAndHolds(script));
}

TEST(ParseTest, TakesAnyWhiteSpace) {
  EXPECT_THAT(MakeLanguage().Parse(" byte\t1 :\nfail ;\n arrive\"a\\n\"2;\n"),
              IsOkAndHolds(ToScript({0, 1, kFail, kArrive, 2, 'a', '\n', 2})));
}

TEST(ParseTest, SaysWhatIsWrong) {
  for (absl::string_view text :
       {"", "byte", "byte 1", "bytes 1:", "byte 40:", "byte x:", "byte 1: x",
        "byte 1: piece", "byte 1: piece cord 7 256", "byte 1: fail fail",
        "byte 1: fail 1", "byte 1: arrive", "byte 1: arrive \"", "byte 1:;",
        "byte 1: arrive \"\\q\" 1", "byte 1: arrive \"a\\\"", "byte 1: :",
        "byte 1: fail; fail; fail; fail; fail; fail; fail; fail; fail; fail; "
        "fail"}) {
    EXPECT_THAT(MakeLanguage().Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

// What random scripts have, and what mutated ones come to.
struct Seen {
  std::set<int> words;
  std::set<size_t> numbers;
  std::set<size_t> lengths;

  void Add(const Script& script) {
    lengths.insert(script.operations.size());
    numbers.insert(script.settings.numbers[1]);
    for (const Operation& operation : script.operations) {
      words.insert(operation.word);
      if (operation.word == kPiece) numbers.insert(operation.numbers[1]);
    }
  }
  void CheckAll() const {
    EXPECT_THAT(words, SizeIs(3));
    EXPECT_THAT(numbers, SizeIs(40 + 3));
    EXPECT_THAT(lengths, SizeIs(kMaxOperations + 1));
  }
};

void CheckWellFormed(const Language& language, const Script& script) {
  ASSERT_THAT(script.operations, SizeIs(Le(kMaxOperations)));
  const std::string bytes = language.ToBytes(script, kMaxSize);
  ASSERT_EQ(language.ToScript(Bytes(bytes)), script);
  ASSERT_THAT(language.Parse(language.ToString(script)), IsOkAndHolds(script));
}

TEST(ChanceTest, AnyScriptIsWellFormed) {
  const Language language = MakeLanguage();
  Random random(1);
  Seen seen;
  for (int i = 0; i < 1000; ++i) {
    const Script script = language.Any(random);
    ASSERT_NO_FATAL_FAILURE(CheckWellFormed(language, script));
    seen.Add(script);
  }
  seen.CheckAll();
}

TEST(ChanceTest, AMutatedScriptIsWellFormed) {
  const Language language = MakeLanguage();
  Random random(1);
  Script script;
  Seen seen;
  size_t longest = 0;
  for (int i = 0; i < 5000; ++i) {
    language.Mutate(script, random);
    ASSERT_NO_FATAL_FAILURE(CheckWellFormed(language, script));
    seen.Add(script);
    for (const Operation& operation : script.operations) {
      longest = std::max(longest, operation.bytes.size());
    }
  }
  seen.CheckAll();
  EXPECT_THAT(longest, AllOf(Ge(12u), Le(255u)));
}

TEST(ChanceTest, ACrossedScriptHasOneBeginningAndTheOtherEnd) {
  const Language language = MakeLanguage();
  const Script pieces = ToScript(std::vector<uint8_t>(2 + 4 * 6, 0));
  const Script failures = ToScript({1, 1, 2, 2, 2, 2, 2, 2});
  Random random(1);
  std::set<size_t> lengths;
  for (int i = 0; i < 1000; ++i) {
    const Script script = language.Cross(pieces, failures, random);
    ASSERT_NO_FATAL_FAILURE(CheckWellFormed(language, script));
    EXPECT_EQ(script.settings, pieces.settings);
    EXPECT_TRUE(std::is_sorted(
        script.operations.begin(), script.operations.end(),
        [](const auto& a, const auto& b) { return a.word < b.word; }));
    lengths.insert(script.operations.size());
  }
  EXPECT_THAT(lengths, SizeIs(kMaxOperations + 1));
}

TEST(BudgetTest, TakesFromWhatIsTooMuch) {
  Budget budget(10);
  EXPECT_EQ(budget.Take(4), 4u);
  EXPECT_EQ(budget.Take(kMaxSize), 6u);
  EXPECT_EQ(budget.Take(1), 0u);
}

}  // namespace
}  // namespace flow::fuzz
