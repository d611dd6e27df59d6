// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// AwaitRefusal() in every state of a flow, on each transport: what ends it, and
// that it changes nothing. Also as a started call, for which its thread waits.

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/string_flow.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/block_by_starting.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::BlockByStarting;
using ::flow::testing::EngineThreads;
using ::flow::testing::Fault;
using ::flow::testing::FlowOf;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::Soon;
using ::testing::HasSubstr;
using ::testing::Not;

auto IsLate() { return StatusIs(absl::StatusCode::kDeadlineExceeded); }
auto IsCancelled() {
  return StatusIs(absl::StatusCode::kCancelled, HasSubstr("stop"));
}

// A thread in AwaitRefusal().
class Waiter {
 public:
  explicit Waiter(Flow& flow, absl::Time deadline = Patience())
      : flow_(flow),
        thread_([this, deadline] { status_ = flow_.AwaitRefusal(deadline); }) {}
  ~Waiter() {
    if (thread_.joinable()) thread_.join();
  }

  // Returns when the flow says that the call is under way.
  void AwaitBegin() {
    while (flow_.DebugString().find("in AwaitRefusal()") == std::string::npos) {
      std::this_thread::yield();
    }
  }

  // What it has returned.
  const absl::Status& Wait() {
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  Flow& flow_;
  absl::Status status_;
  std::thread thread_;
};

// --- What holds for all transports that can tell

struct Kind {
  std::string name;
  std::function<Pipe()> make;  // the left end is the one that waits
  bool can_be_refused = true;
};

// Lets the calls of the left end start.
Pipe Started(Pipe pipe) {
  static EngineThreads* const threads = new EngineThreads(2);
  pipe.left->SetEngine(threads->engine());
  BlockByStarting(*pipe.left);
  return pipe;
}

Pipe FlowsOf(RawPair raw) { return {FlowOf(raw.left), FlowOf(raw.right)}; }

class AwaitRefusalTest : public ::testing::TestWithParam<Kind> {
 protected:
  AwaitRefusalTest() : pipe_(GetParam().make()) {}

  Flow& here() { return *pipe_.left; }
  Flow& there() { return *pipe_.right; }

  void ExpectBytesStillPass() {
    ASSERT_THAT(here().Write("x"), IsOk());
    EXPECT_THAT(there().Read(), IsOkAndHolds("x"));
    ASSERT_THAT(there().Write("y"), IsOk());
    EXPECT_THAT(here().Read(), IsOkAndHolds("y"));
  }

