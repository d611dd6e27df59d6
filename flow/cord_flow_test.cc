// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cord_flow.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/matchers.h"
#include "flow/testing/one_way_flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FromInput;
using ::flow::testing::IsEof;
using ::testing::HasSubstr;

TEST(InputCordTest, IsOneReadThenEndOfFile) {
  auto flow = FromInput(InputCord(absl::Cord("abc")));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("abc"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(FromInput(InputCord(absl::Cord()))->Read(), IsEof());
}

TEST(InputCordsTest, GivesOneReadForEachThatIsNotEmpty) {
  auto flow = FromInput(InputCords(
      {absl::Cord(), absl::Cord("ab"), absl::Cord(), absl::Cord("c")}));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("ab"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("c"));
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(MakeCordFlowTest, AppendsWhatIsWritten) {
  absl::Cord out("already here, ");
  auto flow = MakeCordFlow(absl::Cord("in"), &out);
  EXPECT_THAT(flow->Read(), IsOkAndHolds("in"));
  EXPECT_THAT(flow->Write("one "), IsOk());
  EXPECT_THAT(flow->Writev({absl::Cord("two "), absl::Cord("three")}), IsOk());
  EXPECT_EQ(out, "already here, one two three");
}

TEST(OutputCordTest, MayBeTheSourceOfTheWrite) {
  absl::Cord cord("hello");
  auto flow = MakeCordFlow(absl::Cord(), &cord);
  EXPECT_THAT(flow->WriteFrom(&cord), IsOk());
  EXPECT_EQ(cord, "hello");
  EXPECT_EQ(flow->bytes_written(), 5);
}

TEST(OutputCordDeathTest, NullEndsTheProgramAtOnce) {
  EXPECT_DEATH(OutputCord(nullptr), "OutputCord");
}

TEST(ReadAllTest, ReturnsEverythingUpToEndOfFile) {
  auto flow = FromInput(InputCords({absl::Cord("ab"), absl::Cord("cd")}));
  EXPECT_THAT(ReadAll(*flow, kNoLimit), IsOkAndHolds("abcd"));
  EXPECT_THAT(ReadAll(*flow, kNoLimit), IsEof());
}

TEST(ReadAllTest, ExactlyTheLimitIsFineAndOneByteMoreIsNot) {
  auto fits = FromInput(InputCords({absl::Cord("ab"), absl::Cord("cd")}));
  EXPECT_THAT(ReadAll(*fits, 4), IsOkAndHolds("abcd"));
  auto exceeds = FromInput(InputCords({absl::Cord("ab"), absl::Cord("cde")}));
  EXPECT_THAT(ReadAll(*exceeds, 4),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("limit of 4 bytes")));
  auto empty = FromInput(InputCord(absl::Cord()));
  EXPECT_THAT(ReadAll(*empty, 0), IsEof());
}

TEST(ReadAllTest, AnErrorIsNeverAShorterResult) {
  int calls = 0;
  auto flow = FromInput(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    if (++calls == 1) return absl::Cord("half");
    return absl::UnavailableError("reset");
  }));
  EXPECT_THAT(ReadAll(*flow, kNoLimit),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace flow
