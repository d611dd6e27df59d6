// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Signals, whatever flowcat is doing.

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/fixture.h"
#include "flowcat/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";
constexpr char kUnix[] = "unix-listen:s";

using FlowcatSignalTest = FlowcatProcessFixture;

bool Exists(const char* path) { return ::access(path, F_OK) == 0; }

// Expects that `signal` ends `flowcat` in order, with statistics.
void ExpectEndedBy(FlowcatProcess& flowcat, int signal,
                   const std::string& name) {
  flowcat.Signal(signal);
  EXPECT_EQ(flowcat.Wait(), 128 + signal) << flowcat.err();
  EXPECT_FALSE(flowcat.killed());
  EXPECT_THAT(flowcat.err(), HasSubstr("flowcat: ended by " + name));
  EXPECT_THAT(flowcat.err(), ContainsRegex("\n[{].*\"signal\":[1-9].*[}]\n$"));
}

TEST_F(FlowcatSignalTest, EachSignalEndsTheWaitForAConnection) {
  const struct {
    int signal;
    const char* name;
  } kSignals[] = {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}};
  for (const auto& [signal, name] : kSignals) {
    FlowcatProcess flowcat({"--stats=json", kUnix, "exec:cat"});
    flowcat.AwaitListening();
    EXPECT_TRUE(Exists("s"));
    ExpectEndedBy(flowcat, signal, name);
    EXPECT_FALSE(Exists("s"));
  }
}

