// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Deadlines when the wall clock is set: what is left of one is measured from
// when it was given, by a clock that nobody can set. A wait that went by the
// wall clock would take an hour here, or no time at all.

#include "flow/testing/internal/wall_clock.h"

#include <chrono>  // NOLINT(build/c++11)
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::SetWallClock;

constexpr absl::Duration kShort = absl::Milliseconds(30);
constexpr absl::Duration kMoved = absl::Hours(1);

// Two ends of which the left one waits.
struct Ends {
  std::string name;
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

std::vector<Ends> AllEnds() {
  std::vector<Ends> all;
  Pipe pipe = MakePipe(1);
  all.push_back({"pipe", std::move(pipe.left), std::move(pipe.right)});
  pipe = MakePipe(1);
  all.push_back(
      {"channel", MakeChannel(std::move(pipe.left)), std::move(pipe.right)});
  pipe = MakePipe(1);
  all.push_back({"fault flow",
                 testing::MakeFaultFlow(std::move(pipe.left),
                                        std::vector<testing::Fault>()),
                 std::move(pipe.right)});
  auto raw = RawUnix();
  all.push_back({"unix", FlowOf(raw.left), FlowOf(raw.right)});
  raw = RawTcp(/*small=*/true);
  all.push_back({"tcp", FlowOf(raw.left), FlowOf(raw.right)});
  return all;
}

// Returns whether it was at once.
bool AtOnce(const std::function<void()>& wait) {
  // By a clock that is not set here.
  const auto start = std::chrono::steady_clock::now();
  wait();
  return std::chrono::steady_clock::now() - start < std::chrono::minutes(1);
}

class WallClockTest : public ::testing::TestWithParam<absl::Duration> {
 protected:
  ~WallClockTest() override { SetWallClock(absl::ZeroDuration()); }

  // The clock is set while `wait`, whose deadline is given, is still to come,
  // and again while it waits.
  void ExpectDeadline(const std::function<absl::Status()>& wait) {
    SetWallClock(GetParam());
    std::thread setter([&] {
      absl::SleepFor(kShort / 4);
      SetWallClock(2 * GetParam());
    });
    EXPECT_TRUE(AtOnce([&] {
      EXPECT_THAT(wait(), StatusIs(absl::StatusCode::kDeadlineExceeded));
    }));
    setter.join();
    SetWallClock(absl::ZeroDuration());
  }
};

TEST_P(WallClockTest, AReadKeepsItsDeadline) {
  for (Ends& ends : AllEnds()) {
    SCOPED_TRACE(ends.name);
    ends.left->SetReadDeadline(absl::Now() + kShort);
    ExpectDeadline([&] { return ends.left->Read().status(); });
  }
  const auto raw = RawPipe();
  const auto reader = FlowOf(raw.left);
  const auto writer = FlowOf(raw.right);
  reader->SetReadDeadline(absl::Now() + kShort);
  ExpectDeadline([&] { return reader->Read().status(); });
}

TEST_P(WallClockTest, AWriteKeepsItsDeadline) {
  const std::string much(4 << 20, 'x');
  for (Ends& ends : AllEnds()) {
    SCOPED_TRACE(ends.name);
    ends.left->SetWriteDeadline(absl::Now() + kShort);
    ExpectDeadline([&] { return ends.left->Write(absl::string_view(much)); });
  }
}

TEST_P(WallClockTest, ADeadlineIsNotSoonerForAClockThatIsSet) {
  for (Ends& ends : AllEnds()) {
    SCOPED_TRACE(ends.name);
    ends.left->SetReadDeadline(absl::Now() + absl::Minutes(5));
    SetWallClock(GetParam());
    std::thread writer([&] {
      absl::SleepFor(absl::Milliseconds(5));
      EXPECT_TRUE(ends.right->Write("x").ok());
    });
    EXPECT_TRUE(ends.left->Read().ok());
    writer.join();
    SetWallClock(absl::ZeroDuration());
  }
}

TEST_P(WallClockTest, ACloseKeepsItsDeadline) {
  for (Ends& ends : AllEnds()) {
    SCOPED_TRACE(ends.name);
    const absl::Time deadline = absl::Now() + kShort;
    // The call itself takes it as the clock is set then, so the clock moves
    // while it waits only.
    std::thread setter([&] {
      while (ends.left->Write("").ok()) std::this_thread::yield();
      SetWallClock(GetParam());
    });
    EXPECT_TRUE(AtOnce([&] {
      EXPECT_THAT(ends.left->Close(deadline),
                  StatusIs(absl::StatusCode::kDeadlineExceeded));
    }));
    setter.join();
    SetWallClock(absl::ZeroDuration());
  }
}

TEST_P(WallClockTest, AProxyKeepsItsIdleTimeout) {
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  ProxyOptions options;
  options.idle_timeout = kShort;
  ExpectDeadline([&] { return Proxy(*near.right, *far.left, options).status; });
}

TEST_P(WallClockTest, APatientCloseKeepsItsIdleTimeout) {
  Pipe pipe = MakePipe();
  EXPECT_TRUE(pipe.left->Write("nobody reads this").ok());
  ExpectDeadline([&] { return pipe.left->PatientClose(kShort); });
}

INSTANTIATE_TEST_SUITE_P(Clock, WallClockTest,
                         ::testing::Values(-kMoved, kMoved),
                         [](const auto& info) {
                           return info.param < absl::ZeroDuration()
                                      ? "SetBack"
                                      : "SetForward";
                         });

}  // namespace
}  // namespace flow
