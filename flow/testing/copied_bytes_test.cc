// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/copied_bytes.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

constexpr size_t kShared = 100000;  // more than any single block of a Cord

TEST(CopiedBytesTest, ASharedCordHasNone) {
  absl::Cord before(std::string(kShared, 'x'));
  before.Append(absl::Cord(std::string(kShared, 'y')));
  EXPECT_EQ(CopiedBytes(before, before), 0);
}

TEST(CopiedBytesTest, ARebuiltCordHasAllOfThem) {
  absl::Cord before(std::string(kShared, 'x'));
  EXPECT_EQ(CopiedBytes(before, absl::Cord(std::string(before))), kShared);
}

TEST(CopiedBytesTest, CountsOnlyThePartThatMoved) {
  const absl::Cord shared(std::string(kShared, 'x'));
  absl::Cord before = shared;
  before.Append(absl::Cord(std::string(kShared, 'y')));
  absl::Cord after = shared;
  after.Append(absl::Cord(std::string(kShared, 'y')));
  EXPECT_EQ(CopiedBytes(before, after), kShared);
}

TEST(CopiedBytesTest, OneByteShiftedIsAllOfThem) {
  const absl::Cord whole(std::string(kShared + 1, 'x'));
  EXPECT_EQ(CopiedBytes(whole.Subcord(0, kShared), whole.Subcord(1, kShared)),
            kShared);
}

TEST(CopiedBytesTest, ComparesWithBorrowedMemory) {
  std::string adopted(kShared, 'x');
  const absl::string_view before = adopted;
  EXPECT_EQ(CopiedBytes(before, absl::Cord(before)), kShared);
  EXPECT_EQ(CopiedBytes(before, absl::Cord(std::move(adopted))), 0);
}

}  // namespace
}  // namespace flow::testing
