// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsEof;
using ::testing::HasSubstr;

// "half", then an error.
Input Breaks() {
  return Input::Buffers([calls = 0]() mutable -> absl::StatusOr<absl::Cord> {
    if (++calls == 1) return absl::Cord("half");
    return absl::UnavailableError("reset");
  });
}

TEST(ReadAllTest, ReturnsEverythingUpToEndOfFile) {
  auto flow = MakeInputFlow(InputCords({absl::Cord("ab"), absl::Cord("cd")}));
  EXPECT_THAT(ReadAll(*flow, kNoLimit), IsOkAndHolds("abcd"));
  EXPECT_THAT(ReadAll(*flow, kNoLimit), IsEof());
}

TEST(ReadAllTest, ExactlyTheLimitIsFineAndOneByteMoreIsNot) {
  auto fits = MakeInputFlow(InputCords({absl::Cord("ab"), absl::Cord("cd")}));
  EXPECT_THAT(ReadAll(*fits, 4), IsOkAndHolds("abcd"));
  auto exceeds =
      MakeInputFlow(InputCords({absl::Cord("ab"), absl::Cord("cde")}));
  EXPECT_THAT(ReadAll(*exceeds, 4),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("limit of 4 bytes")));
  auto empty = MakeInputFlow(InputCord(absl::Cord()));
  EXPECT_THAT(ReadAll(*empty, 0), IsEof());
}

TEST(ReadAllTest, AnErrorIsNeverAShorterResult) {
  auto flow = MakeInputFlow(Breaks());
  EXPECT_THAT(ReadAll(*flow, kNoLimit),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ReadAllTest, AppendsToWhatIsThere) {
  auto flow = MakeInputFlow(InputCord(absl::Cord("body")));
  absl::Cord all("header ");
  EXPECT_THAT(ReadAll(*flow, kNoLimit, &all), IsOk());
  EXPECT_EQ(all, "header body");
}

TEST(ReadAllTest, KeepsWhatCameBeforeAnError) {
  auto flow = MakeInputFlow(Breaks());
  absl::Cord all;
  EXPECT_THAT(ReadAll(*flow, kNoLimit, &all),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(all, "half");
}

TEST(ReadAllTest, AtItsLimitNoByteOfTheFlowIsLost) {
  auto flow = MakeInputFlow(InputCord(absl::Cord("abcdef")));
  absl::Cord all;
  EXPECT_THAT(ReadAll(*flow, 3, &all),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(all, "abcd");
  EXPECT_THAT(ReadAll(*flow, 3, &all),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(all, "abcd") << "beyond its limit it reads nothing";
  EXPECT_THAT(ReadAll(*flow, 6, &all), IsOk());
  EXPECT_EQ(all, "abcdef");
}

TEST(ReadAllTest, GoesOnAfterADeadline) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.left->Write("one "), IsOk());
  pipe.right->SetReadDeadline(absl::InfinitePast());
  absl::Cord all;
  EXPECT_THAT(ReadAll(*pipe.right, kNoLimit, &all),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(all, "one ");
  EXPECT_THAT(pipe.left->Write("two"), IsOk());
  EXPECT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ReadAll(*pipe.right, kNoLimit, &all), IsOk());
  EXPECT_EQ(all, "one two");
}

}  // namespace
}  // namespace flow
