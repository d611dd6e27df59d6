// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The halves of a flow. JoinFlow() is in join_test.cc.
//
// started_split_flow_test runs them with calls that start (start_calls.h).

#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/flow.h"
#include "flow/join.h"
#include "flow/limit.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/shared_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/internal/started_halves.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::BindToSharedEngine;
using ::flow::testing::FlowOf;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::HookTransport;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawUnix;
using ::flow::testing::SplitMaybeStarts;
using ::flow::testing::StartsCalls;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SplitFlowTest, EachHalfHasItsDirectionAndWhatBelongsToIt) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("ab"), IsOk());
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  ASSERT_THAT(pipe.left->Read(1), HoldsData("a"));
  pipe.left->SetReadDeadline(absl::InfinitePast());
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
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
  const SplitHalves halves = SplitMaybeStarts(std::move(flow));
  halves.writer->SetReadDeadline(absl::InfinitePast());
  halves.reader->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(hooks.log(), IsEmpty());
  halves.reader->SetReadDeadline(absl::InfinitePast());
  halves.writer->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(hooks.log(), ElementsAre("read deadline", "write deadline"));
}

TEST(SplitFlowTest, CloseOfTheWriterHalfClosesAndTheReaderGoesOn) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
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
    SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
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
    SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
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
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
  ASSERT_THAT(halves.writer->Write("lost"), IsOk());
  ASSERT_THAT(halves.writer->Close(), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  pipe.right.reset();
  EXPECT_THAT(halves.reader->Close(), StatusIs(absl::StatusCode::kAborted));
}

TEST(SplitFlowTest, TheWriterAwaitsARefusal) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
  EXPECT_TRUE(halves.writer->can_be_refused());
  EXPECT_FALSE(halves.reader->can_be_refused());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(halves.writer->AwaitRefusal(Patience()), IsClosed());
}

// Of a transport that cannot tell of a refusal.
SplitHalves HalvesThatCannotTell() {
  return SplitMaybeStarts(std::make_unique<HookFlow>());
}

