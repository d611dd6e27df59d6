// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/dial_canceller.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/silent_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::SilentAddress;

// Without a deadline, so that it is nothing else that ends it.
void ExpectCancelEnds(const std::string& address) {
  DialCanceller canceller;
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(5));
    canceller.Cancel();
  });
  EXPECT_THAT(Dial(address, absl::InfiniteFuture(), {}, &canceller),
              StatusIs(absl::StatusCode::kCancelled));
  other.join();
}

TEST(DialCancellerTest, EndsADialThatHasNoAnswer) {
  const SilentAddress silent;
  ExpectCancelEnds(absl::StrCat("tcp:127.0.0.1:", silent.port()));
}

TEST(DialCancellerTest, EndsADialThatWaitsForAUnixListener) {
  const std::string address =
      absl::StrCat("unix:@dial_canceller_test_", ::getpid());
  ListenOptions options;
  options.backlog = 0;
  const auto listener = Listen(address, options);
  ASSERT_THAT(listener, IsOk());
  std::vector<std::unique_ptr<Flow>> waiting;
  while (true) {
    auto flow = Dial(address, absl::Now() + absl::Milliseconds(50));
    if (!flow.ok()) break;
    waiting.push_back(*std::move(flow));
  }
  ExpectCancelEnds(address);
}

TEST(DialCancellerTest, EndsADialThatComesLater) {
  const auto listener = Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  DialCanceller canceller;
  canceller.Cancel();
  for (const std::string& address :
       {(*listener)->address(), std::string("unix:@nobody")}) {
    EXPECT_THAT(Dial(address, absl::InfiniteFuture(), {}, &canceller),
                StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST(DialCancellerTest, ThatIsNotCancelledLeavesDialAlone) {
  const auto listener = Listen("tcp:127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  const DialCanceller canceller;
  EXPECT_THAT(
      Dial((*listener)->address(), absl::InfiniteFuture(), {}, &canceller),
      IsOk());
  const SilentAddress silent;
  EXPECT_THAT(Dial(absl::StrCat("tcp:127.0.0.1:", silent.port()),
                   absl::Now() + absl::Milliseconds(120), {}, &canceller),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace flow
