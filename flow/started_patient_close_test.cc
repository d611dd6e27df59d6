// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Flow::StartPatientClose(): the rules of PatientClose(), without a thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Counted;
using ::flow::testing::EngineThreads;
using ::flow::testing::FaultOptions;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::ManualEngine;
using ::flow::testing::PatternString;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ShrinkBuffers;

constexpr auto kLate = absl::StatusCode::kDeadlineExceeded;

// Passes while a test waits for it.
constexpr absl::Duration kShort = absl::Milliseconds(20);
// Passes when a test sleeps for `kLonger`, and not between two steps of one.
constexpr absl::Duration kIdle = absl::Seconds(1);
constexpr absl::Duration kLonger = absl::Milliseconds(1020);
// Never passes.
constexpr absl::Duration kLong = absl::Hours(1);

using Closer = Counted<Flow::CloseOperation>;

// The other end takes what the test says, and ends when the test says.
class RemoteTransport final : public Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
  absl::Status EndWrite(const absl::Status&, absl::Time) override {
    return absl::OkStatus();
  }
  void Abort(const absl::Status& reason) override { abort_reason = reason; }
  int64_t BytesInTransit() const override { return in_transit(); }
  std::string Describe() const override { return "remote"; }

  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t, Retry*) override {
    if (in_read != nullptr) in_read();
    return absl::Cord();
  }
  std::optional<absl::Status> TryWrite(absl::Cord*, Retry*) override {
    if (abort_reason.ok()) return std::nullopt;
    return abort_reason;
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    retry_ = retry;
    if (!has_ended) return std::nullopt;
    return absl::OkStatus();
  }

  void End() {
    has_ended = true;
    retry_->Now();
  }

  std::function<int64_t()> in_transit = [] { return 0; };
  std::function<void()> in_read;
  bool has_ended = true;
  absl::Status abort_reason;

 private:
  Retry* retry_ = nullptr;
};

// A flow on the above one, and an engine that the test drives.
class StartedPatientCloseTest : public ::testing::Test {
 protected:
  StartedPatientCloseTest() {
    auto transport = std::make_unique<RemoteTransport>();
    remote_ = transport.get();
    flow_ = MakeFlow(std::move(transport));
    flow_->SetEngine(&engine_);
  }

  // Starts one whose limit may have passed at once.
  static void Start(Flow& flow, Closer& close, absl::Duration idle_timeout) {
    if (flow.StartPatientClose(&close, idle_timeout)) close.Done();
  }

  // Lets it look at once.
  void Look() {
    engine_.FireTimers();
    engine_.RunAll();
  }

  void LookUntilOver(const Closer& close) {
    while (close.done == 0) {
      absl::SleepFor(absl::Milliseconds(1));
      Look();
    }
  }

  Flow& flow() { return *flow_; }
  RemoteTransport& remote() { return *remote_; }

  ManualEngine engine_;

 private:
  std::unique_ptr<Flow> flow_;
  RemoteTransport* remote_;
};

// --- How long it waits

TEST_F(StartedPatientCloseTest, WaitsAsLongAsBytesArriveHoweverLongInAll) {
  int64_t in_transit = 3;
  remote().in_transit = [&] { return in_transit; };
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, kIdle));
  while (--in_transit > 0) {
    absl::SleepFor(kLonger);
    Look();
    ASSERT_EQ(close.done, 0) << close.status;
  }
  Look();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(StartedPatientCloseTest, SoDoesItBeforeTheRemoteHasEnded) {
  int64_t in_transit = 3;
  remote().in_transit = [&] { return in_transit; };
  remote().has_ended = false;
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, kIdle));
  while (--in_transit >= 0) {
    absl::SleepFor(kLonger);
    Look();
    ASSERT_EQ(close.done, 0) << close.status;
  }
  in_transit = 0;
  remote().End();
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(StartedPatientCloseTest, GivesUpWhenNothingArrives) {
  for (const bool has_ended : {true, false}) {
    const auto flow = [&] {
      auto transport = std::make_unique<RemoteTransport>();
      transport->in_transit = [] { return 7; };
      transport->has_ended = has_ended;
      return MakeFlow(std::move(transport));
    }();
    flow->SetEngine(&engine_);
    Closer close;
    Start(*flow, close, kShort);
    LookUntilOver(close);
    EXPECT_EQ(close.done, 1);
    EXPECT_THAT(close.status, StatusIs(kLate));
    EXPECT_THAT(flow->Write("x"), IsClosed());
  }
}

