// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/transport_control.h"

#include <cstddef>
#include <memory>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/conformance.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::HookTransport;
using ::flow::testing::Patience;
using ::testing::HasSubstr;

std::unique_ptr<Flow> Controlled(std::unique_ptr<Flow> flow,
                                 std::shared_ptr<TransportControl> control) {
  return DecorateFlow(std::move(flow),
                      [&](std::unique_ptr<Transport> transport) {
                        return Control(std::move(transport), control);
                      });
}

flow::testing::FlowPair ControlledPair(size_t capacity) {
  Pipe pipe = MakePipe(capacity);
  return {
      Controlled(std::move(pipe.left), std::make_shared<TransportControl>()),
      std::move(pipe.right)};
}

flow::testing::ConformanceOptions ControlledFlows() {
  flow::testing::ConformanceOptions options;
  options.name = "controlled";
  options.make_pair = [] { return ControlledPair(256 << 10); };
  options.make_full = [] { return ControlledPair(4096); };
  return options;
}

INSTANTIATE_TEST_SUITE_P(ControlledFlow, FlowConformanceTest,
                         ::testing::Values(ControlledFlows()),
                         flow::testing::ConformanceName);

class TransportControlTest : public ::testing::Test {
 protected:
  TransportControlTest() {
    Pipe pipe = MakePipe();
    flow_ = Controlled(std::move(pipe.left), control_);
    remote_ = std::move(pipe.right);
  }

  const std::shared_ptr<TransportControl> control_ =
      std::make_shared<TransportControl>();
  std::unique_ptr<Flow> flow_;
  std::unique_ptr<Flow> remote_;
};

TEST_F(TransportControlTest, ReadsAreInterruptedOnlyWhereTheyMayBe) {
  control_->Interrupt();
  EXPECT_TRUE(control_->interrupted());
  EXPECT_THAT(remote_->Write("ab"), IsOk());
  EXPECT_THAT(flow_->Read(1), HoldsData("a"));
  control_->SetInterruptible(true);
  EXPECT_THAT(flow_->Read(), HoldsData("b")) << "it need not wait";
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  control_->SetInterruptible(false);
  std::thread writer([&] { EXPECT_THAT(remote_->Write("c"), IsOk()); });
  EXPECT_THAT(flow_->Read(), HoldsData("c")) << "it waits again";
  writer.join();
}

TEST_F(TransportControlTest, AnInterruptionWakesAndTheDeadlineStays) {
  flow_->SetReadDeadline(Patience());
  control_->SetInterruptible(true);
  std::thread interrupter([&] { control_->Interrupt(); });
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  interrupter.join();
  flow_->SetReadDeadline(absl::InfiniteFuture());
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow_->SetReadDeadline(absl::InfinitePast());
  control_->SetInterruptible(false);
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(TransportControlTest, WithoutAnInterruptionTheDeadlineCounts) {
  control_->SetInterruptible(true);
  flow_->SetReadDeadline(Patience());
  std::thread writer([&] { EXPECT_THAT(remote_->Write("a"), IsOk()); });
  EXPECT_THAT(flow_->Read(), HoldsData("a"));
  writer.join();
}

TEST_F(TransportControlTest, EachCallAfterAnAbortGetsTheReason) {
  EXPECT_THAT(remote_->Write("unread"), IsOk());
  EXPECT_FALSE(control_->aborted());
  control_->Abort(absl::UnavailableError("over"));
  control_->Abort(absl::UnavailableError("again"));
  EXPECT_TRUE(control_->aborted());
  const auto is_over =
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("over"));
  EXPECT_THAT(flow_->Read(), is_over);
  char space[4];
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space)), is_over);
  EXPECT_THAT(flow_->Write("x"), is_over);
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kWrite), is_over);
  EXPECT_THAT(flow_->Close(), is_over);
  EXPECT_THAT(remote_->Read(), is_over);
}

// Of a flow whose own calls have not failed yet.
TEST(TransportControlReadTest, AReadIntoAfterAnAbortTakesNothing) {
  const auto control = std::make_shared<TransportControl>();
  auto hook = std::make_unique<HookFlow>();
  hook->hooks.read = [](size_t) -> absl::StatusOr<absl::Cord> {
    ADD_FAILURE() << "it reads";
    return absl::Cord();
  };
  const auto flow = Controlled(std::move(hook), control);
  control->Abort(absl::UnavailableError("over"));
  char space[10];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("over")));
}

