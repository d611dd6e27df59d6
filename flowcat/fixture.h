// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fixture.h
//
// Runs the program flowcat the way that a user does: by a shell, in a directory
// of the test's own.

#ifndef FLOWCAT_FIXTURE_H_
#define FLOWCAT_FIXTURE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace flowcat {

// What a command has left behind.
struct Outcome {
  int exit_code = -1;  // 128 + n if signal n ended it
  std::string out;     // standard output
  std::string err;     // standard error
};

class FlowcatFixture : public ::testing::Test {
 protected:
  // Makes an empty directory. Ends the test program if it cannot.
  FlowcatFixture();

  // Runs `command` by /bin/sh in directory(); `flowcat` in it is our program.
  // Its standard input is empty, unless redirected in `command`.
  Outcome Run(absl::string_view command) const;

  // Returns what to give to a shell for that, with no redirection.
  std::string ShellCommand(absl::string_view command) const;

  // Runs `command`, which should fail with `exit_code` and one line on standard
  // error (one more, which is always the same, if the usage is wrong). Returns
  // that line, without the name of the program.
  std::string ErrorOf(absl::string_view command, int exit_code = 1) const;
  std::string UsageErrorOf(absl::string_view command) const;

  // Runs `command`, which should succeed without a message. Returns its output.
  std::string OutputOf(absl::string_view command) const;

  // Both take a name in directory().
  void WriteFile(absl::string_view name, absl::string_view content) const;
  std::string FileContent(absl::string_view name) const;

  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
  std::string outcomes_;  // where Run() has the output go
};

// Returns the lines of `text`, without the ends of lines.
std::vector<std::string> Lines(absl::string_view text);

// Returns the absolute path of the program.
const std::string& FlowcatPath();

// Returns the exit code that a shell would make of what wait(2) reports.
int ExitCode(int wait_status);

}  // namespace flowcat

#endif  // FLOWCAT_FIXTURE_H_
