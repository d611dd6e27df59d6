// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/concat.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/string_flow.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/hook_flow.h"
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
using ::flow::testing::CopiedBytes;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::HookTransport;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The left ends of pipes as one flow, and the right ends.
struct Parts {
  explicit Parts(int count) {
    std::vector<std::unique_ptr<Flow>> inputs;
    for (int i = 0; i < count; ++i) {
      Pipe pipe = MakePipe();
      inputs.push_back(std::move(pipe.left));
      remotes.push_back(std::move(pipe.right));
    }
    flow = ConcatInputs(std::move(inputs));
  }

  // Writes `text` to the remote `i`, and ends it.
  void Give(int i, absl::string_view text) {
    ASSERT_THAT(remotes[i]->Write(text), IsOk());
    ASSERT_THAT(remotes[i]->Shutdown(ShutdownMode::kWrite), IsOk());
  }

  std::unique_ptr<Flow> flow;
  std::vector<std::unique_ptr<Flow>> remotes;
};

TEST(ConcatInputsTest, ReadsEachInTurnAndThenEnds) {
  Parts parts(3);
  parts.Give(2, "c");
  parts.Give(0, "aa");
  parts.Give(1, "");
  EXPECT_THAT(ReadAll(*parts.flow, 10), HoldsData("aac"));
  EXPECT_THAT(parts.flow->Read(), IsEof());
  EXPECT_EQ(parts.flow->bytes_read(), 3);
  EXPECT_THAT(parts.flow->Close(), IsOk());
  for (auto& remote : parts.remotes) EXPECT_THAT(remote->Close(), IsOk());
}

TEST(ConcatInputsTest, OfNoneIsAtEndOfFile) {
  EXPECT_THAT(ConcatInputs({})->Read(), IsEof());
}

TEST(ConcatInputsTest, ClosesEachAtItsEndBeforeTheNextIsRead) {
  std::vector<std::string> log;
  std::vector<std::unique_ptr<Flow>> inputs;
  for (const char* name : {"a", "b"}) {
    FunctionFlowOptions options;
    options.input = Input::Buffers(
        [&log, name, calls = 0]() mutable -> absl::StatusOr<absl::Cord> {
          log.push_back(std::string("read ") + name);
          return absl::Cord(calls++ == 0 ? name : "");
        });
    options.close = [&log, name] {
      log.push_back(std::string("close ") + name);
    };
    inputs.push_back(MakeFunctionFlow(std::move(options)));
  }
  auto flow = ConcatInputs(std::move(inputs));
  EXPECT_THAT(ReadAll(*flow, 10), HoldsData("ab"));
  EXPECT_THAT(log, ElementsAre("read a", "read a", "close a", "read b",
                               "read b", "close b"));
}

