// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/child_process.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Streams = ChildProcess::Streams;

constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr size_t kLimit = 1 << 20;

std::unique_ptr<ChildProcess> Start(const std::string& command,
                                    Streams streams = Streams::kBoth) {
  absl::StatusOr<std::unique_ptr<ChildProcess>> child =
      ChildProcess::Start(command, streams);
  EXPECT_THAT(child, IsOk());
  return *std::move(child);
}

absl::StatusOr<std::string> ReadAllOf(flow::Flow& flow) {
  const absl::StatusOr<absl::Cord> all = flow::ReadAll(flow, kLimit);
  if (!all.ok()) return all.status();
  return std::string(*all);
}

TEST(ChildProcessTest, ItsStandardStreamsAreAFlow) {
  const auto child = Start("cat; echo end");
  const auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  EXPECT_THAT((*pipes)->Write("hello "), IsOk());
  EXPECT_THAT((*pipes)->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadAllOf(**pipes), IsOkAndHolds("hello end\n"));
  EXPECT_THAT((*pipes)->Close(absl::Now() + kPatience), IsOk());
  EXPECT_THAT(child->End(kPatience), IsOk());
}

TEST(ChildProcessTest, InputThatIsNotWantedIsEmpty) {
  const auto child = Start("cat; echo end", Streams::kOutput);
  const auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  EXPECT_THAT(ReadAllOf(**pipes), IsOkAndHolds("end\n"));
  EXPECT_THAT(child->End(kPatience), IsOk());
}

TEST(ChildProcessTest, ItsExitIsReported) {
  EXPECT_THAT(Start("exit 0")->End(kPatience), IsOk());
  EXPECT_THAT(Start("exit 3")->End(kPatience),
              StatusIs(absl::StatusCode::kUnavailable, "exit status 3"));
  EXPECT_THAT(
      Start("kill -KILL $$")->End(kPatience),
      StatusIs(absl::StatusCode::kUnavailable, "ended by signal 9 (Killed)"));
}

TEST(ChildProcessTest, TheEndIsTheSameAgain) {
  const auto child = Start("exit 3");
  const absl::Status end = child->End(kPatience);
  EXPECT_EQ(child->End(kPatience), end);
}

TEST(ChildProcessTest, ABrokenPipeEndsItAsElsewhere) {
  const auto child = Start("while :; do echo x; done");
  ASSERT_THAT(child->TakePipes(), IsOk());  // and away
  // By our SIGTERM or by SIGPIPE, whichever is first.
  EXPECT_THAT(child->End(kPatience).message(),
              AnyOf(HasSubstr("signal 13"), HasSubstr("signal 15")));
  const auto refused = Start("exec yes");
  const auto pipes = refused->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  EXPECT_THAT((*pipes)->Shutdown(flow::ShutdownMode::kRead), IsOk());
  EXPECT_THAT(refused->End(kPatience).message(), HasSubstr("signal 13"));
  EXPECT_TRUE(refused->ended_by_sigpipe());
}

TEST(ChildProcessTest, PatienceEndsInSigterm) {
  const auto child = Start("exec sleep 1000");
  EXPECT_THAT(child->End(absl::Milliseconds(10)),
              StatusIs(absl::StatusCode::kUnavailable,
                       "did not exit within 10ms and was ended by SIGTERM"));
}

TEST(ChildProcessTest, WhoIgnoresSigtermIsKilled) {
  const auto child = Start("trap '' TERM; echo ready; exec sleep 1000");
  const auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  EXPECT_THAT((*pipes)->Read(), IsOk());
  EXPECT_THAT(child->End(absl::Milliseconds(10)),
              StatusIs(absl::StatusCode::kUnavailable,
                       "did not exit within 10ms and was ended by SIGKILL"));
}

TEST(ChildProcessTest, TerminateWakesWhoWaitsForTheEnd) {
  const auto child = Start("exec sleep 1000");
  std::thread other([&] { child->Terminate(); });
  EXPECT_THAT(child->End(absl::InfiniteDuration()).message(),
              HasSubstr("ended by signal 15"));
  other.join();
}

TEST(ChildProcessTest, TheWholeGroupIsEnded) {
  const auto child = Start("sleep 1000 & echo $!; wait");
  const auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  const absl::StatusOr<absl::Cord> number = (*pipes)->Read();
  ASSERT_THAT(number, IsOk());
  child->Terminate();
  EXPECT_THAT(child->End(kPatience).message(), HasSubstr("signal 15"));
  // Its end of the pipe goes with the last one.
  EXPECT_THAT(ReadAllOf(**pipes), IsOkAndHolds(""));
}

