// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a combinator makes is a flow like any other: the conformance suite for
// those that have two ends. And each under every fault of what it is made of:
// no byte is lost, repeated or made up, and what was cut never looks whole.
//
// started_combinators_contract_test runs them with calls that start
// (start_calls.h), where those of a flow can.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/borrow.h"
#include "flow/channel.h"
#include "flow/concat.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/join.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/prepend.h"
#include "flow/testing/conformance.h"
#include "flow/testing/fault_points.h"
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
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::BindToSharedEngine;
using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultPlan;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MaybeStarts;
using ::flow::testing::SplitMaybeStarts;
using ::flow::testing::StartOrBlockBoth;
using ::flow::testing::StartsCalls;

// --- The contract

constexpr size_t kCapacity = 4096;

ConformanceOptions Pairs(std::string name,
                         const std::function<FlowPair(size_t)>& make) {
  ConformanceOptions options;
  options.name = std::move(name);
  options.make_pair = [make] { return make(kCapacity); };
  // A started write is a Cord, of which a pipe with any room accepts all.
  options.make_full = [make] { return make(StartsCalls() ? 0 : kCapacity); };
  options.more_than_full = 16 << 10;
  return options;
}

using Wrap = std::function<std::unique_ptr<Flow>(std::unique_ptr<Flow>)>;

ConformanceOptions Wrapped(std::string name, const Wrap& wrap) {
  return Pairs(std::move(name), [wrap](size_t capacity) {
    Pipe pipe = MakePipe(capacity);
    FlowPair pair;
    for (const auto& [inner, made] : {std::pair(&pipe.left, &pair.left),
                                      std::pair(&pipe.right, &pair.right)}) {
      if (StartsCalls()) BindToSharedEngine(**inner);
      *made = wrap(std::move(*inner));
    }
    StartOrBlockBoth(*pair.left, *pair.right);
    return pair;
  });
}

std::unique_ptr<Flow> LimitedAndPrepended(std::unique_ptr<Flow> inner) {
  return PrependInput(
      absl::Cord(),
      LimitInput(std::move(inner), std::numeric_limits<int64_t>::max()));
}

std::unique_ptr<Flow> SplitAndJoined(std::unique_ptr<Flow> inner) {
  SplitHalves halves = SplitFlow(std::move(inner));
  return JoinFlow(std::move(halves.reader), std::move(halves.writer));
}

// Each direction is a pipe of its own.
FlowPair OfTwoPipes(size_t capacity) {
  Pipe there = MakePipe(capacity);
  Pipe back = MakePipe(capacity);
  return {MaybeStarts(JoinFlow(std::move(back.left), std::move(there.left))),
          MaybeStarts(JoinFlow(std::move(there.right), std::move(back.right)))};
}

// Ends the lender with the borrower on which it stands, so that the ends reach
// the other end of the pair.
class LoanOwner final : public ForwardingTransport {
 public:
  LoanOwner(std::unique_ptr<Flow> lender, std::unique_ptr<Transport> borrower)
      : ForwardingTransport(std::move(borrower)), lender_(std::move(lender)) {}

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    absl::Status status = ForwardingTransport::EndWrite(outcome, deadline);
    if (outcome.ok()) status = lender_->Shutdown(ShutdownMode::kWrite);
    return status;
  }
  bool CanStart() const override { return inner().CanStart(); }
  // It does not wait.
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry*) override {
    return LoanOwner::EndWrite(outcome, absl::InfiniteFuture());
  }
  void RefuseRead() override {
    ForwardingTransport::RefuseRead();
    lender_->Shutdown(ShutdownMode::kRead).IgnoreError();
  }
  absl::Status Free() override {
    absl::Status status = ForwardingTransport::Free();
    // Does not wait for the remote, which may not have ended.
    lender_->Shutdown(ShutdownMode::kRead).IgnoreError();
    status.Update(lender_->Close());
    return status;
  }

 private:
  const std::unique_ptr<Flow> lender_;
};

