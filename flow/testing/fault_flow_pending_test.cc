// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Started calls of a fault flow: what is pending and what is over, on an engine
// that the test drives. That their faults are those of calls that block, the
// other tests of fault flows say.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kForever = absl::Hours(1);

template <typename Operation>
struct Started final : Operation {
  void Done() override { ++done; }
  int done = 0;
};
using Reading = Started<Flow::ReadOperation>;
using Writing = Started<Flow::WriteOperation>;
using Closing = Started<Flow::CloseOperation>;
using Refusing = Started<Flow::RefusalOperation>;

class FaultFlowPendingTest : public ::testing::Test {
 protected:
  // Of a pipe through which only passes what somebody reads at that moment.
  void Make(std::vector<Fault> faults, size_t max_write = kNoLimit) {
    FaultOptions options;
    options.faults = std::move(faults);
    options.max_write = max_write;
    options.observer = [this](const FaultOperation& operation) {
      seen_.push_back(absl::StrCat(
          operation.side == FaultPlace::Side::kRead ? "read " : "write ",
          operation.number, operation.is_end ? " (end)" : "", ": ",
          operation.bytes, operation.failed_here ? " failed" : ""));
    };
    Pipe pipe = MakePipe(/*capacity=*/0);
    flow_ = MakeFaultFlow(std::move(pipe.left), std::move(options));
    flow_->SetEngine(&engine_);
    remote_ = std::move(pipe.right);
    remote_->SetReadDeadline(absl::InfinitePast());
    remote_->SetWriteDeadline(absl::InfinitePast());
  }

  bool StartsWrite(absl::string_view data) {
    writing_.rest = absl::Cord(data);
    return flow_->StartWrite(&writing_);
  }

  ManualEngine engine_;
  std::vector<std::string> seen_;
  std::unique_ptr<Flow> flow_, remote_;
  Reading reading_;
  Writing writing_;
  Closing closing_;
  Refusing refusing_;
};

