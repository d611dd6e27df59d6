// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/hang_up.h"

#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/run_hang_up.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Patience;
using ::flow::testing::RunHangUp;
using ::testing::Not;

constexpr absl::Time kAtOnce = absl::InfinitePast();

TEST(HangUpTest, ARemoteThatGoesOnSendingHasTheLastWordAndACleanEnd) {
  for (const std::string& address :
       {std::string("tcp:127.0.0.1:0"),
        absl::StrCat("unix:@hang_up_test_", absl::GetCurrentTimeNanos())}) {
    const auto listener = Listen(address);
    ASSERT_THAT(listener, IsOk());
    const auto client = Dial((*listener)->address());
    ASSERT_THAT(client, IsOk());
    const auto server = (*listener)->Accept();
    ASSERT_THAT(server, IsOk());
    const std::string request(100000, 'x');
    EXPECT_THAT((*client)->Write(request), IsOk());
    std::thread remote([&] {
      // Refused sooner or later, or taken and thrown away.
      for (int i = 0; i < 10; ++i) (*client)->Write(request).IgnoreError();
      EXPECT_THAT(ReadAll(**client, 1000), IsOkAndHolds("no more")) << address;
      (*client)->Close(kAtOnce).IgnoreError();
    });
    EXPECT_THAT(RunHangUp(**server, "no more", Patience()), IsOk()) << address;
    remote.join();
  }
}

TEST(HangUpTest, TheLastWordComesAfterWhatAChannelHasBuffered) {
  Pipe pipe = MakePipe(kNoLimit);
  const auto channel = MakeChannel(std::move(pipe.left));
  EXPECT_THAT(channel->WriteBuffered("the answer; "), IsOk());
  std::thread remote([&] {
    EXPECT_THAT(ReadAll(*pipe.right, 1000), IsOkAndHolds("the answer; bye"));
    pipe.right->Close(kAtOnce).IgnoreError();
  });
  EXPECT_THAT(RunHangUp(*channel, "bye", Patience()), IsOk());
  remote.join();
}

TEST(HangUpTest, ItsDeadlineCountsAndNoEarlierOne) {
  Pipe pipe = MakePipe(kNoLimit);
  const auto channel = MakeChannel(std::move(pipe.left));
  EXPECT_THAT(channel->WriteBuffered("the answer"), IsOk());
  channel->SetWriteDeadline(kAtOnce);
  std::thread remote([&] {
    EXPECT_THAT(ReadAll(*pipe.right, 1000), IsOkAndHolds("the answer"));
    pipe.right->Close(kAtOnce).IgnoreError();
  });
  EXPECT_THAT(RunHangUp(*channel, "", Patience()), IsOk());
  remote.join();
}

TEST(HangUpTest, AnEmptyLastWordMayComeAfterTheEnd) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  std::thread remote([&] {
    EXPECT_THAT(pipe.right->Read(), testing::IsEof());
    pipe.right->Close(kAtOnce).IgnoreError();
  });
  EXPECT_THAT(RunHangUp(*pipe.left, "", Patience()), IsOk());
  remote.join();
}

TEST(HangUpTest, ALastWordThatIsCutDoesNotLookWhole) {
  Pipe pipe = MakePipe(0);
  EXPECT_THAT(RunHangUp(*pipe.left, "too long", testing::Soon()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(ReadAll(*pipe.right, 1000), Not(IsOk()));
  EXPECT_THAT(pipe.left->Write("more"), Not(IsOk()));
}

TEST(HangUpTest, PastItsDeadlineItSendsWhatTheFlowTakesAtOnce) {
  Pipe pipe = MakePipe(kNoLimit);
  EXPECT_THAT(RunHangUp(*pipe.left, "bye", kAtOnce), IsOk());
  EXPECT_THAT(ReadAll(*pipe.right, 1000), IsOkAndHolds("bye"));
}

// Neither end reads before it has written.
TEST(HangUpTest, AUnixRemoteThatSendsEverythingFirstHasALargeLastWord) {
  const std::string address =
      absl::StrCat("unix:@hang_up_test_", absl::GetCurrentTimeNanos());
  const auto listener = Listen(address);
  ASSERT_THAT(listener, IsOk());
  const auto client = Dial(address);
  ASSERT_THAT(client, IsOk());
  const auto server = (*listener)->Accept();
  ASSERT_THAT(server, IsOk());
  const std::string large(4 << 20, 'x');
  std::thread remote([&] {
    (*client)->Write(large).IgnoreError();
    EXPECT_THAT(ReadAll(**client, 2 * large.size()), IsOkAndHolds(large));
    (*client)->Close(kAtOnce).IgnoreError();
  });
  EXPECT_THAT(RunHangUp(**server, large, Patience()), IsOk());
  remote.join();
}

}  // namespace
}  // namespace flow