TEST(ConcatInputsTest, CopiesNothingAndReadsIntoMemoryOfTheCaller) {
  Parts parts(2);
  const absl::Cord data(std::string(100000, 'x'));
  ASSERT_THAT(parts.remotes[0]->Write(data), IsOk());
  ASSERT_THAT(parts.remotes[0]->Shutdown(ShutdownMode::kWrite), IsOk());
  parts.Give(1, "abc");
  const absl::StatusOr<absl::Cord> read = parts.flow->Read();
  ASSERT_THAT(read, HoldsData(data));
  EXPECT_EQ(CopiedBytes(data, *read), 0u);
  char space[10];
  EXPECT_THAT(parts.flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(3));
  EXPECT_THAT(parts.flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
}

TEST(ConcatInputsTest, TakesNoWrites) {
  Parts parts(1);
  EXPECT_THAT(parts.flow->Write("x"), IsClosed());
}

// --- Errors

TEST(ConcatInputsTest, AnErrorStaysAndNoLaterInputIsRead) {
  Parts parts(3);
  parts.Give(0, "a");
  ASSERT_THAT(parts.remotes[1]->Write("b"), IsOk());
  parts.remotes[1]->Abort(absl::DataLossError("no"));
  parts.Give(2, "c");
  EXPECT_THAT(parts.flow->Read(), HoldsData("a"));
  EXPECT_THAT(parts.flow->Read(), HoldsData("b"));
  for (int calls = 0; calls < 2; ++calls) {
    EXPECT_THAT(parts.flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(parts.flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(parts.remotes[0]->Close(), IsOk());
  // It was not read to its end.
  EXPECT_THAT(parts.remotes[2]->Close(), StatusIs(absl::StatusCode::kAborted));
}

TEST(ConcatInputsTest, AnErrorOfClosingAnInputIsTheErrorOfTheWhole) {
  FunctionFlowOptions options;
  options.close = [] { return absl::DataLossError("close"); };
  std::vector<std::unique_ptr<Flow>> inputs;
  inputs.push_back(MakeFunctionFlow(std::move(options)));
  auto flow = ConcatInputs(std::move(inputs));
  EXPECT_THAT(flow->Read(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("close")));
}

TEST(ConcatInputsTest, ReadIntoMeetsTheSameErrors) {
  char space[10];
  const auto closing = [](absl::Status status) {
    FunctionFlowOptions options;
    options.close = [status] { return status; };
    return MakeFunctionFlow(std::move(options));
  };
  std::vector<std::unique_ptr<Flow>> inputs;
  inputs.push_back(closing(absl::DataLossError("close")));
  auto flow = ConcatInputs(std::move(inputs));
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("close")));
  Parts parts(1);
  parts.remotes[0]->Abort(absl::DataLossError("torn"));
  EXPECT_THAT(parts.flow->ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("torn")));
}

// --- What reaches the inputs

TEST(ConcatInputsTest, ADeadlineReachesTheCurrentInputAndLaterOnes) {
  Parts parts(2);
  parts.flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(parts.flow->Read(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  parts.Give(0, "");
  EXPECT_THAT(parts.flow->Read(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  parts.Give(1, "b");
  EXPECT_THAT(parts.flow->Read(), HoldsData("b"));
}

TEST(ConcatInputsTest, AbortWakesAReadAndReachesTheCurrentInputAndLaterOnes) {
  Parts parts(3);
  parts.Give(0, "a");
  std::thread reader([&] {
    EXPECT_THAT(ReadAll(*parts.flow, 10),
                StatusIs(absl::StatusCode::kDataLoss));
  });
  // The first one was closed in good order then.
  EXPECT_THAT(parts.remotes[0]->Close(), IsOk());
  parts.flow->Abort(absl::DataLossError("no"));
  reader.join();
  for (int i : {1, 2}) {
    EXPECT_THAT(parts.remotes[i]->Read(),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(ConcatInputsTest, ARefusalWakesAReadAndReachesTheCurrentAndLaterOnes) {
  Parts parts(2);
  std::thread reader([&] { EXPECT_THAT(parts.flow->Read(), IsEof()); });
  EXPECT_THAT(parts.flow->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  for (int i : {0, 1}) {
    EXPECT_THAT(parts.remotes[i]->Write("x"), IsClosed());
  }
  EXPECT_THAT(parts.flow->Close(), IsOk());
}

TEST(ConcatInputsTest, ARefusedReadLeavesItToCloseToCloseTheInput) {
  for (const bool into : {false, true}) {
    auto input = std::make_unique<HookFlow>();
    HookTransport& hooks = input->hooks;
    std::vector<std::unique_ptr<Flow>> inputs;
    inputs.push_back(std::move(input));
    auto flow = ConcatInputs(std::move(inputs));
    // The refusal comes during the read, and wakes it.
    hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
      EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
      return absl::Cord();
    };
    if (into) {
      char space[10];
      EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
    } else {
      EXPECT_THAT(flow->Read(), IsEof());
    }
    // A Read has no deadline for that.
    EXPECT_THAT(hooks.log(), Not(Contains("free")));
    EXPECT_THAT(flow->Close(), IsOk());
  }
}

// The input has handed it over in good order, and would not know.
TEST(ConcatInputsTest, WhatAReadTookWhenItWasAbortedIsLostToItsInput) {
  auto first = std::make_unique<HookFlow>();
  auto second = std::make_unique<HookFlow>();
  first->hooks.read = [](size_t) { return absl::Cord(); };
  std::vector<std::string> log;
  second->hooks.also_log = [&log](std::string what) { log.push_back(what); };
  std::vector<std::unique_ptr<Flow>> inputs;
  inputs.push_back(std::move(first));
  inputs.push_back(std::move(second));
  auto flow = ConcatInputs(std::move(inputs));
  Flow& aborted = *flow;
  flow = AfterReads(std::move(flow),
                    [&aborted] { aborted.Abort(absl::DataLossError("no")); });
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(log, Contains("lose read"));
}

TEST(ConcatInputsTest, CloseBeforeTheEndRefusesAndClosesTheRest) {
  Parts parts(2);
  ASSERT_THAT(parts.remotes[0]->Write("a"), IsOk());
  EXPECT_THAT(parts.flow->Close(), IsOk());
  for (int i : {0, 1}) {
    EXPECT_THAT(parts.remotes[i]->Write("x"), IsClosed());
    EXPECT_THAT(parts.remotes[i]->Shutdown(ShutdownMode::kWrite), IsClosed());
    EXPECT_THAT(parts.remotes[i]->Read(), IsEof());
  }
}

TEST(ConcatInputsTest, CloseLeavesALenderBehindWhatWasLimited) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("aabbc"), IsOk());
  std::vector<std::unique_ptr<Flow>> inputs;
  inputs.push_back(MakeStringFlow("head", absl::Span<char>()));
  inputs.push_back(ExactInput(BorrowFlow(*pipe.left), 4));
  auto flow = ConcatInputs(std::move(inputs));
  ASSERT_THAT(flow->Read(), HoldsData("head"));
  ASSERT_THAT(flow->Read(2), HoldsData("aa"));
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(pipe.left->Read(), HoldsData("c"));
}

}  // namespace
}  // namespace flow
