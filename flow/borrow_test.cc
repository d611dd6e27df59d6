// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/borrow.h"

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/limit.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/copied_bytes.h"
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
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AfterReads;
using ::flow::testing::BindToSharedEngine;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FlowOf;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MaybeStarts;
using ::flow::testing::RawPair;
using ::flow::testing::RawUnix;
using ::flow::testing::StartsCalls;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// As a flow whose calls start. A started write is a Cord, of which a pipe with
// any room takes all: where a test fills a pipe, the calls block.
std::unique_ptr<Flow> Lent(Flow& lender) {
  if (StartsCalls()) BindToSharedEngine(lender);
  return MaybeStarts(BorrowFlow(lender));
}

// Whether a Read of `flow` that may not wait finds nothing, and no end.
bool IsOpenAndEmpty(Flow& flow) {
  flow.SetReadDeadline(absl::InfinitePast());
  const bool is_open = absl::IsDeadlineExceeded(flow.Read().status());
  flow.SetReadDeadline(absl::InfiniteFuture());
  return is_open;
}

// --- What reaches the lender

TEST(BorrowFlowTest, ReadsAndWritesWhatTheLenderWould) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("before"), IsOk());
  auto borrower = Lent(*pipe.left);
  EXPECT_THAT(borrower->Write(", during"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("before, during"));
  ASSERT_THAT(pipe.right->Write("in"), IsOk());
  char space[1];
  EXPECT_THAT(borrower->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(1));
  EXPECT_THAT(borrower->Read(), HoldsData("n"));
  EXPECT_EQ(borrower->bytes_read(), 2);
  EXPECT_EQ(borrower->bytes_written(), 8);
  EXPECT_EQ(pipe.left->bytes_read(), 2);
  EXPECT_EQ(pipe.left->bytes_written(), 14);
  EXPECT_THAT(borrower->Close(), IsOk());
}

TEST(BorrowFlowTest, CopiesNothing) {
  Pipe pipe = MakePipe(kNoLimit);
  auto borrower = Lent(*pipe.left);
  const absl::Cord data(std::string(100000, 'x'));
  ASSERT_THAT(borrower->Write(data), IsOk());
  const absl::StatusOr<absl::Cord> got = pipe.right->Read();
  ASSERT_THAT(got, HoldsData(data));
  EXPECT_EQ(CopiedBytes(data, *got), 0u);
  ASSERT_THAT(pipe.right->Write(data), IsOk());
  const absl::StatusOr<absl::Cord> read = borrower->Read();
  ASSERT_THAT(read, HoldsData(data));
  EXPECT_EQ(CopiedBytes(data, *read), 0u);
  EXPECT_THAT(borrower->Close(), IsOk());
}

TEST(BorrowFlowTest, CountsWhatALateWriteHasAccepted) {
  Pipe pipe = MakePipe(/*capacity=*/4);
  auto borrower = BorrowFlow(*pipe.left);
  borrower->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(borrower->Write("123456"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(borrower->bytes_written(), 4);
  EXPECT_THAT(pipe.right->Read(), HoldsData("1234"));
  EXPECT_THAT(borrower->Write("56"), IsOk());
  EXPECT_THAT(borrower->Close(), IsOk());
}

TEST(BorrowFlowTest, AbortReachesTheLenderAndTheRemote) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  borrower->Abort(absl::DataLossError("no"));
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BorrowFlowTest, DestructionWithoutCloseAbortsTheLender) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("message"), IsOk());
  auto borrower = Lent(*pipe.left);
  ASSERT_THAT(borrower->Read(3), HoldsData("mes"));
  borrower.reset();
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.left->Close(), StatusIs(absl::StatusCode::kAborted));
}

TEST(BorrowFlowTest, AbortOfTheLenderWakesTheBorrower) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  std::thread reader([&] {
    EXPECT_THAT(borrower->Read(), StatusIs(absl::StatusCode::kDataLoss));
  });
  pipe.left->Abort(absl::DataLossError("no"));
  reader.join();
  EXPECT_THAT(borrower->Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BorrowFlowTest, TheAddressesAndThePeerAreThoseOfTheLender) {
  auto listener = Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  auto tcp = Dial((*listener)->address());
  ASSERT_THAT(tcp, IsOk());
  auto borrower = Lent(**tcp);
  EXPECT_EQ(borrower->local_address(), (*tcp)->local_address());
  EXPECT_EQ(borrower->remote_address(), (*listener)->address());
  // One name, as in all errors.
  EXPECT_THAT(borrower->peer(),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(StartsWith("borrowed tcp"),
                             HasSubstr("peer(): only a Unix socket"))));
  EXPECT_THAT(borrower->Close(), IsOk());

  const RawPair raw = RawUnix();
  const auto remote = FlowOf(raw.right);
  const auto lender = FlowOf(raw.left);
  const auto unix_borrower = Lent(*lender);
  const absl::StatusOr<PeerCredentials> peer = unix_borrower->peer();
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->process_id, ::getpid());
}

