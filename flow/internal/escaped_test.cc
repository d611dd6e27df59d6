// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/escaped.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

TEST(EscapedTest, PrintableAsciiStaysAsItIs) {
  constexpr absl::string_view kText = "unix:/run/a b~'\"\\[::1]%2";
  EXPECT_EQ(Escaped(kText), kText);
  EXPECT_EQ(Escaped(""), "");
}

TEST(EscapedTest, WhatCommandsATerminalOrBreaksALineIsSpelledOut) {
  EXPECT_EQ(Escaped("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(Escaped("\x1b[2J\x7f"), "\\x1b[2J\\x7f");
  EXPECT_EQ(Escaped(absl::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Escaped("\xc2\x9b"), "\\xc2\\x9b");  // U+009B
  EXPECT_EQ(Escaped("\xff"), "\\xff");
}

TEST(EscapedTest, TwiceIsOnce) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  const std::string once = Escaped(all);
  EXPECT_EQ(Escaped(once), once);
  for (const char c : once) {
    EXPECT_TRUE(absl::ascii_isprint(static_cast<unsigned char>(c)));
  }
}

}  // namespace
}  // namespace flow::internal
