// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/printable.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

TEST(PrintableTest, TextStaysAsItIs) {
  for (absl::string_view text :
       {"", "plain text, 'quoted' \"twice\"", "a\\nb", "\\033",
        "gr\u00fc\u00df dich", "\u65e5\u672c\u8a9e", "\U0001f600", "\u00a0",
        "\U0010ffff"}) {
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(PrintableTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Printable("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(Printable("\x1b[2J\x07\x7f"), "\\033[2J\\007\\177");
  EXPECT_EQ(Printable(absl::string_view("a\0b", 3)), "a\\000b");
}

TEST(PrintableTest, EveryControlCharacterOfOneByteIsEscaped) {
  for (int code = 0; code < 256; ++code) {
    if (code >= ' ' && code <= '~') continue;
    const std::string printable =
        Printable(std::string(1, static_cast<char>(code)));
    EXPECT_EQ(printable.front(), '\\') << code;
    for (char c : printable) EXPECT_TRUE(c >= ' ' && c <= '~') << code;
  }
}

TEST(PrintableTest, ControlCharactersBeyondAsciiAreEscaped) {
  EXPECT_EQ(Printable("\u0080\u009b2J\u009f"), "\\u0080\\u009b2J\\u009f");
  EXPECT_EQ(Printable("\x9b"), "\\233") << "CSI of one byte";
  EXPECT_EQ(Printable("\x9b"
                      "31m"),
            "\\23331m");
}

TEST(PrintableTest, WhatBreaksLinesOrTurnsTextAroundIsEscaped) {
  EXPECT_EQ(Printable("a\u2028b\u2029c"), "a\\u2028b\\u2029c");
  EXPECT_EQ(Printable("\u202egpj.exe\u202c"), "\\u202egpj.exe\\u202c");
  EXPECT_EQ(Printable("\u2066\u2069\u200e\u200f"),
            "\\u2066\\u2069\\u200e\\u200f");
}

TEST(PrintableTest, BytesThatAreNotUtf8AreEscapedOneByOne) {
  EXPECT_EQ(Printable("\xff"), "\\377");
  EXPECT_EQ(Printable("a\xc3"), "a\\303") << "it ends too soon";
  EXPECT_EQ(Printable("\xc3"
                      "a"),
            "\\303a")
      << "no second byte";
  EXPECT_EQ(Printable("\xe2\x82"
                      "a"),
            "\\342\\202a");
  EXPECT_EQ(Printable("\xc0\x8a"), "\\300\\212") << "a line break of two bytes";
  EXPECT_EQ(Printable("\xe0\x80\x8a"), "\\340\\200\\212") << "and of three";
  EXPECT_EQ(Printable("\xf0\x80\x80\x8a"), "\\360\\200\\200\\212");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\355\\240\\200") << "a surrogate";
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\364\\220\\200\\200")
      << "too large";
  EXPECT_EQ(Printable("\xf8\x88\x80\x80\x80"), "\\370\\210\\200\\200\\200");
}

TEST(PrintableTest, DigitsAfterAnEscapeAreNoPartOfIt) {
  EXPECT_EQ(Printable("\x01"
                      "2"),
            "\\0012");
}

TEST(PrintableTest, ItIsDoneOnce) {
  const std::string once = Printable("a\n\x1b\u202e\xff");
  EXPECT_EQ(Printable(once), once);
}

}  // namespace
}  // namespace flowcat
