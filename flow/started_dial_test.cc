// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Dials that are started and wait without a thread. This program has a
// getaddrinfo() of its own, which answers late when a test wants it to.

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/flow.h"
#include "flow/operation.h"
#include "flow/socket.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/no_threads.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/silent_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

std::atomic<bool> answers_late{false};
std::atomic<int> looking_up{0};
// The address that two.test has before 127.0.0.1, on the same port.
constexpr char kSilentHost[] = "127.0.0.1";
std::atomic<int> silent_port{0};

}  // namespace

// The program's own function is taken for the C library's.
extern "C" int getaddrinfo(const char* host, const char* port,
                           const struct addrinfo* hints,
                           struct addrinfo** found) {
  static const auto original = reinterpret_cast<decltype(&::getaddrinfo)>(
      ::dlsym(RTLD_NEXT, "getaddrinfo"));
  const bool is_number = (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (is_number) return original(host, port, hints, found);
  ++looking_up;
  while (answers_late) absl::SleepFor(absl::Milliseconds(1));
  int result = 0;
  if (std::strcmp(host, "two.test") == 0) {
    result = original(kSilentHost, std::to_string(silent_port).c_str(), hints,
                      found);
    if (result == 0) {
      result = original("127.0.0.1", port, hints, &(*found)->ai_next);
    }
  } else {
    result = original(host, port, hints, found);
  }
  --looking_up;
  return result;
}

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::EngineThreads;
using ::flow::testing::ListenOn;
using ::flow::testing::ManualEngine;
using ::flow::testing::NewFolder;
using ::flow::testing::NoThreads;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::flow::testing::SilentAddress;
using ::testing::HasSubstr;

struct Dialing final : DialOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

struct Reading final : ReadOperation {
  void Done() override { over.Notify(); }
  absl::Notification over;
};

class StartedDialTest : public ::testing::Test {
 protected:
  // Starts a dial, and returns the outcome when it is over.
  absl::StatusOr<std::unique_ptr<Flow>> DialIt(
      const std::string& address, absl::Time deadline = Patience(),
      const DialOptions& options = {}, const Canceller* canceller = nullptr) {
    Dialing dialing;
    if (!StartDial(&dialing, *threads_.engine(), address, deadline, options,
                   canceller)) {
      dialing.over.WaitForNotification();
    }
    return std::move(dialing.flow);
  }

  EngineThreads threads_{1};
};

std::string PortOf(const Listener& listener) {
  const std::string address = listener.address();
  return address.substr(address.rfind(':'));
}

// Accepts on `listener`, and reads what `flow` writes and the other way round.
void ExpectConversation(Listener& listener, Flow& flow) {
  auto peer = listener.Accept(Patience());
  ASSERT_THAT(peer, IsOk());
  Reading reading;
  ASSERT_FALSE(flow.StartRead(&reading)) << "nothing is there";
  EXPECT_THAT((*peer)->Write("hello"), IsOk());
  reading.over.WaitForNotification();
  EXPECT_THAT(reading.result, IsOkAndHolds("hello"));
}

TEST_F(StartedDialTest, TheFlowIsBoundToTheEngineAndCanStart) {
  for (const std::string& address :
       {std::string("tcp:127.0.0.1:0"),
        absl::StrCat("unix:", NewFolder(), "/socket")}) {
    auto listener = ListenOn(address);
    auto flow = DialIt(listener->address());
    ASSERT_THAT(flow, IsOk());
    ExpectConversation(*listener, **flow);
  }
}

TEST_F(StartedDialTest, AUnixSocketWithRoomIsOverAtOnce) {
  ManualEngine engine;
  auto listener = ListenOn("unix:@started_dial_test");
  Dialing dialing;
  EXPECT_TRUE(StartDial(&dialing, engine, listener->address()));
  EXPECT_THAT(dialing.flow, IsOk());
}

TEST_F(StartedDialTest, WhatIsNoAddressIsInvalidAtOnce) {
  ManualEngine engine;
  for (const char* address : {"nonsense", "tcp:80"}) {
    Dialing dialing;
    EXPECT_TRUE(StartDial(&dialing, engine, address));
    EXPECT_THAT(dialing.flow, StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(StartedDialTest, WhereNobodyListensIsUnavailable) {
  const std::string address = ListenOn("tcp:127.0.0.1:0")->address();
  const size_t before = OpenDescriptors();
  EXPECT_THAT(DialIt(address), StatusIs(absl::StatusCode::kUnavailable,
                                        HasSubstr("nobody listens there")));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(StartedDialTest, ANameIsLookedUp) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  auto flow = DialIt("tcp:localhost" + PortOf(*listener));
  ASSERT_THAT(flow, IsOk());
  ExpectConversation(*listener, **flow);
}

TEST_F(StartedDialTest, ManyNamesShareFourThreads) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const std::string address = "tcp:localhost" + PortOf(*listener);
  answers_late = true;
  std::vector<std::unique_ptr<Dialing>> dials;
  for (int i = 0; i < 12; ++i) {
    dials.push_back(std::make_unique<Dialing>());
    ASSERT_FALSE(
        StartDial(dials.back().get(), *threads_.engine(), address, Patience()));
  }
  while (looking_up < 4) std::this_thread::yield();
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(looking_up, 4);
  answers_late = false;
  for (const auto& dial : dials) {
    dial->over.WaitForNotification();
    EXPECT_THAT(dial->flow, IsOk());
  }
}

TEST_F(StartedDialTest, ALookUpThatHangsDoesNotMoveTheDeadline) {
  answers_late = true;
  EXPECT_THAT(
      DialIt("tcp:localhost:1", absl::Now() + absl::Milliseconds(50)),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("the name")));
  answers_late = false;
  // What it says now is thrown away.
  while (looking_up > 0) std::this_thread::yield();
}

TEST_F(StartedDialTest, AnAddressThatDoesNotAnswerEndsAtTheDeadline) {
  const SilentAddress silent;
  const size_t before = OpenDescriptors();
  EXPECT_THAT(
      DialIt(absl::StrCat("tcp:127.0.0.1:", silent.port()),
             absl::Now() + absl::Milliseconds(50)),
      StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("no answer")));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(StartedDialTest, TheSecondAddressIsTriedIfTheFirstDoesNotAnswer) {
  const SilentAddress silent;
  silent_port = silent.port();
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const size_t before = OpenDescriptors();
  auto flow = DialIt("tcp:two.test" + PortOf(*listener));
  ASSERT_THAT(flow, IsOk());
  EXPECT_EQ(OpenDescriptors(), before + 1) << "the other one is not closed";
  ExpectConversation(*listener, **flow);
}

TEST_F(StartedDialTest, AFullUnixSocketIsTriedUntilThereIsRoom) {
  ListenOptions options;
  options.backlog = 1;
  auto listener = ListenOn("unix:@started_dial_full_test", options);
  std::vector<std::unique_ptr<Flow>> waiting;
  while (true) {
    auto flow = DialIt(listener->address(), absl::InfinitePast());
    if (!flow.ok()) {
      EXPECT_THAT(flow, StatusIs(absl::StatusCode::kDeadlineExceeded));
      break;
    }
    waiting.push_back(*std::move(flow));
  }
  Dialing dialing;
  ASSERT_FALSE(StartDial(&dialing, *threads_.engine(), listener->address()));
  EXPECT_THAT(listener->Accept(Patience()), IsOk());
  dialing.over.WaitForNotification();
  EXPECT_THAT(dialing.flow, IsOk());
}

TEST_F(StartedDialTest, ACancellerEndsWhateverItWaitsFor) {
  const SilentAddress silent;
  answers_late = true;
  for (const std::string& address :
       {std::string("tcp:localhost:1"),
        absl::StrCat("tcp:127.0.0.1:", silent.port())}) {
    Canceller canceller;
    Dialing dialing;
    ASSERT_FALSE(StartDial(&dialing, *threads_.engine(), address, Patience(),
                           {}, &canceller));
    canceller.Cancel(absl::AbortedError("enough"));
    dialing.over.WaitForNotification();
    EXPECT_THAT(dialing.flow, StatusIs(absl::StatusCode::kAborted));
  }
  answers_late = false;
  while (looking_up > 0) std::this_thread::yield();
}

TEST_F(StartedDialTest, AFilterIsAskedForEachAddressOfAName) {
  DialOptions options;
  options.may_dial = [](const SocketAddress&) { return false; };
  EXPECT_THAT(DialIt("tcp:localhost:1", Patience(), options),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(StartedDialTest, WithoutAThreadToLookUpItIsExhausted) {
  absl::Status status;
  // Those of the tests before end by themselves.
  while (looking_up > 0) std::this_thread::yield();
  absl::SleepFor(absl::Milliseconds(50));
  {
    const NoThreads none;
    status = DialIt("tcp:localhost:1").status();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(StartedDialTest, AConnectedSocketWasNeverWatched) {
  ManualEngine engine;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const SilentAddress silent;
  Dialing dialing;
  ASSERT_FALSE(StartDial(&dialing, engine,
                         absl::StrCat("tcp:127.0.0.1:", silent.port()),
                         absl::Now() + absl::Milliseconds(20)));
  EXPECT_EQ(engine.watches(), 1u);
  EXPECT_EQ(engine.timers(), 1u);
  absl::SleepFor(absl::Milliseconds(30));
  engine.FireTimers();
  engine.RunAll();
  EXPECT_TRUE(dialing.over.HasBeenNotified());
  EXPECT_EQ(engine.watches() + engine.timers() + engine.posted(), 0u);
  for (int fd = 0; fd < 100; ++fd) EXPECT_FALSE(engine.knows(fd));
}

}  // namespace
}  // namespace flow
