// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/numeric_dial.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/no_threads.h"
#include "examples/stop.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

TEST(ParseNumericAddressTest, OnlyNumbersWillDo) {
  for (absl::string_view text :
       {"tcp:127.0.0.1:80", "tcp:[::1]:80", "tcp:[fe80::1%1]:65535",
        "tcp:[::ffff:1.2.3.4]:0"}) {
    EXPECT_TRUE(ParseNumericAddress(text).has_value()) << text;
  }
  const auto address = ParseNumericAddress("tcp:127.0.0.1:80");
  ASSERT_TRUE(address.has_value());
  const auto& in =
      reinterpret_cast<const struct sockaddr_in&>(address->storage);
  EXPECT_EQ(in.sin_family, AF_INET);
  EXPECT_EQ(ntohl(in.sin_addr.s_addr), INADDR_LOOPBACK);
  EXPECT_EQ(ntohs(in.sin_port), 80);
}

TEST(ParseNumericAddressTest, AllElseIsLeftToDial) {
  for (absl::string_view text : {"",
                                 "tcp:",
                                 "tcp:80",
                                 "tcp::80",
                                 "tcp:localhost:80",
                                 "tcp:127.0.0.1:",
                                 "tcp:127.0.0.1:http",
                                 "tcp:127.0.0.1:65536",
                                 "tcp:127.0.0.1:-1",
                                 "tcp:127.0.0.1:+1",
                                 "tcp:127.0.0.1: 1",
                                 "tcp:127.0.0.1:99999999999",
                                 "tcp:::1:80",
                                 "tcp:[127.0.0.1]:80",
                                 "tcp:[::1:80",
                                 "tcp:::1]:80",
                                 "tcp:[]:80",
                                 "tcp:*:80",
                                 "tcp://127.0.0.1:80",
                                 "unix:127.0.0.1:80",
                                 "127.0.0.1:80"}) {
    EXPECT_FALSE(ParseNumericAddress(text).has_value()) << text;
  }
  EXPECT_FALSE(ParseNumericAddress(absl::string_view("tcp:127.0.0.1\0x:80", 18))
                   .has_value());
}

TEST(DialNumericTest, ConnectsWithoutAThread) {
  const auto listener = flow::Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  Stop stop;
  absl::StatusOr<std::unique_ptr<flow::Flow>> client =
      absl::UnknownError("not dialed");
  {
    const NoThreads none;
    client = DialNumeric(*ParseNumericAddress((*listener)->address()),
                         kPatience, stop);
  }
  ASSERT_THAT(client, IsOk());
  EXPECT_THAT((*client)->DebugString(), HasSubstr("tcp 127.0.0.1:"));
  const auto served = (*listener)->Accept(absl::Now() + kPatience);
  ASSERT_THAT(served, IsOk());
  EXPECT_THAT((*client)->Write("hello"), IsOk());
  EXPECT_THAT((*served)->Read(), IsOk());
}

TEST(DialNumericTest, SaysThatNobodyListens) {
  const auto listener = flow::Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  const auto address = ParseNumericAddress((*listener)->address());
  (*listener)->Close();
  Stop stop;
  EXPECT_THAT(DialNumeric(*address, kPatience, stop),
              StatusIs(absl::StatusCode::kUnavailable, "nobody listens there"));
}

// A listener whose queue is full, so that nobody answers who dials.
class FullListener {
 public:
  FullListener() {
    flow::ListenOptions options;
    options.backlog = 0;
    listener_ = *flow::Listen("tcp:127.0.0.1:0", options);
    address_ = *ParseNumericAddress(listener_->address());
    while (true) {
      auto flow = flow::Dial(listener_->address(),
                             absl::Now() + absl::Milliseconds(200));
      if (!flow.ok()) break;
      waiting_.push_back(*std::move(flow));
    }
  }

  const NumericAddress& address() const { return address_; }

 private:
  std::unique_ptr<flow::Listener> listener_;
  NumericAddress address_;
  std::vector<std::unique_ptr<flow::Flow>> waiting_;
};

TEST(DialNumericTest, TheTimeIsLimited) {
  const FullListener full;
  Stop stop;
  EXPECT_THAT(DialNumeric(full.address(), absl::Milliseconds(20), stop),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(DialNumericTest, ARequestToStopInterruptsIt) {
  const FullListener full;
  Stop stop;
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(50));  // in either order it must work
    stop.Request(SIGTERM);
  });
  EXPECT_THAT(DialNumeric(full.address(), absl::InfiniteDuration(), stop),
              StatusIs(absl::StatusCode::kCancelled, "ended by SIGTERM"));
  other.join();
  EXPECT_THAT(DialNumeric(full.address(), absl::InfiniteDuration(), stop),
              StatusIs(absl::StatusCode::kCancelled, "ended by SIGTERM"));
}

}  // namespace
}  // namespace flowcat
