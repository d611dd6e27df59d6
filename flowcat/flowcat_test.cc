// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the program as a user does; the terminal is in terminal_test.cc.

#include <unistd.h>

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/testing/byte_pattern.h"
#include "flowcat/fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::flow::testing::PatternString;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr size_t kLarge = size_t{64} << 20;

using FlowcatTest = FlowcatFixture;

// What it copies.

TEST_F(FlowcatTest, CopiesALargeFile) {
  const std::string content = PatternString(0, kLarge);
  WriteFile("in", content);
  EXPECT_EQ(OutputOf("flowcat in out"), "");
  EXPECT_TRUE(FileContent("out") == content);
}

TEST_F(FlowcatTest, CopiesStandardInputToStandardOutput) {
  const std::string content = PatternString(0, 3000000);
  WriteFile("in", content);
  EXPECT_TRUE(OutputOf("flowcat - - <in") == content);
  EXPECT_TRUE(OutputOf("cat in | flowcat - - | cat") == content);
}

TEST_F(FlowcatTest, CopiesWhatIsLeftOfStandardInput) {
  WriteFile("in", "first\nsecond\n");
  EXPECT_EQ(OutputOf("{ read line; flowcat - -; } <in"), "second\n");
}

TEST_F(FlowcatTest, AnEmptySourceMakesAnEmptySink) {
  WriteFile("empty", "");
  WriteFile("out", "old");
  EXPECT_EQ(OutputOf("flowcat - -"), "");
  EXPECT_EQ(OutputOf("flowcat empty out"), "");
  EXPECT_EQ(FileContent("out"), "");
  WriteFile("out", "old");
  EXPECT_EQ(OutputOf("flowcat null: out"), "");
  EXPECT_EQ(FileContent("out"), "");
}

TEST_F(FlowcatTest, StringIsItsText) {
  EXPECT_EQ(OutputOf("flowcat 'string:a b:c' -"), "a b:c");
  EXPECT_EQ(OutputOf("flowcat string: -"), "");
}

TEST_F(FlowcatTest, ZeroIsZeros) {
  EXPECT_EQ(OutputOf("flowcat zero:300kB -"), std::string(300000, '\0'));
  EXPECT_EQ(OutputOf("flowcat zero:0 -"), "");
}

TEST_F(FlowcatTest, NullIsNothingAndForgetsAll) {
  EXPECT_EQ(OutputOf("flowcat null: -"), "");
  EXPECT_EQ(OutputOf("flowcat string:x null:"), "");
}

TEST_F(FlowcatTest, StandardOutputIsNotEmptied) {
  WriteFile("out", "old ");
  EXPECT_EQ(OutputOf("flowcat string:new - >>out"), "");
  EXPECT_EQ(FileContent("out"), "old new");
}

TEST_F(FlowcatTest, FilesOfProcSayThatTheyAreEmptyAndAreNot) {
  EXPECT_THAT(OutputOf("flowcat /proc/self/status -"), StartsWith("Name:"));
}

TEST_F(FlowcatTest, FilesWithAColonOrAMinusHaveAWayToBeNamed) {
  EXPECT_EQ(OutputOf("flowcat string:1 file:a:b && flowcat ./a:b -"), "1");
  EXPECT_EQ(OutputOf("flowcat string:2 file:- && flowcat ./- -"), "2");
  EXPECT_EQ(OutputOf("flowcat string:3 ./-s && flowcat -- -s -"), "3");
}

TEST_F(FlowcatTest, RelativePathsAreTheUsersUnderBazelRun) {
  ASSERT_EQ(Run("mkdir -p user/sub elsewhere").exit_code, 0);
  WriteFile("user/in", "abc");
  EXPECT_EQ(OutputOf("cd elsewhere && BUILD_WORKING_DIRECTORY=\"$PWD/../user\" "
                     "&& export BUILD_WORKING_DIRECTORY && "
                     "flowcat in sub/out"),
            "");
  EXPECT_EQ(FileContent("user/sub/out"), "abc");
  EXPECT_EQ(ErrorOf("BUILD_WORKING_DIRECTORY=/no/such && "
                    "export BUILD_WORKING_DIRECTORY && flowcat in out"),
            "cannot enter BUILD_WORKING_DIRECTORY /no/such: No such file or "
            "directory");
}

// What can go wrong.

TEST_F(FlowcatTest, AMissingSourceLeavesTheSinkAlone) {
  WriteFile("out", "old");
  EXPECT_EQ(ErrorOf("flowcat missing out"),
            "cannot open missing: No such file or directory");
  EXPECT_EQ(FileContent("out"), "old");
}

TEST_F(FlowcatTest, ADirectoryIsNoEndpoint) {
  WriteFile("out", "old");
  EXPECT_EQ(ErrorOf("flowcat . out"), "cannot read .: Is a directory");
  EXPECT_EQ(FileContent("out"), "old");
  EXPECT_EQ(ErrorOf("flowcat - . <out"), "cannot open .: Is a directory");
  EXPECT_EQ(ErrorOf("flowcat - null: <."),
            "cannot read standard input: Is a directory");
}

