// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// flowcat --keep-listening.

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <filesystem>  // NOLINT(build/c++17)
#include <iterator>
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
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";
constexpr int kTerminated = 128 + SIGTERM;

// Has `text` sent back through flowcat, whose other end is `cat`.
void ExpectEcho(flow::Flow& client, const std::string& text) {
  EXPECT_THAT(client.Write(text), IsOk());
  EXPECT_EQ(ReadSize(client, text.size()), text);
}

// Ends a conversation in order.
void Finish(flow::Flow& client) {
  EXPECT_THAT(client.Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(client), IsOkAndHolds(""));
  EXPECT_THAT(client.Close(Patience()), IsOk());
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
  EXPECT_THAT(first->Close(Patience()), IsOk());
  EXPECT_THAT(second->Close(Patience()), IsOk());
  const auto third = AcceptOrDie(*server);
  EXPECT_THAT(clients[2]->Write("third"), IsOk());
  EXPECT_EQ(ReadSize(*third, 5), "third");
}

TEST_F(FlowcatServeTest, AnEndThatCannotBeOpenedConcernsOneConnectionOnly) {
  FlowcatProcess flowcat({"-k", kTcp, "unix:server"});
  const std::string address = flowcat.AwaitListening();
  ExpectReset(address);
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
  // Long enough for the second one, even on a busy machine.
  FlowcatProcess flowcat({"-k", "--idle-timeout=2s", kTcp, "exec:cat"});
  const std::string address = flowcat.AwaitListening();
  const auto idle = DialOrDie(address);
  EXPECT_THAT(ReadToEnd(*idle), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flowcat.AwaitLine("connection 1 "),
              HasSubstr("no bytes passed for 2s"));
  const auto client = DialOrDie(address);
  ExpectEcho(*client, "still there");
}

TEST_F(FlowcatServeTest, AsManyDescriptorsAsItMayHaveAreUsed) {
  FlowcatProcess::Options options;
  options.shell = "ulimit -S -n 24; exec \"$@\"";
  FlowcatProcess flowcat({"-k", kTcp, "exec:ulimit -S -n; cat"}, options);
  const std::string address = flowcat.AwaitListening();
  // Each takes more than two.
  std::vector<std::unique_ptr<flow::Flow>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(DialOrDie(address));
    EXPECT_EQ(ReadSize(*clients.back(), 3), "24\n")
        << "a command has the limit that flowcat was given";
    ExpectEcho(*clients.back(), absl::StrCat("this is ", i));
  }
}

TEST_F(FlowcatServeTest, ACommandIsTheSameWithItsLimit) {
  FlowcatProcess::Options options;
  options.shell = "ulimit -S -n 24; exec \"$@\"";
  // The syntax of a shell may begin with nearly anything.
  for (const char* command :
       {"exec:# nothing\necho ok", "exec:\n\necho ok", "exec:(echo ok)",
        "exec:{ echo ok; }", "exec:! false && echo ok", "exec:x=ok; echo $x",
        "exec:if true; then echo ok; fi", "exec:cat <<.\nok\n.\n"}) {
    FlowcatProcess flowcat({"-k", kTcp, command}, options);
    const auto client = DialOrDie(flowcat.AwaitListening());
    EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds("ok\n")) << command;
  }
}

// How many threads a process has.
int Threads(pid_t pid) {
  return static_cast<int>(std::distance(
      std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task")),
      std::filesystem::directory_iterator()));
}

TEST_F(FlowcatServeTest, ATracedConnectionTakesTwoThreadsAndFourDescriptors) {
  constexpr int kClients = 5;
  const auto server = ListenOrDie("tcp:127.0.0.1:0");
  FlowcatProcess flowcat({"-k", "--trace", kTcp, server->address()});
  const std::string address = flowcat.AwaitListening();
  const int threads = Threads(flowcat.pid());
  const int descriptors = OpenDescriptors(flowcat.pid());
  std::vector<std::unique_ptr<flow::Flow>> flows;
  for (int i = 0; i < kClients; ++i) {
    flows.push_back(DialOrDie(address));
    flows.push_back(AcceptOrDie(*server));
    EXPECT_THAT(flows[flows.size() - 2]->Write("x"), IsOk());
    EXPECT_EQ(ReadSize(*flows.back(), 1), "x");
    EXPECT_THAT(flows.back()->Write("x"), IsOk());
    EXPECT_EQ(ReadSize(*flows[flows.size() - 2], 1), "x");
  }
  // docs/flowcat.md says so.
  EXPECT_TRUE(Eventually([&] {
    return Threads(flowcat.pid()) == threads + 2 * kClients &&
           OpenDescriptors(flowcat.pid()) == descriptors + 4 * kClients;
  })) << Threads(flowcat.pid()) - threads
      << " threads, " << OpenDescriptors(flowcat.pid()) - descriptors
      << " descriptors";
}

