// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/join.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::HookTransport;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- JoinFlow()

TEST(JoinFlowTest, ReadsFromOneAndWritesToTheOther) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto flow = JoinFlow(std::move(in.left), std::move(out.left));
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
  auto flow = JoinFlow(std::move(in.left), std::move(out.left));
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
  auto flow = JoinFlow(std::move(in.left), std::move(out.left));
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
      DecorateFlow(JoinFlow(std::move(in), std::move(out)),
                   [](std::unique_ptr<Transport> inner) { return inner; });
  EXPECT_THAT(in_hooks.log(),
              ElementsAre("read deadline", "end", "read deadline"));
  EXPECT_THAT(out_hooks.log(),
              ElementsAre("write deadline", "refuse read", "write deadline"));
}

TEST(JoinFlowTest, AwaitsARefusalOfTheOutput) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto joined = JoinFlow(std::move(in.left), std::move(out.left));
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
  auto joined = JoinFlow(std::move(input.left), *std::move(output));
  EXPECT_THAT(joined->Read(), IsEof());
  ASSERT_THAT((*remote)->Write("unread"), IsOk());
  EXPECT_THAT(joined->Write("answer"), IsOk());
  std::thread closer([&] { EXPECT_THAT(joined->Close(), IsOk()); });
  EXPECT_THAT((*remote)->Read(), HoldsData("answer"));
  EXPECT_THAT((*remote)->Read(), IsEof());
  EXPECT_THAT((*remote)->Close(), IsOk());
  closer.join();
}

TEST(JoinFlowTest, AbortReachesBoth) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  auto flow = JoinFlow(std::move(in.left), std::move(out.left));
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
    auto flow = JoinFlow(std::move(in.left), std::move(out.left));
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
  auto flow = JoinFlow(std::move(in.left), std::move(out.left));
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

// --- SplitFlow()

TEST(SplitFlowTest, EachHalfHasItsDirectionAndWhatBelongsToIt) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("ab"), IsOk());
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  ASSERT_THAT(pipe.left->Read(1), HoldsData("a"));
  pipe.left->SetReadDeadline(absl::InfinitePast());
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  EXPECT_EQ(halves.reader->bytes_read(), 1);
  EXPECT_EQ(halves.reader->bytes_written(), 0);
  EXPECT_EQ(halves.writer->bytes_read(), 0);
  EXPECT_EQ(halves.writer->bytes_written(), 2);
  EXPECT_THAT(halves.reader->Read(), HoldsData("bc"));
  EXPECT_THAT(halves.reader->Read(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(halves.reader->Write("x"), IsClosed());
  EXPECT_THAT(halves.writer->Write("c"), IsOk());
  EXPECT_THAT(halves.writer->Read(), IsEof());
  EXPECT_THAT(pipe.right->Read(), HoldsData("abc"));
}

TEST(SplitFlowTest, ADeadlineIsForTheDirectionOfItsHalf) {
  auto flow = std::make_unique<HookFlow>();
  const HookTransport& hooks = flow->hooks;
  const SplitHalves halves = SplitFlow(std::move(flow));
  halves.writer->SetReadDeadline(absl::InfinitePast());
  halves.reader->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(hooks.log(), IsEmpty());
  halves.reader->SetReadDeadline(absl::InfinitePast());
  halves.writer->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(hooks.log(), ElementsAre("read deadline", "write deadline"));
}

TEST(SplitFlowTest, CloseOfTheWriterHalfClosesAndTheReaderGoesOn) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  ASSERT_THAT(halves.writer->Write("question"), IsOk());
  EXPECT_THAT(halves.writer->Close(), IsOk());
  halves.writer.reset();
  EXPECT_THAT(pipe.right->Read(), HoldsData("question"));
  EXPECT_THAT(pipe.right->Read(), IsEof());
  ASSERT_THAT(pipe.right->Write("answer"), IsOk());
  EXPECT_THAT(halves.reader->Read(), HoldsData("answer"));
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(halves.reader->Read(), IsEof());
  EXPECT_THAT(halves.reader->Close(), IsOk());
  EXPECT_THAT(pipe.right->Close(), IsOk());
}

TEST(SplitFlowTest, CloseOfTheReaderLeavesTheWriterAndWaitsForNoRemote) {
  for (const bool refuses : {false, true}) {
    Pipe pipe = MakePipe();
    SplitHalves halves = SplitFlow(std::move(pipe.left));
    if (refuses) {
      ASSERT_THAT(halves.reader->Shutdown(ShutdownMode::kRead), IsOk());
    }
    EXPECT_THAT(halves.reader->Close(), IsOk());
    halves.reader.reset();
    EXPECT_THAT(halves.writer->Write("a"), IsOk());
    EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
    EXPECT_EQ(pipe.right->Write("x").ok(), !refuses);
  }
}

