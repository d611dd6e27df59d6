// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls that a Flow lets begin, and that come to their transport after an
// abort, a refusal or Close(). transport.h: they must return at once.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::BeforeCalls;
using ::flow::testing::Blocker;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::HookTransport;
using ::flow::testing::IsClosed;

// Reads by one of both calls. Returns what was read.
absl::StatusOr<std::string> ReadOf(Flow& flow, bool into) {
  if (!into) {
    absl::StatusOr<absl::Cord> data = flow.Read();
    if (!data.ok()) return data.status();
    return std::string(*data);
  }
  char space[10];
  const absl::StatusOr<size_t> size = flow.ReadInto(absl::MakeSpan(space));
  if (!size.ok()) return size.status();
  return std::string(space, *size);
}

// Returns `flow`, which is aborted after it has let a call begin.
std::unique_ptr<Flow> AbortedMeanwhile(std::unique_ptr<Flow> flow) {
  Flow& aborted = *flow;
  const auto abort = [&aborted] { aborted.Abort(absl::DataLossError("no")); };
  return BeforeCalls(std::move(flow), abort, abort);
}

// --- Function flows

TEST(LateCallTest, AReadThatComesAfterAnAbortCallsNoInput) {
  int calls = 0;
  const std::function<Input()> kInputs[] = {
      [&] {
        return Input::Bytes([&](absl::Span<char>) -> absl::StatusOr<size_t> {
          ++calls;
          return size_t{1};
        });
      },
      [&] {
        return Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
          ++calls;
          return absl::Cord("x");
        });
      }};
  for (const auto& input : kInputs) {
    for (const bool into : {false, true}) {
      const auto flow = AbortedMeanwhile(MakeInputFlow(input()));
      EXPECT_THAT(ReadOf(*flow, into), StatusIs(absl::StatusCode::kDataLoss));
    }
  }
  EXPECT_EQ(calls, 0);
}

TEST(LateCallTest, AWriteOrAnEndThatComesAfterAnAbortCallsNoOutput) {
  int calls = 0;
  const auto end = [&] { ++calls; };
  const std::function<Output()> kOutputs[] = {
      [&] {
        return Output::Bytes(
            [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
              ++calls;
              return bytes.size();
            },
            end);
      },
      [&] {
        return Output::Buffers(
            [&](absl::Cord) -> absl::Status {
              ++calls;
              return absl::OkStatus();
            },
            end);
      }};
  const std::function<absl::Status(Flow&)> kCalls[] = {
      [](Flow& flow) { return flow.Write("borrowed"); },
      [](Flow& flow) { return flow.Write(absl::Cord("shared")); },
      [](Flow& flow) { return flow.Writev({"a list of", absl::Cord("both")}); },
      [](Flow& flow) { return flow.Shutdown(ShutdownMode::kWrite); }};
  for (const auto& output : kOutputs) {
    for (const auto& call : kCalls) {
      const auto flow = AbortedMeanwhile(MakeOutputFlow(output()));
      EXPECT_THAT(call(*flow), StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_EQ(flow->bytes_written(), 0);
    }
  }
  EXPECT_EQ(calls, 0);
}

// --- What was lent

TEST(LateCallTest, AReadThatComesAfterARefusalTakesNothingFromALender) {
  using Lent = std::function<std::unique_ptr<Flow>(Flow&)>;
  const Lent kLent[] = {
      [](Flow& lender) { return BorrowFlow(lender); },
      [](Flow& lender) { return LimitInput(BorrowFlow(lender), 10); }};
  for (const Lent& lent : kLent) {
    for (const bool into : {false, true}) {
      HookFlow lender;
      int reads = 0;
      lender.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
        ++reads;
        return absl::Cord("x");
      };
      auto flow = lent(lender);
      Flow& refused = *flow;
      flow = BeforeCalls(std::move(flow), [&refused] {
        EXPECT_THAT(refused.Shutdown(ShutdownMode::kRead), IsOk());
      });
      EXPECT_THAT(ReadOf(*flow, into), IsOkAndHolds(""));
      EXPECT_EQ(reads, 0);
      EXPECT_THAT(flow->Close(), IsOk());
    }
  }
}

// Close() has no reader to wait for, so both are told; see limit.h.
TEST(LateCallTest,
     AReadThatComesWhileCloseSkipsAPartTakesNothingOfWhatFollows) {
  for (const bool into : {false, true}) {
    Pipe pipe = MakePipe();
    Blocker blocker;
    auto part = BeforeCalls(ExactInput(BorrowFlow(*pipe.left), 4),
                            [&] { blocker.Block(); });
    ASSERT_THAT(pipe.right->Write("partwhat follows"), IsOk());
    std::thread reader([&] { EXPECT_THAT(ReadOf(*part, into), IsClosed()); });
    blocker.WaitUntilEntered();
    std::thread closer([&] { EXPECT_THAT(part->Close(), IsClosed()); });
    while (pipe.left->bytes_read() < 4) std::this_thread::yield();
    blocker.Leave();
    reader.join();
    closer.join();
    EXPECT_THAT(pipe.left->Read(), HoldsData("what follows"));
  }
}

// transport.h promises one refusal to the transport underneath.
TEST(LateCallTest, AReadAtALimitThatComesAfterARefusalRefusesNothingAgain) {
  for (const bool into : {false, true}) {
    auto hook_flow = std::make_unique<HookFlow>();
    const HookTransport& hooks = hook_flow->hooks;
    auto flow = LimitInput(std::move(hook_flow), 0);
    Flow& refused = *flow;
    flow = BeforeCalls(std::move(flow), [&refused] {
      EXPECT_THAT(refused.Shutdown(ShutdownMode::kRead), IsOk());
    });
    EXPECT_THAT(ReadOf(*flow, into), IsOkAndHolds(""));
    EXPECT_EQ(absl::c_count(hooks.log(), "refuse read"), 1);
  }
}

}  // namespace
}  // namespace flow
