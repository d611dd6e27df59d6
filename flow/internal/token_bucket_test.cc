// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/token_bucket.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

constexpr absl::Duration kStart = absl::Hours(1);

TEST(TokenBucketTest, StartsFull) {
  TokenBucket bucket(/*tokens_per_second=*/10, /*burst=*/100, kStart);
  EXPECT_EQ(bucket.Until(100), absl::ZeroDuration());
  EXPECT_GT(bucket.Until(101), absl::ZeroDuration());
}

TEST(TokenBucketTest, FillsAtItsRateAndSaysWhen) {
  TokenBucket bucket(10, 100, kStart);
  bucket.Add(-100);
  EXPECT_EQ(bucket.Until(20), absl::Seconds(2) + absl::Nanoseconds(1));
  bucket.Fill(kStart + absl::Seconds(1));
  EXPECT_EQ(bucket.Until(10), absl::ZeroDuration());
  EXPECT_EQ(bucket.Until(20), absl::Seconds(1) + absl::Nanoseconds(1));
  bucket.Fill(kStart + absl::Seconds(1) + bucket.Until(20));
  EXPECT_EQ(bucket.Until(20), absl::ZeroDuration());
}

TEST(TokenBucketTest, SavesNoMoreThanTheBurst) {
  TokenBucket bucket(10, 100, kStart);
  bucket.Fill(kStart + absl::Hours(1));
  bucket.Add(50);
  bucket.Add(-100);
  EXPECT_GT(bucket.Until(1), absl::ZeroDuration());
}

TEST(TokenBucketTest, WhatItOwesIsPaidBack) {
  TokenBucket bucket(10, 100, kStart);
  bucket.Add(-150);
  EXPECT_EQ(bucket.Until(10), absl::Seconds(6) + absl::Nanoseconds(1));
  bucket.Fill(kStart + absl::Seconds(5));
  EXPECT_EQ(bucket.Until(10), absl::Seconds(1) + absl::Nanoseconds(1));
}

TEST(TokenBucketTest, AnEarlierTimeAddsNothingAndTakesNothing) {
  TokenBucket bucket(10, 100, kStart);
  bucket.Add(-100);
  bucket.Fill(kStart - absl::Hours(1));
  EXPECT_GT(bucket.Until(1), absl::ZeroDuration());
  EXPECT_LT(bucket.Until(1), absl::Seconds(1));
  bucket.Fill(kStart + absl::Seconds(1));
  EXPECT_EQ(bucket.Until(10), absl::ZeroDuration());
  EXPECT_GT(bucket.Until(11), absl::ZeroDuration());
}

TEST(TokenBucketTest, AtARateOfZeroItIsOnlyFilledByHand) {
  TokenBucket bucket(0, 100, kStart);
  bucket.Add(-100);
  bucket.Fill(kStart + absl::Hours(1));
  EXPECT_EQ(bucket.Until(1), absl::InfiniteDuration());
  bucket.Add(1);
  EXPECT_EQ(bucket.Until(1), absl::ZeroDuration());
}

}  // namespace
}  // namespace flow::internal
