// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// How threads wait for descriptors. This program has a ppoll() of its own.

#include "flow/internal/fd_waiter.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// How many more times a signal interrupts poll(2).
std::atomic<int> interruptions{0};

}  // namespace

// The program's own function is taken for the C library's.
extern "C" int ppoll(struct pollfd* fds, nfds_t count,
                     const struct timespec* timeout, const sigset_t* mask) {
  if (interruptions > 0) {
    --interruptions;
    errno = EINTR;
    return -1;
  }
  // The kernel changes what it is given.
  struct timespec left = timeout != nullptr ? *timeout : timespec();
  return static_cast<int>(::syscall(SYS_ppoll, fds, count,
                                    timeout != nullptr ? &left : nullptr, mask,
                                    _NSIG / 8));
}

namespace flow::internal {
namespace {

using ::absl_testing::IsOkAndHolds;
using ::flow::testing::FlowOf;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawTerminal;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using Outcome = FdWaiter::Outcome;

class FdWaiterTest : public ::testing::Test {
 protected:
  ~FdWaiterTest() override {
    ::close(pipe_.left);
    ::close(pipe_.right);
  }

  const RawPair pipe_ = RawPipe();
  FdWaiter waiter_;
};

TEST_F(FdWaiterTest, ReadyIsWhatPollSays) {
  RawWrite(pipe_.right, "x");
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN), IsOkAndHolds(Outcome::kReady));
}

TEST_F(FdWaiterTest, ReadyComesBeforeADeadlineInThePast) {
  waiter_.SetDeadline(absl::InfinitePast());
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN), IsOkAndHolds(Outcome::kLate));
  RawWrite(pipe_.right, "x");
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN), IsOkAndHolds(Outcome::kReady));
}

TEST_F(FdWaiterTest, ADeadlineThatIsMovedCountsAtOnce) {
  std::thread mover([&] {
    absl::SleepFor(absl::Milliseconds(5));
    waiter_.SetDeadline(absl::InfinitePast());
  });
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN), IsOkAndHolds(Outcome::kLate));
  mover.join();
}

TEST_F(FdWaiterTest, AStopEndsTheWaitAndAllLaterOnes) {
  std::thread stopper([&] { waiter_.Stop(); });
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN),
              IsOkAndHolds(Outcome::kStopped));
  stopper.join();
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN),
              IsOkAndHolds(Outcome::kStopped));
}

TEST_F(FdWaiterTest, PatienceIsNoDeadline) {
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN, absl::Milliseconds(1)),
              IsOkAndHolds(Outcome::kReady));
}

TEST_F(FdWaiterTest, GoesOnAfterASignal) {
  RawWrite(pipe_.right, "x");
  interruptions = 3;
  EXPECT_THAT(waiter_.Wait(pipe_.left, POLLIN), IsOkAndHolds(Outcome::kReady));
  EXPECT_EQ(interruptions, 0);
}

// Calls `function` in a child that may have no descriptors, as a sandbox does
// it; expects 0.
void WithoutDescriptors(const std::function<int()>& function) {
#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  GTEST_SKIP() << "AddressSanitizer itself needs descriptors";
#endif
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::alarm(20);  // a child that spins is a failure, too
    const struct rlimit none = {0, 0};
    if (::setrlimit(RLIMIT_NOFILE, &none) != 0) ::_exit(100);
    ::_exit(function());
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(FdWaiterTest, APollThatFailsIsAnError) {
  WithoutDescriptors([&] {
    const absl::StatusOr<Outcome> waited = waiter_.Wait(pipe_.left, POLLIN);
    return absl::IsResourceExhausted(waited.status()) ? 0 : 1;
  });
}

TEST_F(FdWaiterTest, AFlowThatCannotWaitFailsAtOnce) {
  for (const RawPair raw :
       {RawUnix(), RawTcp(), RawPipe(), RawFifo(), RawTerminal()}) {
    const auto flow = FlowOf(raw.left);
    WithoutDescriptors([&] {
      return absl::IsResourceExhausted(flow->Read().status()) ? 0 : 1;
    });
    ::close(raw.right);
  }
  for (const RawPair raw : {RawUnix(), RawTcp()}) {
    const auto flow = FlowOf(raw.left);
    WithoutDescriptors(
        [&] { return absl::IsResourceExhausted(flow->Close()) ? 0 : 1; });
    ::close(raw.right);
  }
}

TEST_F(FdWaiterTest, WhatIsThereIsReadWithoutDescriptors) {
  for (const RawPair raw : {RawUnix(), RawTcp(), RawPipe()}) {
    RawWrite(raw.right, "hello");
    ::close(raw.right);
    const auto flow = FlowOf(raw.left);
    WithoutDescriptors([&] {
      const auto data = flow->Read();
      if (!data.ok() || *data != "hello") return 1;
      const auto end = flow->Read();
      return end.ok() && end->empty() ? 0 : 2;
    });
  }
}

}  // namespace
}  // namespace flow::internal
