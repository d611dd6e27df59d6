// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What flowcat prints besides errors: statistics, traces, progress.

#include <string>
#include <vector>

#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flowcat/fixture.h"
#include "flowcat/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

using FlowcatOutputTest = FlowcatProcessFixture;

constexpr absl::string_view kTime = "[0-9]+[.][0-9]{6} ";

// Lines as they are, except for the time at their beginning.
std::vector<::testing::Matcher<std::string>> Timed(
    const std::vector<std::string>& lines) {
  std::vector<::testing::Matcher<std::string>> matchers;
  for (const std::string& line : lines) {
    matchers.push_back(MatchesRegex(absl::StrCat(kTime, line)));
  }
  return matchers;
}

TEST_F(FlowcatOutputTest, StatsOfARelayAreOfBothDirections) {
  const Outcome outcome =
      Run("printf hello | flowcat --stats - 'exec:cat; echo end'");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(
      Lines(outcome.err),
      ElementsAre(MatchesRegex("flowcat: A to B: 5 bytes in [0-9.a-z]+ [(].*"
                               "[)], 1 read, 1 write"),
                  MatchesRegex("flowcat: B to A: 9 bytes in [0-9.a-z]+ [(].*"
                               "[)], [12] reads?, [12] writes?")));
}

TEST_F(FlowcatOutputTest, JsonIsOneLineWithTheSameFieldsAlways) {
  const auto json_of = [this](absl::string_view command) {
    return Lines(Run(command).err).back();
  };
  constexpr absl::string_view kSeconds = "\"seconds\":[0-9]+[.][0-9]{6},";
  EXPECT_THAT(
      json_of("flowcat --stats=json string:hello null:"),
      MatchesRegex(absl::StrCat(
          "[{]\"mode\":\"copy\",\"exit_code\":0,\"signal\":0,", kSeconds,
          "\"connections\":1,\"failed\":0,"
          "\"a_to_b\":[{]\"bytes\":5,\"reads\":1,\"writes\":1[}],"
          "\"b_to_a\":[{]\"bytes\":0,\"reads\":0,\"writes\":0[}][}]")));
  EXPECT_THAT(
      json_of("printf hello | flowcat --stats=json - 'exec:cat >n; echo x'"),
      MatchesRegex(absl::StrCat(
          "[{]\"mode\":\"relay\",\"exit_code\":0,\"signal\":0,", kSeconds,
          "\"connections\":1,\"failed\":0,"
          "\"a_to_b\":[{]\"bytes\":5,\"reads\":1,\"writes\":1[}],"
          "\"b_to_a\":[{]\"bytes\":2,\"reads\":1,\"writes\":1[}][}]")));
  EXPECT_THAT(
      json_of("flowcat --stats=json zero:1MiB /dev/full"),
      MatchesRegex(absl::StrCat(
          "[{]\"mode\":\"copy\",\"exit_code\":1,\"signal\":0,", kSeconds,
          "\"connections\":1,\"failed\":1,"
          "\"a_to_b\":[{]\"bytes\":0,\"reads\":1,\"writes\":1[}],"
          "\"b_to_a\":[{]\"bytes\":0,\"reads\":0,\"writes\":0[}][}]")));
  EXPECT_THAT(
      json_of("flowcat --stats=json missing -"),
      MatchesRegex(absl::StrCat(
          "[{]\"mode\":\"copy\",\"exit_code\":1,\"signal\":0,", kSeconds,
          "\"connections\":0,\"failed\":0,"
          "\"a_to_b\":[{]\"bytes\":0,\"reads\":0,\"writes\":0[}],"
          "\"b_to_a\":[{]\"bytes\":0,\"reads\":0,\"writes\":0[}][}]")));
}

TEST_F(FlowcatOutputTest, WhatWasAskedForIsPrintedQuietlyToo) {
  const Outcome outcome = Run("flowcat -q --stats string:x -");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, MatchesRegex("flowcat: 1 byte in .*\n"));
  EXPECT_EQ(ErrorOf("flowcat --quiet missing -"),
            "cannot open missing: No such file or directory");
}

TEST_F(FlowcatOutputTest, TheTraceOfACopyIsInOrder) {
  const Outcome outcome = Run("flowcat --trace string:hello out");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(Lines(outcome.err),
              ElementsAreArray(
                  Timed({"A open string:", "B open out", "A read 5 bytes",
                         "B write 5 bytes", "A end-of-file", "B shutdown write",
                         "B close", "A shutdown write", "A close"})));
}

TEST_F(FlowcatOutputTest, TheTraceSaysWhatHasFailed) {
  const Outcome outcome = Run("flowcat -t string:hello /dev/full");
  EXPECT_EQ(outcome.exit_code, 1);
  const std::string full = "cannot write /dev/full: No space left on device";
  EXPECT_THAT(Lines(outcome.err), Contains(MatchesRegex(absl::StrCat(
                                      kTime, "B write 0 of 5 bytes: ", full))));
  EXPECT_THAT(Lines(outcome.err),
              Contains(MatchesRegex(absl::StrCat(kTime, "A abort: ", full))));
}

