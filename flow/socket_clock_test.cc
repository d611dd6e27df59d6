// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The deadlines of Dial() and Accept() when somebody sets the wall clock. This
// program has a getaddrinfo() of its own, which never finds one name.

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/socket.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/silent_address.h"
#include "flow/testing/internal/wall_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

absl::Notification& LookUpsEnd() {
  static auto* const end = new absl::Notification();
  return *end;
}

}  // namespace

// The program's own function is taken for the C library's. Numbers are all that
// the other tests need.
extern "C" int getaddrinfo(const char* host, const char* port,
                           const struct addrinfo* hints,
                           struct addrinfo** found) {
  if (host == nullptr || absl::string_view(host) != "slow.test") {
    static struct sockaddr_in address;
    static struct addrinfo info;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<in_port_t>(std::stoi(port)));
    info = {};
    info.ai_family = AF_INET;
    info.ai_socktype = SOCK_STREAM;
    info.ai_addr = reinterpret_cast<struct sockaddr*>(&address);
    info.ai_addrlen = sizeof(address);
    *found = &info;
    return 0;
  }
  if ((hints->ai_flags & AI_NUMERICHOST) == 0) {
    LookUpsEnd().WaitForNotification();
  }
  return EAI_NONAME;
}
extern "C" void freeaddrinfo(struct addrinfo*) {}

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::SetWallClock;
using ::flow::testing::SilentAddress;
using internal::MonotonicDeadline;

constexpr absl::Duration kLimit = absl::Milliseconds(400);

// Expects that `wait`, with a deadline in kLimit, ends by it, and not before,
// when the clock is set meanwhile.
void ExpectKept(absl::FunctionRef<absl::Status(absl::Time)> wait) {
  for (const absl::Duration step : {absl::Hours(-1), absl::Hours(1)}) {
    SCOPED_TRACE(step);
    std::thread setter([step] {
      absl::SleepFor(kLimit / 4);
      SetWallClock(step);
    });
    const auto end = MonotonicDeadline::In(kLimit);
    EXPECT_THAT(wait(absl::Now() + kLimit),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    // The clock that the kernel waits by may be a little behind.
    EXPECT_LE(end.left(), absl::Milliseconds(20));
    EXPECT_GE(end.left(), absl::Minutes(-1));
    setter.join();
    SetWallClock(absl::ZeroDuration());
  }
}

TEST(SocketClockTest, AcceptKeepsItsDeadline) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  ExpectKept(
      [&](absl::Time deadline) { return listener->Accept(deadline).status(); });
}

TEST(SocketClockTest, AcceptKeepsItsDeadlineBehindAnother) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::thread first([&] { listener->Accept().IgnoreError(); });
  absl::SleepFor(absl::Milliseconds(50));
  ExpectKept(
      [&](absl::Time deadline) { return listener->Accept(deadline).status(); });
  listener->Close();
  first.join();
}

TEST(SocketClockTest, DialKeepsItsDeadlineOnTcp) {
  const SilentAddress silent;
  ExpectKept([&](absl::Time deadline) {
    return Dial(absl::StrCat("tcp:127.0.0.1:", silent.port()), deadline)
        .status();
  });
}

TEST(SocketClockTest, DialKeepsItsDeadlineOnAUnixSocket) {
  ListenOptions options;
  options.backlog = 0;
  const std::string address = absl::StrCat("unix:", NewFolder(), "/full");
  auto listener = ListenOn(address, options);
  const absl::StatusOr<std::unique_ptr<Flow>> waiting = Dial(address);
  ASSERT_THAT(waiting, IsOk());
  ExpectKept(
      [&](absl::Time deadline) { return Dial(address, deadline).status(); });
}

TEST(SocketClockTest, DialKeepsItsDeadlineWhileANameIsLookedUp) {
  ExpectKept([](absl::Time deadline) {
    return Dial("tcp:slow.test:80", deadline).status();
  });
  LookUpsEnd().Notify();
}

}  // namespace
}  // namespace flow
