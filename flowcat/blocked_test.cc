// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Standard error that takes nothing, or not all, or not now.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/fixture.h"
#include "flowcat/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::testing::MatchesRegex;

constexpr int kTerminated = 128 + SIGTERM;

// flowcat with a pipe as its standard error that is full and that nobody reads.
class FlowcatBlockedTest : public FlowcatProcessFixture {
 protected:
  FlowcatBlockedTest() {
    ABSL_PCHECK(::pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) == 0);
  }

  ~FlowcatBlockedTest() override {
    for (int fd : pipe_) ::close(fd);
  }

  // What is in the pipe at first is this many times `x`.
  void Fill() {
    const std::string block(4096, 'x');
    ssize_t size;
    while ((size = ::write(pipe_[1], block.data(), block.size())) > 0) {
      filled_ += static_cast<size_t>(size);
    }
    while (::write(pipe_[1], block.data(), 1) == 1) ++filled_;
  }

  std::unique_ptr<FlowcatProcess> Start(
      const std::vector<std::string>& arguments,
      absl::string_view prefix = "") {
    // The others that share the pipe find it blocking.
    if (!is_non_blocking_) ABSL_PCHECK(::fcntl(pipe_[1], F_SETFL, 0) == 0);
    FlowcatProcess::Options options;
    options.shell = absl::StrCat(prefix, "exec \"$@\" 2>&3 3>&-");
    options.descriptor_3 = ::fcntl(pipe_[1], F_DUPFD_CLOEXEC, 3);
    return std::make_unique<FlowcatProcess>(arguments, options);
  }

  // Reads what comes out of the pipe, `pause` after each piece, until its last
  // writer has closed it; returns it without what Fill() has put in.
  std::string ReadAll(absl::Duration pause = absl::ZeroDuration()) {
    ::close(std::exchange(pipe_[1], -1));
    ABSL_PCHECK(::fcntl(pipe_[0], F_SETFL, 0) == 0);
    std::string all;
    char block[4096];
    ssize_t size;
    while ((size = ::read(pipe_[0], block, sizeof(block))) > 0) {
      all.append(block, static_cast<size_t>(size));
      if (all.size() < 200 * sizeof(block)) absl::SleepFor(pause);
    }
    return all.substr(std::min(filled_, all.size()));
  }

  // Waits for its end; returns false if it does not come.
  static bool HasEnded(const FlowcatProcess& flowcat) {
    return Eventually([&] {
      siginfo_t info = {};
      ABSL_PCHECK(::waitid(P_PID, flowcat.pid(), &info,
                           WEXITED | WNOWAIT | WNOHANG) == 0);
      return info.si_pid != 0;
    });
  }

  // Expects that the end of `flowcat` comes, and how.
  void ExpectEnd(FlowcatProcess& flowcat, int exit_code, bool killed) {
    ASSERT_TRUE(HasEnded(flowcat));
    EXPECT_EQ(flowcat.Wait(), exit_code);
    EXPECT_EQ(flowcat.killed(), killed);
  }

  bool is_non_blocking_ = false;

 private:
  int pipe_[2];
  size_t filled_ = 0;
};

std::unique_ptr<flow::Flow> DialWhenItListens() {
  EXPECT_TRUE(Eventually([] { return ::access("s", F_OK) == 0; }));
  // Between its bind() and its listen() nobody listens.
  absl::StatusOr<std::unique_ptr<flow::Flow>> client =
      absl::UnknownError("not dialed");
  EXPECT_TRUE(Eventually([&] {
    client = flow::Dial("unix:s", Patience());
    return client.ok();
  }));
  ABSL_CHECK_OK(client.status());
  return *std::move(client);
}

// Whether a process leaves SIGTERM to a thread of its own.
bool BlocksSignals(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string line;
  while (std::getline(status, line)) {
    if (absl::StartsWith(line, "SigBlk:")) {
      return std::strtoull(line.c_str() + 7, nullptr, 16) >> (SIGTERM - 1) & 1;
    }
  }
  return false;
}

TEST_F(FlowcatBlockedTest, ASignalEndsAServerInOrder) {
  Fill();
  const auto flowcat = Start({"-k", "unix-listen:s", "exec:cat"});
  const auto client = DialWhenItListens();
  EXPECT_THAT(client->Write("x"), IsOk());
  EXPECT_EQ(ReadSize(*client, 1), "x");
  flowcat->Signal(SIGTERM);
  ExpectEnd(*flowcat, kTerminated, /*killed=*/false);
  EXPECT_NE(::access("s", F_OK), 0) << "the file of the socket";
}

TEST_F(FlowcatBlockedTest, ASignalEndsACopyInOrder) {
  Fill();
  const auto flowcat = Start({"--trace", "--progress", "--stats", "-", "out"});
  EXPECT_THAT(flowcat->streams().Write("text"), IsOk());
  EXPECT_TRUE(Eventually([] {
    struct stat info;
    return ::stat("out", &info) == 0 && info.st_size == 4;
  }));
  flowcat->Signal(SIGTERM);
  ExpectEnd(*flowcat, kTerminated, /*killed=*/false);
}

TEST_F(FlowcatBlockedTest, ASignalEndsTheWaitForAnErrorToBePrinted) {
  Fill();
  const auto flowcat = Start({"missing", "null:"});
  EXPECT_TRUE(Eventually([&] { return BlocksSignals(flowcat->pid()); }));
  flowcat->Signal(SIGTERM);  // perhaps before it prints, perhaps meanwhile
  EXPECT_TRUE(HasEnded(*flowcat)) << "by the signal or with 1";
}

