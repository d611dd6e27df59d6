// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a server does until it stops: the cap, the threads, shortages, names.
// server_stop_test.cc has the stop.

#include "flow/server.h"

#include <sys/resource.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/no_threads.h"
#include "flow/testing/internal/server_runner.h"
#include "flow/testing/matchers.h"
#include "flow/testing/pipe_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::EchoWords;
using ::flow::testing::ExpectEcho;
using ::flow::testing::ListenOn;
using ::flow::testing::NoThreads;
using ::flow::testing::Patience;
using ::flow::testing::PipeListener;
using ::flow::testing::ReadSize;
using ::flow::testing::ServerRunner;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::SizeIs;

// Ends a conversation in order.
void Finish(Flow& client) { EXPECT_THAT(client.Close(Patience()), IsOk()); }

// Counts the threads that have come here and are still alive.
std::atomic<int> g_alive{0};
std::atomic<int> g_most_alive{0};

void CountThread() {
  struct Counted {
    Counted() {
      const int now = ++g_alive;
      int most = g_most_alive;
      while (most < now && !g_most_alive.compare_exchange_weak(most, now)) {
      }
    }
    ~Counted() { --g_alive; }
  };
  static thread_local Counted counted;
}

TEST(ServerTest, EachConnectionIsServedByItself) {
  PipeListener listener;
  Server server(EchoWords);
  ServerRunner runner(server, {&listener});
  const auto first = listener.Dial();
  const auto second = listener.Dial();
  ExpectEcho(*second, "two.");
  ExpectEcho(*first, "one.");
  ExpectEcho(*second, "too.");
  Finish(*first);
  Finish(*second);
  EXPECT_EQ(runner.Stop(absl::InfiniteFuture()).connections(), 2);
}

TEST(PipeListenerTest, TheEndThatIsAcceptedTellsWhoDials) {
  PipeListener listener;
  const auto stranger = listener.Dial("tcp:10.0.0.9:4321");
  const auto nobody = listener.Dial();
  const auto to_stranger = listener.Accept(Patience()).value();
  const auto to_nobody = listener.Accept(Patience()).value();
  EXPECT_EQ(to_stranger->remote_address(), "tcp:10.0.0.9:4321");
  EXPECT_EQ(to_stranger->local_address(), "");
  EXPECT_EQ(stranger->local_address(), "tcp:10.0.0.9:4321");
  EXPECT_EQ(stranger->remote_address(), "");
  EXPECT_EQ(to_nobody->remote_address(), "");
}

TEST(ServerTest, AConnectionHasANumberAndAName) {
  PipeListener pipes;
  const auto sockets = ListenOn("tcp:127.0.0.1:0");
  absl::Mutex mu;
  std::vector<std::string> names;
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    {
      internal::MutexLock lock(mu);
      names.push_back(absl::StrCat(me.number(), ": ", me.name()));
    }
    EchoWords(std::move(client), me);
  });
  ServerRunner runner(server, {&pipes, sockets.get()});
  const auto first = pipes.Dial();
  ExpectEcho(*first, "here");
  const auto second = Dial(sockets->address(), Patience()).value();
  ExpectEcho(*second, "here");
  const std::string address = second->local_address();
  Finish(*first);
  Finish(*second);
  runner.Stop(absl::InfiniteFuture());
  EXPECT_THAT(names,
              ElementsAre("1: #1 on pipe", absl::StrCat("2: #2 ", address)));
}

TEST(ServerTest, NoMoreAreServedAtOnceThanTheCapAndByNoMoreThreads) {
  constexpr int kCap = 3;
  constexpr int kConnections = 30;
  PipeListener listener;
  std::atomic<int> served{0};
  // The first ones are all there before one ends.
  std::atomic<int> begun{0};
  absl::Notification all_there;
  g_most_alive = 0;
  ServerOptions options;
  options.max_connections = kCap;
  Server server(
      [&](std::unique_ptr<Flow> client, ServerConnection& connection) {
        CountThread();
        EXPECT_LE(++served, kCap);
        if (++begun == kCap) all_there.Notify();
        all_there.WaitForNotification();
        EchoWords(std::move(client), connection);
        --served;
      },
      options);
  std::vector<std::unique_ptr<Flow>> clients;
  for (int i = 0; i < kConnections; ++i) clients.push_back(listener.Dial());
  ServerRunner runner(server, {&listener});
  for (const auto& client : clients) {
    ExpectEcho(*client, "word");
    Finish(*client);
  }
  EXPECT_EQ(runner.Stop(absl::InfiniteFuture()).connections(), kConnections);
  EXPECT_EQ(g_most_alive, kCap);
  EXPECT_EQ(g_alive, 0);
}