// The lender has handed it over in good order, and would not know.
TEST(BorrowFlowTest, WhatAReadTookWhenItWasAbortedIsLostToTheLender) {
  HookFlow lender;
  auto borrower = Lent(lender);
  Flow& aborted = *borrower;
  borrower = AfterReads(std::move(borrower), [&aborted] {
    aborted.Abort(absl::DataLossError("no"));
  });
  EXPECT_THAT(borrower->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(lender.hooks.log(), Contains("lose read"));
  EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BorrowFlowTest, CloseReportsAnAbortOfTheLenderThatNoCallHasMet) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  ASSERT_THAT(borrower->Write("accepted"), IsOk());
  pipe.left->Abort(absl::DataLossError("no"));
  EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BorrowFlowTest, AnEndStaysWithTheLender) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kReadWrite), IsOk());
  auto borrower = Lent(*pipe.left);
  EXPECT_THAT(borrower->Read(), IsEof());
  EXPECT_THAT(borrower->Write("x"), IsClosed());
  EXPECT_THAT(borrower->Close(), IsClosed());
  EXPECT_THAT(pipe.left->Read(), IsEof());
  EXPECT_THAT(pipe.left->Write("x"), IsClosed());
}

TEST(BorrowFlowTest, ErrorsHaveTheCodeThePayloadAndOneName) {
  Pipe pipe = MakePipe();
  absl::Status reason = absl::DataLossError("torn: apart");
  reason.SetPayload("of/the/user", absl::Cord("payload"));
  auto borrower = Lent(*pipe.left);
  pipe.right->Abort(reason);
  for (int calls = 0; calls < 2; ++calls) {
    const absl::Status error = borrower->Read().status();
    EXPECT_THAT(error, StatusIs(absl::StatusCode::kDataLoss,
                                StartsWith("borrowed pipe (left end) [in: ")));
    EXPECT_TRUE(error.GetPayload("of/the/user").has_value());
    EXPECT_TRUE(absl::EndsWith(error.message(), ": torn: apart")) << error;
    EXPECT_EQ(error.message().find("pipe (left end)"),
              error.message().rfind("pipe (left end)"))
        << error;
  }
  EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BorrowFlowTest, ALoanCanBeLent) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  auto borrower = Lent(*pipe.left);
  auto second = Lent(*borrower);
  EXPECT_THAT(second->Read(1), HoldsData("a"));
  EXPECT_THAT(second->Close(), IsOk());
  EXPECT_THAT(borrower->Read(1), HoldsData("b"));
  EXPECT_THAT(borrower->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(1), HoldsData("c"));
}

// --- What does not

TEST(BorrowFlowTest, CloseEndsTheBorrowerAlone) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  ASSERT_THAT(borrower->Write("a"), IsOk());
  EXPECT_THAT(borrower->Close(), IsOk());
  EXPECT_THAT(borrower->Read(), IsClosed());
  EXPECT_THAT(borrower->Write("x"), IsClosed());
  EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
  EXPECT_TRUE(IsOpenAndEmpty(*pipe.right));
  EXPECT_THAT(pipe.left->Write("b"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("b"));
}

TEST(BorrowFlowTest, AClosedBorrowerMayOutliveItsLender) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  ASSERT_THAT(borrower->Close(), IsOk());
  pipe.left.reset();
  EXPECT_THAT(borrower->Read(), IsClosed());
  borrower->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(borrower->DebugString(), HasSubstr("borrowed pipe"));
  EXPECT_EQ(borrower->bytes_in_transit(), 0);
}

TEST(BorrowFlowTest, ShutdownEndsTheBorrowerAlone) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("unread"), IsOk());
  auto borrower = Lent(*pipe.left);
  ASSERT_THAT(borrower->Write("a"), IsOk());
  EXPECT_THAT(borrower->Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_THAT(borrower->Read(), IsEof());
  EXPECT_THAT(borrower->Write("x"), IsClosed());
  EXPECT_THAT(borrower->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("unread"));
  EXPECT_THAT(pipe.left->Write("b"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("ab"));
  EXPECT_THAT(pipe.right->Write("more"), IsOk());
}

// --- A message that was cut

// Fails its second write after a part.
class CuttingTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::Status Write(Outgoing& data) override {
    if (++writes_ == 1) return ForwardingTransport::Write(data);
    return absl::DataLossError("cut");
  }

 private:
  int writes_ = 0;
};

