// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The adapters for Cstructs. The tests named Original repeat what the tests of
// the original project (MirageOS) observe.

#include "flow/cstruct_flow.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/cstruct.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;

constexpr size_t kLarge = 4096;  // worth sharing

std::vector<Cstruct> Cstructs(const std::vector<std::string>& contents) {
  std::vector<Cstruct> result;
  for (const std::string& bytes : contents) {
    result.push_back(Cstruct::CopyOf(bytes));
  }
  return result;
}

TEST(OriginalTest, ACstructIsReadWholeThenEndOfFileAndAWriteIsClosed) {
  auto flow = MakeCstructFlow(Cstruct::CopyOf("xxxxxxxxxx"), Cstruct());
  EXPECT_THAT(flow->Read(), IsOkAndHolds("xxxxxxxxxx"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("y"), IsClosed());
}

TEST(OriginalTest, ThreeWritesIntoTenBytesTheThirdClosed) {
  const Cstruct memory = Cstruct::Create(10);
  auto flow = MakeCstructFlow(Cstruct(), memory);
  EXPECT_THAT(flow->Write("hell"), IsOk());
  EXPECT_THAT(flow->Write("o! "), IsOk());
  EXPECT_THAT(flow->Write("world"), IsClosed());
  EXPECT_EQ(memory.ToString(), "hello! wor");
  EXPECT_EQ(flow->bytes_written(), 10);
}

TEST(CstructFlowTest, OneCstructIsAnInputOrAnOutputOfAFunctionFlow) {
  const auto source = MakeInputFlow(InputCstruct(Cstruct::CopyOf("frame")));
  EXPECT_THAT(source->Read(), IsOkAndHolds("frame"));
  EXPECT_THAT(source->Read(), IsEof());
  const Cstruct memory = Cstruct::Create(3);
  const auto sink = MakeOutputFlow(OutputCstruct(memory));
  EXPECT_THAT(sink->Write("frame"), IsClosed());
  EXPECT_EQ(memory.ToString(), "fra");
}

TEST(OriginalTest, AListOfCstructsGivesOneReadForEachThatIsNotEmpty) {
  auto flow = MakeCstructFlow(Cstructs({"", "123", "45", "6789", "0"}), {});
  EXPECT_THAT(flow->Read(), IsOkAndHolds("123"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("45"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("6789"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("0"));
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(OriginalTest, AListOfOutputsIsFilledInTurnAndEmptyOnesAreSkipped) {
  const std::vector<Cstruct> memory = Cstructs({"---", "", "--", "---"});
  auto flow = MakeCstructFlow({}, memory);
  EXPECT_THAT(flow->Write("hell"), IsOk());
  EXPECT_THAT(flow->Write("o! "), IsOk());
  EXPECT_THAT(flow->Write("world"), IsClosed());
  EXPECT_EQ(memory[0].ToString(), "hel");
  EXPECT_EQ(memory[1].ToString(), "");
  EXPECT_EQ(memory[2].ToString(), "lo");
  EXPECT_EQ(memory[3].ToString(), "! w");
}

TEST(InputCstructTest, MemoryOfASingleOwnerIsShared) {
  Cstruct data = Cstruct::Create(kLarge);
  const char* const address = data.data();
  auto flow = MakeCstructFlow(std::move(data), Cstruct());
  absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->Chunks().begin()->data(), address);
}

TEST(InputCstructTest, MemoryThatAnotherOwnsIsCopiedSoTheReadNeverChanges) {
  Cstruct data = Cstruct::Create(kLarge);
  auto flow = MakeCstructFlow(data, Cstruct());
  absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, IsOk());
  data.Fill('!');
  EXPECT_EQ(*read, std::string(kLarge, '\0'));
}

TEST(InputCstructsTest, WindowsOnOneBlockAreCopiedUntilTheLastOne) {
  Cstruct block = Cstruct::Create(2 * kLarge);
  const char* const address = block.data();
  auto halves = block.Split(kLarge);
  ASSERT_THAT(halves, IsOk());
  block = Cstruct();
  std::vector<Cstruct> list;
  list.push_back(std::move(halves->first));
  list.push_back(std::move(halves->second));
  auto flow = MakeCstructFlow(std::move(list), {});
  absl::StatusOr<absl::Cord> first = flow->Read();
  absl::StatusOr<absl::Cord> second = flow->Read();
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(first->Chunks().begin()->data(), address);
  EXPECT_EQ(second->Chunks().begin()->data(), address + kLarge);
}

}  // namespace
}  // namespace flow
