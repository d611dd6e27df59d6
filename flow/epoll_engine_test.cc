// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/epoll_engine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::EngineThreads;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;

constexpr absl::Duration kSoon = absl::Milliseconds(20);
constexpr absl::Duration kPatience = absl::Seconds(10);

std::unique_ptr<EpollEngine> Make() {
  absl::StatusOr<std::unique_ptr<EpollEngine>> engine = EpollEngine::Make();
  ABSL_CHECK_OK(engine.status());
  return *std::move(engine);
}

class CountingWatcher final : public Engine::Watcher {
 public:
  void Ready(short seen) override {
    seen_ = seen;
    ++count_;
  }
  int count() const { return count_; }
  // As of the last report.
  short seen() const { return seen_; }
  // Waits until there were `count` reports.
  bool Await(int count) const {
    const absl::Time deadline = absl::Now() + kPatience;
    while (count_ < count && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    return count_ == count;
  }

 private:
  std::atomic<short> seen_{0};
  std::atomic<int> count_{0};
};

// Two connected sockets, closed at the end.
class Sockets {
 public:
  ~Sockets() {
    ::close(pair_.left);
    ::close(pair_.right);
  }
  int fd() const { return pair_.left; }
  void Send() const { ABSL_PCHECK(::send(pair_.right, "x", 1, 0) == 1); }
  void End() const { ABSL_PCHECK(::shutdown(pair_.right, SHUT_WR) == 0); }
  void Receive() const {
    char byte;
    ABSL_PCHECK(::recv(pair_.left, &byte, 1, 0) == 1);
  }

 private:
  const RawPair pair_ = RawUnix();
};

// --- Functions

TEST(EpollEngineTest, RunsWhatIsPostedInOrderAndNeverInsidePost) {
  const std::unique_ptr<EpollEngine> engine = Make();
  std::vector<int> order;
  engine->Post([&] {
    order.push_back(1);
    engine->Post([&] {
      order.push_back(3);
      engine->Stop();
    });
    order.push_back(2);
  });
  EXPECT_TRUE(order.empty());
  engine->Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(EpollEngineTest, WakesWhenAnotherThreadPosts) {
  EngineThreads threads(1);
  absl::SleepFor(kSoon);  // it sleeps now
  absl::Notification ran;
  threads.engine()->Post([&] { ran.Notify(); });
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(kPatience));
}

TEST(EpollEngineTest, AFunctionThatWaitsDoesNotHoldUpOtherThreads) {
  EngineThreads threads(2);
  absl::Notification posted_inside;
  absl::Notification ended;
  threads.engine()->Post([&] {
    threads.engine()->Post([&] { posted_inside.Notify(); });
    EXPECT_TRUE(posted_inside.WaitForNotificationWithTimeout(kPatience));
    ended.Notify();
  });
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(2 * kPatience));
}

TEST(EpollEngineTest, AFunctionThatWaitsDoesNotHoldUpTimers) {
  EngineThreads threads(2);
  absl::SleepFor(kSoon);  // both sleep, without an end
  absl::Notification timer_ran;
  absl::Notification ended;
  // One wakes for the function; the other one does not know of the timer.
  threads.engine()->Post([&] {
    EXPECT_TRUE(timer_ran.WaitForNotificationWithTimeout(kPatience));
    ended.Notify();
  });
  threads.engine()->RunAt(absl::Now() + kSoon, [&] { timer_ran.Notify(); });
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(2 * kPatience));
}

TEST(EpollEngineTest, SeveralThreadsRunEachFunctionOnce) {
  constexpr int kFunctions = 10'000;
  EngineThreads threads(3);
  std::atomic<int> ran{0};
  absl::BlockingCounter left(kFunctions);
  for (int i = 0; i < kFunctions; ++i) {
    threads.engine()->Post([&] {
      ++ran;
      left.DecrementCount();
    });
  }
  left.Wait();
  EXPECT_EQ(ran, kFunctions);
}

