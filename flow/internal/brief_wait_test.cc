// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/brief_wait.h"

#include <cstdint>
#include <thread>  // NOLINT(build/c++11)

#include "gtest/gtest.h"

namespace flow::internal {
namespace {

TEST(BriefWaitTest, AWakeUpThatHasComeEndsIt) {
  BriefWait wait;
  const uint32_t seen = wait.wakes();
  wait.Wake();
  EXPECT_TRUE(wait.Await(seen));
}

TEST(BriefWaitTest, WithoutAWakeUpItEndsSoon) {
  BriefWait wait;
  EXPECT_FALSE(wait.Await(wait.wakes()));
}

TEST(BriefWaitTest, AnotherThreadCanEndIt) {
  BriefWait wait;
  std::thread waker([&] {
    for (int i = 0; i < 1000; ++i) wait.Wake();
  });
  // However the threads run, none of these is without an end.
  while (wait.wakes() < 1000) wait.Await(wait.wakes());
  waker.join();
}

TEST(BriefWaitTest, WhatNeverPaysIsTriedNowAndThenOnly) {
  BriefWait wait;
  int tries = 0;
  for (int i = 0; i < 1000; ++i) {
    if (!wait.is_worthwhile()) continue;
    ++tries;
    EXPECT_FALSE(wait.Await(wait.wakes()));
  }
  EXPECT_LT(tries, 30);
  if (std::thread::hardware_concurrency() > 1) {
    EXPECT_GT(tries, 10);
  }
}

TEST(BriefWaitTest, WhatPaidForLongIsGivenUpNoLater) {
  BriefWait wait;
  for (int i = 0; i < 1000; ++i) {
    const uint32_t seen = wait.wakes();
    wait.Wake();
    EXPECT_TRUE(wait.Await(seen));
  }
  int tries = 0;
  while (wait.is_worthwhile() && tries < 30) {
    ++tries;
    EXPECT_FALSE(wait.Await(wait.wakes()));
  }
  EXPECT_LT(tries, 10);
}

TEST(BriefWaitTest, WhatPaysAgainIsWorthwhileAgain) {
  if (std::thread::hardware_concurrency() < 2) {
    GTEST_SKIP() << "never worthwhile here";
  }
  BriefWait wait;
  while (wait.is_worthwhile()) EXPECT_FALSE(wait.Await(wait.wakes()));
  const uint32_t seen = wait.wakes();
  wait.Wake();
  EXPECT_TRUE(wait.Await(seen));
  EXPECT_TRUE(wait.is_worthwhile());
}

}  // namespace
}  // namespace flow::internal
