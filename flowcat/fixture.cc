// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/fixture.h"

#include <stdlib.h>  // mkdtemp
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::StartsWith;

std::string NewDirectory() {
  std::string path = absl::StrCat(::testing::TempDir(), "/flowcat.XXXXXX");
  ABSL_PCHECK(::mkdtemp(path.data()) != nullptr) << path;
  return path;
}

std::string FindProgram() {
  const char* path = std::getenv("FLOWCAT");
  ABSL_CHECK(path != nullptr) << "FLOWCAT must name the program";
  char* absolute = ::realpath(path, nullptr);
  ABSL_PCHECK(absolute != nullptr) << path;
  std::string result = absolute;
  std::free(absolute);
  return result;
}

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

std::vector<std::string> Lines(absl::string_view text) {
  if (absl::EndsWith(text, "\n")) text.remove_suffix(1);
  return absl::StrSplit(text, '\n');
}

// The BUILD file names the program relative to where Bazel starts a test, which
// is not where the test stays.
const std::string& FlowcatPath() {
  static const auto* const path = new std::string(FindProgram());
  return *path;
}

int ExitCode(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

FlowcatFixture::FlowcatFixture()
    : directory_(NewDirectory()), outcomes_(NewDirectory()) {
  FlowcatPath();
  // As `bazel run` of a test would set it.
  ::unsetenv("BUILD_WORKING_DIRECTORY");
}

std::string FlowcatFixture::ShellCommand(absl::string_view command) const {
  return absl::StrCat("cd '", directory_, "' && flowcat() { '", FlowcatPath(),
                      "' \"$@\"; } && { ", command, "\n}");
}

Outcome FlowcatFixture::Run(absl::string_view command) const {
  const std::string out = absl::StrCat(outcomes_, "/out");
  const std::string err = absl::StrCat(outcomes_, "/err");
  const std::string shell = absl::StrCat(
      ShellCommand(command), " </dev/null >'", out, "' 2>'", err, "'");
  Outcome outcome;
  outcome.exit_code = ExitCode(std::system(shell.c_str()));
  outcome.out = Content(out);
  outcome.err = Content(err);
  return outcome;
}

std::string FlowcatFixture::ErrorOf(absl::string_view command,
                                    int exit_code) const {
  const Outcome outcome = Run(command);
  EXPECT_EQ(outcome.exit_code, exit_code) << command;
  EXPECT_EQ(outcome.out, "") << command;
  EXPECT_THAT(outcome.err, EndsWith("\n")) << command;
  std::vector<std::string> lines = Lines(outcome.err);
  if (exit_code == 2) {
    EXPECT_EQ(lines.back(), "flowcat: try 'flowcat --help'");
    lines.pop_back();
  }
  EXPECT_THAT(lines, ElementsAre(StartsWith("flowcat: "))) << command;
  if (lines.empty()) return "";
  return lines.front().substr(absl::string_view("flowcat: ").size());
}

std::string FlowcatFixture::UsageErrorOf(absl::string_view command) const {
  return ErrorOf(command, 2);
}

std::string FlowcatFixture::OutputOf(absl::string_view command) const {
  const Outcome outcome = Run(command);
  EXPECT_EQ(outcome.exit_code, 0) << command;
  EXPECT_EQ(outcome.err, "") << command;
  return outcome.out;
}

void FlowcatFixture::WriteFile(absl::string_view name,
                               absl::string_view content) const {
  std::ofstream(absl::StrCat(directory_, "/", name), std::ios::binary)
      << content;
}

std::string FlowcatFixture::FileContent(absl::string_view name) const {
  return Content(absl::StrCat(directory_, "/", name));
}

}  // namespace flowcat