TEST_F(FaultFlowPendingTest, AReadIsOneOperationHoweverOftenItIsTried) {
  Make({Fault::Error(ReadOperation(1), absl::UnavailableError("reset"))});
  ASSERT_FALSE(flow_->StartRead(&reading_));
  for (int i = 1; i <= 3; ++i) {
    flow_->SetReadDeadline(absl::Now() + i * kForever);
    engine_.RunAll();
  }
  EXPECT_THAT(seen_, IsEmpty());
  EXPECT_EQ(reading_.done, 0);
  Writing far;
  remote_->SetEngine(&engine_);
  remote_->SetWriteDeadline(absl::InfiniteFuture());
  far.rest = absl::Cord("data");
  EXPECT_TRUE(remote_->StartWrite(&far));
  engine_.RunAll();
  EXPECT_EQ(reading_.done, 1);
  EXPECT_THAT(reading_.result, IsOkAndHolds("data"));
  EXPECT_THAT(seen_, ElementsAre("read 0: 4"));
  ASSERT_TRUE(flow_->StartRead(&reading_)) << "a fault does not wait for data";
  EXPECT_THAT(reading_.result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(seen_, ElementsAre("read 0: 4", "read 1: 0 failed"));
}

TEST_F(FaultFlowPendingTest, AWriteInPiecesIsOneOperationAndNoPieceIsRepeated) {
  Make({Fault::Error(WriteByte(5), absl::UnavailableError("reset"))},
       /*max_write=*/2);
  ASSERT_FALSE(StartsWrite("abcdefgh"));
  std::string read;
  for (int i = 0; i < 10 && writing_.done == 0; ++i) {
    if (absl::StatusOr<absl::Cord> data = remote_->Read(1); data.ok()) {
      read.append(std::string(*data));
    }
    engine_.RunAll();
  }
  EXPECT_EQ(writing_.done, 1);
  EXPECT_THAT(writing_.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(read, "abcde");
  EXPECT_EQ(writing_.rest, "fgh");
  EXPECT_EQ(flow_->bytes_written(), 5);
  EXPECT_THAT(seen_, ElementsAre("write 0: 8 failed"));
}

TEST_F(FaultFlowPendingTest, AWriteThatIsLateLeavesWhatWasNotAccepted) {
  Make({}, /*max_write=*/2);
  ASSERT_FALSE(StartsWrite("abcdef"));
  EXPECT_THAT(remote_->Read(), IsOkAndHolds("ab"));
  engine_.RunAll();
  EXPECT_THAT(remote_->Read(1), IsOkAndHolds("c"));
  flow_->SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(writing_.done, 1);
  EXPECT_THAT(writing_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(writing_.rest, "def");
  EXPECT_THAT(seen_, ElementsAre("write 0: 6"));
  flow_->SetWriteDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(flow_->StartWrite(&writing_));
  EXPECT_THAT(remote_->Read(), IsOkAndHolds("de"));
  engine_.RunAll();
  EXPECT_THAT(remote_->Read(), IsOkAndHolds("f"));
  engine_.RunAll();
  EXPECT_EQ(writing_.done, 2);
  EXPECT_THAT(writing_.status, IsOk());
  EXPECT_THAT(seen_, ElementsAre("write 0: 6", "write 1: 3"));
}

TEST_F(FaultFlowPendingTest, ADelayIsATimerOfTheEngine) {
  Make({Fault::Delay(ReadOperation(0), kForever),
        Fault::Delay(WriteOperation(1), kForever)});
  const absl::Time start = absl::Now();
  ASSERT_FALSE(flow_->StartRead(&reading_));
  EXPECT_EQ(engine_.timers(), 1);
  EXPECT_GE(engine_.timer_at() - start, kForever);
  // Too early, and so it is set once more.
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_EQ(engine_.timers(), 1);
  EXPECT_EQ(reading_.done, 0);
  flow_->SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(reading_.done, 1);
  EXPECT_THAT(reading_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(engine_.timers(), 0);
  EXPECT_THAT(seen_, ElementsAre("read 0: 0"));
  // It delays once.
  flow_->SetReadDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(flow_->StartRead(&reading_));
  EXPECT_EQ(engine_.timers(), 0);
  EXPECT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(reading_.result, IsOkAndHolds(""));
}

TEST_F(FaultFlowPendingTest, ADelayOfTheEndEndsWithTheWriteDeadline) {
  Make({Fault::Delay(WriteOperation(0), kForever)});
  ASSERT_FALSE(flow_->StartClose(&closing_, absl::InfiniteFuture()));
  EXPECT_EQ(engine_.timers(), 1);
  EXPECT_THAT(remote_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow_->SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_THAT(remote_->Read(), IsEof());
  EXPECT_THAT(seen_, ElementsAre("write 0 (end): 0"));
  EXPECT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(closing_.done, 1);
  EXPECT_THAT(closing_.status, IsOk());
}

TEST_F(FaultFlowPendingTest, TheDeadlineOfACloseEndsTheDelayOfTheEnd) {
  Make({Fault::Delay(WriteOperation(0), kForever)});
  ASSERT_FALSE(flow_->StartClose(&closing_, absl::InfiniteFuture()));
  Closing earlier;
  EXPECT_TRUE(flow_->StartClose(&earlier, absl::InfinitePast()));
  EXPECT_THAT(earlier.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  engine_.RunAll();
  EXPECT_EQ(closing_.done, 1);
  EXPECT_THAT(closing_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(remote_->Read(), StatusIs(absl::StatusCode::kAborted));
}

// The Flow does not know of such an abort, so nobody else tells them. Under the
// delay nothing waits that the transport underneath could wake.
TEST_F(FaultFlowPendingTest, AnAbortByAFaultEndsWhatIsPendingInADelay) {
  Make({Fault::Delay(ReadOperation(0), kForever),
        Fault::Abort(WriteOperation(0), absl::CancelledError("stop"))});
  ASSERT_FALSE(flow_->StartRead(&reading_));
  ASSERT_FALSE(flow_->StartAwaitRefusal(&refusing_, absl::InfiniteFuture()));
  ASSERT_TRUE(StartsWrite("data"));
  EXPECT_THAT(writing_.status, StatusIs(absl::StatusCode::kCancelled));
  engine_.RunAll();
  EXPECT_EQ(reading_.done, 1);
  EXPECT_THAT(reading_.result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(refusing_.done, 1);
  EXPECT_THAT(refusing_.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(remote_->Read(), StatusIs(absl::StatusCode::kCancelled));
}

// A transport need not wake a started call at an abort, as the Flow does that.
TEST_F(FaultFlowPendingTest, AnAbortByAFaultEndsWhatIsPendingUnderneath) {
  class Sleeper final : public Transport {
   public:
    absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
    absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
    std::string Describe() const override { return "sleeper"; }
    void Abort(const absl::Status&) override { is_aborted_ = true; }
    bool CanStart() const override { return true; }
    std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t, Retry*) override {
      if (!is_aborted_) return std::nullopt;
      return absl::UnknownError("aborted");
    }
    std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
      return absl::OkStatus();
    }

   private:
    bool is_aborted_ = false;
  };
  flow_ = MakeFaultFlow(
      MakeFlow(std::make_unique<Sleeper>()),
      {Fault::Abort(WriteOperation(0), absl::CancelledError("stop"))});
  flow_->SetEngine(&engine_);
  ASSERT_FALSE(flow_->StartRead(&reading_));
  ASSERT_TRUE(StartsWrite("data"));
  engine_.RunAll();
  EXPECT_EQ(reading_.done, 1);
  EXPECT_THAT(reading_.result, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(FaultFlowPendingTest, APieceIsTheSameUntilAllOfItIsAccepted) {
  class ByteByByte final : public Transport {
   public:
    explicit ByteByByte(std::vector<std::string>* tries) : tries_(*tries) {}
    absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
    absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
    std::string Describe() const override { return "byte by byte"; }
    bool CanStart() const override { return true; }
    std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                         Retry* retry) override {
      tries_.emplace_back(*rest);
      rest->RemovePrefix(1);
      if (rest->empty()) return absl::OkStatus();
      retry->Now();
      return std::nullopt;
    }
    std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
      return absl::OkStatus();
    }

   private:
    std::vector<std::string>& tries_;
  };
  std::vector<std::string> tries;
  FaultOptions options;
  options.max_write = 2;
  flow_ =
      MakeFaultFlow(MakeFlow(std::make_unique<ByteByByte>(&tries)), options);
  flow_->SetEngine(&engine_);
  ASSERT_TRUE(StartsWrite("abcde"));
  EXPECT_THAT(writing_.status, IsOk());
  EXPECT_THAT(tries, ElementsAre("ab", "b", "cd", "d", "e"));
}

TEST_F(FaultFlowPendingTest, ARefusalEndsTheDelayOfARead) {
  Make({Fault::Delay(ReadOperation(0), kForever)});
  ASSERT_FALSE(flow_->StartRead(&reading_));
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kRead), IsOk());
  engine_.RunAll();
  EXPECT_EQ(reading_.done, 1);
  EXPECT_THAT(reading_.result, IsOkAndHolds(""));
}

TEST_F(FaultFlowPendingTest, OnAFlowThatCanOnlyBlockNothingStarts) {
  class Blocking final : public Transport {
   public:
    absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
    absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
    std::string Describe() const override { return "blocking"; }
  };
  flow_ = MakeFaultFlow(MakeFlow(std::make_unique<Blocking>()));
  flow_->SetEngine(&engine_);
  ASSERT_TRUE(flow_->StartRead(&reading_));
  EXPECT_THAT(reading_.result, StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(flow_->Read(), IsEof());
}

// --- Hooks

TEST_F(FaultFlowPendingTest, HooksRunOnceForACallHoweverOftenItIsTried) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  int before = 0;
  int ends = 0;
  int after = 0;
  flow_ =
      AfterReads(BeforeCalls(
                     std::move(pipe.left), [&] { ++before; }, [&] { ++ends; }),
                 [&] { ++after; });
  flow_->SetEngine(&engine_);
  remote_ = std::move(pipe.right);
  remote_->SetReadDeadline(absl::InfinitePast());
  ASSERT_FALSE(flow_->StartRead(&reading_));
  ASSERT_FALSE(StartsWrite("ab"));
  EXPECT_EQ(before, 2);
  for (int i = 1; i <= 3; ++i) {
    flow_->SetReadDeadline(absl::Now() + i * kForever);
    engine_.RunAll();
  }
  EXPECT_EQ(before, 2);
  EXPECT_EQ(after, 0);
  EXPECT_THAT(remote_->Read(), IsOkAndHolds("ab"));
  flow_->SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(reading_.done, 1);
  EXPECT_EQ(writing_.done, 1);
  EXPECT_EQ(after, 1);
  ASSERT_TRUE(flow_->StartRead(&reading_));
  EXPECT_EQ(before, 3);
  EXPECT_EQ(after, 2);
  ASSERT_FALSE(flow_->StartClose(&closing_, absl::InfiniteFuture()));
  EXPECT_EQ(ends, 1);
  EXPECT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(closing_.done, 1);
  EXPECT_THAT(closing_.status, IsOk());
}

}  // namespace
}  // namespace flow::testing