TEST_F(FlowcatOutputTest, TheTraceOfARelayHasBothDirections) {
  const Outcome outcome =
      Run("printf hello | flowcat -t - 'exec:cat >n; echo x'");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(
      Lines(outcome.err),
      UnorderedElementsAreArray(Timed(
          {"A open standard input and output", "B open exec:cat >n; echo x",
           "A read 5 bytes", "B write 5 bytes", "A end-of-file",
           "B shutdown write", "B read 2 bytes", "A write 2 bytes",
           "B end-of-file", "A shutdown write", "A close", "B close"})));
}

TEST_F(FlowcatOutputTest, TheTraceOfManyNamesTheConnection) {
  FlowcatProcess flowcat({"-k", "-t", "unix-listen:s", "null:"});
  const std::string address = flowcat.AwaitListening();
  for (const char* label : {"#1 ", "#2 "}) {
    const auto client = DialOrDie(address);
    EXPECT_THAT(client->Write("x"), IsOk());
    EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds(""));
    EXPECT_THAT(flowcat.AwaitLine("A open"),
                MatchesRegex(absl::StrCat(kTime, label, "A open unix s")));
    EXPECT_THAT(flowcat.AwaitLine("A read"),
                MatchesRegex(absl::StrCat(kTime, label, "A read 1 byte")));
    EXPECT_THAT(flowcat.AwaitLine("A close"),
                MatchesRegex(absl::StrCat(kTime, label, "A close")));
  }
}

TEST_F(FlowcatOutputTest, ATraceIsOneLineWhateverTheNames) {
  const Outcome outcome = Run("flowcat -t null: 'a\nb'");
  EXPECT_THAT(Lines(outcome.err),
              Contains(MatchesRegex(absl::StrCat(kTime, "B open a[\\]nb"))));
}

TEST_F(FlowcatOutputTest, WhatIsPrintedIsEscapedWhereverItComesFrom) {
  WriteFile("dir", "");
  const struct {
    const char* command;
    const char* shown;
  } kCases[] = {
      {"flowcat \"$(printf 'a\\033[2Jb')\" null:", "open a\\033[2Jb: "},
      {"flowcat \"$(printf 'a\\233b')\" null:", "open a\\233b: "},
      {"flowcat \"$(printf 'a\\302\\233b')\" null:", "open a\\u009bb: "},
      {"flowcat \"$(printf 'a\\342\\200\\256b')\" null:", "open a\\u202eb: "},
      {"flowcat \"$(printf 'gr\\303\\274n')\" null:", "open gr\303\274n: "},
      {"flowcat \"$(printf 'a\\nb')\" null:", "open a\\nb: "},
      {"flowcat null: \"$(printf 'dir/a\\rb')\"", "open dir/a\\rb: "},
      {"flowcat \"$(printf 'a\\rb:c')\" null:", "open a\\rb:c: "},
      {"flowcat \"$(printf 'unix:a\\tb')\" null:", "unix:a\\tb: "},
      {"flowcat \"$(printf 'tcp:a\\007b:1')\" null:", "tcp:a\\007b:1: "},
      {"flowcat \"$(printf 'unix-listen:x/\\033')\" null:", "unix:x/\\033: "},
      {"flowcat null: \"$(printf 'exec:exit 1 #\\033')\"",
       "exec:exit 1 #\\033: "},
      {"flowcat --x\"$(printf '\\033')\" a b", "option --x\\033"},
      {"flowcat --stats=\"$(printf '\\033')\" a b", "not '\\033'"},
  };
  for (const auto& [command, shown] : kCases) {
    const Outcome outcome = Run(command);
    EXPECT_NE(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.err, HasSubstr(shown)) << command;
    EXPECT_THAT(Lines(outcome.err), Each(StartsWith("flowcat: "))) << command;
  }
}

TEST_F(FlowcatOutputTest, ProgressWithoutATerminalIsALineEachSecond) {
  FlowcatProcess flowcat({"--progress", "-", "exec:cat"});
  EXPECT_THAT(flowcat.streams().Write("hello"), IsOk());
  EXPECT_THAT(flowcat.AwaitLine("A to B: 5 B"),
              MatchesRegex("flowcat: A to B: 5 B, [0-9] B/s; B to A: 5 B, "
                           "[0-9] B/s"));
  EXPECT_THAT(flowcat.streams().Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(flowcat.Wait(), 0);
}

TEST_F(FlowcatOutputTest, ProgressOfManyCountsThem) {
  FlowcatProcess flowcat({"-k", "-p", "unix-listen:s", "exec:cat"});
  const std::string address = flowcat.AwaitListening();
  const auto client = DialOrDie(address);
  EXPECT_THAT(flowcat.AwaitLine("1 of 1 connections open"),
              MatchesRegex("flowcat: 1 of 1 connections open; A to B: 0 B, 0 "
                           "B/s; B to A: 0 B, 0 B/s"));
}

}  // namespace
}  // namespace flowcat
