// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The addresses of a connection, and who made its other end.

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::ListenOn;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::NewFolder;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// Both ends of a connection to a listener, and its address.
struct Connection {
  explicit Connection(absl::string_view listen_on)
      : listener(ListenOn(listen_on)), address(listener->address()) {
    absl::StatusOr<std::unique_ptr<Flow>> left = Dial(address, Patience());
    ABSL_CHECK_OK(left.status());
    dialed = *std::move(left);
    absl::StatusOr<std::unique_ptr<Flow>> right = listener->Accept(Patience());
    ABSL_CHECK_OK(right.status());
    accepted = *std::move(right);
  }

  std::unique_ptr<Listener> listener;
  std::string address;
  std::unique_ptr<Flow> dialed;
  std::unique_ptr<Flow> accepted;
};

void ExpectNoAddresses(const Flow& flow) {
  EXPECT_EQ(flow.local_address(), "");
  EXPECT_EQ(flow.remote_address(), "");
}

// --- Addresses

TEST(AddressOfFlowTest, IsAsDialTakesIt) {
  for (const auto& [listen_on, form] :
       {std::pair<const char*, const char*>("tcp:127.0.0.1:0",
                                            "tcp:127\\.0\\.0\\.1:[0-9]+"),
        {"tcp:[::1]:0", "tcp:\\[::1\\]:[0-9]+"}}) {
    const Connection connection(listen_on);
    EXPECT_EQ(connection.dialed->remote_address(), connection.address);
    EXPECT_EQ(connection.accepted->local_address(), connection.address);
    EXPECT_THAT(connection.dialed->local_address(), MatchesRegex(form));
    EXPECT_EQ(connection.accepted->remote_address(),
              connection.dialed->local_address());
    EXPECT_THAT(Dial(connection.dialed->remote_address(), Patience()), IsOk());
  }
}

TEST(AddressOfFlowTest, OfAUnixSocketIsThatOfTheListenerAtOneEndOnly) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const char* kind : {"unix:", "unix:@"}) {
    const std::string address = absl::StrCat(kind, path);
    const Connection connection(address);
    EXPECT_EQ(connection.dialed->remote_address(), address);
    EXPECT_EQ(connection.dialed->local_address(), "");
    EXPECT_EQ(connection.accepted->local_address(), address);
    EXPECT_EQ(connection.accepted->remote_address(), "");
    EXPECT_THAT(Dial(connection.accepted->local_address(), Patience()), IsOk());
  }
}

TEST(AddressOfFlowTest, OfADescriptorIsThatOfItsConnection) {
  const RawPair tcp = RawTcp();
  const auto left = FlowOf(tcp.left);
  const auto right = FlowOf(tcp.right);
  EXPECT_THAT(left->local_address(), MatchesRegex("tcp:127\\.0\\.0\\.1:.+"));
  EXPECT_EQ(left->local_address(), right->remote_address());
  EXPECT_EQ(left->remote_address(), right->local_address());
}

TEST(AddressOfFlowTest, IsEmptyWhereThereIsNone) {
  const RawPair unix = RawUnix();
  ExpectNoAddresses(*FlowOf(unix.left));
  const RawPair pipe = RawPipe();
  ExpectNoAddresses(*FlowOf(pipe.left, pipe.right));
  const RawPair a = RawTcp();
  const RawPair b = RawTcp();
  ExpectNoAddresses(*FlowOf(a.left, b.left));  // of two, there is not one
  ExpectNoAddresses(*MakePipe().left);
  for (const int fd : {unix.right, a.right, b.right}) ::close(fd);
}

// As a log of what went wrong wants it. The kernel forgets it.
TEST(AddressOfFlowTest, OutlivesAResetAndAnAbort) {
  const RawPair tcp = RawTcp();
  const auto flow = FlowOf(tcp.left);
  const std::string local = flow->local_address();
  const std::string remote = flow->remote_address();
  RawReset(tcp.right);
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(flow->remote_address(), remote);
  flow->Abort(absl::AbortedError("enough"));
  EXPECT_EQ(flow->local_address(), local);
  EXPECT_EQ(flow->remote_address(), remote);
}

TEST(AddressOfFlowTest, IsEmptyAfterClose) {
  const Connection connection("tcp:127.0.0.1:0");
  connection.dialed->Close(absl::InfinitePast()).IgnoreError();
  ExpectNoAddresses(*connection.dialed);
}

TEST(AddressOfFlowTest, PassesThroughFlowsOnTop) {
  Connection connection("tcp:127.0.0.1:0");
  const std::string local = connection.dialed->local_address();
  const auto flow = MakeChannel(MakeFaultFlow(std::move(connection.dialed)));
  EXPECT_EQ(flow->local_address(), local);
  EXPECT_EQ(flow->remote_address(), connection.address);
}

// --- Peers

void ExpectThisProcess(const Flow& flow) {
  const absl::StatusOr<PeerCredentials> peer = flow.peer();
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->process_id, ::getpid());
  EXPECT_EQ(peer->user_id, ::getuid());
  EXPECT_EQ(peer->group_id, ::getgid());
}

TEST(PeerTest, OfAUnixSocketIsWhoMadeTheOtherEnd) {
  const Connection connection(absl::StrCat("unix:", NewFolder(), "/socket"));
  ExpectThisProcess(*connection.dialed);
  ExpectThisProcess(*connection.accepted);
  const RawPair pair = RawUnix();
  ExpectThisProcess(*FlowOf(pair.left));
  ::close(pair.right);
}

TEST(PeerTest, OfAnotherProcessIsKnownAfterItsEndToo) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  auto listener = ListenOn(absl::StrCat("unix:", path));
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const pid_t child = ::fork();
  ABSL_PCHECK(child >= 0);
  if (child == 0) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ::_exit(::connect(fd, reinterpret_cast<struct sockaddr*>(&address),
                      sizeof(address)));
  }
  int result = -1;
  ABSL_PCHECK(::waitpid(child, &result, 0) == child);
  ASSERT_EQ(result, 0);
  absl::StatusOr<std::unique_ptr<Flow>> flow = listener->Accept(Patience());
  ASSERT_THAT(flow, IsOk());
  const absl::StatusOr<PeerCredentials> peer = (*flow)->peer();
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ(peer->process_id, child);
}

TEST(PeerTest, PassesThroughFlowsOnTop) {
  const RawPair pair = RawUnix();
  ExpectThisProcess(*MakeChannel(MakeFaultFlow(FlowOf(pair.left))));
  ::close(pair.right);
}

TEST(PeerTest, OfAllElseIsUnimplemented) {
  const Connection tcp("tcp:127.0.0.1:0");
  const RawPair pipe = RawPipe();
  const auto two = FlowOf(pipe.left, pipe.right);
  const Pipe memory = MakePipe();
  for (const Flow* flow :
       {tcp.dialed.get(), tcp.accepted.get(), two.get(), memory.left.get()}) {
    EXPECT_THAT(flow->peer(), StatusIs(absl::StatusCode::kUnimplemented,
                                       HasSubstr("only a Unix socket tells")));
  }
}

TEST(PeerTest, IsClosedAfterClose) {
  const RawPair pair = RawUnix();
  const auto flow = FlowOf(pair.left);
  flow->Close(absl::InfinitePast()).IgnoreError();
  // Whoever has the number now is not the peer.
  const RawPair other = RawUnix();
  EXPECT_EQ(other.left, pair.left);
  EXPECT_THAT(flow->peer().status(), IsClosed());
  for (const int fd : {pair.right, other.left, other.right}) ::close(fd);
}

}  // namespace
}  // namespace flow
