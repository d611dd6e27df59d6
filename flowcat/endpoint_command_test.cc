// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Every kind of endpoint, at both ends, with peers that talk both ways.

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/byte_pattern.h"
#include "flowcat/fixture.h"
#include "flowcat/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::PatternString;
using ::testing::Not;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";
constexpr char kUnix[] = "unix-listen:s";

// More than any buffer on the way holds.
constexpr size_t kLarge = size_t{8} << 20;

// A conversation of two peers: `asking` ends its direction, and the answer
// still comes. Both close in order, so nothing was cut.
void Converse(flow::Flow& asking, flow::Flow& answering) {
  EXPECT_THAT(asking.Write("the question"), IsOk());
  EXPECT_THAT(asking.Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(answering), IsOkAndHolds("the question"));
  EXPECT_THAT(answering.Write("the answer"), IsOk());
  EXPECT_THAT(answering.Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(asking), IsOkAndHolds("the answer"));
  EXPECT_THAT(asking.Close(Patience()), IsOk());
  EXPECT_THAT(answering.Close(Patience()), IsOk());
}

using FlowcatEndpointsTest = FlowcatProcessFixture;

struct Pair {
  const char* listen;  // what flowcat listens on
  const char* remote;  // what the test listens on, and flowcat connects to
};

class FlowcatPairTest : public FlowcatProcessFixture,
                        public ::testing::WithParamInterface<Pair> {};

