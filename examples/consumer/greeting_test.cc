// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "greeting.h"

#include <cstddef>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/server.h"
#include "flow/string_flow.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/pipe_listener.h"
#include "gtest/gtest.h"

namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;

TEST(GreetTest, ReturnsTheAnswer) {
  std::string sent;
  const auto peer = flow::MakeStringFlow("welcome\nmore", &sent);
  EXPECT_THAT(Greet(*peer, "ada"), IsOkAndHolds("welcome"));
  EXPECT_EQ(sent, "hello, I am ada\n");
}

TEST(GreetTest, AnAnswerThatIsCutOffIsAnError) {
  std::string sent;
  const auto peer = flow::MakeStringFlow("welc", &sent);
  EXPECT_THAT(Greet(*peer, "ada"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(GreetTest, AFailureOfTheFlowIsPassedOn) {
  flow::FunctionFlowOptions options;
  options.output = flow::Output::Buffers([](absl::Cord) -> absl::Status {
    return absl::UnavailableError("unplugged");
  });
  const auto peer = flow::MakeFunctionFlow(std::move(options));
  EXPECT_THAT(Greet(*peer, "ada"), StatusIs(absl::StatusCode::kUnavailable));
}

// A server without a socket.
TEST(WelcomeTest, EachGuestIsWelcomeUntilTheServerStops) {
  flow::testing::PipeListener listener;
  flow::Server server(Welcome);
  flow::ServerReport report;
  std::thread running([&] { report = server.Run(listener); });
  const auto ada = listener.Dial();
  const auto bob = listener.Dial();
  EXPECT_THAT(Greet(*bob, "bob"), IsOkAndHolds("welcome, bob"));
  EXPECT_THAT(Greet(*ada, "ada"), IsOkAndHolds("welcome, ada"));
  EXPECT_THAT(Greet(*bob, "bob"), IsOkAndHolds("welcome, bob"));
  server.Stop(absl::InfiniteFuture());
  EXPECT_THAT(ada->Close(), IsOk());
  EXPECT_THAT(bob->Close(), IsOk());
  running.join();
  EXPECT_EQ(report.connections(), 2);
}

// Our testing library is for your tests, too.
TEST(GreetTest, WritingAllocatesNothing) {
  flow::FunctionFlowOptions options;
  options.output = flow::Output::Bytes(
      [](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        return bytes.size();
      });
  const auto peer = flow::MakeFunctionFlow(std::move(options));
  flow::testing::AllocationCounter counter;
  const bool written = peer->Writev({"hello, ", "I am ", "ada"}).ok();
  EXPECT_EQ(counter.blocks(), 0);
  EXPECT_TRUE(written);
}

}  // namespace
