// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Two flows as one. SplitFlow() is in split_flow_test.cc. started_join_test
// runs these tests with calls that start (start_calls.h).

#include "flow/join.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "flow/borrow.h"
#include "flow/flow.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/shared_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::BindToSharedEngine;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FlowOf;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::HookTransport;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MaybeStarts;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawUnix;
using ::flow::testing::StartsCalls;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

std::unique_ptr<Flow> Joined(std::unique_ptr<Flow> input,
                             std::unique_ptr<Flow> output) {
  return MaybeStarts(JoinFlow(std::move(input), std::move(output)));
}

TEST(JoinFlowTest, ReadsFromOneAndWritesToTheOther) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto flow = Joined(std::move(in.left), std::move(out.left));
  ASSERT_THAT(in.right->Write("in"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("in"));
  EXPECT_THAT(flow->Write("out"), IsOk());
  EXPECT_THAT(out.right->Read(), HoldsData("out"));
  // The other directions have ended.
  EXPECT_THAT(in.right->Read(), IsEof());
  EXPECT_THAT(out.right->Write("x"), IsClosed());
  ASSERT_THAT(in.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(out.right->Read(), IsEof());
}

TEST(JoinFlowTest, CopiesNothing) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto flow = Joined(std::move(in.left), std::move(out.left));
  const absl::Cord data(std::string(100000, 'x'));
  ASSERT_THAT(in.right->Write(data), IsOk());
  const absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, HoldsData(data));
  EXPECT_EQ(CopiedBytes(data, *read), 0u);
  ASSERT_THAT(flow->Write(data), IsOk());
  const absl::StatusOr<absl::Cord> written = out.right->Read();
  ASSERT_THAT(written, HoldsData(data));
  EXPECT_EQ(CopiedBytes(data, *written), 0u);
}

TEST(JoinFlowTest, KeepsTheStateTheCountAndTheDeadlineOfEachDirection) {
  Pipe in = MakePipe();
  Pipe out = MakePipe(/*capacity=*/3);
  ASSERT_THAT(in.right->Write("ab"), IsOk());
  ASSERT_THAT(in.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(in.left->Read(), HoldsData("ab"));
  ASSERT_THAT(in.left->Read(), IsEof());
  ASSERT_THAT(out.left->Write("abc"), IsOk());
  out.left->SetWriteDeadline(absl::InfinitePast());
  auto flow = Joined(std::move(in.left), std::move(out.left));
  EXPECT_EQ(flow->bytes_read(), 2);
  EXPECT_EQ(flow->bytes_written(), 3);
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("d"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow->SetWriteDeadline(absl::InfiniteFuture());
  EXPECT_THAT(out.right->Read(), HoldsData("abc"));
  EXPECT_THAT(flow->Write("d"), IsOk());
}

TEST(JoinFlowTest, ATransportOnTopIsToldTheDeadlineOfEachDirection) {
  auto in = std::make_unique<HookFlow>();
  auto out = std::make_unique<HookFlow>();
  const HookTransport& in_hooks = in->hooks;
  const HookTransport& out_hooks = out->hooks;
  in->SetReadDeadline(absl::InfinitePast());
  out->SetWriteDeadline(absl::InfinitePast());
  const auto flow =
      DecorateFlow(Joined(std::move(in), std::move(out)),
                   [](std::unique_ptr<Transport> inner) { return inner; });
  EXPECT_THAT(in_hooks.log(),
              ElementsAre("read deadline", "end", "read deadline"));
  EXPECT_THAT(out_hooks.log(),
              ElementsAre("write deadline", "refuse read", "write deadline"));
}

TEST(JoinFlowTest, AwaitsARefusalOfTheOutput) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto joined = Joined(std::move(in.left), std::move(out.left));
  EXPECT_TRUE(joined->can_be_refused());
  ASSERT_THAT(out.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(joined->AwaitRefusal(Patience()), IsClosed());
}

TEST(JoinFlowTest, CloseAfterTheEndOfTheInputDrainsTheOutput) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto remote = Dial((*listener)->address());
  ASSERT_THAT(remote, IsOk());
  auto output = (*listener)->Accept();
  ASSERT_THAT(output, IsOk());
  Pipe input = MakePipe();
  ASSERT_THAT(input.right->Shutdown(ShutdownMode::kWrite), IsOk());
  auto joined = Joined(std::move(input.left), *std::move(output));
  EXPECT_THAT(joined->Read(), IsEof());
  ASSERT_THAT((*remote)->Write("unread"), IsOk());
  EXPECT_THAT(joined->Write("answer"), IsOk());
  std::thread closer([&] { EXPECT_THAT(joined->Close(), IsOk()); });
  EXPECT_THAT((*remote)->Read(), HoldsData("answer"));
  EXPECT_THAT((*remote)->Read(), IsEof());
  EXPECT_THAT((*remote)->Close(), IsOk());
  closer.join();
}

TEST(JoinFlowTest, TheAddressesAndThePeerAreThoseOfTheInput) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto tcp = Dial((*listener)->address());
  ASSERT_THAT(tcp, IsOk());
  const std::string local = (*tcp)->local_address();
  const RawPair raw = RawUnix();
  auto remote = FlowOf(raw.right);
  auto joined = Joined(*std::move(tcp), FlowOf(raw.left));
  EXPECT_EQ(joined->local_address(), local);
  EXPECT_EQ(joined->remote_address(), (*listener)->address());
  EXPECT_THAT(joined->peer(), StatusIs(absl::StatusCode::kUnimplemented));

  const RawPair other = RawUnix();
  auto other_remote = FlowOf(other.right);
  const auto reversed = Joined(FlowOf(other.left), std::move(joined));
  EXPECT_EQ(reversed->remote_address(), "");
  const absl::StatusOr<PeerCredentials> peer = reversed->peer();
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->process_id, ::getpid());
}