TEST_F(StartedPatientCloseTest, MoreInTransitIsNoProgress) {
  int64_t in_transit = 1;
  remote().in_transit = [&] { return in_transit++; };
  Closer close;
  Start(flow(), close, kShort);
  LookUntilOver(close);
  EXPECT_THAT(close.status, StatusIs(kLate));
  EXPECT_THAT(remote().abort_reason, StatusIs(absl::StatusCode::kAborted));
}

TEST_F(StartedPatientCloseTest, SaysWhatTheOneThatBlocksSays) {
  Pipe started = MakePipe();
  Pipe blocking = MakePipe();
  started.left->SetEngine(&engine_);
  Closer close;
  Start(*started.left, close, kShort);
  LookUntilOver(close);
  EXPECT_EQ(close.status, blocking.left->PatientClose(kShort));
  EXPECT_EQ(started.right->Write("x"), blocking.right->Write("x"));
}

TEST_F(StartedPatientCloseTest, WithoutATimeoutIsAClose) {
  remote().has_ended = false;
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, absl::InfiniteDuration()));
  EXPECT_EQ(engine_.timers(), 0u);
  remote().End();
  engine_.RunAll();
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(StartedPatientCloseTest, IsOverAtOnceIfThereIsNothingToWaitFor) {
  Closer close;
  EXPECT_TRUE(flow().StartPatientClose(&close, absl::ZeroDuration()));
  EXPECT_THAT(close.status, IsOk());
}

// --- When it looks

TEST_F(StartedPatientCloseTest, TheLastBytesMayArriveWhileItLooks) {
  int64_t looks = 100;
  remote().in_transit = [&] { return looks > 0 ? looks-- : 0; };
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, kLong));
  looks = 1;
  Look();
  ASSERT_EQ(close.done, 0);
  EXPECT_EQ(looks, 0);
  EXPECT_LT(engine_.timer_at(), absl::Now() + kLong / 2);
  Look();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(StartedPatientCloseTest, LooksAsLongAsSomethingIsInTransit) {
  int64_t in_transit = 7;
  remote().in_transit = [&] { return in_transit; };
  remote().has_ended = false;
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, kLong));
  EXPECT_LT(engine_.timer_at(), absl::Now() + kLong / 2);
  // Then the transport tells of the end.
  in_transit = 0;
  Look();
  EXPECT_GT(engine_.timer_at(), absl::Now() + kLong / 2);
  remote().End();
  engine_.RunAll();
  EXPECT_THAT(close.status, IsOk());
}

// It can put more in transit, and that can arrive, before the next look.
TEST_F(StartedPatientCloseTest, LooksAsLongAsAWriteIsPending) {
  struct Writer final : Flow::WriteOperation {
    void Done() override {}
  } write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(flow().StartWrite(&write));
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, kLong));
  EXPECT_LT(engine_.timer_at(), absl::Now() + kLong / 2);
  flow().Abort(absl::DataLossError("enough"));
  engine_.RunAll();
}

// --- Other ends of it

TEST_F(StartedPatientCloseTest, AnAbortEndsTheWait) {
  remote().in_transit = [] { return 7; };
  Closer close;
  ASSERT_FALSE(flow().StartPatientClose(&close, kLong));
  flow().Abort(absl::DataLossError("enough"));
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StartedPatientCloseTest, OfSeveralClosesEachHasItsLimit) {
  for (const bool is_first : {true, false}) {
    Pipe pipe = MakePipe();
    pipe.left->SetEngine(&engine_);
    Closer first;
    Closer second;
    if (is_first) {
      ASSERT_FALSE(pipe.left->StartPatientClose(&first, kLong));
      EXPECT_TRUE(pipe.left->StartClose(&second, absl::InfinitePast()));
      engine_.RunAll();
    } else {
      ASSERT_FALSE(pipe.left->StartClose(&first));
      Start(*pipe.left, second, kShort);
      LookUntilOver(second);
    }
    EXPECT_EQ(first.done, 1);
    EXPECT_THAT(first.status, StatusIs(kLate));
    EXPECT_EQ(second.status, first.status);
  }
}

TEST_F(StartedPatientCloseTest, JoinsOneThatBlocks) {
  Pipe pipe = MakePipe();
  pipe.left->SetEngine(&engine_);
  std::thread blocking(
      [&] { EXPECT_THAT(pipe.left->Close(), StatusIs(kLate)); });
  EXPECT_THAT(pipe.right->Read(), IsEof());  // it has begun
  Closer close;
  Start(*pipe.left, close, kShort);
  LookUntilOver(close);
  EXPECT_THAT(close.status, StatusIs(kLate));
  blocking.join();
}

