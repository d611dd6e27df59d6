// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::DescriptorLimit;
using ::flow::testing::ExpectConversation;
using ::flow::testing::IsClosed;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::Patience;
using ::flow::testing::RawReset;
using ::flow::testing::RawWrite;
using ::flow::testing::Soon;
using ::testing::HasSubstr;

// Connects to `listener`, on 127.0.0.1, without a flow.
int RawDial(const Listener& listener) {
  const std::string text = listener.address();
  int port;
  ABSL_CHECK(absl::SimpleAtoi(
      absl::string_view(text).substr(text.rfind(':') + 1), &port));
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(port));
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::connect(fd, reinterpret_cast<struct sockaddr*>(&address),
                        sizeof(address)) == 0);
  return fd;
}

// --- Accept()

TEST(AcceptTest, ItsDeadlineEndsTheWait) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  for (const absl::Time deadline : {absl::InfinitePast(), Soon()}) {
    EXPECT_THAT(listener->Accept(deadline),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  ExpectConversation(*listener, listener->address());
}

TEST(AcceptTest, ADeadlineInThePastTakesWhoIsThereAlready) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      Dial(listener->address(), Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT(listener->Accept(absl::InfinitePast()), IsOk());
}

TEST(AcceptTest, ManyMayWaitAndEachGetsOne) {
  constexpr int kThreads = 8;
  constexpr int kEach = 20;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        absl::StatusOr<std::unique_ptr<Flow>> flow =
            listener->Accept(Patience());
        ASSERT_THAT(flow, IsOk());
        EXPECT_THAT((*flow)->Read(), IsOkAndHolds("x"));
        EXPECT_THAT((*flow)->Close(Patience()), IsOk());
        ++accepted;
      }
    });
  }
  for (int n = 0; n < kThreads * kEach; ++n) {
    absl::StatusOr<std::unique_ptr<Flow>> flow =
        Dial(listener->address(), Patience());
    ASSERT_THAT(flow, IsOk());
    EXPECT_THAT((*flow)->Write("x"), IsOk());
    EXPECT_THAT((*flow)->Close(Patience()), IsOk());
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, kThreads * kEach);
}

TEST(AcceptTest, AConnectionDoesNotWakeAllWhoWait) {
  constexpr int kThreads = 100;
  constexpr int kConnections = 300;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      std::vector<std::unique_ptr<Flow>> flows;
      while (true) {
        absl::StatusOr<std::unique_ptr<Flow>> flow = listener->Accept();
        if (!flow.ok()) break;
        flows.push_back(*std::move(flow));
        ++accepted;
      }
    });
  }
  absl::SleepFor(absl::Milliseconds(200));  // Most of them wait by now.
  struct rusage before;
  ABSL_PCHECK(::getrusage(RUSAGE_SELF, &before) == 0);
  for (int i = 0; i < kConnections; ++i) {
    const auto flow = Dial(listener->address(), Patience());
    ABSL_CHECK_OK(flow.status());
    while (accepted <= i) absl::SleepFor(absl::Microseconds(100));
  }
  struct rusage after;
  ABSL_PCHECK(::getrusage(RUSAGE_SELF, &after) == 0);
  listener->Close();
  for (std::thread& thread : threads) thread.join();
  // A few each, some of them ours; all hundred, if all are woken.
  EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, 40 * kConnections);
}

TEST(AcceptTest, AConnectionThatWasResetIsPassedOver) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  RawReset(RawDial(*listener));
  EXPECT_THAT(listener->Accept(absl::Now() + absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  RawReset(RawDial(*listener));
  ExpectConversation(*listener, listener->address());
}

TEST(AcceptTest, AConnectionThatWasResetIsReturnedIfItLeftSomething) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const int client = RawDial(*listener);
  RawWrite(client, "last words");
  RawReset(client);
  absl::StatusOr<std::unique_ptr<Flow>> flow = listener->Accept(Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT((*flow)->Read(), IsOkAndHolds("last words"));
  EXPECT_THAT((*flow)->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(AcceptTest, AClientThatHasEndedInGoodOrderIsReturned) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  ::close(RawDial(*listener));
  absl::StatusOr<std::unique_ptr<Flow>> flow = listener->Accept(Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT((*flow)->Read(), IsOkAndHolds(""));
}

TEST(AcceptTest, WithoutADescriptorIsExhaustedAndTheConnectionWaits) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::StatusOr<std::unique_ptr<Flow>> left =
      Dial(listener->address(), Patience());
  ASSERT_THAT(left, IsOk());
  absl::Status later;
  absl::Status at_once;
  {
    const DescriptorLimit none(0);
    later = listener->Accept(Patience()).status();
    at_once = listener->Accept(absl::InfinitePast()).status();
  }
  EXPECT_THAT(later, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(at_once, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(listener->Accept(Patience()), IsOk());
}

TEST(AcceptTest, WithoutADescriptorItWaitsAsLongAsNobodyComes) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::Status status;
  {
    const DescriptorLimit none(0);
    status = listener->Accept(absl::Now() + absl::Milliseconds(200)).status();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(AcceptTest, WherePollFailsItIsExhausted) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  struct rlimit none = before;
  none.rlim_cur = 0;
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const absl::Status status = listener->Accept().status();
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("poll")));
  ExpectConversation(*listener, listener->address());
}

// --- Closing a listener

TEST(ListenerTest, CloseWakesEveryAccept) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::vector<std::thread> threads;
  std::atomic<int> begun{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ++begun;
      EXPECT_THAT(listener->Accept(), IsClosed());
    });
  }
  while (begun < 4) std::this_thread::yield();
  listener->Close();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(listener->Accept(), IsClosed());
  listener->Close();
}

TEST(ListenerTest, AfterCloseNobodyListensAndTheAddressIsFree) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const std::string address = listener->address();
  listener->Close();
  EXPECT_THAT(Dial(address, Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
  ExpectConversation(*ListenOn(address), address);
}

TEST(ListenerTest, APortCanBeUsedAgainAfterAConnectionOnIt) {
  std::string address;
  {
    auto listener = ListenOn("tcp:127.0.0.1:0");
    address = listener->address();
    absl::StatusOr<std::unique_ptr<Flow>> left = Dial(address, Patience());
    absl::StatusOr<std::unique_ptr<Flow>> right = listener->Accept(Patience());
    ASSERT_THAT(right, IsOk());
    // Whoever ends first keeps the port for a while (TIME_WAIT).
    EXPECT_THAT((*right)->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT((*left)->Close(Patience()), IsOk());
    EXPECT_THAT((*right)->Close(Patience()), IsOk());
  }
  EXPECT_THAT(Listen(address), IsOk());
}

TEST(ListenerTest, OnAnAddressThatIsTakenAlreadyExists) {
  auto tcp = ListenOn("tcp:127.0.0.1:0");
  EXPECT_THAT(Listen(tcp->address()),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("somebody else listens there")));
  const std::string path = absl::StrCat("unix:", NewFolder(), "/socket");
  auto unix = ListenOn(path);
  EXPECT_THAT(Listen(path), StatusIs(absl::StatusCode::kAlreadyExists));
  ExpectConversation(*unix, path);
}

TEST(ListenerTest, OnAnAddressOfAnotherMachineIsInvalid) {
  // RFC 5737: for documentation, so no machine has it.
  EXPECT_THAT(Listen("tcp:192.0.2.1:0"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not one of this machine")));
}

}  // namespace
}  // namespace flow
