// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/started_call.h"

#include <poll.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/operation.h"
#include "flow/testing/internal/manual_engine.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::ManualEngine;

constexpr int kFd = 7;

// A call that is over as soon as `ready`, and counts what happens to it.
class Call final : public StartedCall, public Operation {
 public:
  explicit Call(ManualEngine& engine) : engine_(engine) {}
  using StartedCall::TakeSeen;

  void Done() override { ++done; }

  bool ready = false;
  bool watches = false;
  MonotonicDeadline deadline;
  absl::Duration looks_again = absl::InfiniteDuration();
  std::function<void()> in_try;

  int tries = 0;
  int late_tries = 0;
  int ended = 0;
  int done = 0;
  bool was_late = false;

 private:
  bool Try(bool is_late) override {
    EXPECT_EQ(ended, 0) << "tried after its end";
    ++tries;
    if (in_try != nullptr) in_try();
    if (ready) return true;
    if (is_late) {
      ++late_tries;
      was_late = true;
      return true;
    }
    if (watches) WhenReady(kFd, POLLIN);
    if (looks_again != absl::InfiniteDuration()) After(looks_again);
    return false;
  }
  MonotonicDeadline Deadline() override { return deadline; }
  Operation* End() override {
    EXPECT_FALSE(pending());
    ++ended;
    return this;
  }
  Engine& engine() const override { return engine_; }

  ManualEngine& engine_;
};

TEST(StartedCallTest, ACallThatIsOverAtOnceTellsNobody) {
  ManualEngine engine;
  Call call(engine);
  call.ready = true;
  EXPECT_TRUE(call.Start());
  EXPECT_EQ(call.ended, 1);
  EXPECT_EQ(call.done, 0);
  EXPECT_EQ(engine.posted(), 0u);
}

TEST(StartedCallTest, ACallThatWaitsTellsOnceAndOnTheEngine) {
  ManualEngine engine;
  Call call(engine);
  EXPECT_FALSE(call.Start());
  EXPECT_TRUE(call.pending());
  call.ready = true;
  call.Now();
  call.Now();
  EXPECT_EQ(call.done, 0);
  EXPECT_EQ(engine.posted(), 1u);
  engine.RunAll();
  EXPECT_EQ(call.done, 1);
  call.Now();
  EXPECT_EQ(engine.posted(), 0u) << "nothing comes after its end";
}

TEST(StartedCallTest, WhatComesDuringATryIsNotLost) {
  ManualEngine engine;
  Call call(engine);
  call.in_try = [&] {
    if (call.tries == 1) {
      // It comes after the try has looked.
      call.Now();
    } else {
      call.ready = true;
    }
  };
  EXPECT_TRUE(call.Start());
  EXPECT_EQ(call.tries, 2);
}

// --- What the engine has seen

// A call that watches, and takes what was seen when it is tried.
class SeenTest : public ::testing::Test {
 protected:
  SeenTest() {
    call_.watches = true;
    call_.in_try = [this] {
      if (takes_) seen_.push_back(call_.TakeSeen(kFd));
    };
    EXPECT_FALSE(call_.Start());
    EXPECT_EQ(seen_.back(), 0) << "nothing has answered";
  }
  ~SeenTest() override {
    call_.ready = true;
    call_.Now();
    engine_.RunAll();
  }

  ManualEngine engine_;
  Call call_{engine_};
  bool takes_ = true;
  std::vector<int> seen_;
};

TEST_F(SeenTest, AnAnswerIsForOneRead) {
  call_.in_try = [this] {
    seen_ = {call_.TakeSeen(kFd + 1), call_.TakeSeen(kFd), call_.TakeSeen(kFd)};
  };
  engine_.MakeReady(kFd, POLLIN);
  engine_.RunAll();
  EXPECT_EQ(seen_, (std::vector<int>{0, POLLIN, 0}));
}

TEST_F(SeenTest, AnAnswerIsForTheTryThatItHasCaused) {
  takes_ = false;
  engine_.MakeReady(kFd, POLLIN);
  engine_.RunOne();
  call_.watches = false;  // or an answer could be on its way
  engine_.MakeReady(kFd, POLLIN);
  engine_.RunAll();
  takes_ = true;
  call_.Now();
  engine_.RunAll();
  EXPECT_EQ(seen_.back(), 0);
}

// The first call was over before it was answered.
TEST_F(SeenTest, AnAnswerIsNotForTheNextCall) {
  call_.ready = true;
  call_.Now();
  engine_.MakeReady(kFd, POLLIN);
  engine_.RunAll();
  ASSERT_EQ(call_.done, 1);
  call_.ready = false;
  call_.ended = 0;
  EXPECT_FALSE(call_.Start());
  EXPECT_EQ(seen_.back(), 0);
}

// --- What is watched

TEST(StartedCallTest, AWatchIsReportedBeforeTheCallIsOver) {
  ManualEngine engine;
  Call call(engine);
  call.watches = true;
  EXPECT_FALSE(call.Start());
  EXPECT_EQ(engine.watches(), 1u);
  call.ready = true;
  call.Now();
  EXPECT_TRUE(engine.RunOne());
  EXPECT_EQ(engine.watches(), 0u) << "cancelled";
  EXPECT_EQ(call.done, 0) << "and not reported";
  engine.RunAll();
  EXPECT_EQ(call.done, 1);
}