TEST(JoinFlowTest, WhatAReadOfTheInputTookWhenItWasAbortedIsLost) {
  auto in = std::make_unique<HookFlow>();
  auto out = std::make_unique<HookFlow>();
  HookTransport& in_hooks = in->hooks;
  const HookTransport& out_hooks = out->hooks;
  const auto joined = Joined(std::move(in), std::move(out));
  in_hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    joined->Abort(absl::DataLossError("no"));
    return absl::Cord("data");
  };
  EXPECT_THAT(joined->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(in_hooks.log(), Contains("lose read"));
  EXPECT_THAT(out_hooks.log(), Not(Contains("lose read")));
}

// The lender of the input goes on, so the whole is not aborted.
TEST(JoinFlowTest, AnOutputThatIsLateInCloseIsAbortedAndTheLenderGoesOn) {
  Pipe pipe = MakePipe();
  auto out = std::make_unique<HookFlow>();
  std::vector<std::string> log;
  out->hooks.also_log = [&log](std::string what) { log.push_back(what); };
  out->hooks.await_remote_end = [](absl::Time) {
    return absl::DeadlineExceededError("late");
  };
  auto joined = JoinFlow(BorrowFlow(*pipe.left), std::move(out));
  EXPECT_THAT(joined->Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(log, ElementsAre("refuse read", "end", "await remote end",
                               "abort ABORTED", "free"));
  EXPECT_THAT(pipe.left->Write("on"), IsOk());
}

// So that the rest of the part is not taken for what follows it.
TEST(JoinFlowTest, ALentPartThatWasNotReadToItsEndRefusesTheRestOfTheLender) {
  Pipe pipe = MakePipe();
  Pipe out = MakePipe();
  if (StartsCalls()) BindToSharedEngine(*pipe.left);
  auto part = LimitInput(Joined(BorrowFlow(*pipe.left), std::move(out.left)),
                         /*n=*/10);
  EXPECT_THAT(part->Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe.right->Write("x"), IsClosed());
  EXPECT_THAT(pipe.left->Write("on"), IsOk());
}

TEST(JoinFlowTest, AbortReachesBoth) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto flow = Joined(std::move(in.left), std::move(out.left));
  flow->Abort(absl::DataLossError("no"));
  EXPECT_THAT(in.right->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(out.right->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(JoinFlowTest, AnAbortBeforeReachesTheOther) {
  for (const bool of_input : {false, true}) {
    Pipe in = MakePipe();
    Pipe out = MakePipe();
    (of_input ? in : out).left->Abort(absl::DataLossError("no"));
    auto flow = Joined(std::move(in.left), std::move(out.left));
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(in.right->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(out.right->Read(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// An abort while a call was under way, which has freed the flow.
TEST(JoinFlowTest, TakesAFlowThatAnAbortHasFreed) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  std::thread reader([&] {
    EXPECT_THAT(in.left->Read(), StatusIs(absl::StatusCode::kDataLoss));
  });
  while (!absl::StrContains(in.left->DebugString(), "in Read()")) {
    std::this_thread::yield();
  }
  in.left->Abort(absl::DataLossError("no"));
  reader.join();
  auto flow = Joined(std::move(in.left), std::move(out.left));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(JoinFlowDeathTest, DoesNotTakeAFlowThatWasClosed) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  ASSERT_THAT(in.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(in.left->Close(), IsOk());
  EXPECT_DEATH(JoinFlow(std::move(in.left), std::move(out.left)),
               "after Close");
}

}  // namespace
}  // namespace flow
