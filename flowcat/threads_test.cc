// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// flowcat where it cannot get every thread and process that it wants.

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";
constexpr int kClients = 12;
constexpr int kNotPossible = 77;

class FlowcatThreadsTest : public FlowcatProcessFixture {
 protected:
  // What has `"$@"` run by a user with so many processes and threads. Each call
  // is for another user, so that what one has left behind is not counted, nor
  // what runs for another run of this test, in a sandbox with the same numbers
  // of processes.
  std::string AsUserWith(int processes) {
    static int64_t user = 100000 + absl::GetCurrentTimeNanos() % 2000000000;
    const std::string& program = FlowcatPath();
    // With AddressSanitizer, the search for leaks wants one more thread.
    return absl::StrCat("export ASAN_OPTIONS=detect_leaks=0; exec '",
                        program.substr(0, program.rfind('/')),
                        "/as_other_user' ", ++user, " ", processes, " \"$@\"");
  }

  // Whether there can be such a user here.
  bool IsPossible() {
    FlowcatProcess::Options options;
    options.shell = AsUserWith(100);
    FlowcatProcess flowcat({"string:x", "null:"}, options);
    const int exit_code = flowcat.Wait();
    EXPECT_THAT(exit_code, AnyOf(0, kNotPossible)) << flowcat.err();
    return exit_code == 0;
  }
};

// Has all clients served at once that can be, and then expects that `flowcat`
// goes on. Returns how many were.
int ServeAllThatGo(FlowcatProcess& flowcat, const std::string& address) {
  std::vector<std::unique_ptr<flow::Flow>> clients;
  int served = 0;
  for (int i = 0; i < kClients; ++i) {
    auto client = flow::Dial(address, Patience());
    if (!client.ok()) {
      // It was refused before this end had looked.
      EXPECT_THAT(client.status(), StatusIs(absl::StatusCode::kUnavailable));
      continue;
    }
    clients.push_back(*std::move(client));
    clients.back()->Write("x").IgnoreError();  // as it may be refused now
  }
  std::vector<std::unique_ptr<flow::Flow>> open;
  for (auto& client : clients) {
    client->SetReadDeadline(Patience());
    const absl::StatusOr<absl::Cord> data = client->Read(1);
    if (data.ok() && *data == "x") {
      ++served;
      open.push_back(std::move(client));
    } else {
      EXPECT_THAT(data, StatusIs(absl::StatusCode::kUnavailable))
          << "no clean end for who was refused";
    }
  }
  for (auto& client : open) {
    EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadToEnd(*client), IsOkAndHolds(""));
    EXPECT_THAT(client->Close(Patience()), IsOk());
  }
  // Now there is room again.
  EXPECT_TRUE(Eventually([&] {
    const auto last = flow::Dial(address, Patience());
    if (!last.ok()) return false;
    (*last)->SetReadDeadline(Patience());
    if (!(*last)->Write("y").ok()) return false;
    const absl::StatusOr<absl::Cord> data = (*last)->Read(1);
    return data.ok() && *data == "y";
  }));
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), 128 + SIGTERM) << flowcat.err();
  EXPECT_FALSE(flowcat.killed()) << flowcat.err();
  return served;
}

TEST_F(FlowcatThreadsTest, CommandsFailOneByOneWithoutProcesses) {
  if (!IsPossible()) GTEST_SKIP() << "only root can become another user";
  for (int limit = 8; limit <= 19; ++limit) {
    SCOPED_TRACE(limit);
    FlowcatProcess::Options options;
    options.shell = AsUserWith(limit);
    FlowcatProcess flowcat({"-k", kTcp, "exec:exec cat"}, options);
    const int served = ServeAllThatGo(flowcat, flowcat.AwaitListening());
    EXPECT_LT(served, kClients);
    EXPECT_THAT(flowcat.err(), HasSubstr("Resource temporarily unavailable"));
  }
}

TEST_F(FlowcatThreadsTest, ConnectionsFailOneByOneWithoutThreads) {
  if (!IsPossible()) GTEST_SKIP() << "only root can become another user";
  FlowcatProcess echo({"-k", kTcp, "exec:cat"});
  const std::string server = echo.AwaitListening();
  // A name wants threads to be looked up.
  const std::string by_name =
      absl::StrCat("tcp:localhost", server.substr(server.rfind(':')));
  for (const std::string& b : {server, by_name}) {
    for (int limit = 8; limit <= 19; ++limit) {
      SCOPED_TRACE(absl::StrCat(b, ", ", limit));
      FlowcatProcess::Options options;
      options.shell = AsUserWith(limit);
      // With a trace, each has threads.
      FlowcatProcess flowcat({"-k", "--trace", "--progress", kTcp, b}, options);
      const int served = ServeAllThatGo(flowcat, flowcat.AwaitListening());
      EXPECT_LT(served, kClients);
      EXPECT_THAT(flowcat.err(), HasSubstr("Resource temporarily unavailable"));
    }
  }
}

TEST_F(FlowcatThreadsTest, ConnectionsBetweenSocketsNeedNone) {
  if (!IsPossible()) GTEST_SKIP() << "only root can become another user";
  FlowcatProcess echo({"-k", kTcp, "exec:cat"});
  const std::string server = echo.AwaitListening();
  int started = 0;
  for (int limit = 3; limit <= 19; ++limit) {
    SCOPED_TRACE(limit);
    FlowcatProcess::Options options;
    options.shell = AsUserWith(limit);
    FlowcatProcess flowcat({"-k", kTcp, server}, options);
    const std::string line = flowcat.AwaitLine("flowcat: ");
    const size_t address = line.find("tcp:");
    if (address != std::string::npos) {
      ++started;
      EXPECT_EQ(ServeAllThatGo(flowcat, line.substr(address)), kClients);
      EXPECT_THAT(flowcat.err(), Not(HasSubstr("unavailable")));
      continue;
    }
    // Then there are too few for its engines.
    EXPECT_EQ(started, 0);
    EXPECT_EQ(flowcat.Wait(), 1);
    EXPECT_EQ(flowcat.err(),
              "flowcat: cannot start: no thread available (Resource "
              "temporarily unavailable)\n");
  }
  EXPECT_GT(started, 0);
  EXPECT_LT(started, 17);
}

TEST_F(FlowcatThreadsTest, WithoutAnyThreadItSaysSo) {
  if (!IsPossible()) GTEST_SKIP() << "only root can become another user";
  for (int limit : {1, 2}) {
    FlowcatProcess::Options options;
    options.shell = AsUserWith(limit);
    FlowcatProcess flowcat({"string:x", "null:"}, options);
    EXPECT_EQ(flowcat.Wait(), 1);
    EXPECT_EQ(flowcat.err(),
              "flowcat: cannot start: no thread available (Resource "
              "temporarily unavailable)\n");
  }
}

}  // namespace
}  // namespace flowcat