TEST(SplitFlowTest, AWaitForARefusalThatNobodyTellsEndsWithTheWritesOrLate) {
  SplitHalves halves = HalvesThatCannotTell();
  EXPECT_FALSE(halves.writer->can_be_refused());
  EXPECT_THAT(halves.writer->AwaitRefusal(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::thread waiter(
      [&] { EXPECT_THAT(halves.writer->AwaitRefusal(), IsClosed()); });
  while (!absl::StrContains(halves.writer->DebugString(), "AwaitRefusal")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(halves.writer->Shutdown(ShutdownMode::kWrite), IsOk());
  waiter.join();
}

TEST(SplitFlowTest, AbortOfOneHalfEndsAWaitOfTheOtherForARefusal) {
  SplitHalves halves = HalvesThatCannotTell();
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
    SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
    Flow& aborted = of_reader ? *halves.reader : *halves.writer;
    Flow& other = of_reader ? *halves.writer : *halves.reader;
    std::thread blocked([&] {
      // A started write of a Cord is taken whole by an empty pipe.
      absl::Status status;
      do {
        status = of_reader ? other.Write("abc") : other.Read().status();
      } while (of_reader && status.ok());
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
  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry*) override {
    return Read(max_bytes);
  }
  std::optional<absl::Status> TryWrite(absl::Cord* rest, Retry*) override {
    meanwhile_();
    rest->Clear();
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
    halves = SplitMaybeStarts(MakeFlow(std::make_unique<CarefreeTransport>([&] {
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

TEST(SplitFlowTest, TheFirstCloseIsNeverLate) {
  for (const bool reader_first : {false, true}) {
    Pipe pipe = MakePipe();
    const SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
    EXPECT_THAT((reader_first ? halves.reader : halves.writer)
                    ->Close(absl::InfinitePast()),
                IsOk());
  }
}

TEST(SplitFlowTest, AnAbortOfAHalfThatClosesIsTheResultOfTheOther) {
  absl::Notification aborted;
  SplitHalves halves;
  auto flow = std::make_unique<HookFlow>();
  flow->hooks.abort = [&] { aborted.Notify(); };
  flow->hooks.read = [&](size_t) {
    aborted.WaitForNotification();
    return absl::UnavailableError("over");
  };
  flow->hooks.await_remote_end = [&](absl::Time) {
    halves.reader->Abort(absl::DataLossError("no"));
    return absl::UnavailableError("over");
  };
  halves = SplitMaybeStarts(std::move(flow));
  const auto await = [&](absl::string_view what) {
    while (!absl::StrContains(halves.reader->DebugString(), what)) {
      std::this_thread::yield();
    }
  };
  std::thread reading([&] {
    EXPECT_THAT(halves.reader->Read(), StatusIs(absl::StatusCode::kDataLoss));
  });
  await("in Read()");
  std::thread closing([&] {
    EXPECT_THAT(halves.reader->Close(), StatusIs(absl::StatusCode::kDataLoss));
  });
  await("in Close() waiting for a call");
  EXPECT_THAT(halves.writer->Close(), StatusIs(absl::StatusCode::kDataLoss));
  reading.join();
  closing.join();
}

// Close of a socket that has something to read would reset the connection.
TEST(SplitFlowTest, WhatAReadTookWhenTheOtherHalfAbortsIsLost) {
  const absl::StatusOr<absl::Cord> kOutcomes[] = {
      absl::Cord("data"), absl::Cord(), absl::UnavailableError("no data")};
  for (const bool into : {false, true}) {
    for (const absl::StatusOr<absl::Cord>& outcome : kOutcomes) {
      auto flow = std::make_unique<HookFlow>();
      HookTransport& hooks = flow->hooks;
      const SplitHalves halves = SplitMaybeStarts(std::move(flow));
      hooks.read = [&](size_t) {
        halves.writer->Abort(absl::DataLossError("no"));
        return outcome;
      };
      char space[10];
      EXPECT_THAT(into ? halves.reader->ReadInto(absl::MakeSpan(space)).status()
                       : halves.reader->Read().status(),
                  StatusIs(absl::StatusCode::kDataLoss));
      const bool took = outcome.ok() && !outcome->empty();
      EXPECT_EQ(absl::c_linear_search(hooks.log(), "lose read"), took);
    }
  }
}

TEST(SplitFlowTest, BothHalvesHaveTheAddressesAndThePeer) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto tcp = Dial((*listener)->address());
  ASSERT_THAT(tcp, IsOk());
  const std::string local = (*tcp)->local_address();
  const SplitHalves halves = SplitMaybeStarts(*std::move(tcp));
  const RawPair raw = RawUnix();
  auto remote = FlowOf(raw.right);
  const SplitHalves unix_halves = SplitMaybeStarts(FlowOf(raw.left));
  for (const bool reads : {false, true}) {
    Flow& half = reads ? *halves.reader : *halves.writer;
    EXPECT_EQ(half.local_address(), local);
    EXPECT_EQ(half.remote_address(), (*listener)->address());
    Flow& unix_half = reads ? *unix_halves.reader : *unix_halves.writer;
    const absl::StatusOr<PeerCredentials> peer = unix_half.peer();
    ASSERT_THAT(peer, IsOk());
    EXPECT_EQ(peer->process_id, ::getpid());
  }
}

TEST(SplitFlowTest, WhatIsInTransitBelongsToTheWriter) {
  Pipe pipe = MakePipe();
  const SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
  ASSERT_THAT(halves.writer->Write("abc"), IsOk());
  EXPECT_EQ(halves.writer->bytes_in_transit(), 3);
  EXPECT_EQ(halves.reader->bytes_in_transit(), 0);
}

// So that the rest of the part is not taken for what follows it.
TEST(SplitFlowTest, ALentPartThatWasNotReadToItsEndRefusesTheRestOfTheLender) {
  Pipe pipe = MakePipe();
  if (StartsCalls()) BindToSharedEngine(*pipe.left);
  SplitHalves halves = SplitMaybeStarts(BorrowFlow(*pipe.left));
  EXPECT_THAT(halves.writer->Close(), IsOk());
  auto part = LimitInput(std::move(halves.reader), /*n=*/10);
  EXPECT_THAT(part->Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe.right->Write("x"), IsClosed());
  EXPECT_THAT(pipe.left->Write("on"), IsOk());
}

TEST(SplitFlowTest, TheSecondCloseDiscardsWhatTheFirstHalfHasRefused) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto remote = Dial((*listener)->address());
  ASSERT_THAT(remote, IsOk());
  auto accepted = (*listener)->Accept();
  ASSERT_THAT(accepted, IsOk());
  SplitHalves halves = SplitMaybeStarts(*std::move(accepted));
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
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
  halves.writer.reset();
  EXPECT_THAT(halves.reader->Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(halves.reader->Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST(SplitFlowTest, CloseReportsAnAbortOfTheOtherHalfThatNoCallHasMet) {
  Pipe pipe = MakePipe();
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
  ASSERT_THAT(halves.writer->Write("accepted"), IsOk());
  halves.reader->Abort(absl::DataLossError("no"));
  EXPECT_THAT(halves.writer->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(SplitFlowTest, TwoThreadsCloseAtTheSameTime) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  SplitHalves halves = SplitMaybeStarts(std::move(pipe.left));
  std::thread other([&] { EXPECT_THAT(halves.reader->Close(), IsOk()); });
  EXPECT_THAT(halves.writer->Close(), IsOk());
  other.join();
  EXPECT_THAT(pipe.right->Close(), IsOk());
}

}  // namespace
}  // namespace flow