TEST(ChildProcessTest, AnAbortIsSigtermBeforeTheEndOfTheInput) {
  const auto child = Start("cat >/dev/null; exit 5");
  const auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  (*pipes)->Abort(absl::AbortedError("enough"));
  EXPECT_THAT(child->End(kPatience).message(), HasSubstr("signal 15"));
}

TEST(ChildProcessTest, DestructionKills) {
  auto child = Start("trap '' TERM; echo $$; exec sleep 1000");
  auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  const absl::StatusOr<absl::Cord> number = (*pipes)->Read();
  ASSERT_THAT(number, IsOk());
  const pid_t pid = std::atoi(std::string(*number).c_str());
  EXPECT_EQ(::kill(pid, 0), 0);
  pipes->reset();
  child.reset();
  EXPECT_NE(::kill(pid, 0), 0);
}

// How many threads this process has.
int Threads() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (absl::StartsWith(line, "Threads:")) {
      return std::atoi(line.substr(line.find(':') + 1).c_str());
    }
  }
  return -1;
}

TEST(ChildProcessTest, TakesNoThread) {
  const int before = Threads();
  const auto child = Start("exec sleep 1000");
  EXPECT_EQ(Threads(), before);
  child->Terminate();
  EXPECT_THAT(child->End(kPatience).message(), HasSubstr("signal 15"));
  EXPECT_EQ(Threads(), before);
}

TEST(ChildProcessTest, WithoutDescriptorsItsEndIsNoticedAllTheSame) {
  const auto ends = Start("exit 3");
  const auto goes_on = Start("exec sleep 1000");
  absl::Notification is_started;
  absl::Notification go;
  std::thread other([&] {
    is_started.Notify();
    go.WaitForNotification();
    goes_on->Terminate();
  });
  is_started.WaitForNotification();
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit none = before;
  none.rlim_cur = 0;
  // Nothing else meanwhile: UndefinedBehaviorSanitizer opens pipes.
  const int limited = ::setrlimit(RLIMIT_NOFILE, &none);
  const absl::Status ended = ends->End(kPatience);
  go.Notify();
  const absl::Status terminated = goes_on->End(absl::InfiniteDuration());
  ::setrlimit(RLIMIT_NOFILE, &before);
  other.join();
  EXPECT_EQ(limited, 0);
  EXPECT_EQ(ended.message(), "exit status 3");
  EXPECT_THAT(terminated.message(), HasSubstr("ended by signal 15"));
}

TEST(ChildProcessTest, WhatSomebodyElseHasReapedHasAnUnknownStatus) {
  const auto child = Start("echo $$");
  const auto pipes = child->TakePipes();
  ASSERT_THAT(pipes, IsOk());
  const absl::StatusOr<std::string> number = ReadAllOf(**pipes);
  ASSERT_THAT(number, IsOk());
  const pid_t pid = std::atoi(number->c_str());
  ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
  EXPECT_THAT(child->End(kPatience),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("its exit status is unknown")));
  EXPECT_FALSE(child->ended_by_sigpipe());
}

TEST(ChildProcessTest, WhileSigchldIsIgnoredTheStatusIsUnknown) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  {
    const auto child = Start("cat; exit 3");
    const auto pipes = child->TakePipes();
    ASSERT_THAT(pipes, IsOk());
    EXPECT_THAT((*pipes)->Write("text"), IsOk());
    EXPECT_THAT((*pipes)->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadAllOf(**pipes), IsOkAndHolds("text"));
    EXPECT_THAT(child->End(kPatience),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("its exit status is unknown")));
    const auto goes_on = Start("exec sleep 1000");
    EXPECT_THAT(goes_on->End(absl::Milliseconds(10)),
                StatusIs(absl::StatusCode::kUnavailable));
  }
  std::signal(SIGCHLD, before);
}

TEST(ChildProcessTest, SignalsThatThisProcessIgnoresAreNotIgnoredByIt) {
  for (int signal : {SIGPIPE, SIGXFSZ, SIGCHLD}) {
    const auto before = std::signal(signal, SIG_IGN);
    const auto child = Start("grep SigIgn: /proc/self/status");
    const auto pipes = child->TakePipes();
    ASSERT_THAT(pipes, IsOk());
    const absl::StatusOr<std::string> line = ReadAllOf(**pipes);
    ASSERT_THAT(line, IsOk());
    const uint64_t ignored =
        std::strtoull(line->substr(line->find(':') + 1).c_str(), nullptr, 16);
    EXPECT_EQ(ignored >> (signal - 1) & 1, 0) << *line;
    child->End(kPatience).IgnoreError();
    std::signal(signal, before);
  }
}

}  // namespace
}  // namespace flowcat
