// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/progress.h"

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(FormatProgressTest, ShowsBytesAndRate) {
  EXPECT_EQ(FormatProgress(kGiB, std::nullopt, absl::Seconds(2)),
            "1.0 GiB, 512.0 MiB/s");
  EXPECT_EQ(FormatProgress(0, std::nullopt, absl::Seconds(2)), "0 B, 0 B/s");
}

TEST(FormatProgressTest, ShowsThePartOfAKnownSize) {
  EXPECT_EQ(FormatProgress(kGiB, 4 * kGiB, absl::Seconds(2)),
            "1.0 GiB of 4.0 GiB (25%), 512.0 MiB/s");
  EXPECT_EQ(FormatProgress(4 * kGiB - 1, 4 * kGiB, absl::Seconds(1)),
            "4.0 GiB of 4.0 GiB (99%), 4.0 GiB/s")
      << "100% is all";
  EXPECT_EQ(FormatProgress(4 * kGiB, 4 * kGiB, absl::Seconds(1)),
            "4.0 GiB of 4.0 GiB (100%), 4.0 GiB/s");
}

TEST(FormatProgressTest, ASizeThatCannotBeIsNotShown) {
  EXPECT_EQ(FormatProgress(2, 1, absl::Seconds(1)), "2 B, 2 B/s");
  EXPECT_EQ(FormatProgress(0, 0, absl::Seconds(1)), "0 B, 0 B/s");
}

TEST(FormatProgressTest, NoTimeHasNoRate) {
  EXPECT_EQ(FormatProgress(1, std::nullopt, absl::ZeroDuration()), "1 B");
}

}  // namespace
}  // namespace flowcat