TEST_F(FlowcatServeTest, QuietMeansOnlyErrors) {
  FlowcatProcess flowcat({"-k", "-q", "unix-listen:s", "exec:exit 4"});
  std::unique_ptr<flow::Flow> client;
  EXPECT_TRUE(Eventually([&] {
    auto dialed = flow::Dial("unix:s", Patience());
    if (dialed.ok()) client = *std::move(dialed);
    return client != nullptr;
  }));
  Finish(*client);
  flowcat.AwaitLine("connection");
  flowcat.Signal(SIGHUP);
  EXPECT_EQ(flowcat.Wait(), 128 + SIGHUP);
  EXPECT_EQ(flowcat.err(),
            "flowcat: connection 1 (unix s): exec:exit 4: exit status 4; bytes "
            "from A to B: 0, from B to A: 0\n");
}

TEST_F(FlowcatServeTest, ATcpClientIsCalledByItsAddressAlsoOfIpv6) {
  if (!flow::Listen("tcp:[::1]:0").ok()) GTEST_SKIP() << "no IPv6 here";
  FlowcatProcess flowcat({"-k", "-t", "tcp-listen:[::1]:0", "exec:exit 4"});
  const auto client = DialOrDie(flowcat.AwaitListening());
  EXPECT_THAT(flowcat.AwaitLine("A open"),
              MatchesRegex("[0-9.]+ #1 A open tcp [[]::1[]]:[0-9]+"));
  Finish(*client);
  EXPECT_THAT(flowcat.AwaitLine("connection"),
              MatchesRegex("flowcat: connection 1 [(]tcp [[]::1[]]:[0-9]+[)]: "
                           "exec:exit 4: exit status 4; .*"));
}

// Connects to the Unix socket `s` from one that is bound to `path`.
int ConnectFrom(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path));
  const socklen_t size =
      static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) +
                             path.size() + (path.front() == '\0' ? 0 : 1));
  EXPECT_EQ(::bind(fd, reinterpret_cast<struct sockaddr*>(&name), size), 0);
  struct sockaddr_un server = {AF_UNIX, "s"};
  EXPECT_EQ(::connect(fd, reinterpret_cast<struct sockaddr*>(&server),
                      sizeof(server)),
            0);
  return fd;
}

TEST_F(FlowcatServeTest, AUnixClientIsCalledByItsWholeNameOnOneLine) {
  // All sandboxes have the same abstract names.
  const std::string number = absl::StrCat(absl::GetCurrentTimeNanos());
  const struct {
    std::string path;
    std::string shown;  // or as a regular expression
  } kNames[] = {
      {"client", "client"},
      {"a b", "a b"},
      {"a [b]", "a [[]b[]]"},
      {"x [in: open, 0 bytes; out: open, 0 bytes]",
       "x [[]in: open, 0 bytes; out: open, 0 bytes[]]"},
      {" [in: ", " [[]in: "},
      {"line\nbreak", "line[\\]nbreak"},
      {"\x1b[2Jclear", "[\\](033|x1b)[[]2Jclear"},
      {absl::StrCat(absl::string_view("\0", 1), number, " [1]",
                    absl::string_view("\0\n", 2)),
       absl::StrCat("@", number, " [[]1[]][\\](000|x00)[\\]n")},
  };
  FlowcatProcess flowcat({"-k", "-t", "unix-listen:s", "unix:nobody"});
  flowcat.AwaitListening();
  for (const auto& [path, shown] : kNames) {
    const int fd = ConnectFrom(path);
    EXPECT_THAT(flowcat.AwaitLine("A open"),
                MatchesRegex("[0-9.]+ #[0-9]+ A open unix " + shown));
    EXPECT_THAT(flowcat.AwaitLine("connection"),
                MatchesRegex("flowcat: connection [0-9]+ [(]unix " + shown +
                             "[)]: cannot connect to .*"));
    ::close(fd);
  }
}

}  // namespace
}  // namespace flowcat
