// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/monotonic_deadline.h"

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/internal/mutex_lock.h"
#include "flow/testing/internal/wall_clock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::SetWallClock;

// Long enough for a slow machine, and shorter than clocks are moved here.
constexpr absl::Duration kSlack = absl::Minutes(5);
constexpr absl::Duration kMoved = absl::Hours(1);

class MonotonicDeadlineTest : public ::testing::Test {
 protected:
  ~MonotonicDeadlineTest() override { SetWallClock(absl::ZeroDuration()); }
};

TEST_F(MonotonicDeadlineTest, TheClockOfThisTestCanBeSet) {
  const absl::Time before = absl::Now();
  SetWallClock(kMoved);
  EXPECT_GE(absl::Now(), before + kMoved);
}

TEST_F(MonotonicDeadlineTest, DefaultIsNever) {
  EXPECT_TRUE(MonotonicDeadline().is_never());
  EXPECT_TRUE(MonotonicDeadline(absl::InfiniteFuture()).is_never());
  EXPECT_FALSE(MonotonicDeadline().has_passed());
  EXPECT_EQ(MonotonicDeadline().ToTime(), absl::InfiniteFuture());
}

TEST_F(MonotonicDeadlineTest, ThePastHasPassed) {
  EXPECT_TRUE(MonotonicDeadline(absl::InfinitePast()).has_passed());
  EXPECT_EQ(MonotonicDeadline(absl::InfinitePast()).ToTime(),
            absl::InfinitePast());
  EXPECT_TRUE(MonotonicDeadline(absl::Now()).has_passed());
}

TEST_F(MonotonicDeadlineTest, IsNotMovedByAClockThatIsSet) {
  const MonotonicDeadline soon(absl::Now() + kSlack);
  const MonotonicDeadline gone(absl::Now() - absl::Seconds(1));
  for (const absl::Duration moved : {kMoved, -kMoved}) {
    SetWallClock(moved);
    EXPECT_FALSE(soon.has_passed()) << moved;
    EXPECT_LE(soon.left(), kSlack) << moved;
    EXPECT_TRUE(gone.has_passed()) << moved;
    // By the clock as it is set now.
    EXPECT_LE(soon.ToTime(), absl::Now() + kSlack) << moved;
    EXPECT_GT(soon.ToTime(), absl::Now()) << moved;
  }
}

// On its way through a time of the wall clock, as from a flow to a transport.
TEST_F(MonotonicDeadlineTest, OnOneThreadItSurvivesAClockThatIsSetMeanwhile) {
  const MonotonicDeadline soon = MonotonicDeadline::In(kSlack);
  for (const absl::Duration moved : {kMoved, -kMoved}) {
    const absl::Time told = soon.ToTime();
    SetWallClock(moved);
    EXPECT_EQ(MonotonicDeadline(told), soon) << moved;
    SetWallClock(absl::ZeroDuration());
  }
}

TEST_F(MonotonicDeadlineTest, AreOrdered) {
  const MonotonicDeadline early = MonotonicDeadline::In(absl::Seconds(1));
  const MonotonicDeadline late = MonotonicDeadline::In(absl::Hours(1));
  EXPECT_LT(early, late);
  EXPECT_LT(late, MonotonicDeadline());
  EXPECT_LT(MonotonicDeadline(absl::InfinitePast()), early);
}

TEST_F(MonotonicDeadlineTest, AMutexWaitsByIt) {
  absl::Mutex mu;
  bool never = false;
  const MonotonicDeadline deadline(absl::Now() + absl::Milliseconds(20));
  SetWallClock(-kMoved);
  MutexLock lock(mu);
  EXPECT_FALSE(AwaitUntil(mu, absl::Condition(&never), deadline));
  EXPECT_TRUE(deadline.has_passed());
}

TEST(AwaitUntilTest, WithADeadlineInThePastItLooksOnce) {
  const MonotonicDeadline past(absl::InfinitePast());
  absl::Mutex mu;
  bool is_so = true;
  MutexLock lock(mu);
  EXPECT_TRUE(AwaitUntil(mu, absl::Condition(&is_so), past));
  is_so = false;
  EXPECT_FALSE(AwaitUntil(mu, absl::Condition(&is_so), past));
}

}  // namespace
}  // namespace flow::internal