ConformanceOptions Borrowed() {
  ConformanceOptions options =
      Wrapped("borrowed", [](std::unique_ptr<Flow> inner) {
        std::unique_ptr<Flow> borrower = BorrowFlow(*inner);
        return DecorateFlow(std::move(borrower),
                            [&](std::unique_ptr<Transport> underneath) {
                              return std::make_unique<LoanOwner>(
                                  std::move(inner), std::move(underneath));
                            });
      });
  // Close() of a borrower waits for no remote, and Shutdown() tells none.
  options.traits.awaits_remote_end = false;
  options.traits.tells_of_refusals = false;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    Combinator, FlowConformanceTest,
    ::testing::Values(Wrapped("limited_and_prepended", LimitedAndPrepended),
                      Wrapped("split_and_joined", SplitAndJoined),
                      Pairs("joined", OfTwoPipes), Borrowed()),
    ConformanceName);

// --- Parts of a stream that is lent

// A part of 10 bytes of a part of 20, behind which the lender goes on.
class LentPartTest : public ::testing::Test {
 protected:
  LentPartTest() {
    EXPECT_THAT(pipe_.right->Write("0123456789abcdefghijnext"), IsOk());
    if (StartsCalls()) BindToSharedEngine(*pipe_.left);
    part_ =
        MaybeStarts(LimitInput(ExactInput(BorrowFlow(*pipe_.left), 20), 10));
  }

  Pipe pipe_ = MakePipe();
  std::unique_ptr<Flow> part_;
};

TEST_F(LentPartTest, CloseAfterTheEndOfThePartSkipsThoseAroundIt) {
  EXPECT_THAT(ReadAll(*part_, 100), IsOkAndHolds("0123456789"));
  EXPECT_THAT(part_->Close(), IsOk());
  EXPECT_THAT(pipe_.left->Read(), HoldsData("next"));
}

TEST_F(LentPartTest, SoDoesWhatWasPutBackAfterTheEnd) {
  EXPECT_THAT(ReadAll(*part_, 100), IsOkAndHolds("0123456789"));
  part_ = PrependInput(absl::Cord("9"), std::move(part_));
  EXPECT_THAT(part_->Close(), IsOk());
  EXPECT_THAT(pipe_.left->Read(), HoldsData("next"));
}

TEST_F(LentPartTest, SoDoesAChannelThatHasMetTheEnd) {
  auto channel = MakeChannel(std::move(part_));
  EXPECT_THAT(channel->Peek(11), IsOkAndHolds("0123456789"));
  EXPECT_THAT(channel->Close(), IsOk());
  EXPECT_THAT(pipe_.left->Read(), HoldsData("next"));
}

TEST_F(LentPartTest, SoDoesTheSecondOfTwoHalves) {
  const SplitHalves halves = SplitMaybeStarts(std::move(part_));
  EXPECT_THAT(ReadAll(*halves.reader, 100), IsOkAndHolds("0123456789"));
  EXPECT_THAT(halves.reader->Close(), IsOk());
  EXPECT_THAT(halves.writer->Close(), IsOk());
  EXPECT_THAT(pipe_.left->Read(), HoldsData("next"));
}

TEST_F(LentPartTest, SoDoesAnInputInTurn) {
  std::vector<std::unique_ptr<Flow>> inputs;
  inputs.push_back(std::move(part_));
  const auto all = ConcatInputs(std::move(inputs));
  EXPECT_THAT(ReadAll(*all, 100), IsOkAndHolds("0123456789"));
  EXPECT_THAT(pipe_.left->Read(), HoldsData("next"));
  EXPECT_THAT(all->Close(), IsOk());
}

// Finds fault with the first bytes.
class RejectTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  bool CanStart() const override { return inner().CanStart(); }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t,
                                                    Retry* retry) override {
    auto data = ForwardingTransport::TryRead(5, retry);
    if (data.has_value() && data->ok()) {
      data = absl::DataLossError("not what was expected");
    }
    return data;
  }
  absl::StatusOr<absl::Cord> Read(size_t) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(5);
    if (!data.ok()) return data;
    return absl::DataLossError("not what was expected");
  }
};

