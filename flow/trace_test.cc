// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/trace.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/conformance.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FaultPlan;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::MaybeStarts;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::StartsCalls;
using ::testing::ElementsAre;
using Operation = TraceEvent::Operation;

flow::testing::FlowPair TracedPair(size_t capacity) {
  const TraceFunction nobody = [](const TraceEvent&) {};
  Pipe pipe = MakePipe(capacity);
  return {
      MaybeStarts(TraceFlow(std::move(pipe.left), nobody, {/*max_data=*/10})),
      MaybeStarts(TraceFlow(std::move(pipe.right), nobody, {/*max_data=*/10}))};
}

flow::testing::ConformanceOptions TracedFlows() {
  flow::testing::ConformanceOptions options;
  options.name = "traced";
  options.make_pair = [] { return TracedPair(256 << 10); };
  // A started write is a Cord, of which a pipe with any room accepts all.
  options.make_full = [] { return TracedPair(StartsCalls() ? 0 : 4096); };
  return options;
}

INSTANTIATE_TEST_SUITE_P(Trace, FlowConformanceTest,
                         ::testing::Values(TracedFlows()),
                         flow::testing::ConformanceName);

class TraceTest : public ::testing::Test {
 protected:
  // What was done, without the times.
  std::vector<std::string> Whats() const {
    std::vector<std::string> whats;
    for (const TraceEvent& event : events_) whats.push_back(event.What());
    return whats;
  }

  Pipe pipe_ = MakePipe();
  std::vector<TraceEvent> events_;
  std::unique_ptr<Flow> flow_ = MaybeStarts(
      TraceFlow(std::move(pipe_.left),
                [this](const TraceEvent& event) { events_.push_back(event); },
                {/*max_data=*/4}));
};

TEST_F(TraceTest, AConversationIsToldInOrder) {
  EXPECT_THAT(pipe_.right->Write("hello"), IsOk());
  EXPECT_THAT(flow_->Read(1), IsOk());
  char space[10];
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)), IsOk());
  EXPECT_THAT(flow_->Write(""), IsOk());
  EXPECT_THAT(flow_->Writev({"de", "f"}), IsOk());
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe_.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow_->Read(), IsOk());
  EXPECT_THAT(flow_->Close(Patience()), IsOk());
  EXPECT_THAT(Whats(),
              ElementsAre("read 1 byte", "read 4 bytes", "write 3 bytes",
                          "shutdown write", "end-of-file", "close"));
}

TEST_F(TraceTest, AnEventHasTheFirstBytesThatPassed) {
  EXPECT_THAT(pipe_.right->Write("hello"), IsOk());
  EXPECT_THAT(flow_->Read(), IsOk());
  EXPECT_THAT(flow_->Write(absl::Cord("abc")), IsOk());
  EXPECT_THAT(flow_->Writev({"de", absl::Cord("fgh")}), IsOk());
  ASSERT_EQ(events_.size(), 3);
  EXPECT_EQ(events_[0].data, "hell");
  EXPECT_EQ(events_[1].data, "abc");
  EXPECT_EQ(events_[2].data, "defg");
}

TEST_F(TraceTest, AnErrorSaysHowMuchPassed) {
  EXPECT_THAT(pipe_.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow_->Write("abc"), IsClosed());
  ASSERT_EQ(events_.size(), 1);
  EXPECT_EQ(events_[0].operation, Operation::kWrite);
  EXPECT_THAT(events_[0].status, IsClosed());
  EXPECT_EQ(events_[0].requested, 3);
  EXPECT_EQ(events_[0].size, 0);
  EXPECT_EQ(events_[0].data, "");
  EXPECT_EQ(events_[0].What(), "write 0 of 3 bytes");
}

TEST_F(TraceTest, AnAbortIsToldWithItsReason) {
  flow_->Abort(absl::UnavailableError("enough"));
  ASSERT_EQ(events_.size(), 1);
  EXPECT_EQ(events_[0].What(), "abort");
  EXPECT_THAT(events_[0].status,
              StatusIs(absl::StatusCode::kUnavailable, "enough"));
}

// --- Started calls

template <typename Operation>
struct Started final : Operation {
  void Done() override { ++done; }
  int done = 0;
};