TEST(ServerTest, OneAtATimeIsServedInOrderByOneThread) {
  PipeListener listener;
  std::set<std::thread::id> threads;
  std::vector<int64_t> order;
  ServerOptions options;
  options.max_connections = 1;
  options.keep_threads = absl::InfiniteDuration();
  Server server(
      [&](std::unique_ptr<Flow> client, ServerConnection& connection) {
        threads.insert(std::this_thread::get_id());
        order.push_back(connection.number());
        EchoWords(std::move(client), connection);
      },
      options);
  ServerRunner runner(server, {&listener});
  std::vector<std::unique_ptr<Flow>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(listener.Dial());
  for (const auto& client : clients) {
    ExpectEcho(*client, "word");
    Finish(*client);
  }
  runner.Stop(absl::InfiniteFuture());
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(threads, SizeIs(1));
}

// So that those that are not needed can end.
// Echoes words, and notes on which threads.
Server::Handler EchoOnKnownThreads(absl::Mutex& mu,
                                   std::set<std::thread::id>& threads) {
  return [&](std::unique_ptr<Flow> client, ServerConnection& connection) {
    {
      internal::MutexLock lock(mu);
      threads.insert(std::this_thread::get_id());
    }
    EchoWords(std::move(client), connection);
  };
}

TEST(ServerTest, TheThreadThatWasFreeLastServesNext) {
  PipeListener listener;
  absl::Mutex mu;
  std::set<std::thread::id> threads;
  ServerOptions options;
  options.keep_threads = absl::InfiniteDuration();
  Server server(EchoOnKnownThreads(mu, threads), options);
  ServerRunner runner(server, {&listener});
  // Has so many served at once, and returns by how many threads.
  const auto serve = [&](int at_once) {
    std::vector<std::unique_ptr<Flow>> clients;
    for (int i = 0; i < at_once; ++i) {
      clients.push_back(listener.Dial());
      ExpectEcho(*clients.back(), "word");
    }
    for (const auto& client : clients) Finish(*client);
    while (server.serving() > 0) absl::SleepFor(absl::Milliseconds(1));
    internal::MutexLock lock(mu);
    return threads.size();
  };
  EXPECT_EQ(serve(3), 3);
  {
    internal::MutexLock lock(mu);
    threads.clear();
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(serve(1), 1);
  runner.Stop(absl::InfiniteFuture());
}

TEST(ServerTest, AThreadThatNobodyNeedsEnds) {
  for (const absl::Duration kept :
       {absl::ZeroDuration(), absl::Milliseconds(10)}) {
    PipeListener listener;
    ServerOptions options;
    options.keep_threads = kept;
    Server server(
        [](std::unique_ptr<Flow> client, ServerConnection& connection) {
          CountThread();
          EchoWords(std::move(client), connection);
        },
        options);
    ServerRunner runner(server, {&listener});
    for (int round = 0; round < 2; ++round) {
      std::vector<std::unique_ptr<Flow>> clients;
      for (int i = 0; i < 4; ++i) {
        clients.push_back(listener.Dial());
        ExpectEcho(*clients.back(), "word");
      }
      EXPECT_EQ(g_alive, 4);
      for (const auto& client : clients) Finish(*client);
      while (g_alive > 0) absl::SleepFor(absl::Milliseconds(1));
    }
    runner.Stop(absl::InfiniteFuture());
  }
}

TEST(ServerTest, SeveralListenersShareTheCap) {
  PipeListener listeners[3];
  std::atomic<int> served{0};
  ServerOptions options;
  options.max_connections = 1;
  Server server(
      [&](std::unique_ptr<Flow> client, ServerConnection& connection) {
        EXPECT_EQ(++served, 1);
        EchoWords(std::move(client), connection);
        --served;
      },
      options);
  ServerRunner runner(server, {&listeners[0], &listeners[1], &listeners[2]});
  std::vector<std::unique_ptr<Flow>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(listeners[i % 3].Dial());
  // They come in an order that nobody knows.
  std::vector<std::thread> threads;
  for (const auto& client : clients) {
    threads.emplace_back([&client] {
      ExpectEcho(*client, "word");
      Finish(*client);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(runner.Stop(absl::InfiniteFuture()).connections(), 12);
}

// Counts the calls of Accept() that have begun.
class CountingListener final : public Listener {
 public:
  explicit CountingListener(std::atomic<int>& accepts) : accepts_(accepts) {}

  std::unique_ptr<Flow> Dial() { return pipes_.Dial(); }

  absl::StatusOr<std::unique_ptr<Flow>> Accept(absl::Time deadline) override {
    ++accepts_;
    return pipes_.Accept(deadline);
  }
  void Close() override { pipes_.Close(); }
  std::string address() const override { return pipes_.address(); }

 private:
  std::atomic<int>& accepts_;
  PipeListener pipes_;
};

TEST(ServerTest, WhatWasAcceptedAtTheSameTimeWaitsForItsTurn) {
  std::atomic<int> accepts{0};
  CountingListener one(accepts);
  CountingListener other(accepts);
  ServerOptions options;
  options.max_connections = 1;
  Server server(EchoWords, options);
  ServerRunner runner(server, {&one, &other});
  // Both have found room.
  while (accepts < 2) absl::SleepFor(absl::Milliseconds(1));
  const auto first = one.Dial();
  ExpectEcho(*first, "word");
  const auto second = other.Dial();
  ASSERT_THAT(second->Write("word"), IsOk());
  second->SetReadDeadline(absl::Now() + absl::Milliseconds(50));
  EXPECT_THAT(second->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  Finish(*first);
  EXPECT_EQ(ReadSize(*second, 4), "word");
  Finish(*second);
  EXPECT_EQ(runner.Stop(absl::InfiniteFuture()).connections(), 2);
}

TEST(ServerTest,
     AThousandConnectionsAtOnceTakeAThousandThreadsAndTheNextTheSame) {
  constexpr int kConnections = 1000;
  struct rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  // Each takes two, and one that wakes its thread.
  if (limit.rlim_max < 3 * kConnections + 100) GTEST_SKIP() << "descriptors";
  const auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::Mutex mu;
  std::set<std::thread::id> threads;
  ServerOptions options;
  options.max_connections = kConnections;
  options.keep_threads = absl::InfiniteDuration();  // for the second wave
  Server server(EchoOnKnownThreads(mu, threads), options);
  ServerRunner runner(server, {listener.get()});
  for (int wave = 0; wave < 2; ++wave) {
    std::vector<std::unique_ptr<Flow>> clients;
    for (int i = 0; i < kConnections; ++i) {
      clients.push_back(Dial(listener->address(), Patience()).value());
    }
    for (const auto& client : clients) ExpectEcho(*client, "word");
    for (const auto& client : clients) Finish(*client);
  }
  const ServerReport report = runner.Stop(absl::InfiniteFuture());
  EXPECT_EQ(report.connections(), 2 * kConnections);
  EXPECT_THAT(threads, SizeIs(kConnections));
}

TEST(ServerTest, AFailedAcceptStopsNobodyAndIsToldOnce) {
  PipeListener listener;
  absl::Mutex mu;
  std::vector<std::string> told;
  ServerOptions options;
  options.on_error = [&](const absl::Status& error) {
    EXPECT_TRUE(absl::IsResourceExhausted(error));
    internal::MutexLock lock(mu);
    told.emplace_back(error.message());
  };
  Server server(EchoWords, options);
  ServerRunner runner(server, {&listener});
  const auto before = listener.Dial();
  ExpectEcho(*before, "one.");
  listener.Fail(absl::ResourceExhaustedError("no descriptor"));
  listener.Fail(absl::ResourceExhaustedError("still none"));
  const auto between = listener.Dial();
  ExpectEcho(*before, "two.");
  ExpectEcho(*between, "one.");
  listener.Fail(absl::ResourceExhaustedError("none again"));
  const auto after = listener.Dial();
  ExpectEcho(*after, "one.");
  const ServerReport report = runner.Stop(absl::InfiniteFuture());
  EXPECT_THAT(report.status, IsOk());
  EXPECT_THAT(told, ElementsAre("no descriptor", "none again"));
}

TEST(ServerTest, WithoutAThreadOneConnectionIsRefusedAndOthersGoOn) {
  PipeListener listener;
  absl::Mutex mu;
  std::vector<std::string> refused;
  ServerOptions options;
  options.refuse = [&](std::unique_ptr<Flow> client,
                       ServerConnection& connection, const absl::Status& why) {
    EXPECT_THAT(client->Write("busy"), IsOk());
    EXPECT_TRUE(absl::IsResourceExhausted(why));
    internal::MutexLock lock(mu);
    refused.push_back(connection.name());
  };
  Server server(EchoWords, options);
  ServerRunner runner(server, {&listener});
  const auto first = listener.Dial();
  ExpectEcho(*first, "one.");
  {
    const NoThreads none;
    const auto second = listener.Dial();
    EXPECT_EQ(testing::ReadSize(*second, 4), "busy");
    ExpectEcho(*first, "two.");
  }
  const auto third = listener.Dial();
  ExpectEcho(*third, "one.");
  Finish(*first);
  Finish(*third);
  const ServerReport report = runner.Stop(absl::InfiniteFuture());
  EXPECT_EQ(report.refused, 1);
  EXPECT_EQ(report.connections(), 3);
  EXPECT_THAT(refused, ElementsAre("#2 on pipe"));
}

TEST(ServerTest, ARefusedConnectionIsAbortedIfNobodyElseDoesIt) {
  PipeListener listener;
  Server server(EchoWords);
  ServerRunner runner(server, {&listener});
  {
    const NoThreads none;
    const auto client = listener.Dial();
    EXPECT_THAT(client->Read(), StatusIs(absl::StatusCode::kResourceExhausted));
  }
  EXPECT_EQ(runner.Stop(absl::InfiniteFuture()).refused, 1);
}

TEST(ServerTest, AListenerThatFailsForGoodStopsNoOther) {
  PipeListener broken;
  PipeListener listener;
  std::atomic<int> told{0};
  ServerOptions options;
  options.on_error = [&](const absl::Status& error) {
    EXPECT_THAT(error, StatusIs(absl::StatusCode::kInternal, "broken"));
    ++told;
  };
  Server server(EchoWords, options);
  ServerRunner runner(server, {&broken, &listener});
  const auto before = broken.Dial();
  ExpectEcho(*before, "one.");
  broken.Fail(absl::InternalError("broken"));
  const auto dropped = broken.Dial();
  EXPECT_THAT(dropped->Read(), Not(IsOk())) << "the listener is closed";
  const auto after = listener.Dial();
  ExpectEcho(*before, "two.");
  ExpectEcho(*after, "one.");
  EXPECT_FALSE(server.stopping());
  const ServerReport report = runner.Stop(absl::InfiniteFuture());
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kInternal, "broken"));
  EXPECT_EQ(report.connections(), 2);
  EXPECT_EQ(told, 1);
}

TEST(ServerTest, TheLastListenerEndsTheServer) {
  PipeListener closed;
  PipeListener broken;
  Server server(EchoWords);
  ServerRunner runner(server, {&closed, &broken});
  const auto client = closed.Dial();
  ExpectEcho(*client, "word");
  closed.Close();
  broken.Fail(absl::InternalError("broken"));
  const ServerReport report = runner.Join();
  EXPECT_EQ(report.connections(), 1);
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kInternal));
}

TEST(ServerTest, WithoutAThreadForAListenerTheOthersGoOn) {
  PipeListener first;
  PipeListener second;
  std::optional<NoThreads> none;
  ServerOptions options;
  options.on_error = [&](const absl::Status& error) {
    EXPECT_TRUE(absl::IsResourceExhausted(error));
    none.reset();
  };
  Server server(EchoWords, options);
  const auto client = first.Dial();
  absl::Notification run;
  ServerReport report;
  std::thread runner([&] {
    run.WaitForNotification();
    report = server.Run({&first, &second});
  });
  none.emplace();
  run.Notify();
  ExpectEcho(*client, "word");
  server.Stop(absl::InfiniteFuture());
  runner.join();
  EXPECT_THAT(report.status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(report.connections(), 1);
}

TEST(ServerTest, TheIdleTimeIsTheReadDeadline) {
  PipeListener listener;
  std::atomic<bool> more{true};
  Server server([&](std::unique_ptr<Flow> client, ServerConnection& me) {
    auto channel = MakeChannel(std::move(client));
    channel->SetReadDeadline(testing::Soon());
    more = me.AwaitRequest(*channel);
    channel->Close(Patience()).IgnoreError();
  });
  ServerRunner runner(server, {&listener});
  const auto client = listener.Dial();
  client->SetReadDeadline(Patience());
  EXPECT_THAT(client->Read(), testing::IsEof());
  EXPECT_FALSE(more);
  Finish(*client);
  const ServerReport report = runner.Stop(absl::InfiniteFuture());
  EXPECT_EQ(report.ended_before + report.in_time, 1);
}

}  // namespace
}  // namespace flow
