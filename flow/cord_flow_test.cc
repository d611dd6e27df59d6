// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cord_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::HoldsData;
using ::flow::testing::IsEof;
using ::testing::HasSubstr;

TEST(InputCordTest, IsOneReadThenEndOfFile) {
  auto flow = MakeInputFlow(InputCord(absl::Cord("abc")));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("abc"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(MakeInputFlow(InputCord(absl::Cord()))->Read(), IsEof());
}

TEST(InputCordsTest, GivesOneReadForEachThatIsNotEmpty) {
  auto flow = MakeInputFlow(InputCords(
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

TEST(InputRepeatedTest, RepeatsThePatternUpToTheLimit) {
  auto flow = MakeInputFlow(InputRepeated(absl::Cord("abc"), 8));
  EXPECT_THAT(flow->Read(2), HoldsData("ab"));
  EXPECT_THAT(ReadAll(*flow, 100), HoldsData("cabcab"));
  EXPECT_THAT(MakeInputFlow(InputRepeated(absl::Cord("abc"), 0))->Read(),
              IsEof());
  EXPECT_THAT(MakeInputFlow(InputRepeated(absl::Cord("abc"), -1))->Read(),
              IsEof());
}

TEST(InputRepeatedTest, KeepsItsPlaceWhereABlockEnds) {
  auto flow = MakeInputFlow(InputRepeated(absl::Cord("abc"), 200000));
  const absl::StatusOr<absl::Cord> all = ReadAll(*flow, 200000);
  ASSERT_THAT(all, IsOk());
  ASSERT_EQ(all->size(), 200000u);
  size_t at = 0;
  for (const char c : all->Chars()) ASSERT_EQ(c, "abc"[at++ % 3]);
}

TEST(InputRepeatedTest, RepeatsOneByteAsOftenAsCanBeAsked) {
  EXPECT_THAT(MakeInputFlow(InputRepeated(absl::Cord("x")))->Read(3),
              HoldsData("xxx"));
}

TEST(InputRepeatedTest, SharesOneBlock) {
  auto flow = MakeInputFlow(InputRepeated(absl::Cord("ab")));
  const absl::StatusOr<absl::Cord> first = flow->Read();
  const absl::StatusOr<absl::Cord> second = flow->Read();
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->size(), size_t{64} << 10);
  EXPECT_EQ(CopiedBytes(*first, *second), 0u);
  const absl::Cord large(std::string(100000, 'x'));
  const absl::StatusOr<absl::Cord> whole =
      MakeInputFlow(InputRepeated(large))->Read();
  ASSERT_THAT(whole, HoldsData(large));
  EXPECT_EQ(CopiedBytes(large, *whole), 0u);
}

TEST(InputRepeatedTest, ASmallPartHoldsNoBlockInMemory) {
  auto flow = MakeInputFlow(InputRepeated(absl::Cord("ab")));
  const absl::StatusOr<absl::Cord> part = flow->Read(100);
  ASSERT_THAT(part, IsOk());
  EXPECT_LT(part->EstimatedMemoryUsage(), 1000u);
}

TEST(OutputDiscardedTest, TakesAndCountsEverything) {
  auto flow = MakeOutputFlow(OutputDiscarded());
  EXPECT_THAT(flow->Write("abc"), IsOk());
  const absl::Cord large(std::string(100000, 'x'));
  const testing::AllocationCounter allocations;
  EXPECT_THAT(flow->Write(large), IsOk());
  EXPECT_LT(allocations.bytes(), 1000);
  EXPECT_EQ(flow->bytes_written(), 100003);
  EXPECT_THAT(flow->Close(), IsOk());
}

TEST(OutputCordDeathTest, NullEndsTheProgramAtOnce) {
  EXPECT_DEATH(OutputCord(nullptr), "OutputCord");
}

}  // namespace
}  // namespace flow