TEST_F(LentPartTest, WhereATransportOnTopFailsTheLenderReadsNoMore) {
  part_ = DecorateFlow(std::move(part_), [](std::unique_ptr<Transport> inner) {
    return std::make_unique<RejectTransport>(std::move(inner));
  });
  EXPECT_THAT(part_->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(part_->Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe_.left->Read(), IsEof());
  EXPECT_THAT(pipe_.left->Write("an answer"), IsOk());
}

TEST_F(LentPartTest, SoDoesTheOutputOfAJoin) {
  Pipe input = MakePipe();
  EXPECT_THAT(input.right->Shutdown(ShutdownMode::kWrite), IsOk());
  const auto joined = JoinFlow(std::move(input.left), std::move(part_));
  EXPECT_THAT(joined->Read(), IsEof());
  EXPECT_THAT(joined->Close(), IsOk());
  EXPECT_THAT(pipe_.left->Read(), HoldsData("next"));
}

TEST(ConcatWithinALimitTest, CloseAfterTheEndRefusesWhatIsLeft) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.right->Write("ab"), IsOk());
  std::vector<std::unique_ptr<Flow>> inputs;
  inputs.push_back(std::move(pipe.left));
  const auto part = LimitInput(ConcatInputs(std::move(inputs)), 1);
  EXPECT_THAT(ReadAll(*part, 100), IsOkAndHolds("a"));
  EXPECT_THAT(part->Close(), IsOk());
  EXPECT_THAT(pipe.right->Read(), IsEof());
  EXPECT_THAT(pipe.right->Write("c"), IsClosed());
}

TEST(LentPartOfARefusedBorrowerTest, TheLenderReadsNoMore) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.right->Write("0123456789next"), IsOk());
  auto borrower = BorrowFlow(*pipe.left);
  EXPECT_THAT(borrower->Shutdown(ShutdownMode::kRead), IsOk());
  const auto part = LimitInput(std::move(borrower), 10);
  EXPECT_THAT(part->Close(), IsClosed());
  EXPECT_THAT(pipe.left->Read(), IsEof());
}

// --- Faults

// Reads all of `flow`, and goes on after a deadline.
absl::Status ReadOn(Flow& flow, absl::Cord* all) {
  absl::Status status = ReadAll(flow, 1000, all);
  while (absl::IsDeadlineExceeded(status)) status = ReadAll(flow, 1000, all);
  return status;
}

// A flow that has `text` to read and then its end.
std::unique_ptr<Flow> Holding(absl::string_view text, Pipe& pipe) {
  EXPECT_THAT(pipe.right->Write(text), IsOk());
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  return std::move(pipe.left);
}

// Expects that `got` is all of `whole`, or that it is a prefix and `status` is
// the error of the fault.
void ExpectWholeOrFailed(const FaultPlan& plan, const absl::Status& status,
                         const absl::Cord& got, absl::string_view whole) {
  if (status.ok()) {
    EXPECT_EQ(got, whole);
  } else {
    EXPECT_TRUE(plan.fired()) << status;
    EXPECT_THAT(status, StatusIs(plan.error().code()));
    EXPECT_TRUE(absl::StartsWith(whole, std::string(got))) << got;
  }
}

TEST(CombinatorFaultTest, AnExactInputIsWholeOrFails) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    auto flow =
        ExactInput(plan.Wrap(Holding("bodynext", pipe), /*max_read=*/3), 4);
    absl::Cord got;
    const absl::Status status = ReadOn(*flow, &got);
    ExpectWholeOrFailed(plan, status, got, "body");
  });
  EXPECT_GE(points, 6u);
}

// A body and what follows it, on one stream. Whatever fails: the next request
// is read whole, or not at all.
TEST(CombinatorFaultTest, AfterABorrowedBodyTheNextRequestIsWholeOrFails) {
  for (const size_t is_read : {0, 1, 4}) {
    const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
      Pipe pipe = MakePipe();
      auto lender = plan.Wrap(Holding("bodynext", pipe), /*max_read=*/3);
      absl::Status status;
      {
        if (StartsCalls()) BindToSharedEngine(*lender);
        auto body = MaybeStarts(ExactInput(BorrowFlow(*lender), 4));
        absl::Cord got;
        while (got.size() < is_read) {
          absl::StatusOr<absl::Cord> data = body->Read(is_read - got.size());
          if (absl::IsDeadlineExceeded(data.status())) continue;
          status = data.status();
          if (!status.ok()) break;
          ASSERT_FALSE(data->empty());
          got.Append(*data);
        }
        if (status.ok()) status = body->Close();
      }
      absl::Cord next;
      const absl::Status read = ReadOn(*lender, &next);
      if (status.ok()) {
        ExpectWholeOrFailed(plan, read, next, "next");
      } else {
        // The lender does not take the rest of the body for a request. It has
        // failed, or refuses the rest and reads end-of-file.
        EXPECT_TRUE(plan.fired()) << status;
        EXPECT_EQ(next, "");
      }
    });
    EXPECT_GE(points, 6u);
  }
}

