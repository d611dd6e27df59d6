// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// flowcat --keep-listening.

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/flowcat_process.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";
constexpr int kTerminated = 128 + SIGTERM;

absl::Time Soon() { return absl::Now() + kPatience; }

// Has `text` sent back through flowcat, whose other end is `cat`.
void ExpectEcho(flow::Flow& client, const std::string& text) {
  EXPECT_THAT(client.Write(text), IsOk());
  EXPECT_EQ(ReadSize(client, text.size()), text);
}

// Ends a conversation in order.
void Finish(flow::Flow& client) {
  EXPECT_THAT(client.Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(client), IsOkAndHolds(""));
  EXPECT_THAT(client.Close(Soon()), IsOk());
}

using FlowcatServeTest = FlowcatProcessFixture;

TEST_F(FlowcatServeTest, EachConnectionHasAnEndOfItsOwn) {
  constexpr int kClients = 8;
  FlowcatProcess flowcat({"-k", "--stats", kTcp, "exec:cat"});
  const std::string address = flowcat.AwaitListening();
  const int before = OpenDescriptors(flowcat.pid());
  std::vector<std::unique_ptr<flow::Flow>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(DialOrDie(address));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kClients; ++i) {
      ExpectEcho(*clients[i], absl::StrCat("this is ", i));
    }
  }
  for (auto& client : clients) Finish(*client);
  // One more, after all others.
  const auto last = DialOrDie(address);
  ExpectEcho(*last, "last");
  Finish(*last);
  EXPECT_TRUE(Eventually([&] {
    return OpenDescriptors(flowcat.pid()) == before;
  })) << "all has ended, the commands too";
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), kTerminated);
  EXPECT_THAT(flowcat.err(),
              HasSubstr("flowcat: 9 connections (0 failed) in "));
  EXPECT_THAT(flowcat.err(),
              HasSubstr("; A to B: 148 bytes; B to A: 148 bytes\n"));
}

TEST_F(FlowcatServeTest, NoMoreAreServedAtOnceThanWanted) {
  const auto server = ListenOrDie("unix:server");
  FlowcatProcess flowcat(
      {"-k", "--max-connections=2", kTcp, server->address()});
  const std::string address = flowcat.AwaitListening();
  std::vector<std::unique_ptr<flow::Flow>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(DialOrDie(address));
  const auto first = AcceptOrDie(*server);
  const auto second = AcceptOrDie(*server);
  // The third one waits, as long as one may look.
  EXPECT_THAT(server->Accept(absl::Now() + absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // The first two were accepted; their servers may be in either order.
  for (int i : {0, 1}) {
    EXPECT_THAT(clients[i]->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  }
  EXPECT_THAT(first->Close(Soon()), IsOk());
  EXPECT_THAT(second->Close(Soon()), IsOk());
  const auto third = AcceptOrDie(*server);
  EXPECT_THAT(clients[2]->Write("third"), IsOk());
  EXPECT_EQ(ReadSize(*third, 5), "third");
}

TEST_F(FlowcatServeTest, AnEndThatCannotBeOpenedConcernsOneConnectionOnly) {
  FlowcatProcess flowcat({"-k", kTcp, "unix:server"});
  const std::string address = flowcat.AwaitListening();
  const auto early = DialOrDie(address);
  EXPECT_THAT(ReadToEnd(*early), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flowcat.AwaitLine("connection"),
              MatchesRegex("flowcat: connection 1 [(]tcp 127.0.0.1:[0-9]+[)]: "
                           "cannot connect to unix:server: No such file or "
                           "directory"));
  const auto server = ListenOrDie("unix:server");
  const auto client = DialOrDie(address);
  const auto served = AcceptOrDie(*server);
  EXPECT_THAT(served->Write("hello"), IsOk());
  EXPECT_EQ(ReadSize(*client, 5), "hello");
  // An error in the middle.
  served->Abort(absl::AbortedError("out of order"));
  client->Abort(absl::AbortedError("out of order"));
  EXPECT_THAT(flowcat.AwaitLine("connection 2"),
              HasSubstr("Connection reset by peer; bytes from A to B: 0, from "
                        "B to A: 5"));
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), kTerminated);
}

TEST_F(FlowcatServeTest, ACommandThatFailsIsSaidForEachConnection) {
  FlowcatProcess flowcat({"-k", "unix-listen:s", "exec:cat; exit 4"});
  const std::string address = flowcat.AwaitListening();
  for (int i = 1; i <= 2; ++i) {
    const auto client = DialOrDie(address);
    Finish(*client);
    EXPECT_EQ(flowcat.AwaitLine("connection"),
              absl::StrCat("flowcat: connection ", i,
                           " (unix s): exec:cat; exit 4: exit status 4; bytes "
                           "from A to B: 0, from B to A: 0"));
  }
}

TEST_F(FlowcatServeTest, OneWayWorksForManyToo) {
  FlowcatProcess flowcat({"-k", "--stats=json", "unix-listen:s", "null:"});
  const std::string address = flowcat.AwaitListening();
  const int before = OpenDescriptors(flowcat.pid());
  for (int i = 0; i < 3; ++i) {
    const auto client = DialOrDie(address);
    EXPECT_THAT(client->Write("12345"), IsOk());
    Finish(*client);
  }
  EXPECT_TRUE(
      Eventually([&] { return OpenDescriptors(flowcat.pid()) == before; }));
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), kTerminated);
  EXPECT_THAT(flowcat.err(),
              HasSubstr("\"connections\":3,\"failed\":0,\"a_to_b\":{\"bytes\":"
                        "15,\"reads\":3,\"writes\":3}"));
}

TEST_F(FlowcatServeTest, AnIdleConnectionIsEndedAndOthersGoOn) {
  FlowcatProcess flowcat({"-k", "--idle-timeout=300ms", kTcp, "exec:cat"});
  const std::string address = flowcat.AwaitListening();
  const auto idle = DialOrDie(address);
  EXPECT_THAT(ReadToEnd(*idle), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flowcat.AwaitLine("connection 1 "),
              HasSubstr("no byte has passed for 300ms"));
  const auto client = DialOrDie(address);
  ExpectEcho(*client, "still there");
}

}  // namespace
}  // namespace flowcat
