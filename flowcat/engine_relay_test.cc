// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// flowcat --keep-listening between sockets, which no thread of its own serves.

#include <sys/types.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>  // NOLINT(build/c++17)
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"
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
using ::testing::Not;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";
constexpr char kAnyTcp[] = "tcp:127.0.0.1:0";
constexpr int kTerminated = 128 + SIGTERM;

int Threads(pid_t pid) {
  return static_cast<int>(std::distance(
      std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task")),
      std::filesystem::directory_iterator()));
}

// Of a process, how many it has open.
int Sockets(pid_t pid) {
  int sockets = 0;
  std::error_code error;  // it may be closed meanwhile
  for (const auto& fd : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/fd"))) {
    if (std::filesystem::read_symlink(fd, error).string().find("socket:") ==
        0) {
      ++sockets;
    }
  }
  return sockets;
}

// flowcat before a server, and the pairs of connections that it relays.
class EngineRelayTest : public FlowcatProcessFixture {
 protected:
  struct Pair {
    std::unique_ptr<flow::Flow> client;
    std::unique_ptr<flow::Flow> served;
  };

  void Start(std::vector<std::string> options = {},
             const std::string& server = kAnyTcp,
             const std::string& listen = kTcp) {
    server_.reset();
    server_ = ListenOrDie(server);
    options.insert(options.begin(), "-k");
    options.push_back(listen);
    options.push_back(server_->address());
    flowcat_ = std::make_unique<FlowcatProcess>(options);
    address_ = flowcat_->AwaitListening();
  }

  // Connects, and sends a byte each way.
  Pair Connect() {
    Pair pair;
    pair.client = DialOrDie(address_);
    pair.served = AcceptOrDie(*server_);
    EXPECT_THAT(pair.client->Write("x"), IsOk());
    EXPECT_EQ(ReadSize(*pair.served, 1), "x");
    EXPECT_THAT(pair.served->Write("y"), IsOk());
    EXPECT_EQ(ReadSize(*pair.client, 1), "y");
    return pair;
  }

  // Ends both directions in order.
  static void Finish(Pair pair) {
    EXPECT_THAT(pair.client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadToEnd(*pair.served), IsOkAndHolds(""));
    EXPECT_THAT(pair.served->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadToEnd(*pair.client), IsOkAndHolds(""));
    EXPECT_THAT(pair.client->Close(Patience()), IsOk());
    EXPECT_THAT(pair.served->Close(Patience()), IsOk());
  }

  // Ends flowcat by a signal once `open` connections are left, and expects that
  // it says that these were cut off.
  void Terminate(int open) {
    EXPECT_TRUE(Eventually([&] {
      return Sockets(flowcat_->pid()) == 1 + 2 * open;
    })) << Sockets(flowcat_->pid());
    flowcat_->Signal(SIGTERM);
    EXPECT_EQ(flowcat_->Wait(), kTerminated) << flowcat_->err();
    EXPECT_FALSE(flowcat_->killed());
    EXPECT_THAT(
        flowcat_->err(),
        HasSubstr(absl::StrCat(
            "flowcat: ended by SIGTERM; connections cut off: ", open, "\n")));
  }

  std::unique_ptr<flow::Listener> server_;
  std::unique_ptr<FlowcatProcess> flowcat_;
  std::string address_;
};

// How long a process has used a processor.
absl::Duration ProcessorTime(pid_t pid) {
  std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
  std::string field;
  int64_t ticks = 0;
  for (int i = 1; i <= 15 && stat >> field; ++i) {
    if (i >= 14) ticks += std::stoll(field);
  }
  return absl::Seconds(ticks) / ::sysconf(_SC_CLK_TCK);
}

// A Unix listener `full` that lets nobody in, and those that keep it so.
class FullListener {
 public:
  FullListener() {
    flow::ListenOptions options;
    options.backlog = 0;
    listener_ = flow::Listen("unix:full", options).value();
    while (true) {
      auto flow = flow::Dial("unix:full", absl::Now() + absl::Milliseconds(50));
      if (!flow.ok()) break;
      waiting_.push_back(*std::move(flow));
    }
  }

