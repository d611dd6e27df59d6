// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The progress line, on a pseudo-terminal as standard error.

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flowcat/fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

// The one that a shell's one-digit redirection can name, and nobody else uses.
constexpr int kTerminal = 9;

// For a machine under load; not what is waited for usually.
constexpr absl::Duration kPatience = absl::Seconds(20);

// What a terminal `columns` wide shows after `text`: a line for each line,
// without the spaces at its end.
std::vector<std::string> Screen(absl::string_view text, size_t columns) {
  std::vector<std::string> lines(1);
  size_t column = 0;
  for (char c : text) {
    if (c == '\r') {
      column = 0;
    } else if (c == '\n') {
      lines.emplace_back();
    } else {
      if (column == columns) {
        lines.emplace_back();
        column = 0;
      }
      std::string& line = lines.back();
      line.resize(std::max(line.size(), column + 1), ' ');
      line[column++] = c;
    }
  }
  for (std::string& line : lines) {
    line.erase(line.find_last_not_of(' ') + 1);
  }
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

class FlowcatTerminalTest : public FlowcatFixture {
 protected:
  ~FlowcatTerminalTest() override {
    EXPECT_EQ(process_, nullptr) << "Finish() should have been called";
    ::close(master_);
    ::close(kTerminal);
  }

  // Starts `command` with a terminal as its descriptor kTerminal and a pipe as
  // its standard input.
  void Start(absl::string_view command, unsigned short columns = 80) {
    columns_ = columns;
    struct winsize window = {};
    window.ws_col = columns;
    window.ws_row = 24;
    int terminal;
    ABSL_PCHECK(::openpty(&master_, &terminal, nullptr, nullptr, &window) == 0);
    // Not for the command, so that there is an end when it has ended.
    ABSL_PCHECK(::fcntl(master_, F_SETFD, FD_CLOEXEC) == 0);
    ABSL_PCHECK(::dup2(terminal, kTerminal) == kTerminal);
    ::close(terminal);
    process_ = ::popen(ShellCommand(command).c_str(), "w");
    ABSL_PCHECK(process_ != nullptr);
  }

  // Waits until `expected` is on the screen.
  void AwaitScreen(
      const ::testing::Matcher<std::vector<std::string>>& expected) {
    const absl::Time deadline = absl::Now() + kPatience;
    struct pollfd ready = {master_, POLLIN, 0};
    while (!expected.Matches(screen()) && absl::Now() < deadline) {
      const int patience_ms = absl::ToInt64Milliseconds(kPatience);
      if (::poll(&ready, 1, patience_ms) != 1 || !ReadSome()) break;
    }
    EXPECT_THAT(screen(), expected);
  }

  void Send(absl::string_view text) {
    ASSERT_EQ(std::fwrite(text.data(), 1, text.size(), process_), text.size());
    ASSERT_EQ(std::fflush(process_), 0);
  }

  // Ends standard input; returns the exit code.
  int Finish() {
    const int code = ExitCode(::pclose(process_));
    process_ = nullptr;
    ::close(kTerminal);
    while (ReadSome()) continue;
    return code;
  }

  // All that came to the terminal, and what it shows then.
  const std::string& written() const { return written_; }
  std::vector<std::string> screen() const { return Screen(written_, columns_); }

 private:
  // Returns whether there was something.
  bool ReadSome() {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(master_, buffer.data(), buffer.size());
    if (n <= 0) return false;  // EIO: no one has the terminal open
    written_.append(buffer.data(), n);
    return true;
  }

  int master_ = -1;
  FILE* process_ = nullptr;
  size_t columns_ = 0;
  std::string written_;
};

TEST_F(FlowcatTerminalTest, ProgressAppearsByItselfAndIsErasedAtTheEnd) {
  Start("flowcat - null: 2>&9");
  AwaitScreen(ElementsAre("0 B, 0 B/s"));
  Send("12345");
  AwaitScreen(ElementsAre(MatchesRegex("5 B, [0-9] B/s")));
  EXPECT_EQ(Finish(), 0);
  EXPECT_THAT(screen(), IsEmpty());
}

TEST_F(FlowcatTerminalTest, StatsFollowOnACleanLine) {
  Start("flowcat --stats - null: 2>&9");
  AwaitScreen(Not(IsEmpty()));
  Send("12345");
  EXPECT_EQ(Finish(), 0);
  EXPECT_THAT(screen(), ElementsAre(MatchesRegex("flowcat: 5 bytes in .*")));
}

TEST_F(FlowcatTerminalTest, AnErrorFollowsOnACleanLine) {
  Start("flowcat - /dev/full 2>&9");
  AwaitScreen(Not(IsEmpty()));
  Send("12345");
  EXPECT_EQ(Finish(), 1);
  EXPECT_THAT(absl::StrJoin(screen(), ""),
              "flowcat: cannot write /dev/full: No space left on device; "
              "bytes written: 0");
}

TEST_F(FlowcatTerminalTest, ProgressKnowsTheSizeOfAFile) {
  // More than a pipe holds, whose reader waits until the test goes on.
  WriteFile("in", std::string(1 << 20, 'x'));
  Start("{ flowcat in - 2>&9 | { read line <&3; cat >/dev/null; }; } 3<&0");
  AwaitScreen(ElementsAre(MatchesRegex(
      "[0-9.]+ KiB of 1[.]0 MiB [(][0-9]+%[)], [0-9.]+ [KM]?i?B/s")));
  EXPECT_EQ(Finish(), 0);
  EXPECT_THAT(screen(), IsEmpty());
}

TEST_F(FlowcatTerminalTest, ANarrowTerminalShowsLessAndStillOneLine) {
  Start("flowcat - null: 2>&9", /*columns=*/4);
  AwaitScreen(ElementsAre("0 B"));
  EXPECT_EQ(Finish(), 0);
  EXPECT_THAT(screen(), IsEmpty());
}

TEST_F(FlowcatTerminalTest, WhatIsQuickShowsNoProgress) {
  Start("flowcat string:x null: 2>&9");
  EXPECT_EQ(Finish(), 0);
  EXPECT_EQ(written(), "");
}

TEST_F(FlowcatTerminalTest, OutputToATerminalIsNotMixedWithProgress) {
  Start("sleep 1.5 | flowcat - - >&9 2>&9");
  EXPECT_EQ(Finish(), 0);
  EXPECT_EQ(written(), "");
}

}  // namespace
}  // namespace flowcat
