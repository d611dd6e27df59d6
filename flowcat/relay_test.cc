// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What can go wrong while flowcat relays, and that nobody takes a part for the
// whole then.

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
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
using ::testing::MatchesRegex;
using ::testing::StartsWith;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";

using FlowcatRelayTest = FlowcatProcessFixture;

// A client and a server with flowcat between them.
struct Between {
  explicit Between(std::vector<std::string> options = {})
      : listener(ListenOrDie("tcp:127.0.0.1:0")) {
    options.push_back(kTcp);
    options.push_back(listener->address());
    flowcat = std::make_unique<FlowcatProcess>(options);
    client = DialOrDie(flowcat->AwaitListening());
    server = AcceptOrDie(*listener);
  }

  std::unique_ptr<flow::Listener> listener;
  std::unique_ptr<FlowcatProcess> flowcat;
  std::unique_ptr<flow::Flow> client;
  std::unique_ptr<flow::Flow> server;
};

TEST_F(FlowcatRelayTest, AResetOfTheServerIsNoEndToTheClient) {
  Between between;
  EXPECT_THAT(between.server->Write("part of the ans"), IsOk());
  EXPECT_EQ(ReadSize(*between.client, 4), "part");
  between.server->Abort(absl::AbortedError("out of order"));
  between.server.reset();
  EXPECT_THAT(ReadToEnd(*between.client),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(between.flowcat->Wait(), 1);
  EXPECT_THAT(between.flowcat->err(),
              ContainsRegex("flowcat: cannot read tcp:127.0.0.1:[0-9]+: "
                            "Connection reset by peer; bytes from A to B: 0, "
                            "from B to A: 15\n$"));
}

TEST_F(FlowcatRelayTest, AResetOfTheClientIsNoEndToTheServer) {
  Between between;
  EXPECT_THAT(between.client->Write("part of the ques"), IsOk());
  EXPECT_EQ(ReadSize(*between.server, 4), "part");
  between.client->Abort(absl::AbortedError("out of order"));
  between.client.reset();
  EXPECT_THAT(ReadToEnd(*between.server),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(between.flowcat->Wait(), 1);
}

TEST_F(FlowcatRelayTest, AResetOfTheSourceOfACopyIsNoEndToItsSink) {
  const auto listener = ListenOrDie("tcp:127.0.0.1:0");
  FlowcatProcess flowcat({"-u", kTcp, listener->address()});
  const auto source = DialOrDie(flowcat.AwaitListening());
  const auto sink = AcceptOrDie(*listener);
  EXPECT_THAT(source->Write("part of the file"), IsOk());
  EXPECT_EQ(ReadSize(*sink, 4), "part");
  source->Abort(absl::AbortedError("out of order"));
  EXPECT_THAT(ReadToEnd(*sink), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(flowcat.Wait(), 1);
}

TEST_F(FlowcatRelayTest, ACommandIsTerminatedBeforeACutLooksLikeAnEnd) {
  FlowcatProcess flowcat({kTcp, "exec:cat >part; echo >whole"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(client->Write("part"), IsOk());
  EXPECT_TRUE(Eventually([] { return ::access("part", F_OK) == 0; }));
  client->Abort(absl::AbortedError("out of order"));
  EXPECT_EQ(flowcat.Wait(), 1);
  EXPECT_THAT(flowcat.err(), HasSubstr("Connection reset by peer"));
  EXPECT_NE(::access("whole", F_OK), 0) << "it went on";
}

TEST_F(FlowcatRelayTest, ACommandNeedNotReadAll) {
  FlowcatProcess flowcat({kTcp, "exec:head -c 1; exec <&-; echo; echo bye"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(client->Write("xyz"), IsOk());
  EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds("x\nbye\n"));
  // It learns of that when it writes more, or closes.
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatRelayTest, ACommandThatIsRefusedStillHasItsExitStatus) {
  FlowcatProcess flowcat(
      {"unix-listen:s",
       "exec:trap '' PIPE; while echo x 2>&-; do :; done; exit 3"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kRead), IsOk());
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(flowcat.Wait(), 1);
  EXPECT_THAT(flowcat.err(), HasSubstr("exit status 3"));
}

TEST_F(FlowcatRelayTest, TheExitStatusOfACommandIsReported) {
  EXPECT_EQ(ErrorOf("flowcat - 'exec:cat; exit 3'"),
            "exec:cat; exit 3: exit status 3; bytes from A to B: 0, from B to "
            "A: 0");
  EXPECT_EQ(ErrorOf("flowcat null: exec:false"),
            "exec:false: exit status 1; bytes written: 0");
  EXPECT_EQ(ErrorOf("flowcat exec:false null:"),
            "exec:false: exit status 1; bytes written: 0");
  EXPECT_EQ(ErrorOf("flowcat null: 'exec:kill -9 $$'"),
            "exec:kill -9 $$: ended by signal 9 (Killed); bytes written: 0");
  EXPECT_EQ(ErrorOf("flowcat null: exec:no-such-command 2>err; tail -n 1 err "
                    ">&2; exit 1"),
            "exec:no-such-command: exit status 127; bytes written: 0");
}

TEST_F(FlowcatRelayTest, ACommandHasNoSignalsBlockedOrIgnored) {
  EXPECT_EQ(OutputOf("flowcat 'exec:grep -E \"Sig(Blk|Ign)\" /proc/self/status'"
                     " - -u | tr -d '\t'"),
            "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
}

TEST_F(FlowcatRelayTest, ACommandHasNoDescriptorsOfOurs) {
  // What this test was started with, such as logs, is inherited by all.
  const std::string inherited = OutputOf("ls /proc/self/fd");
  EXPECT_EQ(OutputOf("flowcat -u 'exec:ls /proc/self/fd' -"), inherited);
  EXPECT_EQ(OutputOf("flowcat -u fd:3 'exec:ls /proc/self/fd' 3</dev/null"),
            inherited);
  FlowcatProcess flowcat({"unix-listen:s", "exec:cat; ls /proc/self/fd"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds(inherited));
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatRelayTest, NobodyWhoListensIsAnError) {
  const std::string address = ListenOrDie("tcp:127.0.0.1:0")->address();
  EXPECT_THAT(ErrorOf(absl::StrCat("flowcat - ", address)),
              StartsWith(absl::StrCat("cannot connect to ", address, ": ")));
  EXPECT_THAT(ErrorOf("flowcat - unix:none"),
              "cannot connect to unix:none: No such file or directory");
  EXPECT_THAT(ErrorOf("flowcat tcp:127.0.0.1:no-such-service -"),
              StartsWith("cannot connect to tcp:127.0.0.1:no-such-service: "));
}

TEST_F(FlowcatRelayTest, AnAddressThatIsTakenIsAnError) {
  const auto other = ListenOrDie("unix:taken");
  EXPECT_EQ(ErrorOf("flowcat unix-listen:taken -"),
            "cannot listen on unix:taken: somebody else listens there");
  WriteFile("file", "precious");
  EXPECT_THAT(ErrorOf("flowcat unix-listen:file -"),
              StartsWith("cannot listen on unix:file: "));
  EXPECT_EQ(FileContent("file"), "precious");
}

TEST_F(FlowcatRelayTest, WhoIsAcceptedIsResetIfTheOtherEndCannotBeOpened) {
  FlowcatProcess flowcat({kTcp, "unix:none"});
  ExpectReset(flowcat.AwaitListening());
  EXPECT_EQ(flowcat.Wait(), 1);
  EXPECT_THAT(flowcat.err(), HasSubstr("cannot connect to unix:none: "));
}

TEST_F(FlowcatRelayTest, ConnectingHasATimeout) {
  // One that accepts nobody, with as many waiting as it wants.
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
  EXPECT_EQ(ErrorOf("flowcat --connect-timeout=50ms - unix:full"),
            "cannot connect to unix:full within 50ms");
}

TEST_F(FlowcatRelayTest, ARelayIsGivenUpWhenItIsIdle) {
  // Long enough for the first byte, even on a busy machine.
  Between between({"--idle-timeout=2s"});
  EXPECT_THAT(between.client->Write("x"), IsOk());
  EXPECT_EQ(ReadSize(*between.server, 1), "x");
  EXPECT_THAT(ReadToEnd(*between.client),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ReadToEnd(*between.server),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(between.flowcat->Wait(), 1);
  EXPECT_THAT(between.flowcat->err(),
              HasSubstr("no bytes passed for 2s; bytes from A to B: 1, "
                        "from B to A: 0\n"));
}

TEST_F(FlowcatRelayTest, ACopyIsGivenUpWhenItIsIdle) {
  FlowcatProcess flowcat({"--idle-timeout=2", "-", "out", "-u"});
  EXPECT_THAT(flowcat.streams().Write("text"), IsOk());
  EXPECT_EQ(flowcat.Wait(), 1);
  EXPECT_EQ(flowcat.err(),
            "flowcat: no bytes passed for 2s; bytes kept in out: 4\n");
  EXPECT_EQ(FileContent("out"), "text");
}

TEST_F(FlowcatRelayTest, ASinkThatTakesNothingIsIdleToo) {
  EXPECT_THAT(ErrorOf("mkfifo f; flowcat --idle-timeout=200ms zero:1GiB f & "
                      "exec 3<f; wait $!"),
              MatchesRegex("no bytes passed for 200ms; bytes written: "
                           "[0-9]+"));
}

TEST_F(FlowcatRelayTest, WhatIsNotIdleGoesOn) {
  EXPECT_EQ(OutputOf("for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done | "
                     "flowcat --idle-timeout=0.5 - - | wc -l"),
            "6\n");
}

}  // namespace
}  // namespace flowcat