TEST(EpollEngineTest, StopEndsAllRunsAndStays) {
  const std::unique_ptr<EpollEngine> engine = Make();
  std::thread first([&] { engine->Run(); });
  std::thread second([&] { engine->Run(); });
  absl::SleepFor(kSoon);
  engine->Stop();
  first.join();
  second.join();
  engine->Post([] { FAIL() << "runs after Stop()"; });
  engine->Run();
}

TEST(EpollEngineTest, AFunctionIsFreedOnceItHasRun) {
  EngineThreads threads(1);
  auto held = std::make_shared<int>(0);
  absl::Notification ran;
  threads.engine()->Post([&ran, held] { ran.Notify(); });
  ran.WaitForNotification();
  const absl::Time deadline = absl::Now() + kPatience;
  while (held.use_count() > 1 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EpollEngineTest, AFunctionThatNeverRunsMayOwnWhatNeedsTheEngine) {
  // As a flow does that is destroyed with it.
  struct User {
    explicit User(EpollEngine* engine) : engine(engine) {}
    ~User() {
      engine->Forget(0);
      engine->Post([] {});
    }
    EpollEngine* const engine;
  };
  const std::unique_ptr<EpollEngine> engine = Make();
  engine->Post([user = std::make_unique<User>(engine.get())] {});
  engine->RunAt(absl::InfiniteFuture(),
                [user = std::make_unique<User>(engine.get())] {});
}

// --- Timers

TEST(EpollEngineTest, TimersRunInTheOrderOfTheirTimesAndNotBefore) {
  const std::unique_ptr<EpollEngine> engine = Make();
  const absl::Time begin = absl::Now();
  std::vector<int> order;
  engine->RunAt(begin + absl::Milliseconds(40), [&] {
    order.push_back(3);
    EXPECT_GE(absl::Now(), begin + absl::Milliseconds(40));
    engine->Stop();
  });
  engine->RunAt(begin + absl::Milliseconds(20), [&] { order.push_back(2); });
  engine->RunAt(absl::InfinitePast(), [&] { order.push_back(1); });
  engine->RunAt(absl::InfiniteFuture(), [&] { order.push_back(4); });
  engine->Run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(EpollEngineTest, AnEarlierTimerOfAnotherThreadIsInTime) {
  EngineThreads threads(1);
  threads.engine()->RunAt(absl::Now() + absl::Hours(1), [] {});
  absl::SleepFor(kSoon);  // until then it sleeps
  absl::Notification ran;
  threads.engine()->RunAt(absl::Now() + kSoon, [&] { ran.Notify(); });
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(kPatience));
}

TEST(EpollEngineTest, ATimerThatIsCancelledNeverRunsAndIsFreed) {
  const std::unique_ptr<EpollEngine> engine = Make();
  auto held = std::make_shared<int>(0);
  const Engine::Timer timer = engine->RunAt(
      absl::Now(), [held] { FAIL() << "runs though it was cancelled"; });
  EXPECT_TRUE(engine->Cancel(timer));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(engine->Cancel(timer));
  engine->RunAt(absl::Now() + kSoon, [&] { engine->Stop(); });
  engine->Run();
}

// So whoever has cancelled it on the thread of the engine can free what it
// touches.
TEST(EpollEngineTest, ATimerThatIsDueAndHasNotBegunCanBeCancelled) {
  const std::unique_ptr<EpollEngine> engine = Make();
  const auto freed = std::make_shared<int>();
  Engine::Timer timer{};
  const absl::Time due = absl::Now();
  engine->Post([&] {
    EXPECT_TRUE(engine->Cancel(timer));
    EXPECT_EQ(freed.use_count(), 1);
    EXPECT_FALSE(engine->Cancel(timer));
    engine->Post([&] { engine->Stop(); });
  });
  timer = engine->RunAt(due, [freed] { FAIL() << "it was cancelled"; });
  // In one round.
  engine->Run();
  EXPECT_EQ(freed.use_count(), 1);
}

TEST(EpollEngineTest, ATimerThatIsDueAndNeverRunsIsFreed) {
  const auto freed = std::make_shared<int>();
  {
    const std::unique_ptr<EpollEngine> engine = Make();
    engine->Post([&] { engine->Stop(); });
    engine->RunAt(absl::Now(), [freed] {});
    engine->Run();
    EXPECT_EQ(freed.use_count(), 2);
  }
  EXPECT_EQ(freed.use_count(), 1);
}

TEST(EpollEngineTest, ATimerThatRunsCannotBeCancelled) {
  const std::unique_ptr<EpollEngine> engine = Make();
  Engine::Timer timer{};
  timer = engine->RunAt(absl::Now(), [&] {
    EXPECT_FALSE(engine->Cancel(timer));
    engine->Stop();
  });
  engine->Run();
}

// --- Descriptors

TEST(EpollEngineTest, AWatchIsReportedOnce) {
  EngineThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  absl::SleepFor(kSoon);
  EXPECT_EQ(watcher.count(), 0);
  sockets.Send();
  EXPECT_TRUE(watcher.Await(1));
  sockets.Send();
  absl::SleepFor(kSoon);
  EXPECT_EQ(watcher.count(), 1);
  threads.engine()->Forget(sockets.fd());
}

TEST(EpollEngineTest, AFunctionThatPostsItselfDoesNotKeepAWatchWaiting) {
  EngineThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  std::atomic<bool> ends{false};
  absl::Notification ended;
  std::function<void()> again = [&] {
    if (ends) return ended.Notify();
    threads.engine()->Post(again);
  };
  threads.engine()->Post(again);
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  sockets.Send();
  EXPECT_TRUE(watcher.Await(1));
  ends = true;
  ended.WaitForNotification();
  threads.engine()->Forget(sockets.fd());
}

TEST(EpollEngineTest, WhatCameBeforeTheWatchIsReported) {
  EngineThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  sockets.Send();
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  EXPECT_TRUE(watcher.Await(1));
  // Between two watches, too.
  sockets.Receive();
  sockets.Send();
  absl::SleepFor(kSoon);
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  EXPECT_TRUE(watcher.Await(2));
  threads.engine()->Forget(sockets.fd());
}

TEST(EpollEngineTest, TheEndOfThePeerIsReportedAsLongAsItHolds) {
  EngineThreads threads(1);
  Sockets sockets;
  sockets.End();
  for (int i = 0; i < 3; ++i) {
    CountingWatcher watcher;
    threads.engine()->Watch(sockets.fd(), POLLRDHUP, &watcher);
    EXPECT_TRUE(watcher.Await(1));
  }
  threads.engine()->Forget(sockets.fd());
}

// Urgent data and an end are told to somebody who waits for other things.
TEST(EpollEngineTest, AReportSaysWhatElseWasSeen) {
  EngineThreads threads(1);
  const RawPair pair = RawTcp();
  CountingWatcher watcher;
  int count = 0;
  // Returns what was seen when `event` was.
  const auto await = [&](int event) {
    do {
      threads.engine()->Watch(pair.left, POLLIN, &watcher);
      EXPECT_TRUE(watcher.Await(++count)) << event;
    } while ((watcher.seen() & event) == 0 && !HasFailure());
    return watcher.seen() & ~POLLOUT;
  };
  ABSL_PCHECK(::send(pair.right, "a", 1, 0) == 1);
  EXPECT_EQ(await(POLLIN), POLLIN);
  ABSL_PCHECK(::send(pair.right, "b", 1, MSG_OOB) == 1);
  EXPECT_EQ(await(POLLPRI), POLLIN | POLLPRI);
  ABSL_PCHECK(::shutdown(pair.right, SHUT_WR) == 0);
  EXPECT_EQ(await(POLLRDHUP), POLLIN | POLLPRI | POLLRDHUP);
  threads.engine()->Forget(pair.left);
  ::close(pair.left);
  ::close(pair.right);
}

TEST(EpollEngineTest, AReportThatWasCancelledHasSeenNothing) {
  EngineThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  threads.engine()->Watch(sockets.fd(), POLLOUT, &watcher);
  EXPECT_TRUE(watcher.Await(1));
  EXPECT_EQ(watcher.seen(), POLLOUT);
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  threads.engine()->CancelWatch(sockets.fd(), &watcher);
  EXPECT_TRUE(watcher.Await(2));
  EXPECT_EQ(watcher.seen(), 0);
  threads.engine()->Forget(sockets.fd());
}

TEST(EpollEngineTest, EachWatcherOfADescriptorIsToldOfItsOwnEvents) {
  EngineThreads threads(2);
  Sockets sockets;
  CountingWatcher reads;
  CountingWatcher writes;
  CountingWatcher ends;
  threads.engine()->Watch(sockets.fd(), POLLIN, &reads);
  threads.engine()->Watch(sockets.fd(), POLLOUT, &writes);
  threads.engine()->Watch(sockets.fd(), POLLRDHUP, &ends);
  EXPECT_TRUE(writes.Await(1));
  EXPECT_EQ(reads.count(), 0);
  sockets.Send();
  EXPECT_TRUE(reads.Await(1));
  EXPECT_EQ(ends.count(), 0);
  sockets.End();
  EXPECT_TRUE(ends.Await(1));
  threads.engine()->Forget(sockets.fd());
}

TEST(EpollEngineTest, ACancelIsReportedAndOnce) {
  EngineThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  threads.engine()->CancelWatch(sockets.fd(), &watcher);
  threads.engine()->CancelWatch(sockets.fd(), &watcher);
  EXPECT_TRUE(watcher.Await(1));
  sockets.Send();
  absl::SleepFor(kSoon);
  EXPECT_EQ(watcher.count(), 1);
  threads.engine()->Forget(sockets.fd());
}

TEST(EpollEngineTest, ANumberThatIsUsedAgainBeginsAfresh) {
  EngineThreads threads(1);
  Sockets others;
  int number = -1;
  {
    Sockets sockets;
    number = sockets.fd();
    CountingWatcher watcher;
    sockets.End();
    threads.engine()->Watch(number, POLLRDHUP, &watcher);
    EXPECT_TRUE(watcher.Await(1));
    threads.engine()->Forget(number);
  }
  ABSL_PCHECK(::dup2(others.fd(), number) == number);
  CountingWatcher watcher;
  threads.engine()->Watch(number, POLLIN | POLLRDHUP, &watcher);
  absl::SleepFor(kSoon);
  EXPECT_EQ(watcher.count(), 0) << "told of what was there before";
  others.Send();
  EXPECT_TRUE(watcher.Await(1));
  threads.engine()->Forget(number);
  ::close(number);
}

TEST(EpollEngineTest, AFileIsAlwaysReady) {
  EngineThreads threads(1);
  const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ABSL_PCHECK(fd >= 0);
  for (int i = 0; i < 2; ++i) {
    CountingWatcher watcher;
    threads.engine()->Watch(fd, POLLIN, &watcher);
    EXPECT_TRUE(watcher.Await(1));
  }
  threads.engine()->Forget(fd);
  ::close(fd);
}

TEST(EpollEngineTest, AChildOfForkMayDestroyIt) {
  std::unique_ptr<EpollEngine> engine = Make();
  Sockets sockets;
  CountingWatcher watcher;
  engine->Watch(sockets.fd(), POLLIN, &watcher);
  const pid_t child = ::fork();
  if (child == 0) {
    engine.reset();
    ::_exit(0);
  }
  int status = -1;
  ABSL_PCHECK(::waitpid(child, &status, 0) == child);
  EXPECT_EQ(status, 0);
  engine->CancelWatch(sockets.fd(), &watcher);
  engine->Forget(sockets.fd());
}

TEST(EpollEngineDeathTest, IsNotClosedWhileSomebodyWatches) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const std::unique_ptr<EpollEngine> engine = Make();
        Sockets sockets;
        CountingWatcher watcher;
        engine->Watch(sockets.fd(), POLLIN, &watcher);
        engine->Forget(sockets.fd());
      },
      "closed while somebody watches");
}

}  // namespace
}  // namespace flow