TEST_P(FlowcatPairTest, AConnectionIsAcceptedAndRelayedToAnother) {
  const auto server = ListenOrDie(GetParam().remote);
  FlowcatProcess flowcat({GetParam().listen, server->address()});
  const auto client = DialOrDie(flowcat.AwaitListening());
  Converse(*client, *AcceptOrDie(*server));
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_P(FlowcatPairTest, TheOrderOfTheOperandsDoesNotMatter) {
  const auto server = ListenOrDie(GetParam().remote);
  FlowcatProcess flowcat({server->address(), GetParam().listen});
  const auto client = DialOrDie(flowcat.AwaitListening());
  Converse(*client, *AcceptOrDie(*server));
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_P(FlowcatPairTest, TheServerMayAskAndEndFirst) {
  const auto server = ListenOrDie(GetParam().remote);
  FlowcatProcess flowcat({GetParam().listen, server->address()});
  const auto client = DialOrDie(flowcat.AwaitListening());
  Converse(*AcceptOrDie(*server), *client);
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

INSTANTIATE_TEST_SUITE_P(Sockets, FlowcatPairTest,
                         ::testing::Values(Pair{kTcp, "tcp:127.0.0.1:0"},
                                           Pair{kTcp, "unix:remote"},
                                           Pair{kUnix, "tcp:127.0.0.1:0"},
                                           Pair{kUnix, "unix:remote"}));

TEST_F(FlowcatEndpointsTest, TwoWhoBothConnectAreJoined) {
  FlowcatProcess flowcat({kTcp, kUnix});
  const std::string first = flowcat.AwaitListening();
  const std::string second = flowcat.AwaitListening();
  EXPECT_EQ(second, "unix:s");
  const auto b = DialOrDie(second);  // may come first
  const auto a = DialOrDie(first);
  Converse(*a, *b);
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatEndpointsTest, AListenerAcceptsOneAndIsGone) {
  FlowcatProcess flowcat({kUnix, "exec:cat"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(client->Write("x"), IsOk());
  EXPECT_EQ(ReadSize(*client, 1), "x");
  EXPECT_NE(::access("s", F_OK), 0) << "the file of the socket";
  EXPECT_THAT(flow::Dial("unix:s", Patience()), Not(IsOk()));
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatEndpointsTest, ACommandSeesTheEndAndItsAnswerComes) {
  FlowcatProcess flowcat({kTcp, "exec:cat; echo end"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(client->Write("text "), IsOk());
  EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds("text end\n"));
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatEndpointsTest, ACommandMayBeAAndCommandsCanTalk) {
  EXPECT_EQ(OutputOf("flowcat 'exec:echo question; exec cat >answer' "
                     "'exec:read q; echo \"to $q\"; exec cat >rest'"),
            "");
  EXPECT_EQ(FileContent("answer"), "to question\n");
}

TEST_F(FlowcatEndpointsTest, ACommandIsACopyOfOneWayLikeInAPipeline) {
  EXPECT_EQ(OutputOf("flowcat 'exec:cat; echo x' - -u <"
                     "/dev/zero"),
            "x\n")
      << "its input is empty";
  WriteFile("in", "12345");
  EXPECT_EQ(OutputOf("flowcat in 'exec:wc -c'"), "5\n");
  EXPECT_EQ(OutputOf("flowcat 'exec:echo x' out && cat out"), "x\n");
}

TEST_F(FlowcatEndpointsTest, StandardStreamsAreOneEndpoint) {
  EXPECT_EQ(OutputOf("echo text | flowcat - 'exec:cat; echo end'"),
            "text\nend\n");
  EXPECT_EQ(OutputOf("echo text | flowcat 'exec:cat; echo end' -"),
            "text\nend\n");
}

TEST_F(FlowcatEndpointsTest, OneWayIsFromAToBOnly) {
  FlowcatProcess flowcat({"-u", "-", kTcp});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(flowcat.streams().Write("down"), IsOk());
  EXPECT_THAT(flowcat.streams().Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(client->Write("up"), IsOk());
  EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds("down"));
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_THAT(ReadToEnd(flowcat.streams()), IsOkAndHolds(""));
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatEndpointsTest, AFileIsSentToWhoeverConnects) {
  const std::string content = PatternString(0, kLarge);
  WriteFile("in", content);
  FlowcatProcess flowcat({"in", kTcp});
  const auto client = DialOrDie(flowcat.AwaitListening());
  const absl::StatusOr<std::string> got = ReadToEnd(*client);
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(*got == content);
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatEndpointsTest, ADescriptorIsReadOrWrittenAsItIsOpen) {
  WriteFile("in", "content");
  EXPECT_EQ(OutputOf("flowcat fd:3 - 3<in"), "content");
  EXPECT_EQ(OutputOf("flowcat -u fd:3 - 3<in"), "content");
  EXPECT_EQ(OutputOf("flowcat string:new fd:3 3>out"), "");
  EXPECT_EQ(FileContent("out"), "new");
  EXPECT_EQ(OutputOf("echo more | flowcat -u - fd:3 3>>out"), "");
  EXPECT_EQ(FileContent("out"), "newmore\n");
  EXPECT_EQ(ErrorOf("flowcat fd:3 null: 3>out"),
            "cannot read fd:3: Bad file descriptor");
  EXPECT_EQ(ErrorOf("flowcat string:x fd:3 3<in"),
            "cannot write fd:3: Bad file descriptor");
  EXPECT_EQ(ErrorOf("flowcat fd:3 fd:4 -u 3<in 4>>in"),
            "fd:3 and fd:4 are the same file");
}

TEST_F(FlowcatEndpointsTest, StandardErrorAsADescriptorStaysForMessages) {
  const Outcome outcome = Run("flowcat --stats string:x fd:2");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(absl::StartsWith(outcome.err, "xflowcat: 1 byte in "))
      << outcome.err;
}

TEST_F(FlowcatEndpointsTest, ASocketAsADescriptorGoesBothWays) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  FlowcatProcess::Options options;
  options.descriptor_3 = ends[0];
  FlowcatProcess flowcat({"fd:3", "exec:cat; echo end"}, options);
  const auto peer = flow::MakeFdFlow(ends[1]);
  ASSERT_THAT(peer, IsOk());
  EXPECT_THAT((*peer)->Write("text "), IsOk());
  EXPECT_THAT((*peer)->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(**peer), IsOkAndHolds("text end\n"));
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatEndpointsTest, LargeAmountsPassBothWaysAtOnce) {
  const std::string content = PatternString(0, kLarge);
  WriteFile("in", content);
  EXPECT_EQ(OutputOf("flowcat exec:'cat in; exec cat >a' "
                     "exec:'cat in & exec cat >b'"),
            "");
  EXPECT_TRUE(FileContent("a") == content);
  EXPECT_TRUE(FileContent("b") == content);
}

}  // namespace
}  // namespace flowcat