TEST(TransportControlReadTest, WhatAReadTookWhenItIsAbortedIsLost) {
  const absl::StatusOr<absl::Cord> kOutcomes[] = {
      absl::Cord("data"), absl::Cord(), absl::DataLossError("no data")};
  for (const bool into : {false, true}) {
    for (const absl::StatusOr<absl::Cord>& outcome : kOutcomes) {
      const auto control = std::make_shared<TransportControl>();
      auto hook = std::make_unique<HookFlow>();
      HookTransport& hooks = hook->hooks;
      const auto flow = Controlled(std::move(hook), control);
      hooks.read = [&](size_t) {
        control->Abort(absl::UnavailableError("over"));
        return outcome;
      };
      char space[10];
      EXPECT_THAT(into ? flow->ReadInto(absl::MakeSpan(space)).status()
                       : flow->Read().status(),
                  StatusIs(absl::StatusCode::kUnavailable));
      const bool took = outcome.ok() && !outcome->empty();
      EXPECT_EQ(absl::c_linear_search(hooks.log(), "lose read"), took);
    }
  }
}

TEST_F(TransportControlTest, AWaitForARefusalGetsTheReason) {
  std::thread aborter([&] { control_->Abort(absl::UnavailableError("over")); });
  EXPECT_THAT(flow_->AwaitRefusal(Patience()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("over")));
  aborter.join();
}

// The Flow waits by itself then, and does not know of the control's abort.
TEST(TransportControlRefusalTest, SoDoesOneThatTheTransportCannotTell) {
  const auto control = std::make_shared<TransportControl>();
  const auto flow =
      Controlled(std::make_unique<flow::testing::HookFlow>(), control);
  EXPECT_THAT(flow->AwaitRefusal(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::thread aborter([&] { control->Abort(absl::UnavailableError("over")); });
  EXPECT_THAT(flow->AwaitRefusal(Patience()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("over")));
  aborter.join();
}

TEST(TransportControlRefusalTest, TheOwnEndOfTheFlowEndsThatToo) {
  for (const bool aborts : {false, true}) {
    const auto flow = Controlled(std::make_unique<flow::testing::HookFlow>(),
                                 std::make_shared<TransportControl>());
    std::thread ender([&] {
      if (aborts) flow->Abort(absl::DataLossError("mine"));
      flow->Shutdown(ShutdownMode::kWrite).IgnoreError();
    });
    const absl::Status status = flow->AwaitRefusal(Patience());
    ender.join();
    if (aborts) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
    } else {
      EXPECT_TRUE(IsClosed(status)) << status;
    }
  }
}

TEST_F(TransportControlTest, NoCleanEndComesAfterAnAbort) {
  EXPECT_THAT(flow_->Write("half a message"), IsOk());
  control_->Abort(absl::UnavailableError("over"));
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(remote_->Read(), HoldsData("half a message"));
  EXPECT_THAT(remote_->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(TransportControlTest, AnAbortCutsUnlessTheWritesHaveEnded) {
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_FALSE(control_->cut());
  control_->Abort(absl::UnavailableError("over"));
  EXPECT_TRUE(control_->cut());
}

TEST_F(TransportControlTest, AnAbortAfterTheEndOfTheWritesCutsNothing) {
  EXPECT_THAT(flow_->Shutdown(ShutdownMode::kWrite), IsOk());
  control_->Abort(absl::UnavailableError("over"));
  EXPECT_TRUE(control_->aborted());
  EXPECT_FALSE(control_->cut());
}

TEST_F(TransportControlTest, AnEndThatComesAfterTheAbortUndoesNoCut) {
  control_->Abort(absl::UnavailableError("over"));
  flow_->Shutdown(ShutdownMode::kWrite).IgnoreError();
  EXPECT_TRUE(control_->cut());
}

TEST_F(TransportControlTest, AFlowThatIsGoneIsNotTouched) {
  flow_->Abort(absl::AbortedError("by itself"));
  control_->Abort(absl::UnavailableError("over"));
  EXPECT_THAT(remote_->Read(), StatusIs(absl::StatusCode::kAborted));
  flow_ = nullptr;
  control_->Abort(absl::UnavailableError("over"));
  control_->Interrupt();
  control_->SetInterruptible(true);
  EXPECT_FALSE(control_->aborted());
}

TEST_F(TransportControlTest, AReasonThatStaysIsNoDeadline) {
  control_->Abort(absl::DeadlineExceededError("the grace is over"));
  EXPECT_THAT(flow_->Read(), StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace flow::internal