  Pipe pipe_;
};

INSTANTIATE_TEST_SUITE_P(
    Kinds, AwaitRefusalTest,
    ::testing::Values(
        Kind{"pipe", [] { return MakePipe(); }},
        Kind{"unix", [] { return FlowsOf(RawUnix()); }},
        Kind{"tcp", [] { return FlowsOf(RawTcp()); },
             /*can_be_refused=*/false},
        Kind{"two_descriptors",
             [] {
               const RawPair there = RawPipe();
               const RawPair back = RawPipe();
               return Pipe{FlowOf(back.left, there.right),
                           FlowOf(there.left, back.right)};
             }},
        Kind{"channel",
             [] {
               Pipe pipe = MakePipe();
               pipe.left = MakeChannel(std::move(pipe.left));
               return pipe;
             }},
        Kind{"started_pipe", [] { return Started(MakePipe()); }},
        Kind{"started_unix", [] { return Started(FlowsOf(RawUnix())); }},
        Kind{"started_tcp", [] { return Started(FlowsOf(RawTcp())); },
             /*can_be_refused=*/false},
        Kind{"started_channel",
             [] {
               Pipe pipe = MakePipe();
               pipe.left = MakeChannel(std::move(pipe.left));
               return Started(std::move(pipe));
             }},
        Kind{"fault_flow",
             [] {
               Pipe pipe = MakePipe();
               pipe.left =
                   MakeFaultFlow(std::move(pipe.left), std::vector<Fault>());
               return pipe;
             }}),
    [](const auto& info) { return info.param.name; });

TEST_P(AwaitRefusalTest, ADeadlineEndsItAndChangesNothing) {
  EXPECT_THAT(here().AwaitRefusal(absl::InfinitePast()), IsLate());
  EXPECT_THAT(here().AwaitRefusal(Soon()), IsLate());
  ExpectBytesStillPass();
  EXPECT_THAT(here().AwaitRefusal(absl::InfinitePast()), IsLate());
}

TEST_P(AwaitRefusalTest, ARefusalIsClosed) {
  EXPECT_EQ(here().can_be_refused(), GetParam().can_be_refused);
  if (!GetParam().can_be_refused) GTEST_SKIP() << "TCP tells nobody of it.";
  Waiter waiter(here());
  waiter.AwaitBegin();
  ASSERT_THAT(there().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(waiter.Wait(), IsClosed());
  // It stays, also without time to wait, and the other direction goes on.
  EXPECT_THAT(here().AwaitRefusal(absl::InfinitePast()), IsClosed());
  ASSERT_THAT(there().Write("y"), IsOk());
  EXPECT_THAT(here().Read(), IsOkAndHolds("y"));
  // To hear of it is no failure of this end. Something of it to write is.
  ASSERT_THAT(there().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(here().Close(Patience()), IsOk());
}

TEST_P(AwaitRefusalTest, AWriteThatIsRefusedGetsTheSame) {
  if (!GetParam().can_be_refused) GTEST_SKIP() << "TCP tells nobody of it.";
  ASSERT_THAT(there().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(here().AwaitRefusal(Patience()), IsClosed());
  EXPECT_THAT(here().Write("x"), IsClosed());
  EXPECT_THAT(here().AwaitRefusal(absl::InfinitePast()), IsClosed());
}

TEST_P(AwaitRefusalTest, TheEndOfTheRemoteIsNoRefusal) {
  ASSERT_THAT(there().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(here().Read(), IsEof());
  EXPECT_THAT(here().AwaitRefusal(Soon()), IsLate());
  ASSERT_THAT(here().Write("x"), IsOk());
  EXPECT_THAT(there().Read(), IsOkAndHolds("x"));
}

TEST_P(AwaitRefusalTest, ARemoteThatIsGoneEndsIt) {
  Waiter waiter(here());
  waiter.AwaitBegin();
  pipe_.right = nullptr;
  EXPECT_THAT(waiter.Wait(), Not(IsLate()));
  EXPECT_THAT(here().AwaitRefusal(absl::InfinitePast()), Not(IsLate()));
}

TEST_P(AwaitRefusalTest, OwnShutdownEndsItAndStillSendsTheEnd) {
  Waiter waiter(here());
  waiter.AwaitBegin();
  ASSERT_THAT(here().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(waiter.Wait(), IsClosed());
  EXPECT_THAT(there().Read(), IsEof());
  EXPECT_THAT(here().AwaitRefusal(), IsClosed());
}

TEST_P(AwaitRefusalTest, OwnAbortEndsItWithTheReason) {
  Waiter waiter(here());
  waiter.AwaitBegin();
  here().Abort(absl::CancelledError("stop"));
  EXPECT_THAT(waiter.Wait(), IsCancelled());
  EXPECT_THAT(here().AwaitRefusal(), IsCancelled());
}

TEST_P(AwaitRefusalTest, OwnCloseEndsItAndWaitsForNothingElse) {
  ASSERT_THAT(there().Shutdown(ShutdownMode::kWrite), IsOk());
  Waiter waiter(here());
  waiter.AwaitBegin();
  EXPECT_THAT(here().Close(Patience()), IsOk());
  EXPECT_THAT(waiter.Wait(), IsClosed());
  EXPECT_THAT(here().AwaitRefusal(), IsClosed());
  EXPECT_FALSE(here().can_be_refused());
}

TEST_P(AwaitRefusalTest, AnyNumberOfThreadsCanWait) {
  Waiter first(here());
  first.AwaitBegin();
  // It goes by its own deadline.
  EXPECT_THAT(here().AwaitRefusal(Soon()), IsLate());
  Waiter second(here());
  Waiter third(here());
  if (GetParam().can_be_refused) {
    ASSERT_THAT(there().Shutdown(ShutdownMode::kRead), IsOk());
  } else {
    ASSERT_THAT(here().Shutdown(ShutdownMode::kWrite), IsOk());
  }
  EXPECT_THAT(first.Wait(), IsClosed());
  EXPECT_THAT(second.Wait(), IsClosed());
  EXPECT_THAT(third.Wait(), IsClosed());
}

TEST_P(AwaitRefusalTest, WhoeverIsLateLeavesTheOthersWaiting) {
  Waiter first(here(), Soon());
  Waiter second(here());
  EXPECT_THAT(first.Wait(), IsLate());
  second.AwaitBegin();
  here().Abort(absl::CancelledError("stop"));
  EXPECT_THAT(second.Wait(), IsCancelled());
}

TEST_P(AwaitRefusalTest, DisturbsNeitherReadsNorWrites) {
  Waiter waiter(here());
  waiter.AwaitBegin();
  for (int i = 0; i < 100; ++i) ExpectBytesStillPass();
  ASSERT_THAT(here().Shutdown(ShutdownMode::kWrite), IsOk());
}

// --- Pipes

TEST(AwaitRefusalOfPipeTest, AnAbortOfTheRemoteIsItsReason) {
  for (const bool after_its_end : {false, true}) {
    Pipe pipe = MakePipe();
    if (after_its_end) {
      ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
    }
    Waiter waiter(*pipe.left);
    waiter.AwaitBegin();
    pipe.right->Abort(absl::CancelledError("stop"));
    EXPECT_THAT(waiter.Wait(), IsCancelled());
  }
}

// Whatever code the reason has, it is none of a transport that cannot tell.
TEST(AwaitRefusalOfPipeTest, AReasonThatIsUnimplementedIsOneAsWell) {
  Pipe pipe = MakePipe();
  pipe.right->Abort(absl::UnimplementedError("this message"));
  EXPECT_THAT(pipe.left->AwaitRefusal(Patience()),
              StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(AwaitRefusalOfPipeTest, AWriteThatIsHeldBackIsTold) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  absl::Status written;
  std::thread writer([&] { written = pipe.left->Write("x"); });
  Waiter waiter(*pipe.left);
  waiter.AwaitBegin();
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(waiter.Wait(), IsClosed());
  writer.join();
  EXPECT_THAT(written, IsClosed());
}

TEST(AwaitRefusalOfPipeTest, AWriteThatFailsAboveEndsIt) {
  Pipe pipe = MakePipe();
  auto flow = MakeFaultFlow(
      std::move(pipe.left),
      {Fault::Error(testing::WriteOperation(0), absl::DataLossError("no"))});
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(waiter.Wait(), StatusIs(absl::StatusCode::kDataLoss));
}

// --- Sockets and pipes of the kernel, with peers that know no flows

TEST(AwaitRefusalOfSocketTest, AUnixPeerThatOnlyReadsNoMoreIsNoticed) {
  const RawPair raw = RawUnix();
  auto flow = FlowOf(raw.left);
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  ASSERT_EQ(::shutdown(raw.right, SHUT_RD), 0);
  EXPECT_THAT(waiter.Wait(), IsClosed());
  RawWrite(raw.right, "still sends");
  EXPECT_THAT(flow->Read(), IsOkAndHolds("still sends"));
  ::close(raw.right);
}

TEST(AwaitRefusalOfSocketTest, AUnixPeerThatHasLeftSomethingUnreadIsAnError) {
  const RawPair raw = RawUnix();
  auto flow = FlowOf(raw.left);
  ASSERT_THAT(flow->Write("unread"), IsOk());
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  ::close(raw.right);
  EXPECT_THAT(waiter.Wait(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(AwaitRefusalOfSocketTest, AUnixPeerThatHasReadEverythingIsClosed) {
  const RawPair raw = RawUnix();
  auto flow = FlowOf(raw.left);
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  ::close(raw.right);
  EXPECT_THAT(waiter.Wait(), IsClosed());
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(AwaitRefusalOfSocketTest, AResetIsAnErrorAndWhatCameBeforeIsStillRead) {
  const RawPair raw = RawTcp();
  auto flow = FlowOf(raw.left);
  RawWrite(raw.right, "before");
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  RawReset(raw.right);
  EXPECT_THAT(waiter.Wait(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("before"));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(AwaitRefusalOfSocketTest, AResetAfterTheEndIsClosedAndForCloseToReport) {
  const RawPair raw = RawTcp();
  auto flow = FlowOf(raw.left);
  RawWrite(raw.right, "all");
  ASSERT_EQ(::shutdown(raw.right, SHUT_WR), 0);
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  RawReset(raw.right);
  EXPECT_THAT(waiter.Wait(), IsClosed());
  EXPECT_THAT(flow->Read(), IsOkAndHolds("all"));
  EXPECT_THAT(flow->Read(), IsEof());
  // A write gets the same; and who writes nothing more hears of the loss.
  EXPECT_THAT(flow->Close(Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(AwaitRefusalOfPipeOfTheKernelTest, TheLastReaderThatLeavesRefuses) {
  const RawPair raw = RawPipe();
  auto flow = FlowOf(raw.right);
  EXPECT_TRUE(flow->can_be_refused());
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  ::close(raw.left);
  EXPECT_THAT(waiter.Wait(), IsClosed());
}

// --- Transports that cannot tell

TEST(AwaitRefusalOfOthersTest, WaitsForTheEndOfThisEnd) {
  HookFlow flow;
  EXPECT_FALSE(flow.can_be_refused());
  EXPECT_THAT(flow.AwaitRefusal(absl::InfinitePast()), IsLate());
  EXPECT_THAT(flow.AwaitRefusal(Soon()), IsLate());
  Waiter first(flow);
  Waiter second(flow);
  first.AwaitBegin();
  ASSERT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(first.Wait(), IsClosed());
  EXPECT_THAT(second.Wait(), IsClosed());
}

TEST(AwaitRefusalOfOthersTest, AnOutputThatIsFullEndsIt) {
  std::string memory(2, '-');
  auto flow = MakeStringFlow("", absl::MakeSpan(memory));
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  EXPECT_THAT(flow->Write("abc"), IsClosed());
  EXPECT_THAT(waiter.Wait(), IsClosed());
}

TEST(AwaitRefusalOfOthersTest, AFileIsNotWatched) {
  std::string path = ::testing::TempDir() + "/await_refusal.XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ::unlink(path.c_str());
  auto flow = FlowOf(fd);
  EXPECT_FALSE(flow->can_be_refused());
  Waiter waiter(*flow);
  waiter.AwaitBegin();
  ASSERT_THAT(flow->Write("x"), IsOk());
  ASSERT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(waiter.Wait(), IsClosed());
}

// --- What the flow does with its transport

TEST(AwaitRefusalCallTest, ErrorsSayWhichFlowAndKeepWhatTheyAre) {
  HookFlow flow;
  flow.hooks.await_refusal = [](absl::Time) { return ClosedError("full"); };
  const absl::Status status = flow.AwaitRefusal();
  EXPECT_THAT(status, IsClosed());
  EXPECT_THAT(status.message(), HasSubstr("hook flow [in: open"));
  EXPECT_THAT(status.message(), HasSubstr("AwaitRefusal: full"));
}

TEST(AwaitRefusalCallTest, ATransportThatReturnsOkIsWrong) {
  HookFlow flow;
  flow.hooks.await_refusal = [](absl::Time) { return absl::OkStatus(); };
  EXPECT_THAT(flow.AwaitRefusal(), StatusIs(absl::StatusCode::kInternal));
}

TEST(AwaitRefusalCallTest, TheTransportServesOneThreadAtATime) {
  HookFlow flow;
  std::atomic<int> inside = 0;
  flow.hooks.await_refusal = [&](absl::Time) {
    EXPECT_EQ(++inside, 1);
    std::this_thread::yield();
    --inside;
    return ClosedError("full");
  };
  Waiter first(flow);
  Waiter second(flow);
  EXPECT_THAT(flow.AwaitRefusal(), IsClosed());
}

TEST(AwaitRefusalCallTest, DestructionMeanwhileEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Pipe pipe = MakePipe();
        Waiter waiter(*pipe.left);
        waiter.AwaitBegin();
        pipe.left = nullptr;
      },
      "destroyed while a call is under way");
}

// What is over here is over, whatever the transport says that late.
TEST(AwaitRefusalCallTest, NothingIsFreedBeforeItHasReturned) {
  HookFlow flow;
  testing::Blocker blocker;
  flow.hooks.await_refusal = [&](absl::Time) {
    blocker.Block();
    return absl::DataLossError("too late to count");
  };
  Waiter waiter(flow);
  blocker.WaitUntilEntered();
  flow.Abort(absl::CancelledError("stop"));
  EXPECT_THAT(flow.hooks.log(), Not(::testing::Contains("free")));
  blocker.Leave();
  EXPECT_THAT(waiter.Wait(), IsCancelled());
  // The last call under way frees.
  EXPECT_THAT(flow.hooks.log(), ::testing::Contains("free"));
}

}  // namespace
}  // namespace flow