TEST(CombinatorFaultTest, WhatABorrowerWritesArrivesOnceOrFails) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    auto lender = plan.Wrap(std::move(pipe.left));
    if (StartsCalls()) BindToSharedEngine(*lender);
    auto borrower = MaybeStarts(BorrowFlow(*lender));
    absl::Status status;
    for (absl::Cord part : {absl::Cord("one "), absl::Cord("two ")}) {
      if (!status.ok()) break;
      do {
        status = borrower->WriteFrom(&part);
      } while (absl::IsDeadlineExceeded(status));
    }
    if (status.ok()) status = borrower->Close();
    borrower.reset();
    if (status.ok()) status = lender->Write("three");
    if (status.ok()) status = lender->Shutdown(ShutdownMode::kWrite);
    if (absl::IsDeadlineExceeded(status)) lender->Abort(status);
    lender.reset();
    absl::Cord got;
    const absl::Status read = ReadAll(*pipe.right, 100, &got);
    EXPECT_TRUE(absl::StartsWith("one two three", std::string(got))) << got;
    EXPECT_EQ(read.ok(), status.ok()) << read;
    if (read.ok()) {
      EXPECT_EQ(got, "one two three");
    }
  });
  EXPECT_GE(points, 8u);
}

TEST(CombinatorFaultTest, InputsInTurnAreWholeOrFail) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    std::vector<Pipe> pipes(3);
    std::vector<std::unique_ptr<Flow>> inputs;
    for (Pipe& pipe : pipes) {
      pipe = MakePipe();
      const absl::string_view text = inputs.size() == 1 ? "" : "abcde";
      inputs.push_back(plan.Wrap(Holding(text, pipe), /*max_read=*/3));
    }
    auto flow = ConcatInputs(std::move(inputs));
    absl::Cord got;
    absl::Status status = ReadOn(*flow, &got);
    // What Close() of an input meets may be a fault in sending its end.
    if (!status.ok() && plan.mode() == FaultMode::kDeadline) {
      status = plan.error();
    }
    ExpectWholeOrFailed(plan, status, got, "abcdeabcde");
  });
  EXPECT_GE(points, 12u);
}

TEST(CombinatorFaultTest, WhatWasPutBackComesOnceWhateverFails) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    auto flow = PrependInput(absl::Cord("back"),
                             plan.Wrap(Holding("rest", pipe), /*max_read=*/3));
    absl::Cord got;
    const absl::Status status = ReadOn(*flow, &got);
    EXPECT_GE(got.size(), 4u);
    ExpectWholeOrFailed(plan, status, got, "backrest");
  });
  EXPECT_GE(points, 6u);
}

// An echo by two owners: what one half has read, the other one writes.
TEST(CombinatorFaultTest, HalvesAreOneFlowWhateverFails) {
  const size_t points = ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    SplitHalves halves =
        SplitMaybeStarts(plan.Wrap(Holding("abcdef", pipe), /*max_read=*/4));
    absl::Cord got;
    absl::Status status = ReadOn(*halves.reader, &got);
    if (status.ok()) {
      EXPECT_EQ(got, "abcdef");
    }
    while (status.ok() && !got.empty()) {
      status = halves.writer->WriteFrom(&got);
      if (absl::IsDeadlineExceeded(status)) status = absl::OkStatus();
    }
    if (status.ok()) status = halves.writer->Close();
    if (status.ok()) status = halves.reader->Close();
    halves.writer.reset();
    halves.reader.reset();
    absl::Cord echoed;
    const absl::Status read = ReadAll(*pipe.right, 100, &echoed);
    EXPECT_TRUE(absl::StartsWith("abcdef", std::string(echoed))) << echoed;
    EXPECT_EQ(read.ok(), status.ok()) << read;
    if (read.ok()) {
      EXPECT_EQ(echoed, "abcdef");
    } else {
      EXPECT_TRUE(plan.fired());
    }
  });
  EXPECT_GE(points, 8u);
}

}  // namespace
}  // namespace flow