 private:
  std::unique_ptr<flow::Listener> listener_;
  std::vector<std::unique_ptr<flow::Flow>> waiting_;
};

// --- What passes

TEST_F(EngineRelayTest, AConnectionTakesNoThreadAndTwoDescriptors) {
  constexpr int kClients = 50;
  Start({"--stats"});
  // What the first accept that waits makes stays.
  Pair first = Connect();
  absl::SleepFor(absl::Seconds(1));
  const int threads = Threads(flowcat_->pid());
  const int descriptors = OpenDescriptors(flowcat_->pid()) - 2;
  Finish(std::move(first));
  std::vector<Pair> pairs;
  for (int i = 0; i < kClients; ++i) pairs.push_back(Connect());
  // docs/flowcat.md says so.
  EXPECT_EQ(Threads(flowcat_->pid()), threads);
  EXPECT_TRUE(Eventually([&] {
    return OpenDescriptors(flowcat_->pid()) == descriptors + 2 * kClients;
  })) << OpenDescriptors(flowcat_->pid()) - descriptors;
  for (Pair& pair : pairs) Finish(std::move(pair));
  EXPECT_TRUE(Eventually(
      [&] { return OpenDescriptors(flowcat_->pid()) == descriptors; }));
  EXPECT_EQ(Threads(flowcat_->pid()), threads);
  Terminate(0);
  EXPECT_THAT(flowcat_->err(), HasSubstr("51 connections (0 failed) in "));
  EXPECT_THAT(flowcat_->err(),
              HasSubstr("; A to B: 51 bytes; B to A: 51 bytes\n"));
}

