// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Each test is a process of its own, as it is about signals.

#include "flow/signal_watch.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>  // NOLINT(build/c++11)

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "flow/testing/internal/no_threads.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::NoThreads;
using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

void SendToThisProcess(int signal) { ::kill(::getpid(), signal); }

TEST(SignalWatchDeathTest, TheFirstSignalCallsTheFunction) {
  EXPECT_EXIT(
      {
        std::atomic<int> first{0};
        absl::Notification called;
        const auto watch = WatchSignals([&](int signal) {
          first = signal;
          called.Notify();
        });
        SendToThisProcess(SIGTERM);
        called.WaitForNotification();
        std::_Exit(first == SIGTERM ? 17 : 1);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, ASignalThatSomebodyHasQueuedCounts) {
  EXPECT_EXIT(
      {
        absl::Notification called;
        const auto watch = WatchSignals([&](int) { called.Notify(); });
        ::sigqueue(::getpid(), SIGTERM, sigval());
        called.WaitForNotification();
        std::_Exit(17);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, TheSecondSignalEndsThoughTheFunctionBlocks) {
  EXPECT_EXIT(
      {
        absl::Notification called;
        const auto watch = WatchSignals([&](int) {
          called.Notify();
          while (true) ::pause();
        });
        SendToThisProcess(SIGTERM);
        called.WaitForNotification();
        SendToThisProcess(SIGINT);
        while (true) ::pause();
      },
      KilledBySignal(SIGINT), "");
}

TEST(SignalWatchDeathTest, TheSecondSignalEndsAfterTheFunction) {
  EXPECT_EXIT(
      {
        absl::Notification called;
        const auto watch = WatchSignals([&](int) { called.Notify(); });
        SendToThisProcess(SIGINT);
        called.WaitForNotification();
        SendToThisProcess(SIGTERM);
        while (true) ::pause();
      },
      KilledBySignal(SIGTERM), "");
}

TEST(SignalWatchDeathTest, AfterTheWatchSignalsDoWhatTheyDidBefore) {
  EXPECT_EXIT(
      {
        for (int i = 0; i < 100; ++i) {
          const auto watch = WatchSignals([](int) { std::_Exit(1); });
        }
        SendToThisProcess(SIGTERM);
        while (true) ::pause();
      },
      KilledBySignal(SIGTERM), "");
}

TEST(SignalWatchDeathTest, ASignalAtTheEndOfTheWatchIsNotLost) {
  EXPECT_EXIT(
      {
        static std::atomic<bool> arrived;
        std::signal(SIGTERM, [](int) { arrived = true; });
        for (int i = 0; i < 1000; ++i) {
          arrived = false;
          auto watch = WatchSignals([](int) { arrived = true; }, {SIGTERM});
          SendToThisProcess(SIGTERM);
          *watch = nullptr;
          if (!arrived) std::_Exit(1);
        }
        std::_Exit(17);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, WatchesOfOtherSignalsMayEndInAnyOrder) {
  EXPECT_EXIT(
      {
        absl::Notification called;
        auto first = WatchSignals([](int) { std::_Exit(1); }, {SIGINT});
        auto second = WatchSignals([&](int) { called.Notify(); }, {SIGTERM});
        *first = nullptr;
        SendToThisProcess(SIGTERM);
        called.WaitForNotification();
        *second = nullptr;
        SendToThisProcess(SIGINT);
        while (true) ::pause();
      },
      KilledBySignal(SIGINT), "");
}

TEST(SignalWatchDeathTest, SignalsThatOthersHaveBlockedStayBlocked) {
  EXPECT_EXIT(
      {
        sigset_t others;
        ::sigemptyset(&others);
        ::sigaddset(&others, SIGHUP);
        ::sigaddset(&others, SIGINT);
        ::pthread_sigmask(SIG_BLOCK, &others, nullptr);
        auto watch = WatchSignals([](int) { std::_Exit(1); });
        ::sigaddset(&others, SIGUSR1);
        ::pthread_sigmask(SIG_BLOCK, &others, nullptr);
        *watch = nullptr;
        for (int signal : {SIGHUP, SIGINT, SIGUSR1}) SendToThisProcess(signal);
        std::_Exit(17);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, AWatchThatWasCalledCanEnd) {
  EXPECT_EXIT(
      {
        absl::Notification called;
        auto watch = WatchSignals([&](int) { called.Notify(); });
        SendToThisProcess(SIGTERM);
        called.WaitForNotification();
        *watch = nullptr;
        std::_Exit(17);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, IgnoredSignalsStayIgnored) {
  EXPECT_EXIT(
      {
        std::signal(SIGINT, SIG_IGN);
        std::signal(SIGTERM, SIG_IGN);
        auto watch = WatchSignals([](int) { std::_Exit(1); });
        SendToThisProcess(SIGINT);
        SendToThisProcess(SIGTERM);
        *watch = nullptr;
        std::_Exit(17);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, AnIgnoredSignalIsNotTheFirst) {
  EXPECT_EXIT(
      {
        std::signal(SIGINT, SIG_IGN);
        std::atomic<int> first{0};
        absl::Notification called;
        const auto watch = WatchSignals([&](int signal) {
          first = signal;
          called.Notify();
        });
        SendToThisProcess(SIGINT);
        SendToThisProcess(SIGTERM);
        called.WaitForNotification();
        std::_Exit(first == SIGTERM ? 17 : 1);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, OtherSignalsAreLeftAlone) {
  EXPECT_EXIT(
      {
        const auto watch = WatchSignals([](int) { std::_Exit(1); }, {SIGINT});
        SendToThisProcess(SIGTERM);
        while (true) ::pause();
      },
      KilledBySignal(SIGTERM), "");
}

TEST(SignalWatchDeathTest, OtherSignalsDoNotEndTheWatch) {
  EXPECT_EXIT(
      {
        static std::atomic<bool> handled;
        std::signal(SIGUSR1, [](int) { handled = true; });
        absl::Notification called;
        const auto watch =
            WatchSignals([&](int) { called.Notify(); }, {SIGTERM});
        // Only the thread of the watch can handle it.
        sigset_t other;
        ::sigemptyset(&other);
        ::sigaddset(&other, SIGUSR1);
        ::pthread_sigmask(SIG_BLOCK, &other, nullptr);
        for (int i = 0; i < 100; ++i) {
          handled = false;
          SendToThisProcess(SIGUSR1);
          while (!handled) std::this_thread::yield();
        }
        SendToThisProcess(SIGTERM);
        called.WaitForNotification();
        std::_Exit(17);
      },
      ExitedWithCode(17), "");
}

TEST(SignalWatchDeathTest, WithoutAThreadSignalsDoWhatTheyDidBefore) {
  EXPECT_EXIT(
      {
        const NoThreads none;
        const auto watch = WatchSignals([](int) { std::_Exit(1); });
        if (!absl::IsResourceExhausted(watch.status())) std::_Exit(2);
        std::raise(SIGTERM);
      },
      KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace flow
