// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What pipe_state_exhaustive_test cannot see, as there a call that is woken
// goes on at once: other steps come between, since threads take their time.

#include "flow/internal/pipe_state.h"

#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr PipeState::Side kLeft = PipeState::kLeft;
constexpr PipeState::Side kRight = PipeState::kRight;

class PipeStateTest : public ::testing::Test {
 protected:
  std::optional<absl::StatusOr<absl::Cord>> Read(PipeState& state,
                                                 PipeState::Side side,
                                                 size_t max_bytes) {
    absl::Cord data;
    const std::optional<absl::Status> status =
        state.Read(side, max_bytes, &data, &discarded_, &wakes_);
    if (!status.has_value()) return std::nullopt;
    if (!status->ok()) return *status;
    return data;
  }

  PipeState::Wakes wakes_ = 0;
  absl::Cord discarded_;
};

TEST_F(PipeStateTest, AWriteThatAReadHasFinishedIsOkWhateverComesThen) {
  for (bool refuse : {false, true}) {
    PipeState state(0);
    PipeState::Offer offer(absl::Cord("x"), /*copied=*/false);
    EXPECT_EQ(state.Write(kLeft, &offer, &wakes_), std::nullopt);
    EXPECT_THAT(Read(state, kRight, kNoLimit), Optional(IsOkAndHolds("x")));
    EXPECT_EQ(wakes_, PipeState::Writer(kLeft));
    if (refuse) {
      state.Refuse(kRight, &discarded_, &wakes_);
    } else {
      state.Abort(kRight, absl::AbortedError("late"), &discarded_, &wakes_);
    }
    EXPECT_THAT(state.Write(kLeft, &offer, &wakes_), Optional(IsOk()));
  }
}

TEST_F(PipeStateTest, AReadIsWokenOnceAndTakesWhatItWasHanded) {
  PipeState state(0);
  EXPECT_EQ(Read(state, kRight, 8), std::nullopt);
  PipeState::Offer first("1");
  EXPECT_THAT(state.Write(kLeft, &first, &wakes_), Optional(IsOk()));
  EXPECT_EQ(wakes_, PipeState::Reader(kRight));
  wakes_ = 0;
  // Nobody waits now: the Read has what it wanted.
  PipeState::Offer second("2");
  EXPECT_EQ(state.Write(kLeft, &second, &wakes_), std::nullopt);
  EXPECT_EQ(wakes_, 0u);
  state.Stop(PipeState::Writer(kLeft));
  EXPECT_EQ(second.accepted, 0u);
  EXPECT_THAT(Read(state, kRight, 8), Optional(IsOkAndHolds("1")));
}

TEST_F(PipeStateTest, AReadThatWasHandedDataReadsItAlsoIfTheWriterAborts) {
  PipeState state(0);
  EXPECT_EQ(Read(state, kRight, 8), std::nullopt);
  PipeState::Offer offer("x");
  EXPECT_THAT(state.Write(kLeft, &offer, &wakes_), Optional(IsOk()));
  state.Abort(kLeft, absl::DataLossError("lost"), &discarded_, &wakes_);
  EXPECT_THAT(Read(state, kRight, 8), Optional(IsOkAndHolds("x")));
  EXPECT_THAT(Read(state, kRight, 8),
              Optional(StatusIs(absl::StatusCode::kDataLoss)));
}

TEST_F(PipeStateTest, AwaitEndReturnsTheReason) {
  PipeState state(1);
  EXPECT_EQ(state.AwaitEnd(kRight), std::nullopt);
  state.Abort(kLeft, absl::DataLossError("lost"), &discarded_, &wakes_);
  EXPECT_EQ(wakes_, PipeState::Closer(kRight));
  EXPECT_THAT(state.AwaitEnd(kRight),
              Optional(StatusIs(absl::StatusCode::kDataLoss)));
}

TEST_F(PipeStateTest, DataThatDidNotReachTheUserOfAnAbortedEndIsLost) {
  for (bool saw_all : {false, true}) {
    PipeState state(1);
    PipeState::Offer offer("x");
    EXPECT_THAT(state.Write(kLeft, &offer, &wakes_), Optional(IsOk()));
    EXPECT_THAT(state.EndWrite(kLeft, absl::OkStatus(), &wakes_), IsOk());
    EXPECT_THAT(state.EndWrite(kRight, absl::OkStatus(), &wakes_), IsOk());
    EXPECT_THAT(Read(state, kRight, 1), Optional(IsOkAndHolds("x")));
    state.Abort(kRight, absl::DataLossError("lost"), &discarded_, &wakes_);
    state.Leave(kRight, saw_all, &discarded_, &wakes_).IgnoreError();
    EXPECT_EQ(state.Leave(kLeft, true, &discarded_, &wakes_).ok(), saw_all);
  }
}

// pipe_state_exhaustive_test takes states with one text for one state.
TEST_F(PipeStateTest, TextsOfStatesThatDifferDiffer) {
  std::set<std::string> texts;
  PipeState state(1);
  const auto expect_new = [&] {
    EXPECT_TRUE(texts.insert(state.DebugString()).second)
        << state.DebugString();
  };
  expect_new();
  EXPECT_EQ(Read(state, kLeft, 8), std::nullopt);
  expect_new();
  EXPECT_EQ(state.AwaitEnd(kLeft), std::nullopt);
  expect_new();
  EXPECT_EQ(state.AwaitRefusal(kLeft), std::nullopt);
  expect_new();
  PipeState::Offer bytes("abc");
  EXPECT_EQ(state.Write(kLeft, &bytes, &wakes_), std::nullopt);
  expect_new();
  state.Stop(PipeState::Writer(kLeft));
  expect_new();
  PipeState::Offer buffer(absl::Cord("ab"), /*copied=*/false);
  EXPECT_EQ(state.Write(kLeft, &buffer, &wakes_), std::nullopt);
  expect_new();
  state.Refuse(kRight, &discarded_, &wakes_);
  expect_new();
  EXPECT_THAT(state.EndWrite(kRight, absl::OkStatus(), &wakes_), IsOk());
  expect_new();
  state.Abort(kLeft, absl::DataLossError("lost"), &discarded_, &wakes_);
  expect_new();
  EXPECT_THAT(state.DebugString(),
              AllOf(HasSubstr("[ended , queued 0] lost"),
                    HasSubstr("[refused , queued 0, unwanted] ")));
}

// A Read that a Shutdown(kRead) overtook loses its data; that is on purpose.
TEST_F(PipeStateTest, DataThatDidNotReachAUserWhoRefusedItIsNotLost) {
  PipeState state(1);
  PipeState::Offer offer("x");
  EXPECT_THAT(state.Write(kLeft, &offer, &wakes_), Optional(IsOk()));
  EXPECT_THAT(state.EndWrite(kLeft, absl::OkStatus(), &wakes_), IsOk());
  EXPECT_THAT(state.EndWrite(kRight, absl::OkStatus(), &wakes_), IsOk());
  EXPECT_THAT(Read(state, kRight, 1), Optional(IsOkAndHolds("x")));
  state.Refuse(kRight, &discarded_, &wakes_);
  state.Abort(kRight, absl::DataLossError("gone"), &discarded_, &wakes_);
  state.Leave(kRight, /*saw_all=*/false, &discarded_, &wakes_).IgnoreError();
  EXPECT_THAT(state.Leave(kLeft, true, &discarded_, &wakes_), IsOk());
}

}  // namespace
}  // namespace flow::internal