TEST(SplitFlowTest, TheSecondCloseWaitsForTheRemote) {
  for (const bool reader_first : {false, true}) {
    Pipe pipe = MakePipe();
    SplitHalves halves = SplitFlow(std::move(pipe.left));
    Flow& first = reader_first ? *halves.reader : *halves.writer;
    Flow& second = reader_first ? *halves.writer : *halves.reader;
    ASSERT_THAT(first.Close(), IsOk());
    EXPECT_THAT(second.Close(absl::Now() + absl::Milliseconds(5)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(pipe.right->Write("x"), StatusIs(absl::StatusCode::kAborted));
  }
}

TEST(SplitFlowTest, TheSecondCloseReportsLostData) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  ASSERT_THAT(halves.writer->Write("lost"), IsOk());
  ASSERT_THAT(halves.writer->Close(), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  pipe.right.reset();
  EXPECT_THAT(halves.reader->Close(), StatusIs(absl::StatusCode::kAborted));
}

TEST(SplitFlowTest, TheWriterAwaitsARefusal) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  EXPECT_TRUE(halves.writer->can_be_refused());
  EXPECT_FALSE(halves.reader->can_be_refused());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(halves.writer->AwaitRefusal(Patience()), IsClosed());
}

TEST(SplitFlowTest, AbortOfOneHalfEndsAWaitOfTheOtherForARefusal) {
  // Functions cannot tell of a refusal.
  FunctionFlowOptions options;
  options.output = OutputDiscarded();
  SplitHalves halves = SplitFlow(MakeFunctionFlow(std::move(options)));
  std::thread waiter([&] {
    EXPECT_THAT(halves.writer->AwaitRefusal(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("why")));
  });
  halves.reader->Abort(absl::DataLossError("why"));
  waiter.join();
}

TEST(SplitFlowTest, AbortOfOneHalfAbortsBothWithTheReason) {
  for (const bool of_reader : {false, true}) {
    Pipe pipe = MakePipe(/*capacity=*/1);
    SplitHalves halves = SplitFlow(std::move(pipe.left));
    Flow& aborted = of_reader ? *halves.reader : *halves.writer;
    Flow& other = of_reader ? *halves.writer : *halves.reader;
    std::thread blocked([&] {
      const absl::Status status =
          of_reader ? other.Write("abc") : other.Read().status();
      EXPECT_THAT(status,
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr("torn")));
    });
    aborted.Abort(absl::DataLossError("torn"));
    blocked.join();
    EXPECT_THAT(other.Close(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(aborted.Close(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(pipe.right->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// Says that all is well whatever has happened.
class CarefreeTransport final : public Transport {
 public:
  explicit CarefreeTransport(std::function<void()> meanwhile)
      : meanwhile_(std::move(meanwhile)) {}
  absl::StatusOr<absl::Cord> Read(size_t) override {
    meanwhile_();
    return absl::Cord();
  }
  absl::Status Write(Outgoing&) override {
    meanwhile_();
    return absl::OkStatus();
  }
  absl::Status EndWrite(const absl::Status&, absl::Time) override {
    meanwhile_();
    return absl::OkStatus();
  }
  std::string Describe() const override { return "carefree"; }

 private:
  const std::function<void()> meanwhile_;
};

TEST(SplitFlowTest, AnAbortOfTheOtherHalfOverridesWhatTheTransportSays) {
  SplitHalves halves;
  bool of_reader = false;
  const auto split = [&] {
    halves = SplitFlow(MakeFlow(std::make_unique<CarefreeTransport>([&] {
      (of_reader ? halves.reader : halves.writer)
          ->Abort(absl::DataLossError("no"));
    })));
  };
  split();
  EXPECT_THAT(halves.reader->Read(), StatusIs(absl::StatusCode::kDataLoss));
  of_reader = true;
  split();
  EXPECT_THAT(halves.writer->Write("abc"),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(halves.writer->bytes_written(), 3);
  split();
  EXPECT_THAT(halves.writer->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
}

// Close of a socket that has something to read would reset the connection.
TEST(SplitFlowTest, WhatAReadTookWhenTheOtherHalfAbortsIsLost) {
  auto flow = std::make_unique<HookFlow>();
  HookTransport& hooks = flow->hooks;
  const SplitHalves halves = SplitFlow(std::move(flow));
  hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    halves.writer->Abort(absl::DataLossError("no"));
    return absl::Cord("data");
  };
  EXPECT_THAT(halves.reader->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(hooks.log(), Contains("lose read"));
}

TEST(SplitFlowTest, TheSecondCloseDiscardsWhatTheFirstHalfHasRefused) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto remote = Dial((*listener)->address());
  ASSERT_THAT(remote, IsOk());
  auto accepted = (*listener)->Accept();
  ASSERT_THAT(accepted, IsOk());
  SplitHalves halves = SplitFlow(*std::move(accepted));
  EXPECT_EQ(halves.reader->local_address(), halves.writer->local_address());
  EXPECT_THAT(halves.reader->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(halves.reader->Close(), IsOk());
  ASSERT_THAT((*remote)->Write("unread"), IsOk());
  EXPECT_THAT(halves.writer->Write("answer"), IsOk());
  std::thread closer([&] { EXPECT_THAT(halves.writer->Close(), IsOk()); });
  EXPECT_THAT((*remote)->Read(), HoldsData("answer"));
  EXPECT_THAT((*remote)->Read(), IsEof());
  EXPECT_THAT((*remote)->Close(), IsOk());
  closer.join();
}

TEST(SplitFlowTest, DestructionOfOneHalfAbortsBoth) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("unread"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  halves.writer.reset();
  EXPECT_THAT(halves.reader->Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(halves.reader->Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST(SplitFlowTest, CloseReportsAnAbortOfTheOtherHalfThatNoCallHasMet) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  ASSERT_THAT(halves.writer->Write("accepted"), IsOk());
  halves.reader->Abort(absl::DataLossError("no"));
  EXPECT_THAT(halves.writer->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(SplitFlowTest, TwoThreadsCloseAtTheSameTime) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  SplitHalves halves = SplitFlow(std::move(pipe.left));
  std::thread other([&] { EXPECT_THAT(halves.reader->Close(), IsOk()); });
  EXPECT_THAT(halves.writer->Close(), IsOk());
  other.join();
  EXPECT_THAT(pipe.right->Close(), IsOk());
}

}  // namespace
}  // namespace flow
