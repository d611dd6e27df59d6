// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// How one of several addresses is connected to. This program has a connect() of
// its own.

#include "flow/internal/connect.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/socket_options.h"
#include "flow/status.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/silent_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// The errors that the next calls of connect(2) are to give.
std::vector<int> errors_to_give;

// Whether connect(2) is to find that the kernel has chosen the port that is
// dialed for the socket that dials it.
bool is_to_itself = false;

}  // namespace

// The program's own function is taken for the C library's.
extern "C" int connect(int fd, const struct sockaddr* address, socklen_t size) {
  if (!errors_to_give.empty()) {
    errno = errors_to_give.front();
    errors_to_give.erase(errors_to_give.begin());
    return -1;
  }
  if (is_to_itself) ABSL_PCHECK(::bind(fd, address, size) == 0);
  return static_cast<int>(::syscall(SYS_connect, fd, address, size));
}

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::DescriptorLimit;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::SilentAddress;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <typename T>
KernelAddress Address(const T& in) {
  KernelAddress address;
  std::memcpy(&address.storage, &in, sizeof(in));
  address.size = sizeof(in);
  return address;
}

KernelAddress Silent() {
  static const SilentAddress* const silent = new SilentAddress();
  return Address(silent->address());
}

// A family that no kernel has.
KernelAddress Unknown() {
  KernelAddress address = Silent();
  address.storage.ss_family = 9999;
  return address;
}

// A socket on a loopback address, which listens or does not.
class Socket {
 public:
  explicit Socket(bool listens, bool ipv6 = false)
      : fd_(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
                     0)) {
    struct sockaddr_in6 in6 = {};
    in6.sin6_family = AF_INET6;
    in6.sin6_addr = in6addr_loopback;
    struct sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_ = ipv6 ? Address(in6) : Address(in);
    is_bound_ = ::bind(fd_.get(), address_.get(), address_.size) == 0;
    if (listens) ABSL_PCHECK(::listen(fd_.get(), 8) == 0);
    ::getsockname(fd_.get(), address_.get(), &address_.size);
  }

  bool is_bound() const { return is_bound_; }
  const KernelAddress& address() const { return address_; }
  int fd() const { return fd_.get(); }

 private:
  OwnedFd fd_;
  KernelAddress address_;
  bool is_bound_;
};

absl::Duration Since(const MonotonicDeadline& start) { return -start.left(); }
MonotonicDeadline Now() { return MonotonicDeadline::In(absl::ZeroDuration()); }

absl::StatusOr<OwnedFd> Connect(
    const std::vector<KernelAddress>& addresses,
    const MonotonicDeadline& deadline = MonotonicDeadline()) {
  return ConnectToOneOf(addresses, deadline, SocketOptions());
}

std::string PeerOf(const OwnedFd& fd) {
  KernelAddress peer;
  ABSL_PCHECK(::getpeername(fd.get(), peer.get(), &peer.size) == 0);
  return peer.ToString();
}

TEST(ConnectTest, TriesTheNextAddressAfter250Milliseconds) {
  const Socket live(true);
  const KernelAddress silent = Silent();
  const size_t before = OpenDescriptors();
  const MonotonicDeadline start = Now();
  const absl::StatusOr<OwnedFd> fd = Connect({silent, live.address()});
  ASSERT_THAT(fd, IsOk());
  EXPECT_GE(Since(start), kTriedAlone);
  EXPECT_EQ(PeerOf(*fd), live.address().ToString());
  EXPECT_EQ(OpenDescriptors(), before + 1) << "the other one is not closed";
}

TEST(ConnectTest, TriesTheNextAddressAtOnceAfterAFailure) {
  const Socket dead(false);
  const Socket live(true);
  std::vector<KernelAddress> addresses(40, dead.address());
  addresses.push_back(live.address());
  const MonotonicDeadline start = Now();
  EXPECT_THAT(Connect(addresses), IsOk());
  EXPECT_LT(Since(start), 20 * kTriedAlone);
}

