// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Many connections at once leave nothing behind in flowcat.

#include <csignal>
#include <memory>
#include <string>
#include <vector>

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
using ::testing::HasSubstr;

using FlowcatManyTest = FlowcatProcessFixture;

constexpr int kConnections = 200;

TEST_F(FlowcatManyTest, IdleConnectionsWorkWhenTheyAreUsedAndLeaveNothing) {
  const auto server = ListenOrDie("unix:server");
  FlowcatProcess flowcat({"-k", "--stats", "--max-connections=200",
                          "tcp-listen:127.0.0.1:0", server->address()});
  const std::string address = flowcat.AwaitListening();
  int before = 0;
  {
    // What the first accept that waits makes stays.
    const auto client = DialOrDie(address);
    const auto first = AcceptOrDie(*server);
    absl::SleepFor(absl::Seconds(1));
    before = OpenDescriptors(flowcat.pid()) - 2;
    for (flow::Flow* flow : {client.get(), first.get()}) {
      EXPECT_THAT(flow->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    }
    EXPECT_THAT(client->Close(Patience()), IsOk());
    EXPECT_THAT(first->Close(Patience()), IsOk());
  }
  std::vector<std::unique_ptr<flow::Flow>> clients;
  std::vector<std::unique_ptr<flow::Flow>> served;
  for (int i = 0; i < kConnections; ++i) {
    clients.push_back(DialOrDie(address));
    served.push_back(AcceptOrDie(*server));
  }
  EXPECT_GE(OpenDescriptors(flowcat.pid()), before + 2 * kConnections);
  for (int i = 0; i < kConnections; ++i) {
    const std::string text = absl::StrCat("this is ", i);
    EXPECT_THAT(clients[i]->Write(text), IsOk());
    EXPECT_EQ(ReadSize(*served[i], text.size()), text);
    EXPECT_THAT(served[i]->Write("y"), IsOk());
    EXPECT_EQ(ReadSize(*clients[i], 1), "y");
  }
  const absl::Time deadline = Patience();
  for (int i = 0; i < kConnections; ++i) {
    EXPECT_THAT(clients[i]->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(served[i]->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(clients[i]->Close(deadline), IsOk());
    EXPECT_THAT(served[i]->Close(deadline), IsOk());
  }
  EXPECT_TRUE(Eventually([&] {
    return OpenDescriptors(flowcat.pid()) == before;
  })) << OpenDescriptors(flowcat.pid())
      << " instead of " << before;
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), 128 + SIGTERM);
  EXPECT_THAT(flowcat.err(), HasSubstr("201 connections (0 failed) in "));
}

}  // namespace
}  // namespace flowcat