TEST_F(FlowcatBlockedTest, ASecondSignalEndsAtOnce) {
  Fill();
  for (int second : {SIGTERM, SIGINT}) {
    const auto flowcat = Start(
        {"--trace", "-k", "unix-listen:s",
         "exec:exec 2>&-; trap 'echo >terminated' TERM; echo ready; while "
         "[ ! -e stop ]; do sleep 0.05; done; echo >gone"});
    const auto client = DialWhenItListens();
    EXPECT_EQ(ReadSize(*client, 6), "ready\n");
    flowcat->Signal(SIGTERM);
    // Now it waits for the command, which does not end.
    EXPECT_TRUE(Eventually([] { return ::access("terminated", F_OK) == 0; }));
    flowcat->Signal(second);
    flowcat->AwaitExit();
    WriteFile("stop", "");
    ExpectEnd(*flowcat, 128 + second, /*killed=*/true);
    // A command that is still there could say once more that it is terminated.
    EXPECT_TRUE(Eventually([] { return ::access("gone", F_OK) == 0; }));
    for (const char* name : {"s", "stop", "terminated", "gone"}) {
      ::unlink(name);
    }
  }
}

TEST_F(FlowcatBlockedTest, RelaysGoOn) {
  Fill();
  const auto flowcat =
      Start({"--trace", "--progress", "-k", "unix-listen:s", "exec:cat"});
  const auto client = DialWhenItListens();
  // Each is several lines, together more than may wait.
  for (int i = 0; i < 3000; ++i) {
    EXPECT_THAT(client->Write("ping"), IsOk());
    ASSERT_EQ(ReadSize(*client, 4), "ping") << i;
  }
  flowcat->Signal(SIGTERM);
  ExpectEnd(*flowcat, kTerminated, /*killed=*/false);
}

TEST_F(FlowcatBlockedTest, ConnectionsThatFailAreEndedAllTheSame) {
  Fill();
  const auto flowcat = Start({"-k", "unix-listen:s", "unix:nobody"});
  for (int i = 0; i < 2000; ++i) {
    const auto client = DialWhenItListens();
    ASSERT_EQ(ReadSize(*client, 1), "") << i;
  }
  flowcat->Signal(SIGTERM);
  ExpectEnd(*flowcat, kTerminated, /*killed=*/false);
}

// A copy with a line for each read and for each write, and two for opening its
// ends, one for the end-of-file, and two for ending and two for closing them.
constexpr char kSource[] = "zero:1GiB";
const size_t kLines =
    2 * ((size_t{1} << 30) / flow::CopyOptions().max_read) + 7;

TEST_F(FlowcatBlockedTest, WhoReadsSlowlyGetsEveryLineInOrder) {
  const auto flowcat = Start({"--trace", kSource, "null:"});
  const std::vector<std::string> lines = Lines(ReadAll(absl::Milliseconds(20)));
  EXPECT_EQ(lines.size(), kLines);
  EXPECT_TRUE(std::is_sorted(
      lines.begin(), lines.end(), [](const auto& a, const auto& b) {
        return std::atof(a.c_str()) < std::atof(b.c_str());
      }));
  EXPECT_THAT(lines.back(), MatchesRegex("[0-9.]+ A close"));
  ExpectEnd(*flowcat, 0, /*killed=*/false);
}

TEST_F(FlowcatBlockedTest, LinesThatAreLeftOutAreCounted) {
  Fill();
  const auto flowcat =
      Start({"--trace", kSource, "exec:cat >/dev/null; echo >done"});
  // Nobody reads, and it gets there nevertheless.
  EXPECT_TRUE(Eventually([] { return ::access("done", F_OK) == 0; }));
  size_t lines = 0;
  size_t left_out = 0;
  for (const std::string& line : Lines(ReadAll())) {
    int count;
    if (std::sscanf(line.c_str(), "flowcat: %d line", &count) == 1) {
      left_out += static_cast<size_t>(count);
    } else {
      ++lines;
    }
  }
  EXPECT_GT(left_out, 0);
  EXPECT_EQ(lines + left_out, kLines + 1) << "and one of B, refused";
  ExpectEnd(*flowcat, 0, /*killed=*/false);
}

TEST_F(FlowcatBlockedTest, WhoSharesItMayHaveMadeItNonBlocking) {
  is_non_blocking_ = true;
  Fill();
  const auto flowcat = Start({"--stats", "string:x", "null:"});
  absl::SleepFor(absl::Milliseconds(100));  // it has met a full pipe, probably
  EXPECT_THAT(ReadAll(), MatchesRegex("flowcat: 1 byte in .*\n"));
  ExpectEnd(*flowcat, 0, /*killed=*/false);
}

TEST_F(FlowcatBlockedTest, AnErrorOfItIsNoErrorOfFlowcat) {
  for (const char* redirection : {"2>&-", "2>/dev/full", "2</dev/null"}) {
    EXPECT_EQ(Run(absl::StrCat("flowcat -t -s string:x - ", redirection)).out,
              "x")
        << redirection;
    EXPECT_EQ(
        Run(absl::StrCat("flowcat -t -s string:x - ", redirection)).exit_code,
        0)
        << redirection;
  }
  // A pipe that nobody can read any more.
  EXPECT_EQ(Run("{ flowcat -t -s string:x out; echo $? >code; } 2>&1 | true")
                .exit_code,
            0);
  EXPECT_EQ(FileContent("code"), "0\n");
  EXPECT_EQ(FileContent("out"), "x");
}

}  // namespace
}  // namespace flowcat