TEST(ConnectTest, WhatFailsAtOnceHoldsNobodyUp) {
  const Socket live(true);
  std::vector<KernelAddress> addresses(40, Unknown());
  addresses.front() = Silent();
  addresses.push_back(live.address());
  const MonotonicDeadline start = Now();
  EXPECT_THAT(Connect(addresses), IsOk());
  EXPECT_LT(Since(start), 20 * kTriedAlone);
}

TEST(ConnectTest, TheFamiliesTakeTurns) {
  const Socket live(true, /*ipv6=*/true);
  if (!live.is_bound()) GTEST_SKIP() << "this machine has no IPv6";
  std::vector<KernelAddress> addresses(40, Silent());
  addresses.push_back(live.address());
  const MonotonicDeadline start = Now();
  EXPECT_THAT(Connect(addresses), IsOk());
  EXPECT_LT(Since(start), 20 * kTriedAlone);
}

TEST(ConnectTest, TheDeadlineIsForAllTogether) {
  const MonotonicDeadline start = Now();
  EXPECT_THAT(Connect({Silent(), Silent(), Silent()},
                      MonotonicDeadline::In(absl::Milliseconds(300))),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_GE(Since(start), absl::Milliseconds(300));
}

TEST(ConnectTest, WhatTheDeadlineCutTellsOfTheOthers) {
  const Socket dead(false);
  EXPECT_THAT(Connect({dead.address(), Silent()},
                      MonotonicDeadline::In(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       AllOf(HasSubstr("no answer"),
                             HasSubstr("nobody listens there"))));
}

TEST(ConnectTest, AFamilyThatThisMachineLacksIsNotTheLastWord) {
  const Socket dead(false);
  const Socket live(true);
  EXPECT_THAT(Connect({Unknown(), live.address()}), IsOk());
  EXPECT_THAT(Connect({Unknown(), dead.address()}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("nobody listens there")));
  EXPECT_EQ(ErrnoOf(Connect({Unknown(), dead.address()}).status()),
            ECONNREFUSED);
  EXPECT_THAT(Connect({Unknown()}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ErrnoOf(Connect({Unknown()}).status()), EAFNOSUPPORT);
}

TEST(ConnectTest, OfThoseThatTellAsMuchTheFirstHasTheWord) {
  const Socket dead(false);
  errors_to_give = {EHOSTUNREACH, ECONNREFUSED};
  EXPECT_EQ(ErrnoOf(Connect({dead.address(), dead.address()}).status()),
            EHOSTUNREACH);
}

TEST(ConnectTest, AConnectionToItselfMeansThatNobodyListens) {
  KernelAddress free;
  {
    const Socket once(false);
    free = once.address();
  }
  is_to_itself = true;
  const absl::StatusOr<OwnedFd> fd = Connect({free});
  is_to_itself = false;
  EXPECT_THAT(fd, StatusIs(absl::StatusCode::kUnavailable,
                           HasSubstr("nobody listens there")));
}

TEST(ConnectTest, ToAUnixSocketGoesOnAfterASignal) {
  const KernelAddress address =
      UnixAddress(absl::StrCat("@connect_test_", absl::GetCurrentTimeNanos()));
  const OwnedFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ABSL_PCHECK(::bind(listener.get(), address.get(), address.size) == 0);
  ABSL_PCHECK(::listen(listener.get(), 1) == 0);
  errors_to_give = {EINTR, EINTR};
  EXPECT_THAT(Connect({address}), IsOk());
  EXPECT_TRUE(errors_to_give.empty());
}

TEST(ConnectTest, WithoutDescriptorsItIsExhaustedAndLeavesNone) {
  const Socket live(true);
  const KernelAddress silent = Silent();
  absl::Status status;
  {
    const DescriptorLimit none(0);
    status = Connect({silent, live.address()}).status();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  // With one, the first address is tried, and has the last word.
  const size_t before = OpenDescriptors();
  {
    const DescriptorLimit one(1);
    status = Connect({silent, live.address()},
                     MonotonicDeadline::In(absl::Milliseconds(400)))
                 .status();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                               HasSubstr("Too many open files")));
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace flow::internal