TEST_F(StartedPatientCloseTest, ThatJoinsGoesOnAsLongAsBytesArrive) {
  Pipe pipe = MakePipe();
  pipe.left->SetEngine(&engine_);
  ASSERT_THAT(pipe.left->Write("data"), IsOk());
  Closer first;
  Closer second;
  ASSERT_FALSE(pipe.left->StartClose(&first));
  ASSERT_FALSE(pipe.left->StartPatientClose(&second, kIdle));
  for (int i = 0; i < 2; ++i) {
    absl::SleepFor(kLonger);
    EXPECT_THAT(pipe.right->Read(2), IsOk());
    Look();
    ASSERT_EQ(first.done + second.done, 0);
  }
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(first.status, IsOk());
  EXPECT_THAT(second.status, IsOk());
}

TEST_F(StartedPatientCloseTest, IsRefusedInsideAFunctionOfTheFlow) {
  Closer close;
  remote().in_read = [&] {
    EXPECT_TRUE(flow().StartPatientClose(&close, kLong));
  };
  struct Reader final : Flow::ReadOperation {
    void Done() override {}
  } read;
  EXPECT_TRUE(flow().StartRead(&read));
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StartedPatientCloseTest, NeedsAnEngineAndATransportThatStarts) {
  Closer close;
  Pipe pipe = MakePipe();
  EXPECT_TRUE(pipe.left->StartPatientClose(&close, kLong));
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kFailedPrecondition));
  const std::unique_ptr<Flow> functions = MakeFunctionFlow({});
  functions->SetEngine(&engine_);
  EXPECT_TRUE(functions->StartPatientClose(&close, kLong));
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kUnimplemented));
}

// --- Channels, whose end is a flush

// The remote takes a byte at a time.
TEST_F(StartedPatientCloseTest, FlushesAsLongAsBytesArrive) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  FaultOptions options;
  options.max_write = 1;  // so that the flush itself waits
  auto flow = MakeFaultFlow(std::move(pipe.left), std::move(options));
  flow->SetEngine(&engine_);
  const auto channel = MakeChannel(std::move(flow));
  const absl::string_view sent = "0123";
  ASSERT_THAT(channel->WriteBuffered(sent), IsOk());
  Closer close;
  ASSERT_FALSE(channel->StartPatientClose(&close, kIdle));
  for (const char byte : sent) {
    absl::SleepFor(kLonger);
    EXPECT_THAT(pipe.right->Read(), IsOkAndHolds(std::string(1, byte)));
    Look();
    ASSERT_EQ(close.done, 0) << close.status;
  }
  EXPECT_THAT(pipe.right->Read(), IsEof());
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST_F(StartedPatientCloseTest, GivesUpAFlushThatNobodyTakes) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  pipe.left->SetEngine(&engine_);
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->Write("x"), IsOk());
  ASSERT_THAT(channel->WriteBuffered("yz"), IsOk());
  Closer close;
  Start(*channel, close, kShort);
  LookUntilOver(close);
  EXPECT_THAT(close.status, StatusIs(kLate));
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("x"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
}

// --- On an engine with a thread

// The tail of a stream that a slow reader takes bit by bit.
void ASlowReaderGetsAll(std::unique_ptr<Flow> left,
                        std::unique_ptr<Flow> right) {
  EngineThreads threads(1);
  left->SetEngine(threads.engine());
  left->SetWriteDeadline(absl::InfinitePast());
  absl::Cord rest(PatternString(0, 64 << 10));
  std::string sent(rest);
  left->WriteFrom(&rest).IgnoreError();  // as much as there is room for
  sent.resize(sent.size() - rest.size());
  struct NotifyingCloser final : Flow::CloseOperation {
    void Done() override { done.Notify(); }
    absl::Notification done;
  } close;
  std::thread reader([&] {
    std::string received;
    while (true) {
      absl::StatusOr<absl::Cord> data = right->Read(2 << 10);
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      received += std::string(*data);
      absl::SleepFor(absl::Milliseconds(2));
    }
    EXPECT_TRUE(received == sent);
    EXPECT_THAT(right->Close(), IsOk());
  });
  if (!left->StartPatientClose(&close, absl::Seconds(20))) {
    close.done.WaitForNotification();
  }
  EXPECT_THAT(close.status, IsOk());
  reader.join();
  left.reset();
}

TEST(StartedPatientCloseOfTest, APipe) {
  Pipe pipe = MakePipe();
  ASlowReaderGetsAll(std::move(pipe.left), std::move(pipe.right));
}

TEST(StartedPatientCloseOfTest, Sockets) {
  for (const RawPair& raw : {RawTcp(/*small=*/true), RawUnix()}) {
    ShrinkBuffers(raw.left);
    ASlowReaderGetsAll(FlowOf(raw.left), FlowOf(raw.right));
  }
}

}  // namespace
}  // namespace flow