TEST_F(FlowcatSignalTest, TheOtherListenerIsGoneToo) {
  FlowcatProcess flowcat({"--stats=json", kTcp, kUnix});
  const std::string address = flowcat.AwaitListening();
  flowcat.AwaitListening();
  const auto a = DialOrDie(address);
  ExpectEndedBy(flowcat, SIGTERM, "SIGTERM");
  EXPECT_FALSE(Exists("s"));
  EXPECT_THAT(ReadToEnd(*a), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(FlowcatSignalTest, ADialIsInterrupted) {
  flow::ListenOptions options;
  options.backlog = 0;
  const auto full = flow::Listen("unix:full", options);
  ASSERT_THAT(full, IsOk());
  std::vector<std::unique_ptr<flow::Flow>> waiting;
  while (true) {
    auto flow = flow::Dial("unix:full", absl::Now() + absl::Milliseconds(50));
    if (!flow.ok()) break;
    waiting.push_back(*std::move(flow));
  }
  FlowcatProcess flowcat(
      {"--stats=json", "--trace", "--connect-timeout=inf", "-", "unix:full"});
  flowcat.AwaitLine("A open");  // and it dials, now or soon
  ExpectEndedBy(flowcat, SIGINT, "SIGINT");
}

TEST_F(FlowcatSignalTest, TheOpeningOfAFifoIsInterrupted) {
  ASSERT_EQ(::mkfifo("fifo", 0600), 0);
  FlowcatProcess flowcat({"--stats=json", "--trace", "string:x", "fifo"});
  flowcat.AwaitLine("A open");
  ExpectEndedBy(flowcat, SIGINT, "SIGINT");
}

TEST_F(FlowcatSignalTest, AReadOfStandardInputIsInterrupted) {
  FlowcatProcess flowcat({"--stats=json", "-", "out", "-u"});
  EXPECT_THAT(flowcat.streams().Write("text"), IsOk());
  EXPECT_TRUE(Eventually([] {
    struct stat info;
    return ::stat("out", &info) == 0 && info.st_size == 4;
  }));
  ExpectEndedBy(flowcat, SIGTERM, "SIGTERM; bytes kept in out: 4\n");
}

TEST_F(FlowcatSignalTest, AWriteThatWaitsIsInterrupted) {
  FlowcatProcess flowcat({"--stats=json", "--trace", "zero:1GiB", "-"});
  EXPECT_EQ(ReadSize(flowcat.streams(), 1).size(), 1);
  ExpectEndedBy(flowcat, SIGTERM, "SIGTERM; bytes written: ");
}

TEST_F(FlowcatSignalTest, ARelayUnderWayEndsInAResetForBothPeers) {
  const auto server = ListenOrDie("tcp:127.0.0.1:0");
  FlowcatProcess flowcat({"--stats=json", kTcp, server->address()});
  const auto client = DialOrDie(flowcat.AwaitListening());
  const auto served = AcceptOrDie(*server);
  EXPECT_THAT(client->Write("12"), IsOk());
  EXPECT_THAT(served->Write("345"), IsOk());
  EXPECT_EQ(ReadSize(*served, 2), "12");
  EXPECT_EQ(ReadSize(*client, 3), "345");
  ExpectEndedBy(flowcat, SIGINT,
                "SIGINT; bytes from A to B: 2, from B to A: 3\n");
  EXPECT_THAT(ReadToEnd(*client), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ReadToEnd(*served), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(FlowcatSignalTest, ACommandGetsSigtermAndIsWaitedFor) {
  FlowcatProcess flowcat(
      {"--stats=json", "-",
       "exec:trap 'echo >terminated; exit' TERM; echo ready; while :; do "
       "sleep 0.05; done"});
  EXPECT_EQ(ReadSize(flowcat.streams(), 6), "ready\n");
  ExpectEndedBy(flowcat, SIGINT, "SIGINT");
  EXPECT_TRUE(Exists("terminated"));
}

TEST_F(FlowcatSignalTest, ACommandThatIgnoresItIsKilled) {
  FlowcatProcess flowcat(
      {"--stats=json", "-",
       "exec:trap '' TERM; echo $$; while :; do sleep 0.1; done"});
  std::string number = ReadSize(flowcat.streams(), 1);
  while (number.back() != '\n') number += ReadSize(flowcat.streams(), 1);
  ExpectEndedBy(flowcat, SIGTERM, "SIGTERM");
  EXPECT_NE(::kill(std::atoi(number.c_str()), 0), 0) << "it is still there";
}

TEST_F(FlowcatSignalTest, ASecondSignalEndsAtOnce) {
  FlowcatProcess flowcat(
      {kUnix,
       "exec:trap 'echo >terminated' TERM; echo ready; while "
       "[ ! -e stop ]; do sleep 0.05; done"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_EQ(ReadSize(*client, 6), "ready\n");
  flowcat.Signal(SIGTERM);
  // Now it waits for the command, which does not end.
  EXPECT_TRUE(Eventually([] { return Exists("terminated"); }));
  flowcat.Signal(SIGINT);
  flowcat.AwaitExit();
  WriteFile("stop", "");
  EXPECT_EQ(flowcat.Wait(), 128 + SIGINT);
  EXPECT_TRUE(flowcat.killed());
}

TEST_F(FlowcatSignalTest, AServerEndsInOrderWithConnectionsOrWithout) {
  {
    FlowcatProcess flowcat({"-k", "--stats=json", kUnix, "exec:cat"});
    flowcat.AwaitListening();
    ExpectEndedBy(flowcat, SIGTERM, "SIGTERM; connections cut off: 0\n");
    EXPECT_FALSE(Exists("s"));
  }
  constexpr int kClients = 3;
  FlowcatProcess flowcat({"-k", "--stats=json", kTcp, "exec:cat"});
  const std::string address = flowcat.AwaitListening();
  std::vector<std::unique_ptr<flow::Flow>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(DialOrDie(address));
    EXPECT_THAT(clients.back()->Write("x"), IsOk());
    EXPECT_EQ(ReadSize(*clients.back(), 1), "x");
  }
  ExpectEndedBy(flowcat, SIGINT, "SIGINT; connections cut off: 3\n");
  for (auto& client : clients) {
    EXPECT_THAT(ReadToEnd(*client), StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(flowcat.err(),
              HasSubstr("\"connections\":3,\"failed\":3,\"a_to_b\":{\"bytes\":"
                        "3,"));
}

TEST_F(FlowcatSignalTest, ASignalThatIsIgnoredStaysSo) {
  FlowcatProcess::Options options;
  options.shell = "trap '' INT; exec \"$@\"";
  FlowcatProcess flowcat({kTcp, "exec:cat"}, options);
  const std::string address = flowcat.AwaitListening();
  flowcat.Signal(SIGINT);
  const auto client = DialOrDie(address);
  EXPECT_THAT(client->Write("x"), IsOk());
  EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds("x"));
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatSignalTest, CommandsWorkAlsoIfSigchldIsIgnoredAtTheStart) {
  // Not every shell can ignore it.
  const std::string ignoring = "env --ignore-signal=CHLD";
  if (Run(ignoring + " true").exit_code != 0) {
    GTEST_SKIP() << "there is no " << ignoring;
  }
  const std::string flowcat_ignoring = ignoring + " '" + FlowcatPath() + "'";
  EXPECT_EQ(OutputOf("echo x | " + flowcat_ignoring + " - 'exec:cat; echo y'"),
            "x\ny\n");
  EXPECT_THAT(ErrorOf(flowcat_ignoring + " null: 'exec:exit 4'"),
              HasSubstr("exec:exit 4: exit status 4"));
  FlowcatProcess::Options options;
  options.shell = "exec " + ignoring + " \"$@\"";
  FlowcatProcess flowcat({"-k", kTcp, "exec:cat"}, options);
  const std::string address = flowcat.AwaitListening();
  for (int i = 0; i < 3; ++i) {
    const auto client = DialOrDie(address);
    EXPECT_THAT(client->Write("x"), IsOk());
    EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds("x"));
    EXPECT_THAT(client->Close(Patience()), IsOk());
  }
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), 128 + SIGTERM);
  EXPECT_THAT(flowcat.err(), Not(HasSubstr("connection 1")));
}

TEST_F(FlowcatSignalTest, AFileThatMayNotGrowIsAnErrorOfTheWrite) {
  for (const char* command :
       {"flowcat zero:1MiB out", "flowcat -u zero:1MiB - >out",
        "flowcat zero:1MiB fd:3 3>out"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat("(ulimit -f 8; ", command, ")")),
                ContainsRegex("^cannot write .*: File too large; bytes"))
        << command;
  }
  // Standard error is a file, too, and is too long already.
  WriteFile("err", std::string(10000, 'x'));
  EXPECT_EQ(OutputOf("(ulimit -f 8; flowcat --stats string:x - 2>>err)"), "x");
  // A command is ended by it as it would be elsewhere.
  EXPECT_THAT(ErrorOf("flowcat null: 'exec:ulimit -f 8; exec head -c 1000000 "
                      "/dev/zero >out'"),
              HasSubstr(": ended by signal 25 (File size limit exceeded)"));
}

}  // namespace
}  // namespace flowcat
