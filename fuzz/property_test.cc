// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The fuzz targets without a fuzzer: each runs random scripts, always the same
// ones. The corpora, which the fuzz tests run, are what they should be.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "absl/status/status_matchers.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "fuzz/script.h"
#include "fuzz/target.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::fuzz {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kScripts = 1000;

class PropertyTest : public ::testing::TestWithParam<const Target*> {};

TEST_P(PropertyTest, HoldsForRandomScripts) {
  const Target& target = *GetParam();
  const Language& language = target.language;
  Random random(1);
  Script script;
  for (int i = 0; i < kScripts; ++i) {
    // Some that have nothing in common, and some that are much alike.
    if (i % 4 == 0) {
      script = language.Any(random);
    } else {
      language.Mutate(script, random);
    }
    const std::string bytes =
        language.ToBytes(script, std::numeric_limits<size_t>::max());
    ASSERT_EQ(
        language.ToScript(absl::MakeConstSpan(
            reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size())),
        script);
    ASSERT_THAT(language.Parse(language.ToString(script)),
                IsOkAndHolds(script));
    RunScript(target, script);
  }
}

TEST_P(PropertyTest, HasACorpusOfWhichTheTextsAreScripts) {
  const Target& target = *GetParam();
  const std::string folder =
      absl::StrCat("fuzz/", absl::StripSuffix(target.name, "_fuzz"), "_corpus");
  int inputs = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    std::ifstream stream(file.path(), std::ios::binary);
    const std::string input((std::istreambuf_iterator<char>(stream)),
                            std::istreambuf_iterator<char>());
    EXPECT_THAT(input, Not(IsEmpty())) << file.path();
    ++inputs;
    absl::string_view text = input;
    if (!absl::ConsumePrefix(&text, kTextMark)) continue;
    EXPECT_THAT(target.language.Parse(text), IsOk()) << file.path();
  }
  EXPECT_THAT(inputs, Gt(0));
}

INSTANTIATE_TEST_SUITE_P(AllTargets, PropertyTest,
                         ::testing::ValuesIn(Targets()),
                         [](const auto& info) { return info.param->name; });

}  // namespace
}  // namespace flow::fuzz
