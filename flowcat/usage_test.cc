// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// How flowcat is called, and how not.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "flowcat/fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

using FlowcatUsageTest = FlowcatFixture;

TEST_F(FlowcatUsageTest, TwoOperandsAreNeeded) {
  EXPECT_EQ(UsageErrorOf("flowcat"), "2 operands are needed, A and B, not 0");
  EXPECT_EQ(UsageErrorOf("flowcat a"), "2 operands are needed, A and B, not 1");
  EXPECT_EQ(UsageErrorOf("flowcat a b c"),
            "2 operands are needed, A and B, not 3");
}

TEST_F(FlowcatUsageTest, AnUnknownOptionIsNamed) {
  EXPECT_EQ(UsageErrorOf("flowcat --foo a b"), "unknown option --foo");
  EXPECT_EQ(UsageErrorOf("flowcat a --foo b"), "unknown option --foo");
  EXPECT_EQ(UsageErrorOf("flowcat -x a b"), "unknown option -x");
  EXPECT_EQ(UsageErrorOf("flowcat --stats -sx a b"), "unknown option -x");
  EXPECT_EQ(UsageErrorOf("flowcat --one-way=1 a b"),
            "unknown option --one-way=1");
  EXPECT_EQ(UsageErrorOf("flowcat --version=1"), "unknown option --version=1");
}

TEST_F(FlowcatUsageTest, AnUnknownEndpointIsAnErrorBeforeAnythingIsOpened) {
  WriteFile("in", "x");
  EXPECT_THAT(UsageErrorOf("flowcat in foo:bar"),
              AllOf(StartsWith("'foo:' is not one of "),
                    EndsWith("write ./foo:bar or file:foo:bar")));
  WriteFile("out", "old");
  EXPECT_THAT(UsageErrorOf("flowcat foo:bar out"), StartsWith("'foo:'"));
  EXPECT_EQ(FileContent("out"), "old");
  EXPECT_EQ(UsageErrorOf("flowcat in string:x"),
            "string: can only be read from, not written to");
}

TEST_F(FlowcatUsageTest, ABadSizeIsAnError) {
  EXPECT_EQ(UsageErrorOf("flowcat zero:10M -"),
            "zero: '10M' is not a size; write one like 4096, 10MB or 64KiB");
  EXPECT_EQ(UsageErrorOf("flowcat zero:8EiB -"),
            "zero: '8EiB' is too large; the largest size is "
            "9223372036854775807 bytes");
}

TEST_F(FlowcatUsageTest, OptionsMayStandAnywhere) {
  for (const char* command :
       {"flowcat --stats string:x -", "flowcat string:x --stats -",
        "flowcat string:x - -s", "flowcat -s -- string:x -"}) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_EQ(outcome.out, "x") << command;
    EXPECT_THAT(outcome.err, StartsWith("flowcat: 1 byte in ")) << command;
  }
}

TEST_F(FlowcatUsageTest, HelpFitsOneScreen) {
  for (const char* command :
       {"flowcat --help", "flowcat -h", "flowcat a b c -h"}) {
    const std::string help = OutputOf(command);
    EXPECT_THAT(help, AllOf(StartsWith("Usage: flowcat "), EndsWith("\n")));
    const std::vector<std::string> lines = Lines(help);
    EXPECT_LE(lines.size(), 23) << "and the prompt";
    for (const std::string& line : lines) EXPECT_LE(line.size(), 80) << line;
  }
}

TEST_F(FlowcatUsageTest, HelpThatCannotBePrintedIsAnError) {
  EXPECT_EQ(ErrorOf("flowcat --help >/dev/full"),
            "cannot write standard output: No space left on device");
}

TEST_F(FlowcatUsageTest, VersionIsThatOfTheModule) {
  EXPECT_THAT(OutputOf("flowcat --version"), MatchesRegex("flowcat [^ ]+\n"));
}

TEST_F(FlowcatUsageTest, ABadValueIsNamed) {
  EXPECT_EQ(UsageErrorOf("flowcat --stats=xml a b"),
            "--stats is text or json, not 'xml'");
  EXPECT_EQ(UsageErrorOf("flowcat a b --idle-timeout"),
            "option --idle-timeout needs a value");
  for (const char* value : {"", "x", "0", "-1", "5x", "nan"}) {
    EXPECT_EQ(
        UsageErrorOf(absl::StrCat("flowcat --idle-timeout '", value, "' a b")),
        absl::StrCat("--idle-timeout: '", value,
                     "' is not a duration; write one like 10, 500ms, "
                     "or 1m30s"));
  }
  for (const char* value : {"", "x", "0", "-1", "10001", "1.5"}) {
    EXPECT_EQ(UsageErrorOf(
                  absl::StrCat("flowcat --max-connections='", value, "' a b")),
              absl::StrCat("--max-connections is a number from 1 to 10000, "
                           "not '",
                           value, "'"));
  }
}

TEST_F(FlowcatUsageTest, DurationsAreSecondsOrHaveUnits) {
  for (const char* value : {"10", "0.5", "500ms", "1m30s", "inf"}) {
    EXPECT_EQ(
        OutputOf(absl::StrCat("flowcat --idle-timeout=", value,
                              " --connect-timeout ", value, " string:x -")),
        "x");
  }
}

TEST_F(FlowcatUsageTest, KeepListeningNeedsAListenerAndABOfItsOwn) {
  EXPECT_EQ(UsageErrorOf("flowcat -k tcp:localhost:1 null:"),
            "with -k, A must be tcp-listen: or unix-listen:, not "
            "tcp:localhost:1");
  for (const char* b : {"-", "out", "fd:0", "tcp-listen:1", "unix-listen:s"}) {
    EXPECT_EQ(UsageErrorOf(absl::StrCat("flowcat -k unix-listen:s ", b)),
              absl::StrCat("with -k, B must be tcp:, unix:, exec: or null:, "
                           "one for each connection, not ",
                           b));
  }
}

TEST_F(FlowcatUsageTest, ADescriptorMustBeOpenAndIsUsedOnce) {
  EXPECT_EQ(UsageErrorOf("flowcat fd:123 -"), "fd:123 is not open");
  EXPECT_EQ(UsageErrorOf("flowcat fd:3 fd:3 3</dev/null"),
            "A and B are both descriptor 3");
  EXPECT_EQ(UsageErrorOf("flowcat - fd:0"), "A and B are both descriptor 0");
  EXPECT_EQ(UsageErrorOf("flowcat fd:1 -"), "A and B are both descriptor 1");
}

}  // namespace
}  // namespace flowcat
