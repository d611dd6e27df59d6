// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/waker.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <set>
#include <thread>  // NOLINT(build/c++11)
#include <vector>

#include "absl/status/status_matchers.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "flow/internal/fd_waiter.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOkAndHolds;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using Outcome = FdWaiter::Outcome;

bool IsReadable(int fd) {
  struct pollfd polled = {fd, POLLIN, 0};
  return ::poll(&polled, 1, 0) > 0;
}

// Returns the descriptors of the wakers of `count` threads that live at once.
std::multiset<int> WakersOf(size_t count) {
  std::vector<int> fds(count);
  std::vector<std::thread> threads;
  absl::BlockingCounter left(static_cast<int>(count));
  absl::Notification all_have_one;
  for (int& fd : fds) {
    threads.emplace_back([&] {
      Waker* const waker = Waker::OfThisThread();
      fd = waker == nullptr ? -1 : waker->fd();
      left.DecrementCount();
      all_have_one.WaitForNotification();
    });
  }
  left.Wait();
  all_have_one.Notify();
  for (std::thread& thread : threads) thread.join();
  return {fds.begin(), fds.end()};
}

TEST(WakerTest, AThreadKeepsItsWaker) {
  EXPECT_EQ(Waker::OfThisThread(), Waker::OfThisThread());
}

TEST(WakerTest, FewThreadsShareNone) {
  const std::multiset<int> fds = WakersOf(Waker::kMaxWakers / 2);
  EXPECT_EQ(std::set<int>(fds.begin(), fds.end()).size(), fds.size());
  EXPECT_EQ(fds.count(-1), 0);
}

TEST(WakerTest, ManyThreadsShareFewEvenly) {
  Waker::OfThisThread();
  const size_t threads = 4 * Waker::kMaxWakers - 1;
  const std::multiset<int> fds = WakersOf(threads);
  EXPECT_EQ(std::set<int>(fds.begin(), fds.end()).size(), Waker::kMaxWakers);
  for (const int fd : fds) EXPECT_LE(fds.count(fd), 4);
}

TEST(WakerTest, ThreadsThatHaveEndedHoldNone) {
  Waker::OfThisThread();
  const size_t before = OpenDescriptors();
  WakersOf(2 * Waker::kMaxWakers);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(WakerTest, WithoutADescriptorThreadsShareWhatThereIs) {
  const int mine = Waker::OfThisThread()->fd();
  struct rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const struct rlimit none_left = {static_cast<rlim_t>(mine + 1),
                                   limit.rlim_max};
  // Those below may be closed.
  std::vector<int> below;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none_left), 0);
  for (int fd; (fd = ::dup(mine)) >= 0;) below.push_back(fd);
  const std::multiset<int> fds = WakersOf(3);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  for (const int fd : below) ::close(fd);
  EXPECT_EQ(fds, (std::multiset<int>{mine, mine, mine}));
}

TEST(WakerTest, IsReadableUntilAllThatWereMeantHaveWokenUp) {
  Waker& waker = *Waker::OfThisThread();
  EXPECT_FALSE(IsReadable(waker.fd()));
  waker.Raise();
  waker.Raise();
  EXPECT_TRUE(IsReadable(waker.fd()));
  waker.Lower();
  EXPECT_TRUE(IsReadable(waker.fd()));
  waker.Pass();
  EXPECT_TRUE(IsReadable(waker.fd()));
  waker.Lower();
  EXPECT_FALSE(IsReadable(waker.fd()));
}

// Such as from a forked child that was stopped in the middle of a Raise().
TEST(WakerTest, WhatIsReadableAndWakesNobodyIsPassedOnce) {
  Waker& waker = *Waker::OfThisThread();
  const uint64_t one = 1;
  ASSERT_EQ(::write(waker.fd(), &one, sizeof(one)), sizeof(one));
  waker.Pass();
  EXPECT_FALSE(IsReadable(waker.fd()));
}

// Waits by itself for something that never comes.
class Waiting {
 public:
  explicit Waiting(int fd)
      : thread_([this, fd] {
          EXPECT_THAT(waiter_.Wait(fd, POLLIN),
                      IsOkAndHolds(Outcome::kStopped));
          has_returned_ = true;
        }) {}

  bool has_returned() const { return has_returned_; }
  void Stop() { waiter_.Stop(); }
  void Join() { thread_.join(); }

 private:
  FdWaiter waiter_;
  std::atomic<bool> has_returned_{false};
  std::thread thread_;
};

TEST(WakerTest, OfThreadsThatShareOneOnlyThoseThatAreMeantReturn) {
  const RawPair pipe = RawPipe();
  std::vector<std::unique_ptr<Waiting>> all;
  for (size_t i = 0; i < 4 * Waker::kMaxWakers; ++i) {
    all.push_back(std::make_unique<Waiting>(pipe.left));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = i; j < all.size(); ++j) {
      ASSERT_FALSE(all[j]->has_returned()) << i << ", " << j;
    }
    all[i]->Stop();
    all[i]->Join();
  }
  ::close(pipe.left);
  ::close(pipe.right);
}

TEST(WakerTest, NoWakeUpIsLostIfManyAreMeantAtOnce) {
  const RawPair pipe = RawPipe();
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<Waiting>> all;
    for (size_t i = 0; i < 4 * Waker::kMaxWakers; ++i) {
      all.push_back(std::make_unique<Waiting>(pipe.left));
    }
    std::vector<std::thread> stoppers;
    for (size_t first : {0, 1, 2}) {
      stoppers.emplace_back([&all, first] {
        for (size_t i = first; i < all.size(); i += 3) all[i]->Stop();
      });
    }
    for (std::thread& stopper : stoppers) stopper.join();
    for (auto& waiting : all) waiting->Join();
  }
  ::close(pipe.left);
  ::close(pipe.right);
}

TEST(WakerTest, AForkedChildHasItsOwnAndCannotWakeItsParent) {
  Waker* const parents = Waker::OfThisThread();
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    parents->Raise();
    Waker* const own = Waker::OfThisThread();
    if (own == nullptr || own == parents) ::_exit(1);
    own->Raise();
    ::_exit(IsReadable(own->fd()) ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(IsReadable(parents->fd()));
}

// Many a child closes all that it has, and opens files of its own.
TEST(WakerTest, AForkedChildClosesNothingThatMayBeItsOwnByNow) {
  const int parents = Waker::OfThisThread()->fd();
  const RawPair pipe = RawPipe();
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    if (::dup2(pipe.right, parents) != parents) ::_exit(1);
    if (Waker::OfThisThread() == nullptr) ::_exit(2);
    ::_exit(::write(parents, "x", 1) == 1 ? 0 : 3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(IsReadable(pipe.left));
  ::close(pipe.left);
  ::close(pipe.right);
}

// Destructors of other thread_local objects may come later.
TEST(WakerTest, AThreadAtItsEndHasNone) {
  static bool had_one = true;
  struct Late {
    ~Late() { had_one = Waker::OfThisThread() != nullptr; }
  };
  std::thread([] {
    static thread_local const Late late;
    (void)&late;
    Waker::OfThisThread();
  }).join();
  EXPECT_FALSE(had_one);
}

}  // namespace
}  // namespace flow::internal
