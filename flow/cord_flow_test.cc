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
#include "flow/testing/internal/one_way_flow.h"
#include "flow/testing/matchers.h"
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

}  // namespace
}  // namespace flow