TEST_F(EngineRelayTest, EachEndIsCarriedOverAndTheOtherDirectionGoesOn) {
  for (const char* server : {kAnyTcp, "unix:server"}) {
    for (const char* listen : {kTcp, "unix-listen:s"}) {
      SCOPED_TRACE(absl::StrCat(listen, " ", server));
      Start({}, server, listen);
      const Pair pair = Connect();
      EXPECT_THAT(pair.client->Write("question"), IsOk());
      EXPECT_THAT(pair.client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
      EXPECT_THAT(ReadToEnd(*pair.served), IsOkAndHolds("question"));
      EXPECT_THAT(pair.served->Write("answer"), IsOk());
      EXPECT_THAT(pair.served->Close(Patience()), IsOk());
      EXPECT_THAT(ReadToEnd(*pair.client), IsOkAndHolds("answer"));
      EXPECT_THAT(pair.client->Close(Patience()), IsOk());
      Terminate(0);
      EXPECT_THAT(flowcat_->err(), Not(HasSubstr("connection 1")));
      flowcat_.reset();
    }
  }
}

TEST_F(EngineRelayTest, ARefusalIsCarriedOverAndIsNoError) {
  Start({}, "unix:server", "unix-listen:s");
  const Pair pair = Connect();
  EXPECT_THAT(pair.served->Shutdown(flow::ShutdownMode::kRead), IsOk());
  EXPECT_TRUE(flow::IsClosed(pair.client->AwaitRefusal(Patience())));
  EXPECT_THAT(pair.served->Write("still"), IsOk());
  EXPECT_EQ(ReadSize(*pair.client, 5), "still");
  EXPECT_THAT(pair.served->Close(Patience()), IsOk());
  EXPECT_THAT(ReadToEnd(*pair.client), IsOkAndHolds(""));
  pair.client->Close(Patience()).IgnoreError();
  Terminate(0);
  EXPECT_THAT(flowcat_->err(), Not(HasSubstr("connection 1")));
}

TEST_F(EngineRelayTest, MuchPassesBothWaysAtOnce) {
  Start();
  const Pair pair = Connect();
  const std::string much(size_t{8} << 20, 'm');
  std::vector<std::thread> threads;
  for (flow::Flow* flow : {pair.client.get(), pair.served.get()}) {
    threads.emplace_back([&, flow] {
      EXPECT_THAT(flow->Write(much), IsOk());
      EXPECT_THAT(flow->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    });
    threads.emplace_back([&, flow] {
      const absl::StatusOr<std::string> all = ReadToEnd(*flow);
      EXPECT_TRUE(all.ok() && *all == much) << all.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  Terminate(0);
}

// --- What fails

TEST_F(EngineRelayTest, AResetEndsOneConnectionWithALine) {
  Start({"--stats"});
  const Pair other = Connect();
  Pair pair = Connect();
  pair.client->Abort(absl::AbortedError("out of order"));
  EXPECT_THAT(ReadToEnd(*pair.served),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(
      flowcat_->AwaitLine("connection"),
      MatchesRegex("flowcat: connection 2 [(](tcp 127.0.0.1:[0-9]+)[)]: "
                   "cannot read tcp 127.0.0.1:[0-9]+: Connection reset "
                   "by peer; bytes from A to B: 1, from B to A: 1"));
  pair = Connect();
  pair.served->Abort(absl::AbortedError("out of order"));
  EXPECT_THAT(ReadToEnd(*pair.client),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flowcat_->AwaitLine("connection"),
              MatchesRegex("flowcat: connection 3 .*: cannot read "
                           "tcp:127.0.0.1:[0-9]+: Connection reset by peer; "
                           "bytes from A to B: 1, from B to A: 1"));
  EXPECT_THAT(other.client->Write("go on"), IsOk());
  EXPECT_EQ(ReadSize(*other.served, 5), "go on");
  Terminate(1);
  EXPECT_THAT(flowcat_->err(), HasSubstr("3 connections (3 failed) in "));
}

TEST_F(EngineRelayTest, AnEndThatCannotBeOpenedIsAResetForTheClient) {
  const std::string nobody = ListenOrDie(kAnyTcp)->address();
  FlowcatProcess flowcat({"-k", kTcp, nobody});
  const std::string address = flowcat.AwaitListening();
  for (int i = 1; i <= 40; ++i) {
    ExpectReset(address);
    EXPECT_THAT(
        flowcat.AwaitLine("connection"),
        MatchesRegex(absl::StrCat("flowcat: connection ", i,
                                  " [(]tcp 127.0.0.1:[0-9]+[)]: cannot connect "
                                  "to ",
                                  nobody, ": Connection refused")));
  }
}

TEST_F(EngineRelayTest, AnEndThatDoesNotAnswerIsGivenUpInTime) {
  const FullListener full;
  FlowcatProcess flowcat({"-k", "--connect-timeout=100ms", kTcp, "unix:full"});
  ExpectReset(flowcat.AwaitListening());
  EXPECT_THAT(flowcat.AwaitLine("connection"),
              HasSubstr("): cannot connect to unix:full within 100ms"));
}

TEST_F(EngineRelayTest, AnIdleConnectionIsEndedAndOthersGoOn) {
  Start({"--idle-timeout=1s"});
  const Pair idle = Connect();
  EXPECT_THAT(ReadToEnd(*idle.client),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ReadToEnd(*idle.served),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flowcat_->AwaitLine("connection 1 "),
              HasSubstr("): no bytes passed for 1s; bytes from A to B: 1, from "
                        "B to A: 1"));
  Finish(Connect());
  Terminate(0);
}

TEST_F(EngineRelayTest, ASlowEndIsWaitedForAsLongAsSomethingArrives) {
  // A Unix socket has taken all before its reader has read it.
  Start({"--idle-timeout=3s"}, "unix:server");
  const Pair pair = Connect();
  absl::SleepFor(absl::Seconds(1));  // now the next accept waits
  const int open = OpenDescriptors(flowcat_->pid());
  const std::string much(size_t{64} << 10, 'm');
  EXPECT_THAT(pair.served->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pair.client->Write(much), IsOk());
  EXPECT_THAT(pair.client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(*pair.client), IsOkAndHolds(""));
  for (int i = 0; i < 7; ++i) {
    absl::SleepFor(absl::Milliseconds(700));
    EXPECT_EQ(ReadSize(*pair.served, much.size() / 8).size(), much.size() / 8);
  }
  EXPECT_EQ(OpenDescriptors(flowcat_->pid()), open) << "both are still open";
  const size_t rest = much.size() / 8;
  EXPECT_EQ(ReadSize(*pair.served, rest).size(), rest);
  EXPECT_THAT(ReadToEnd(*pair.served), IsOkAndHolds(""));
  EXPECT_TRUE(
      Eventually([&] { return OpenDescriptors(flowcat_->pid()) == open - 2; }));
  Terminate(0);
  EXPECT_THAT(flowcat_->err(), Not(HasSubstr("connection 1")));
}

TEST_F(EngineRelayTest, AnEndThatTakesNothingIsGivenUp) {
  Start({"--idle-timeout=2s"}, "unix:server");
  const Pair pair = Connect();
  EXPECT_THAT(pair.served->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pair.client->Write("not taken"), IsOk());
  EXPECT_THAT(pair.client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(
      flowcat_->AwaitLine("connection 1 "),
      HasSubstr("): unix:server took nothing and did not end for 2s; bytes "
                "from A to B: 10, from B to A: 1"));
}

// --- Bounds

TEST_F(EngineRelayTest, WhoWaitsForRoomCostsNoTime) {
  Start({"--max-connections=2"});
  std::vector<Pair> pairs;
  for (int i = 0; i < 2; ++i) pairs.push_back(Connect());
  const auto third = DialOrDie(address_);
  EXPECT_THAT(third->Write("third"), IsOk());
  const absl::Duration before = ProcessorTime(flowcat_->pid());
  EXPECT_THAT(server_->Accept(absl::Now() + absl::Milliseconds(500)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LT(ProcessorTime(flowcat_->pid()) - before, absl::Milliseconds(200));
  Finish(std::move(pairs.back()));
  const auto served = AcceptOrDie(*server_);
  EXPECT_EQ(ReadSize(*served, 5), "third");
}

TEST_F(EngineRelayTest, RoomIsMadeAgainAndAgain) {
  Start({"--max-connections=2"});
  for (int i = 0; i < 300; ++i) Finish(Connect());
  Terminate(0);
}

TEST_F(EngineRelayTest, AShortageOfDescriptorsIsSaidOnceAndPasses) {
  int said = 0;
  // If the last one is enough to accept, the connection is refused instead.
  for (int limit : {40, 41}) {
    server_.reset();
    server_ = ListenOrDie("unix:server");
    FlowcatProcess::Options options;
    options.shell = absl::StrCat("ulimit -n ", limit, "; exec \"$@\"");
    flowcat_ = std::make_unique<FlowcatProcess>(
        std::vector<std::string>{"-k", kTcp, server_->address()}, options);
    address_ = flowcat_->AwaitListening();
    // UBSan needs a descriptor to look at an object of a kind that is new to
    // it, so all kinds come while there are some.
    Finish(Connect());
    Connect().client->Abort(absl::CancelledError("enough"));
    {
      // One after the other, until there is no descriptor for the next one.
      std::vector<std::unique_ptr<flow::Flow>> flows;
      while (true) {
        auto client = flow::Dial(address_, Patience());
        if (client.ok()) flows.push_back(*std::move(client));
        auto served = server_->Accept(absl::Now() + absl::Seconds(2));
        if (!served.ok()) break;
        flows.push_back(*std::move(served));
      }
      EXPECT_GT(flows.size(), 10);
      for (auto& flow : flows) flow->Abort(absl::CancelledError("enough"));
    }
    // Now there is room again.
    EXPECT_TRUE(Eventually([&] {
      const auto last = flow::Dial(address_, Patience());
      if (!last.ok() || !(*last)->Write("last").ok()) return false;
      while (true) {
        const auto served = server_->Accept(absl::Now() + absl::Seconds(1));
        if (!served.ok()) return false;
        if (ReadSize(**served, 4) == "last") return true;
      }
    }));
    flowcat_->Signal(SIGTERM);
    EXPECT_EQ(flowcat_->Wait(), kTerminated) << flowcat_->err();
    const std::string& err = flowcat_->err();
    const std::string line = absl::StrCat("flowcat: cannot accept on ",
                                          address_, ": Too many open files\n");
    const size_t first = err.find(line);
    if (first == std::string::npos) continue;
    ++said;
    EXPECT_EQ(err.find(line, first + 1), std::string::npos) << err;
  }
  EXPECT_GT(said, 0) << flowcat_->err();
}

// --- The stop

TEST_F(EngineRelayTest, AStopEndsDials) {
  const FullListener full;
  FlowcatProcess flowcat(
      {"-k", "--stats", "--connect-timeout=inf", kTcp, "unix:full"});
  const std::string address = flowcat.AwaitListening();
  const int before = OpenDescriptors(flowcat.pid());
  const auto client = DialOrDie(address);
  EXPECT_TRUE(
      Eventually([&] { return OpenDescriptors(flowcat.pid()) > before + 1; }));
  flowcat.Signal(SIGINT);
  EXPECT_EQ(flowcat.Wait(), 128 + SIGINT);
  EXPECT_FALSE(flowcat.killed());
  EXPECT_THAT(flowcat.err(), HasSubstr("ended by SIGINT; connections cut off: "
                                       "1\nflowcat: 1 connection (1 failed)"));
  EXPECT_THAT(ReadToEnd(*client), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(EngineRelayTest, AStopEndsRelaysByAResetForBothPeers) {
  Start({"--stats=json"});
  std::vector<Pair> pairs;
  for (int i = 0; i < 5; ++i) pairs.push_back(Connect());
  Terminate(5);
  for (const Pair& pair : pairs) {
    EXPECT_THAT(ReadToEnd(*pair.client),
                StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(ReadToEnd(*pair.served),
                StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(flowcat_->err(),
              HasSubstr("\"connections\":5,\"failed\":5,\"a_to_b\":{\"bytes\":"
                        "5,\"reads\":5,\"writes\":5}"));
}

TEST_F(EngineRelayTest, AStopEndsCloses) {
  Start({"--idle-timeout=1h"}, "unix:server");
  const Pair pair = Connect();
  EXPECT_THAT(pair.served->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pair.client->Write("not taken"), IsOk());
  EXPECT_THAT(pair.client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadToEnd(*pair.client), IsOkAndHolds(""));
  absl::SleepFor(absl::Milliseconds(100));  // now it closes
  Terminate(1);
}

TEST_F(EngineRelayTest, AStopFindsThoseThatWaitForRoomToo) {
  Start({"--max-connections=1"});
  const Pair pair = Connect();
  const auto waiting = DialOrDie(address_);
  Terminate(1);
  EXPECT_THAT(ReadToEnd(*waiting), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(EngineRelayTest, AStopComesAtAnyMoment) {
  for (int i = 0; i < 10; ++i) {
    Start({"--stats=json"});
    std::thread clients([this] {
      for (int j = 0; j < 200; ++j) {
        const auto client = flow::Dial(address_, Patience());
        if (!client.ok()) return;
        (*client)->Write("x").IgnoreError();
      }
    });
    absl::SleepFor(absl::Milliseconds(3 * i));
    flowcat_->Signal(SIGTERM);
    EXPECT_EQ(flowcat_->Wait(), kTerminated) << flowcat_->err();
    EXPECT_FALSE(flowcat_->killed());
    clients.join();
  }
}

}  // namespace
}  // namespace flowcat
