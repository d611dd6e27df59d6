// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/byte_size.h"

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

TEST(ParseByteSizeTest, ANumberWithoutAUnitIsBytes) {
  EXPECT_THAT(ParseByteSize("0"), IsOkAndHolds(0));
  EXPECT_THAT(ParseByteSize("4096"), IsOkAndHolds(4096));
  EXPECT_THAT(ParseByteSize("0017"), IsOkAndHolds(17));
  EXPECT_THAT(ParseByteSize("17B"), IsOkAndHolds(17));
}

TEST(ParseByteSizeTest, UnitsWithAnIArePowersOf1024AndOthersOf1000) {
  EXPECT_THAT(ParseByteSize("64KiB"), IsOkAndHolds(65536));
  EXPECT_THAT(ParseByteSize("64kB"), IsOkAndHolds(64000));
  EXPECT_THAT(ParseByteSize("3MiB"), IsOkAndHolds(3 << 20));
  EXPECT_THAT(ParseByteSize("10MB"), IsOkAndHolds(10000000));
  EXPECT_THAT(ParseByteSize("4GiB"), IsOkAndHolds(int64_t{4} << 30));
  EXPECT_THAT(ParseByteSize("1GB"), IsOkAndHolds(1000000000));
  EXPECT_THAT(ParseByteSize("1TiB"), IsOkAndHolds(int64_t{1} << 40));
  EXPECT_THAT(ParseByteSize("1PB"), IsOkAndHolds(1000000000000000));
  EXPECT_THAT(ParseByteSize("1EiB"), IsOkAndHolds(int64_t{1} << 60));
}

TEST(ParseByteSizeTest, TheCaseOfAUnitDoesNotMatter) {
  EXPECT_THAT(ParseByteSize("1kib"), IsOkAndHolds(1024));
  EXPECT_THAT(ParseByteSize("1KB"), IsOkAndHolds(1000));
  EXPECT_THAT(ParseByteSize("1mIb"), IsOkAndHolds(1 << 20));
  EXPECT_THAT(ParseByteSize("1b"), IsOkAndHolds(1));
}

TEST(ParseByteSizeTest, WhatIsNotASizeIsAnErrorThatShowsOne) {
  for (const char* text :
       {"", "B", "KiB", "-1", "+1", "1.5GiB", "1 KiB", " 1", "1 ", "0x10", "1K",
        "1G", "1KiBs", "1XB", "1iB", "1Bi", "1e3", "ten"}) {
    EXPECT_THAT(ParseByteSize(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(text), HasSubstr("64KiB"))))
        << text;
  }
}

TEST(ParseByteSizeTest, TheLargestSizeIsThatOfInt64) {
  EXPECT_THAT(ParseByteSize("9223372036854775807"), IsOkAndHolds(kLargest));
  EXPECT_THAT(ParseByteSize("7EiB"), IsOkAndHolds(int64_t{7} << 60));
  EXPECT_THAT(ParseByteSize("9EB"), IsOkAndHolds(9000000000000000000));
  for (const char* text :
       {"9223372036854775808", "9007199254740992KiB", "8EiB", "10EB",
        "99999999999999999999999999", "99999999999999999999999999EiB"}) {
    EXPECT_THAT(ParseByteSize(text),
                StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("too large")))
        << text;
  }
}

TEST(FormatByteSizeTest, UsesTheLargestUnitThatGivesAtLeastOne) {
  EXPECT_EQ(FormatByteSize(0), "0 B");
  EXPECT_EQ(FormatByteSize(1023), "1023 B");
  EXPECT_EQ(FormatByteSize(1024), "1.0 KiB");
  EXPECT_EQ(FormatByteSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatByteSize((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatByteSize(1.5 * (1 << 30)), "1.5 GiB");
  EXPECT_EQ(FormatByteSize(static_cast<double>(kLargest)), "8.0 EiB");
}

}  // namespace
}  // namespace flowcat