TEST_F(FlowcatTest, ASinkThatCannotBeOpenedIsAnError) {
  EXPECT_EQ(ErrorOf("flowcat string:x no/out"),
            "cannot open no/out: No such file or directory");
  WriteFile("file", "");
  EXPECT_EQ(ErrorOf("flowcat string:x file/out"),
            "cannot open file/out: Not a directory");
}

TEST_F(FlowcatTest, ASinkThatMayNotBeWrittenIsAnError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everything";
  WriteFile("out", "old");
  EXPECT_EQ(ErrorOf("chmod 400 out; flowcat string:x out"),
            "cannot open out: Permission denied");
}

TEST_F(FlowcatTest, AFullDiskIsAnErrorThatSaysHowMuchWasWritten) {
  const absl::string_view full =
      "cannot write /dev/full: No space left on device; bytes written: 0";
  EXPECT_EQ(ErrorOf("flowcat zero:1MiB /dev/full"), full);
  EXPECT_EQ(ErrorOf("flowcat zero:1MiB - >/dev/full"),
            "cannot write standard output: No space left on device; "
            "bytes written: 0");
}

TEST_F(FlowcatTest, AFileKeepsWhatWasWrittenAndTheErrorSaysHowMuch) {
  const std::string error =
      ErrorOf("trap '' XFSZ; ulimit -f 8; flowcat zero:1MiB out");
  const size_t size = FileContent("out").size();
  EXPECT_GT(size, 0);
  EXPECT_EQ(error, absl::StrCat("cannot write out: File too large; bytes kept "
                                "in out: ",
                                size));
}

TEST_F(FlowcatTest, ASourceThatCannotBeReadIsAnError) {
  // Its first bytes are not mapped.
  EXPECT_EQ(ErrorOf("flowcat /proc/self/mem out"),
            "cannot read /proc/self/mem: Input/output error; bytes kept in "
            "out: 0");
}

TEST_F(FlowcatTest, AClosedOutputPipeIsAnErrorAndNotASignal) {
  const Outcome outcome =
      Run("{ flowcat zero:1GiB -; echo $? >code; } | head -c 1");
  EXPECT_EQ(outcome.out, std::string(1, '\0'));
  EXPECT_EQ(FileContent("code"), "1\n");
  EXPECT_THAT(outcome.err,
              MatchesRegex("flowcat: cannot write standard output: its reader "
                           "has closed it; bytes written: [0-9]+\n"));
}

TEST_F(FlowcatTest, OneFileIsNotBothSourceAndSink) {
  WriteFile("file", "precious");
  EXPECT_EQ(ErrorOf("flowcat file ./file"),
            "file and ./file are the same file");
  EXPECT_EQ(ErrorOf("ln -s file link; flowcat file link"),
            "file and link are the same file");
  EXPECT_EQ(ErrorOf("flowcat - file <file"),
            "standard input and file are the same file");
  EXPECT_EQ(ErrorOf("flowcat file - >>file"),
            "file and standard output are the same file");
  EXPECT_EQ(FileContent("file"), "precious");
}

TEST_F(FlowcatTest, AClosedStandardStreamIsAnErrorAndNobodyTakesItsPlace) {
  EXPECT_EQ(ErrorOf("flowcat - null: <&-"),
            "cannot read standard input: Bad file descriptor");
  EXPECT_EQ(ErrorOf("flowcat string:x - >&-"),
            "cannot write standard output: Bad file descriptor");
  EXPECT_EQ(OutputOf("flowcat --stats string:x out 2>&-"), "");
  EXPECT_EQ(FileContent("out"), "x");
}

TEST_F(FlowcatTest, AMessageIsOneLineWhateverTheNames) {
  EXPECT_EQ(ErrorOf("flowcat 'a\nb\033' null:"),
            "cannot open a\\nb\\033: No such file or directory");
}

// Statistics.

TEST_F(FlowcatTest, StatsAreExact) {
  const auto expect_stats = [&](absl::string_view command,
                                absl::string_view bytes, int operations) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.err,
                MatchesRegex(absl::StrCat(
                    "flowcat: ", bytes,
                    " bytes in [0-9.a-z]+ \\([0-9.]+ [KMGT]?i?B/s"
                    "\\), ",
                    operations, " reads?, ", operations, " writes?\n")))
        << command;
  };
  expect_stats("flowcat --stats string:hello null:", "5", 1);
  expect_stats("flowcat --stats null: null:", "0", 0);
  expect_stats("flowcat --stats zero:1MiB null:", "1048576", 4);
  expect_stats("flowcat --stats zero:1048577 null:", "1048577", 5);
  WriteFile("in", "a small file");
  expect_stats("flowcat --stats in out", "12", 1);
}

TEST_F(FlowcatTest, StatsComeAlsoAfterAFailure) {
  const Outcome outcome = Run("flowcat --stats zero:1MiB /dev/full");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(
      Lines(outcome.err),
      ElementsAre(StartsWith("flowcat: cannot write /dev/full: "),
                  MatchesRegex("flowcat: 0 bytes in .* 1 read, 1 write")));
}

TEST_F(FlowcatTest, ThereIsNoProgressLineWithoutATerminal) {
  EXPECT_EQ(OutputOf("{ sleep 1.5; echo x; } | flowcat - -"), "x\n");
}

}  // namespace
}  // namespace flowcat
