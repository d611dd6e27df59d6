// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/flowcat_fixture.h"

#include <stdlib.h>  // mkdtemp
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

std::string NewDirectory() {
  std::string path = absl::StrCat(::testing::TempDir(), "/flowcat.XXXXXX");
  ABSL_PCHECK(::mkdtemp(path.data()) != nullptr) << path;
  return path;
}

// The BUILD file names the program relative to where Bazel starts a test.
std::string ProgramPath() {
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

int ExitCode(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

FlowcatFixture::FlowcatFixture()
    : directory_(NewDirectory()), outcomes_(NewDirectory()) {
  // As `bazel run` of a test would set it.
  ::unsetenv("BUILD_WORKING_DIRECTORY");
}

std::string FlowcatFixture::ShellCommand(absl::string_view command) const {
  return absl::StrCat("cd '", directory_, "' && flowcat() { '", ProgramPath(),
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

void FlowcatFixture::WriteFile(absl::string_view name,
                               absl::string_view content) const {
  std::ofstream(absl::StrCat(directory_, "/", name), std::ios::binary)
      << content;
}

std::string FlowcatFixture::FileContent(absl::string_view name) const {
  return Content(absl::StrCat(directory_, "/", name));
}

}  // namespace flowcat
