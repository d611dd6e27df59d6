// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite on descriptors: what the kernel carries.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/conformance.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;

std::unique_ptr<Flow> FlowOf(int read_fd, int write_fd) {
  absl::StatusOr<std::unique_ptr<Flow>> flow = MakeFdFlow(read_fd, write_fd);
  ABSL_CHECK_OK(flow.status());
  return *std::move(flow);
}

// --- Unix sockets

// As small as the kernel allows.
void ShrinkBuffers(int fd) {
  const int size = 4096;
  ABSL_PCHECK(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) ==
              0);
  ABSL_PCHECK(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) ==
              0);
}

FlowPair SocketPair(bool small) {
  int fds[2];
  ABSL_PCHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  if (small) {
    for (int fd : fds) ShrinkBuffers(fd);
  }
  return {FlowOf(fds[0], fds[0]), FlowOf(fds[1], fds[1])};
}

ConformanceOptions SocketPairs() {
  ConformanceOptions options;
  options.name = "socketpair";
  options.make_pair = [] { return SocketPair(/*small=*/false); };
  options.make_full = [] { return SocketPair(/*small=*/true); };
  options.traits.carries_abort = false;
  return options;
}

// --- Connections

FlowPair Connect(const std::string& listen_on) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(listen_on);
  ABSL_CHECK_OK(listener.status());
  absl::StatusOr<std::unique_ptr<Flow>> left =
      Dial((*listener)->address(), deadline);
  ABSL_CHECK_OK(left.status());
  absl::StatusOr<std::unique_ptr<Flow>> right = (*listener)->Accept(deadline);
  ABSL_CHECK_OK(right.status());
  return {*std::move(left), *std::move(right)};
}

// A connection whose buffers do not grow, as those of Connect() do up to some
// MiB. They must be set before there is a connection.
FlowPair SmallConnection() {
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<struct sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int left = ::socket(AF_INET, SOCK_STREAM, 0);
  ShrinkBuffers(listener);
  ShrinkBuffers(left);
  ABSL_PCHECK(::bind(listener, any, size) == 0);
  ABSL_PCHECK(::listen(listener, 1) == 0);
  ABSL_PCHECK(::getsockname(listener, any, &size) == 0);
  ABSL_PCHECK(::connect(left, any, size) == 0);
  const int right = ::accept(listener, nullptr, nullptr);
  ABSL_PCHECK(right >= 0);
  ::close(listener);
  return {FlowOf(left, left), FlowOf(right, right)};
}

ConformanceOptions Connections(std::string name, std::string listen_on) {
  ConformanceOptions options;
  options.name = std::move(name);
  options.make_pair = [listen_on] { return Connect(listen_on); };
  options.make_full = SmallConnection;
  options.traits.carries_abort_reason = false;
  options.traits.keeps_accepted_before_abort = false;
  options.traits.reports_lost_data = false;
  options.traits.refuses = false;
  return options;
}

ConformanceOptions UnixConnections() {
  ConformanceOptions options;
  options.name = "unix";
  options.make_pair = [] {
    return Connect(absl::StrCat("unix:@flow_conformance_test_", ::getpid()));
  };
  options.traits.carries_abort = false;
  return options;
}

// --- Pipes of the kernel

FlowPair TwoPipes() {
  int there[2];
  int back[2];
  ABSL_PCHECK(::pipe(there) == 0);
  ABSL_PCHECK(::pipe(back) == 0);
  return {FlowOf(back[0], there[1]), FlowOf(there[0], back[1])};
}

ConformanceOptions KernelPipes() {
  ConformanceOptions options;
  options.name = "pipes";
  options.make_pair = TwoPipes;
  options.make_full = TwoPipes;
  options.traits.carries_abort = false;
  options.traits.awaits_remote_end = false;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    Descriptors, FlowConformanceTest,
    ::testing::Values(SocketPairs(), UnixConnections(),
                      Connections("tcp4", "tcp:127.0.0.1:0"),
                      Connections("tcp6", "tcp:[::1]:0"), KernelPipes()),
    ConformanceName);

}  // namespace
}  // namespace flow
