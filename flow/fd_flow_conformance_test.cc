// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite on descriptors: what the kernel carries.

#include <stdlib.h>  // mkdtemp
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/conformance.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowOf;
using ::flow::testing::FlowPair;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ShrinkBuffers;

// --- Unix sockets

FlowPair SocketPair(bool small) {
  const RawPair pair = RawUnix();
  if (small) {
    ShrinkBuffers(pair.left);
    ShrinkBuffers(pair.right);
  }
  return {FlowOf(pair.left), FlowOf(pair.right)};
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

FlowPair SmallConnection() {
  const RawPair pair = RawTcp(/*small=*/true);
  return {FlowOf(pair.left), FlowOf(pair.right)};
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
    // A short one: the path of a socket has little room.
    std::string folder = "/tmp/fd_flow_test.XXXXXX";
    ABSL_PCHECK(::mkdtemp(folder.data()) != nullptr);
    FlowPair pair = Connect(absl::StrCat("unix:", folder, "/socket"));
    ABSL_PCHECK(::rmdir(folder.c_str()) == 0);
    return pair;
  };
  options.traits.carries_abort = false;
  return options;
}

// --- Pipes of the kernel

FlowPair Connect(const RawPair& there, const RawPair& back) {
  return {FlowOf(back.left, there.right), FlowOf(there.left, back.right)};
}

ConformanceOptions KernelPipes(std::string name, RawPair (*make)()) {
  ConformanceOptions options;
  options.name = std::move(name);
  options.make_pair = [make] { return Connect(make(), make()); };
  options.make_full = options.make_pair;
  options.traits.carries_abort = false;
  options.traits.awaits_remote_end = false;
  return options;
}

INSTANTIATE_TEST_SUITE_P(Descriptors, FlowConformanceTest,
                         ::testing::Values(SocketPairs(), UnixConnections(),
                                           Connections("tcp4",
                                                       "tcp:127.0.0.1:0"),
                                           Connections("tcp6", "tcp:[::1]:0"),
                                           KernelPipes("pipes", RawPipe),
                                           KernelPipes("fifos", RawFifo)),
                         ConformanceName);

}  // namespace
}  // namespace flow