TEST(StartedCallTest, ATimerThatIsAboutToRunIsWaitedFor) {
  ManualEngine engine;
  Call call(engine);
  call.deadline = MonotonicDeadline::In(absl::Hours(1));
  EXPECT_FALSE(call.Start());
  call.ready = true;
  call.Now();
  engine.FireTimers();  // after what Now() has posted
  EXPECT_TRUE(engine.RunOne());
  EXPECT_EQ(call.done, 0);
  EXPECT_TRUE(engine.RunOne());
  EXPECT_EQ(call.done, 1);
}

TEST(StartedCallTest, ATimerIsCancelledWithTheCall) {
  ManualEngine engine;
  Call call(engine);
  call.deadline = MonotonicDeadline::In(absl::Hours(1));
  EXPECT_FALSE(call.Start());
  EXPECT_EQ(engine.timers(), 1u);
  call.ready = true;
  call.Now();
  engine.RunAll();
  EXPECT_EQ(call.done, 1);
  EXPECT_EQ(engine.timers(), 0u);
}

TEST(StartedCallTest, ATimerThatIsEarlyIsSetAgain) {
  ManualEngine engine;
  Call call(engine);
  call.deadline = MonotonicDeadline::In(absl::Hours(1));
  EXPECT_FALSE(call.Start());
  engine.FireTimers();
  engine.RunAll();
  EXPECT_EQ(call.done, 0);
  EXPECT_EQ(engine.timers(), 1u);
  call.ready = true;
  call.Now();
  engine.RunAll();
}

TEST(StartedCallTest, ADeadlineThatMovesMovesTheTimer) {
  ManualEngine engine;
  Call call(engine);
  call.deadline = MonotonicDeadline::In(absl::Hours(2));
  EXPECT_FALSE(call.Start());
  call.deadline = MonotonicDeadline::In(absl::Hours(1));
  call.Now();
  engine.RunAll();
  EXPECT_EQ(engine.timers(), 1u);
  EXPECT_LE(engine.timer_at(), absl::Now() + absl::Hours(1));
  call.deadline = MonotonicDeadline(absl::InfinitePast());
  call.Now();
  engine.RunAll();
  EXPECT_EQ(call.done, 1);
  EXPECT_TRUE(call.was_late);
}

TEST(StartedCallTest, WhatIsReadyComesBeforeWhatIsLate) {
  ManualEngine engine;
  Call call(engine);
  call.deadline = MonotonicDeadline(absl::InfinitePast());
  call.ready = true;
  EXPECT_TRUE(call.Start());
  EXPECT_FALSE(call.was_late);

  Call late(engine);
  late.deadline = MonotonicDeadline(absl::InfinitePast());
  EXPECT_TRUE(late.Start());
  EXPECT_TRUE(late.was_late);
  EXPECT_EQ(late.tries, 2);
}

TEST(StartedCallTest, ACallThatLooksAgainHasATimer) {
  ManualEngine engine;
  Call call(engine);
  call.looks_again = absl::Hours(1);
  EXPECT_FALSE(call.Start());
  EXPECT_EQ(engine.timers(), 1u);
  call.ready = true;
  engine.FireTimers();
  engine.RunAll();
  EXPECT_EQ(call.done, 1);
  EXPECT_FALSE(call.was_late);
}

// --- Every order

enum class Step { kNow, kReady, kTimer, kRun, kSucceed, kBeLate };

// Takes `steps`, then lets everything run, and checks what must hold whatever
// the order was.
void TakeSteps(const std::vector<Step>& steps, bool watches, bool has_timer) {
  ManualEngine engine;
  auto call = std::make_unique<Call>(engine);
  call->watches = watches;
  if (has_timer) call->deadline = MonotonicDeadline::In(absl::Hours(1));
  ASSERT_FALSE(call->Start());
  for (const Step step : steps) {
    switch (step) {
      case Step::kNow:
        call->Now();
        break;
      case Step::kReady:
        engine.MakeReady(kFd);
        break;
      case Step::kTimer:
        engine.FireTimers();
        break;
      case Step::kRun:
        engine.RunOne();
        break;
      case Step::kSucceed:
        call->ready = true;
        break;
      case Step::kBeLate:
        call->deadline = MonotonicDeadline(absl::InfinitePast());
        break;
    }
    ASSERT_LE(call->done, 1);
    if (call->done == 1) {
      ASSERT_EQ(engine.watches() + engine.timers() + engine.posted(), 0u)
          << "the engine still knows a call that is over";
    }
  }
  call->ready = true;
  call->Now();
  engine.RunAll();
  ASSERT_EQ(call->done, 1);
  ASSERT_EQ(call->ended, 1);
  ASSERT_EQ(engine.watches() + engine.timers() + engine.posted(), 0u);
}

TEST(StartedCallTest, EveryOrderOfFiveEventsEndsTheCallOnce) {
  constexpr size_t kSteps = 5;
  constexpr size_t kKinds = 6;
  size_t orders = 1;
  for (size_t i = 0; i < kSteps; ++i) orders *= kKinds;
  for (const bool watches : {false, true}) {
    for (const bool has_timer : {false, true}) {
      for (size_t order = 0; order < orders; ++order) {
        std::vector<Step> steps;
        std::string text;
        for (size_t i = 0, rest = order; i < kSteps; ++i, rest /= kKinds) {
          steps.push_back(static_cast<Step>(rest % kKinds));
          text += std::to_string(rest % kKinds);
        }
        SCOPED_TRACE(text);
        TakeSteps(steps, watches, has_timer);
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace flow::internal
