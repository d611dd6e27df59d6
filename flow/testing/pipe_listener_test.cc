// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/pipe_listener.h"

#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;

TEST(PipeListenerTest, AcceptsWhatWasDialedInOrderWithItsAddress) {
  PipeListener listener;
  EXPECT_EQ(listener.address(), "pipe");
  const auto first = listener.Dial("tcp:10.0.0.1:1");
  const auto second = listener.Dial();
  EXPECT_EQ(listener.waiting(), 2);
  EXPECT_EQ(first->local_address(), "tcp:10.0.0.1:1");
  EXPECT_EQ(first->remote_address(), "");
  auto accepted = listener.Accept();
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(listener.waiting(), 1);
  EXPECT_EQ((*accepted)->remote_address(), "tcp:10.0.0.1:1");
  EXPECT_EQ((*accepted)->local_address(), "");
  EXPECT_THAT(first->Write("hello"), IsOk());
  char space[3];
  EXPECT_THAT((*accepted)->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(3));
  EXPECT_THAT((*accepted)->Read(), HoldsData("lo"));
  EXPECT_THAT(listener.Accept(), IsOk());
  EXPECT_EQ(listener.waiting(), 0);
}

TEST(PipeListenerTest, AcceptWaitsUpToItsDeadline) {
  PipeListener listener;
  EXPECT_THAT(listener.Accept(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::unique_ptr<Flow> dialed;
  std::thread dialer([&] { dialed = listener.Dial(); });
  EXPECT_THAT(listener.Accept(), IsOk());
  dialer.join();
}

TEST(PipeListenerTest, AnErrorIsThatOfOneAcceptInItsTurn) {
  PipeListener listener;
  const auto dialed = listener.Dial();
  listener.Fail(absl::ResourceExhaustedError("no descriptors"));
  EXPECT_EQ(listener.waiting(), 2);
  EXPECT_THAT(listener.Accept(), IsOk());
  EXPECT_THAT(listener.Accept(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(listener.Accept(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PipeListenerTest, AfterCloseAcceptIsClosedAndWhatWasDialedIsAborted) {
  PipeListener listener;
  const auto before = listener.Dial();
  listener.Close();
  const auto after = listener.Dial();
  listener.Fail(absl::ResourceExhaustedError("too late"));
  EXPECT_EQ(listener.waiting(), 0);
  EXPECT_THAT(listener.Accept(), IsClosed());
  for (const auto* dialed : {&before, &after}) {
    EXPECT_THAT((*dialed)->Read(),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr("the listener is closed")));
  }
}

TEST(PipeListenerTest, ThePipesHaveItsCapacity) {
  PipeListener listener(3);
  const auto dialed = listener.Dial();
  const auto accepted = *listener.Accept();
  for (Flow* flow : {dialed.get(), accepted.get()}) {
    flow->SetWriteDeadline(absl::InfinitePast());
    EXPECT_THAT(flow->Write("four"),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(flow->bytes_written(), 3);
  }
}

TEST(PipeListenerTest, CloseWakesAccept) {
  PipeListener listener;
  std::thread acceptor([&] { EXPECT_THAT(listener.Accept(), IsClosed()); });
  listener.Close();
  acceptor.join();
}

}  // namespace
}  // namespace flow::testing