TEST(BorrowFlowTest,
     AWriteThatIsCutOnTopBreaksTheOutboundDirectionOfTheLender) {
  Pipe pipe = MakePipe();
  auto borrower = DecorateFlow(
      BorrowFlow(*pipe.left), [](std::unique_ptr<Transport> inner) {
        return std::make_unique<CuttingTransport>(std::move(inner));
      });
  ASSERT_THAT(borrower->Write("half"), IsOk());
  ASSERT_THAT(borrower->Write("half"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(borrower->Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.left->Write("next"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.right->Read(), HoldsData("half"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kDataLoss));
  // The other direction goes on.
  ASSERT_THAT(pipe.right->Write("answer"), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("answer"));
}

// --- Deadlines

TEST(BorrowFlowTest, BeginsWithTheDeadlinesOfTheLender) {
  Pipe pipe = MakePipe();
  pipe.left->SetReadDeadline(absl::InfinitePast());
  auto limited = LimitInput(BorrowFlow(*pipe.left), 10);
  EXPECT_THAT(limited->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(pipe.right->Write("a"), IsOk());
  EXPECT_THAT(limited->Read(), HoldsData("a"));
  limited->Abort(absl::OkStatus());
}

// Without a thread, whose timing decides whether a deadline that stays is seen.
TEST(BorrowFlowTest, TellsTheTransportOfTheLenderItsDeadlinesBack) {
  HookFlow lender;
  std::vector<absl::Time> read_deadlines;
  lender.hooks.read_deadline = [&](absl::Time deadline) {
    read_deadlines.push_back(deadline);
  };
  auto borrower = Lent(lender);
  borrower->SetReadDeadline(absl::InfinitePast());
  borrower->SetWriteDeadline(absl::InfinitePast());
  ASSERT_THAT(borrower->Close(), IsOk());
  EXPECT_THAT(read_deadlines,
              ElementsAre(absl::InfinitePast(), absl::InfiniteFuture()));
  EXPECT_THAT(lender.hooks.log(),
              ElementsAre("read deadline", "write deadline", "read deadline",
                          "write deadline"));
}

TEST(BorrowFlowTest, GivesTheLenderItsDeadlinesBack) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  auto borrower = BorrowFlow(*pipe.left);
  borrower->SetReadDeadline(absl::InfinitePast());
  borrower->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(borrower->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(borrower->Write("ab"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(borrower->Close(), IsOk());
  std::atomic<bool> is_over{false};
  std::thread remote([&] {
    while (!is_over &&
           !absl::StrContains(pipe.left->DebugString(), "in a write")) {
      std::this_thread::yield();
    }
    EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
    EXPECT_THAT(pipe.right->Read(), HoldsData("b"));
    EXPECT_THAT(pipe.right->Write("c"), IsOk());
  });
  EXPECT_THAT(pipe.left->Write("b"), IsOk()) << "it had to wait";
  is_over = true;
  EXPECT_THAT(pipe.left->Read(), HoldsData("c"));
  remote.join();
}

TEST(BorrowFlowTest, ADeadlineThatTheOwnerSetsMeanwhileCountsAndStays) {
  Pipe pipe = MakePipe();
  auto borrower = Lent(*pipe.left);
  borrower->SetReadDeadline(absl::Now() + absl::Hours(1));
  pipe.left->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(borrower->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(borrower->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(BorrowFlowTest, ADeadlineThatHadPassedBeforeCanBeMovedByTheOwner) {
  HookFlow lender;
  absl::Time last;
  lender.hooks.read_deadline = [&last](absl::Time told) { last = told; };
  lender.SetReadDeadline(absl::InfinitePast());
  auto borrower = Lent(lender);
  EXPECT_EQ(last, absl::InfinitePast());
  lender.SetReadDeadline(absl::InfiniteFuture());
  EXPECT_EQ(last, absl::InfiniteFuture());
}

TEST(BorrowFlowTest, ADeadlineThatTheBorrowerSetsUndoesNoRefusal) {
  HookFlow lender;
  absl::Time last;
  lender.hooks.read_deadline = [&last](absl::Time told) { last = told; };
  auto borrower = Lent(lender);
  EXPECT_THAT(borrower->Shutdown(ShutdownMode::kRead), IsOk());
  borrower->SetReadDeadline(absl::InfiniteFuture());
  EXPECT_EQ(last, absl::InfinitePast()) << "a read may be under way";
}

TEST(BorrowFlowTest, ADeadlineThatTheOwnerSetsMeanwhileUndoesNoRefusal) {
  for (int i = 0; i < 20; ++i) {
    Pipe pipe = MakePipe();
    auto borrower = Lent(*pipe.left);
    std::thread reader([&] { EXPECT_THAT(borrower->Read(), IsEof()); });
    std::thread owner([&] {
      for (int k = 1; k <= 100; ++k) {
        pipe.left->SetReadDeadline(absl::Now() + absl::Hours(k));
      }
    });
    EXPECT_THAT(borrower->Shutdown(ShutdownMode::kRead), IsOk());
    reader.join();
    owner.join();
    EXPECT_THAT(borrower->Close(), IsOk());
    EXPECT_THAT(pipe.right->Write("a"), IsOk());
    EXPECT_THAT(pipe.left->Read(), HoldsData("a"));
  }
}

// --- What it is for

TEST(BorrowFlowTest, TheBodyOfARequestIsReadAndTheNextRequestFollows) {
  Pipe pipe = MakePipe(kNoLimit);
  const absl::Cord body(std::string(300000, 'b'));
  for (int requests = 0; requests < 3; ++requests) {
    ASSERT_THAT(pipe.right->Writev({"PUT 300000\n", body}), IsOk());
  }
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  auto channel = MakeChannel(std::move(pipe.left));
  for (int requests = 0; requests < 3; ++requests) {
    ASSERT_THAT(channel->ReadLine(100), IsOkAndHolds("PUT 300000"));
    auto part = ExactInput(BorrowFlow(*channel), 300000);
    if (requests == 0) {
      const absl::StatusOr<absl::Cord> all = ReadAll(*part, 1 << 20);
      ASSERT_THAT(all, HoldsData(body));
      // What ReadLine() has read ahead is a block of the Cord that was written.
      EXPECT_EQ(CopiedBytes(body, *all), 0u);
    } else if (requests == 1) {
      ASSERT_THAT(part->Read(10), HoldsData("bbbbbbbbbb"));
    }
    EXPECT_THAT(part->Write("OK\n"), IsOk());
    EXPECT_THAT(part->Close(), IsOk());
  }
  EXPECT_THAT(channel->ReadLine(100), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(pipe.right->Read(), HoldsData("OK\nOK\nOK\n"));
  EXPECT_THAT(channel->Close(), IsOk());
}

TEST(BorrowFlowTest, TheOwnerWritesWhileTheBorrowerReads) {
  Pipe pipe = MakePipe(/*capacity=*/2);
  auto body = ExactInput(BorrowFlow(*pipe.left), 4);
  absl::Cord got;
  std::thread reader([&] {
    EXPECT_THAT(ReadAll(*body, 10, &got), IsOk());
    EXPECT_THAT(body->Close(), IsOk());
  });
  // The first bytes of the answer come while the body is lent.
  std::thread remote([&] {
    absl::Cord answer;
    while (answer.size() < 3) {
      const absl::StatusOr<absl::Cord> data = pipe.right->Read();
      ASSERT_THAT(data, IsOk());
      answer.Append(*data);
    }
    EXPECT_THAT(pipe.right->Write("body"), IsOk());
    while (answer.size() < 6) {
      const absl::StatusOr<absl::Cord> data = pipe.right->Read();
      ASSERT_THAT(data, IsOk());
      answer.Append(*data);
    }
    EXPECT_EQ(answer, "answer");
  });
  EXPECT_THAT(pipe.left->Write("answer"), IsOk());
  reader.join();
  remote.join();
  EXPECT_EQ(got, "body");
  EXPECT_EQ(pipe.left->bytes_written(), 6);
}

// --- What is checked

// A flow belongs to the process that made it, so the child makes its own.
TEST(BorrowFlowDeathTest, TheLenderIsNotDestroyedOrDecoratedWhileItIsLent) {
  EXPECT_DEATH(
      {
        Pipe pipe = MakePipe();
        auto borrower = BorrowFlow(*pipe.left);
        pipe.left.reset();
      },
      "destroyed while it is lent");
  EXPECT_DEATH(
      {
        Pipe pipe = MakePipe();
        auto borrower = BorrowFlow(*pipe.left);
        MakeChannel(std::move(pipe.left));
      },
      "decorated while it is lent");
}

}  // namespace
}  // namespace flow
