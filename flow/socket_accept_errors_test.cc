// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What Accept() makes of each error of accept4(2). This program has an
// accept4() of its own, which fails when a test wants it to.

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

std::atomic<int> error_to_give{0};
std::atomic<int> how_often{0};
std::atomic<int> calls{0};

constexpr int kAlways = 1'000'000'000;
// No error, but a connection that was reset.
constexpr int kGone = -1;

void FailAccept(int error, int times) {
  error_to_give = error;
  how_often = times;
  calls = 0;
}

}  // namespace

// The program's own function is taken for the C library's.
extern "C" int accept4(int fd, struct sockaddr* address, socklen_t* size,
                       int flags) {
  ++calls;
  if (how_often > 0) {
    --how_often;
    if (error_to_give == kGone) return ::socket(AF_INET, SOCK_STREAM, 0);
    errno = error_to_give;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;
using ::flow::testing::ListenOn;
using ::flow::testing::Patience;
using ::testing::HasSubstr;

constexpr int kOfTheConnection[] = {
    ECONNABORTED, ECONNRESET, ETIMEDOUT,   EHOSTDOWN, EHOSTUNREACH,
    EINTR,        ENETDOWN,   ENETUNREACH, ENONET,    ENOPROTOOPT,
    EOPNOTSUPP,   EPERM,      EPROTO};
constexpr int kShortage[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
constexpr int kNobodyKnows[] = {EIO, ENOSYS, EACCES, EBADF, EINVAL, 4000};

class AcceptErrorTest : public ::testing::Test {
 protected:
  AcceptErrorTest() { client_ = *Dial(listener_->address(), Patience()); }
  ~AcceptErrorTest() override { FailAccept(0, 0); }

  std::unique_ptr<Listener> listener_ = ListenOn("tcp:127.0.0.1:0");
  std::unique_ptr<Flow> client_;  // that waits to be accepted
};

TEST_F(AcceptErrorTest, WhatIsTheConnectionsIsPassedOver) {
  for (const int error : kOfTheConnection) {
    SCOPED_TRACE(error);
    FailAccept(error, 20);
    EXPECT_THAT(listener_->Accept(Patience()), IsOk());
    client_ = *Dial(listener_->address(), Patience());
  }
}

TEST_F(AcceptErrorTest, WhatIsPassedOverForLongTakesNoProcessor) {
  FailAccept(EPERM, kAlways);
  EXPECT_THAT(listener_->Accept(absl::Now() + absl::Milliseconds(500)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("Operation not permitted")));
  EXPECT_LT(calls, 100);
}

TEST_F(AcceptErrorTest, AFloodOfResetsEndsAtTheDeadline) {
  FailAccept(kGone, kAlways);
  EXPECT_THAT(listener_->Accept(absl::Now() + absl::Milliseconds(100)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(AcceptErrorTest, AFloodOfResetsHoldsNobodyUp) {
  FailAccept(kGone, 1000);
  EXPECT_THAT(listener_->Accept(Patience()), IsOk());
}

TEST_F(AcceptErrorTest, WhatIsPassedOverForLongIsEndedByClose) {
  for (const int error : {EPERM, kGone}) {
    auto listener = ListenOn("tcp:127.0.0.1:0");
    FailAccept(error, kAlways);
    std::thread closer([&] {
      while (calls < 20) std::this_thread::yield();
      listener->Close();
    });
    EXPECT_THAT(listener->Accept(), IsClosed());
    closer.join();
  }
}

TEST_F(AcceptErrorTest, WhatNobodyKnowsIsReturnedAtOnce) {
  for (const int error : kNobodyKnows) {
    SCOPED_TRACE(error);
    FailAccept(error, kAlways);
    EXPECT_THAT(listener_->Accept().status(),
                StatusIs(absl::ErrnoToStatusCode(error), HasSubstr("accept4")));
    EXPECT_EQ(calls, 1);
  }
}

TEST_F(AcceptErrorTest, AShortageThatEndsSoonGoesUnnoticed) {
  for (const int error : kShortage) {
    SCOPED_TRACE(error);
    FailAccept(error, 2);
    EXPECT_THAT(listener_->Accept(Patience()), IsOk());
    client_ = *Dial(listener_->address(), Patience());
  }
}

TEST_F(AcceptErrorTest, WhoAsksAgainAtOnceInAShortageTakesNoProcessor) {
  for (const int error : kShortage) {
    SCOPED_TRACE(error);
    FailAccept(error, kAlways);
    const absl::Time end = absl::Now() + absl::Milliseconds(300);
    while (absl::Now() < end) {
      EXPECT_THAT(listener_->Accept(),
                  StatusIs(absl::StatusCode::kResourceExhausted));
    }
    EXPECT_LT(calls, 100);
  }
}

TEST_F(AcceptErrorTest, AShortageIsEndedByClose) {
  FailAccept(EMFILE, kAlways);
  std::thread closer([&] {
    while (calls < 2) std::this_thread::yield();
    listener_->Close();
  });
  absl::Status status;
  do {
    status = listener_->Accept().status();
  } while (absl::IsResourceExhausted(status));
  EXPECT_THAT(status, IsClosed());
  closer.join();
}

}  // namespace
}  // namespace flow
