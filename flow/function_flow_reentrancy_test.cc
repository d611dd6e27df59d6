// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Functions that call back into their own flow.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::ElementsAre;

TEST(ReentrancyTest, AReadInsideTheInputIsRefusedAndTheOuterOneGoesOn) {
  Flow* self = nullptr;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    EXPECT_THAT(self->Read(), StatusIs(absl::StatusCode::kInvalidArgument));
    return absl::Cord("outer");
  }));
  self = flow.get();
  EXPECT_THAT(flow->Read(), IsOkAndHolds("outer"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("outer"));
}

TEST(ReentrancyTest, AWriteInsideTheOutputIsRefusedAndTheOuterOneGoesOn) {
  Flow* self = nullptr;
  std::string sink;
  auto flow = MakeOutputFlow(Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        EXPECT_THAT(self->Write("x"),
                    StatusIs(absl::StatusCode::kInvalidArgument));
        sink.append(bytes.data(), bytes.size());
        return bytes.size();
      }));
  self = flow.get();
  EXPECT_THAT(flow->Write("abc"), IsOk());
  EXPECT_EQ(sink, "abc");
}

TEST(ReentrancyTest, AnEchoWritesFromInsideTheInput) {
  Flow* self = nullptr;
  std::string sink;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    EXPECT_THAT(self->Write("asked;"), IsOk());
    return absl::Cord("answer");
  });
  options.output = Output::Buffers([&](absl::Cord buffer) -> absl::Status {
    sink += std::string(buffer);
    return absl::OkStatus();
  });
  auto flow = MakeFunctionFlow(std::move(options));
  self = flow.get();
  EXPECT_THAT(flow->Read(), IsOkAndHolds("answer"));
  EXPECT_EQ(sink, "asked;");
}

TEST(ReentrancyTest, CloseInsideAFunctionAbortsAndTheFunctionsReturnRunsClose) {
  Flow* self = nullptr;
  int closes = 0;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    EXPECT_THAT(self->Close(), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(closes, 0);
    return absl::Cord("discarded");
  });
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  self = flow.get();
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(closes, 1);
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ReentrancyTest, SoDoesCloseInsideAnOutput) {
  Flow* self = nullptr;
  int closes = 0;
  FunctionFlowOptions options;
  options.output = Output::Buffers([&](absl::Cord) -> absl::Status {
    EXPECT_THAT(self->Close(), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(closes, 0);
    return absl::OkStatus();
  });
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  self = flow.get();
  EXPECT_THAT(flow->Write("abc"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(flow->bytes_written(), 3);
  EXPECT_EQ(closes, 1);
}

TEST(ReentrancyTest, ShutdownInsideTheOutputEndsAfterThatWrite) {
  Flow* self = nullptr;
  std::vector<std::string> log;
  auto flow = MakeOutputFlow(Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        EXPECT_THAT(self->Shutdown(ShutdownMode::kWrite), IsOk());
        log.emplace_back(bytes.data(), 1);
        return size_t{1};
      },
      [&] {
        log.push_back("end");
        EXPECT_THAT(self->Close(),
                    StatusIs(absl::StatusCode::kInvalidArgument));
        return absl::OkStatus();
      }));
  self = flow.get();
  EXPECT_THAT(flow->Write("abc"), IsOk());
  EXPECT_THAT(log, ElementsAre("a", "b", "c", "end"));
}

TEST(ReentrancyTest, AbortInsideAFunctionIsTheOutcomeOfThatCall) {
  Flow* self = nullptr;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    self->Abort(absl::CancelledError("stop"));
    return absl::Cord("discarded");
  }));
  self = flow.get();
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kCancelled, "stop"));
  EXPECT_EQ(flow->bytes_read(), 0);
}

}  // namespace
}  // namespace flow
