// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow_asio/asio_engine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "flow/engine.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow_asio/context_threads.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::RawPair;
using ::flow::testing::RawUnix;
using ::flow_asio::ContextThreads;

constexpr absl::Duration kSoon = absl::Milliseconds(20);
constexpr absl::Duration kPatience = absl::Seconds(10);

std::unique_ptr<AsioEngine> Make(asio::io_context& context) {
  absl::StatusOr<std::unique_ptr<AsioEngine>> engine =
      AsioEngine::Make(context);
  ABSL_CHECK_OK(engine.status());
  return *std::move(engine);
}

class CountingWatcher final : public Engine::Watcher {
 public:
  void Ready(short) override { ++count_; }
  int count() const { return count_; }
  // Waits until there were `count` reports.
  bool Await(int count) const {
    const absl::Time deadline = absl::Now() + kPatience;
    while (count_ < count && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    return count_ == count;
  }

 private:
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

TEST(AsioEngineTest, RunsWhatIsPostedInOrderAndNeverInsidePost) {
  asio::io_context context;
  const std::unique_ptr<AsioEngine> engine = Make(context);
  std::vector<int> order;
  engine->Post([&] {
    order.push_back(1);
    engine->Post([&] { order.push_back(3); });
    order.push_back(2);
  });
  EXPECT_TRUE(order.empty());
  context.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(AsioEngineTest, WakesWhenAnotherThreadPosts) {
  ContextThreads threads(1);
  absl::SleepFor(kSoon);  // it sleeps now
  absl::Notification ran;
  threads.engine()->Post([&] { ran.Notify(); });
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(kPatience));
}

TEST(AsioEngineTest, AFunctionThatWaitsDoesNotHoldUpOtherThreads) {
  ContextThreads threads(2);
  absl::Notification posted_inside;
  absl::Notification ended;
  threads.engine()->Post([&] {
    threads.engine()->Post([&] { posted_inside.Notify(); });
    EXPECT_TRUE(posted_inside.WaitForNotificationWithTimeout(kPatience));
    ended.Notify();
  });
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(2 * kPatience));
}

TEST(AsioEngineTest, AFunctionThatWaitsDoesNotHoldUpTimers) {
  ContextThreads threads(2);
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

TEST(AsioEngineTest, SeveralThreadsRunEachFunctionOnce) {
  constexpr int kFunctions = 10'000;
  ContextThreads threads(3);
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

TEST(AsioEngineTest, TheContextFreesWhatIsPostedAndNeverRuns) {
  auto held = std::make_shared<int>(0);
  {
    asio::io_context context;
    const std::unique_ptr<AsioEngine> engine = Make(context);
    engine->Post([held] { FAIL() << "nobody runs it"; });
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(AsioEngineTest, TheContextMayGoOnWithoutTheEngine) {
  asio::io_context context;
  bool ran = false;
  {
    const std::unique_ptr<AsioEngine> engine = Make(context);
    Sockets sockets;
    CountingWatcher watcher;
    engine->Watch(sockets.fd(), POLLIN, &watcher);
    engine->CancelWatch(sockets.fd(), &watcher);
    engine->RunAt(absl::Now() + absl::Hours(1),
                  [] { FAIL() << "its engine is gone"; });
    context.poll();
    EXPECT_EQ(watcher.count(), 1);
    engine->Forget(sockets.fd());
    engine->Post([&] { ran = true; });
  }
  context.run();
  EXPECT_TRUE(ran);
}

TEST(AsioEngineTest, RunReturnsOnceNobodyWaits) {
  asio::io_context context;
  const std::unique_ptr<AsioEngine> engine = Make(context);
  context.run();
  context.restart();
  Sockets sockets;
  CountingWatcher watcher;
  engine->Watch(sockets.fd(), POLLIN, &watcher);
  engine->RunAt(absl::Now() + kSoon,
                [&] { engine->CancelWatch(sockets.fd(), &watcher); });
  context.run();
  EXPECT_EQ(watcher.count(), 1);
  // The same with what comes in time.
  context.restart();
  engine->Watch(sockets.fd(), POLLIN, &watcher);
  engine->RunAt(absl::Now() + kSoon, [&] { sockets.Send(); });
  context.run();
  EXPECT_EQ(watcher.count(), 2);
  engine->Forget(sockets.fd());
}

TEST(AsioEngineTest, AFunctionIsFreedOnceItHasRun) {
  ContextThreads threads(1);
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

TEST(AsioEngineTest, ATimerThatNeverRunsMayOwnWhatNeedsTheEngine) {
  // As a flow does that is destroyed with it.
  struct User {
    explicit User(AsioEngine* engine) : engine(engine) {}
    ~User() {
      engine->Forget(0);
      engine->Post([] {});
    }
    AsioEngine* const engine;
  };
  asio::io_context context;
  const std::unique_ptr<AsioEngine> engine = Make(context);
  engine->RunAt(absl::InfiniteFuture(),
                [user = std::make_unique<User>(engine.get())] {});
}

// --- Timers

TEST(AsioEngineTest, TimersRunInTheOrderOfTheirTimesAndNotBefore) {
  asio::io_context context;
  const std::unique_ptr<AsioEngine> engine = Make(context);
  const absl::Time begin = absl::Now();
  std::vector<int> order;
  const Engine::Timer never =
      engine->RunAt(absl::InfiniteFuture(), [&] { order.push_back(4); });
  engine->RunAt(begin + absl::Milliseconds(40), [&] {
    order.push_back(3);
    EXPECT_GE(absl::Now(), begin + absl::Milliseconds(40));
    EXPECT_TRUE(engine->Cancel(never));
  });
  engine->RunAt(begin + absl::Milliseconds(20), [&] { order.push_back(2); });
  engine->RunAt(absl::InfinitePast(), [&] { order.push_back(1); });
  context.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(AsioEngineTest, AnEarlierTimerOfAnotherThreadIsInTime) {
  ContextThreads threads(1);
  threads.engine()->RunAt(absl::Now() + absl::Hours(1), [] {});
  absl::SleepFor(kSoon);  // until then it sleeps
  absl::Notification ran;
  threads.engine()->RunAt(absl::Now() + kSoon, [&] { ran.Notify(); });
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(kPatience));
}

TEST(AsioEngineTest, ATimerThatIsCancelledNeverRunsAndIsFreed) {
  asio::io_context context;
  const std::unique_ptr<AsioEngine> engine = Make(context);
  auto held = std::make_shared<int>(0);
  const Engine::Timer timer = engine->RunAt(
      absl::Now(), [held] { FAIL() << "runs though it was cancelled"; });
  EXPECT_TRUE(engine->Cancel(timer));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(engine->Cancel(timer));
  context.run();
}

TEST(AsioEngineTest, ATimerThatRunsCannotBeCancelled) {
  asio::io_context context;
  const std::unique_ptr<AsioEngine> engine = Make(context);
  Engine::Timer timer{};
  timer =
      engine->RunAt(absl::Now(), [&] { EXPECT_FALSE(engine->Cancel(timer)); });
  context.run();
}

// --- Descriptors

TEST(AsioEngineTest, AWatchIsReportedOnce) {
  ContextThreads threads(1);
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

TEST(AsioEngineTest, WhatCameBeforeTheWatchIsReported) {
  ContextThreads threads(1);
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

TEST(AsioEngineTest, TheEndOfThePeerIsReportedAsLongAsItHolds) {
  ContextThreads threads(1);
  Sockets sockets;
  sockets.End();
  for (int i = 0; i < 3; ++i) {
    CountingWatcher watcher;
    threads.engine()->Watch(sockets.fd(), POLLRDHUP, &watcher);
    EXPECT_TRUE(watcher.Await(1));
  }
  threads.engine()->Forget(sockets.fd());
}

TEST(AsioEngineTest, TheEndBehindUnreadDataIsReportedAndNothingEarlier) {
  ContextThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  sockets.Send();
  threads.engine()->Watch(sockets.fd(), POLLRDHUP, &watcher);
  absl::SleepFor(kSoon);
  sockets.Send();
  absl::SleepFor(kSoon);
  EXPECT_EQ(watcher.count(), 0);
  sockets.End();
  EXPECT_TRUE(watcher.Await(1));
  threads.engine()->Forget(sockets.fd());
}

TEST(AsioEngineTest, TheFlagsOfADescriptorStayAsTheyAre) {
  ContextThreads threads(1);
  Sockets sockets;
  CountingWatcher watcher;
  sockets.Send();
  threads.engine()->Watch(sockets.fd(), POLLIN, &watcher);
  EXPECT_TRUE(watcher.Await(1));
  EXPECT_EQ(::fcntl(sockets.fd(), F_GETFL) & O_NONBLOCK, 0);
  threads.engine()->Forget(sockets.fd());
  EXPECT_GE(::fcntl(sockets.fd(), F_GETFL), 0) << "it was closed";
}

TEST(AsioEngineTest, ManyWatchersOnSeveralThreadsAreEachToldOnce) {
  ContextThreads threads(3);
  constexpr size_t kSockets = 50;
  std::vector<Sockets> sockets(kSockets);
  std::vector<CountingWatcher> watchers(kSockets);
  for (int round = 1; round <= 20; ++round) {
    for (size_t i = 0; i < kSockets; ++i) {
      threads.engine()->Watch(sockets[i].fd(), POLLIN, &watchers[i]);
    }
    for (size_t i = 0; i < kSockets; ++i) {
      // Both ways of being told, and both at once.
      if (i % 3 != 0) sockets[i].Send();
      if (i % 3 != 1) {
        threads.engine()->CancelWatch(sockets[i].fd(), &watchers[i]);
      }
    }
    for (size_t i = 0; i < kSockets; ++i) {
      ASSERT_TRUE(watchers[i].Await(round));
      if (i % 3 != 0) sockets[i].Receive();
    }
  }
  for (const Sockets& pair : sockets) threads.engine()->Forget(pair.fd());
}

TEST(AsioEngineTest, EachWatcherOfADescriptorIsToldOfItsOwnEvents) {
  ContextThreads threads(2);
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

TEST(AsioEngineTest, ACancelIsReportedAndOnce) {
  ContextThreads threads(1);
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

TEST(AsioEngineTest, ANumberThatIsUsedAgainBeginsAfresh) {
  ContextThreads threads(1);
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

TEST(AsioEngineTest, AFileIsAlwaysReady) {
  ContextThreads threads(1);
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

TEST(AsioEngineTest, AChildOfForkMayDestroyIt) {
  asio::io_context context;
  std::unique_ptr<AsioEngine> engine = Make(context);
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

TEST(AsioEngineDeathTest, IsNotClosedWhileSomebodyWatches) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        asio::io_context context;
        const std::unique_ptr<AsioEngine> engine = Make(context);
        Sockets sockets;
        CountingWatcher watcher;
        engine->Watch(sockets.fd(), POLLIN, &watcher);
        engine->Forget(sockets.fd());
      },
      "closed while somebody watches");
}

}  // namespace
}  // namespace flow