class StartedTraceTest : public ::testing::Test {
 protected:
  StartedTraceTest() {
    flow_->SetEngine(&engine_);
    remote().SetReadDeadline(absl::InfinitePast());
  }

  Flow& remote() { return *pipe_.right; }

  flow::testing::ManualEngine engine_;
  Pipe pipe_ = MakePipe(/*capacity=*/0);
  std::vector<std::string> events_;
  std::unique_ptr<Flow> flow_ =
      TraceFlow(std::move(pipe_.left),
                [this](const TraceEvent& event) {
                  const std::string line = event.ToString();
                  events_.push_back(line.substr(0, line.rfind(',')));
                },
                {/*max_data=*/4});
  Started<Flow::ReadOperation> read_;
  Started<Flow::WriteOperation> write_;
  Started<Flow::CloseOperation> close_;
};

TEST_F(StartedTraceTest, ACallIsOneEventHoweverOftenItIsTried) {
  write_.rest = absl::Cord("abcdef");
  ASSERT_FALSE(flow_->StartRead(&read_));
  ASSERT_FALSE(flow_->StartWrite(&write_));
  EXPECT_THAT(remote().Read(2), flow::testing::HoldsData("ab"));
  for (int i = 1; i <= 2; ++i) {
    flow_->SetReadDeadline(absl::Now() + i * absl::Hours(1));
    engine_.RunAll();
  }
  EXPECT_THAT(events_, ElementsAre());
  EXPECT_THAT(remote().Read(), flow::testing::HoldsData("cdef"));
  EXPECT_THAT(remote().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(read_.done, 1);
  EXPECT_EQ(write_.done, 1);
  EXPECT_THAT(events_, ::testing::UnorderedElementsAre(
                           R"(write 6 bytes "abcd"...)", "end-of-file"));
  events_.clear();
  ASSERT_TRUE(flow_->StartClose(&close_, absl::InfiniteFuture()));
  EXPECT_THAT(events_, ElementsAre("shutdown write", "close"));
}

TEST_F(StartedTraceTest, ALateCallSaysHowMuchPassed) {
  write_.rest = absl::Cord("abcdef");
  ASSERT_FALSE(flow_->StartRead(&read_));
  ASSERT_FALSE(flow_->StartWrite(&write_));
  EXPECT_THAT(remote().Read(2), flow::testing::HoldsData("ab"));
  flow_->SetReadDeadline(absl::InfinitePast());
  flow_->SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(write_.rest, "cdef");
  ASSERT_EQ(events_.size(), 2);
  EXPECT_THAT(events_,
              ::testing::UnorderedElementsAre(
                  ::testing::StartsWith("read: DEADLINE_EXCEEDED"),
                  ::testing::StartsWith(
                      R"(write 2 of 6 bytes "ab": DEADLINE_EXCEEDED)")));
}

TEST_F(StartedTraceTest, AnEndThatIsLateIsNone) {
  auto hook = std::make_unique<HookFlow>();
  absl::Notification aborted;
  hook->hooks.end_write = [&](absl::Time) {
    aborted.WaitForNotification();
    return absl::OkStatus();
  };
  hook->hooks.abort = [&] { aborted.Notify(); };
  const auto flow = TraceFlow(std::move(hook), [this](const TraceEvent& event) {
    events_.push_back(event.What());
  });
  flow->SetEngine(&engine_);
  ASSERT_TRUE(flow->StartClose(&close_, absl::InfinitePast()));
  EXPECT_THAT(close_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(events_, ElementsAre("abort", "close"));
}

// What interrupts a call can make it return anything.
TEST(TracedAbortTest, IsToldBeforeWhatItEnds) {
  std::vector<std::string> order;
  auto traced = std::make_unique<HookFlow>();
  traced->hooks.abort = [&] { order.push_back("aborted"); };
  const auto flow = TraceFlow(std::move(traced), [&](const TraceEvent& event) {
    order.push_back(event.What());
  });
  flow->Abort(absl::DataLossError("no"));
  EXPECT_THAT(order, ElementsAre("abort", "aborted"));
}

TEST(TracedEndTest, IsToldOnceWhenItWasSent) {
  std::vector<std::string> events;
  auto traced = std::make_unique<HookFlow>();
  int tries = 0;
  traced->hooks.in_transit = [&] { return 3 - tries; };
  traced->hooks.end_write = [&](absl::Time) -> absl::Status {
    if (++tries < 3) return absl::DeadlineExceededError("flushing");
    return absl::OkStatus();
  };
  const auto flow = TraceFlow(std::move(traced), [&](const TraceEvent& event) {
    events.push_back(event.What());
  });
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->PatientClose(absl::Hours(1)), IsOk());
  EXPECT_THAT(events, ElementsAre("shutdown read", "shutdown write", "close"));
}

TEST(TracedAbortTest, AReadThatItEndsIsNoEndOfFile) {
  std::unique_ptr<Flow> flow;
  std::vector<TraceEvent> events;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    flow->Abort(absl::UnavailableError("enough"));
    return absl::Cord("too late");
  });
  flow = TraceFlow(MakeFunctionFlow(std::move(options)),
                   [&](const TraceEvent& event) { events.push_back(event); });
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_GE(events.size(), 2);
  EXPECT_EQ(events[0].What(), "abort");
  EXPECT_EQ(events[1].What(), "read");
  EXPECT_EQ(events[1].size, 0);
  EXPECT_THAT(events[1].status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST(TraceEventTest, ALineIsPrintable) {
  TraceEvent event;
  event.operation = Operation::kRead;
  event.size = 5;
  event.data = "a\nb\x1b";
  event.duration = absl::Nanoseconds(1500999);
  EXPECT_EQ(event.ToString(), R"(read 5 bytes "a\nb\x1b"..., 1.5ms)");
  event.data = "abcde";
  EXPECT_EQ(event.ToString(), R"(read 5 bytes "abcde", 1.5ms)") << "it is all";
  event = TraceEvent();
  event.operation = Operation::kClose;
  event.status = absl::UnavailableError("gone\n");
  EXPECT_EQ(event.ToString(), R"(close: UNAVAILABLE: gone\n, 0)");
}

TEST(TraceToTest, WritesALineForEachEvent) {
  std::ostringstream out;
  Pipe pipe = MakePipe();
  auto flow = TraceFlow(std::move(pipe.left), TraceTo(out, "a\tname"));
  EXPECT_THAT(flow->Write("abc"), IsOk());
  flow->Abort(absl::AbortedError("enough"));
  flow = nullptr;
  EXPECT_THAT(out.str(),
              ::testing::MatchesRegex("a\\\\tname: write 3 bytes, [^\n]*\n"
                                      "a\\\\tname: abort: ABORTED: enough, "
                                      "[^\n]*\n"
                                      "a\\\\tname: close[^\n]*\n"));
}

// The events are an account of what passed, whatever fails.
TEST(TraceFaultTest, TheSizesAddUpAtEveryFaultPoint) {
  constexpr size_t kSize = 100;
  flow::testing::ForEachFaultPoint([](FaultPlan& plan) {
    Pipe pipe = MakePipe();
    EXPECT_THAT(pipe.right->Write(Pattern(0, kSize)), IsOk());
    EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
    int64_t read = 0;
    int64_t written = 0;
    Operation last = Operation::kRead;
    auto flow =
        MaybeStarts(TraceFlow(plan.Wrap(std::move(pipe.left), /*max_read=*/40),
                              [&](const TraceEvent& event) {
                                const auto size =
                                    static_cast<int64_t>(event.size);
                                last = event.operation;
                                if (last == Operation::kRead) read += size;
                                if (last == Operation::kWrite) written += size;
                              }));
    const absl::Status status = Copy(*flow, *flow).status;
    EXPECT_EQ(status.ok(), !plan.fired());
    EXPECT_EQ(read, flow->bytes_read());
    EXPECT_EQ(written, flow->bytes_written());
    flow->Close(Patience()).IgnoreError();
    EXPECT_EQ(last, Operation::kClose);
    absl::Cord copy;
    ReadAll(*pipe.right, kSize, &copy).IgnoreError();
    EXPECT_EQ(copy, Pattern(0, written));
  });
}

}  // namespace
}  // namespace flow
