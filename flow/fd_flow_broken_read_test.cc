// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A read that fails in a flow on top of a socket, of which the socket knows
// nothing: the remote is told that what it has sent was not read, as far as the
// socket can tell.

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Fault;
using ::flow::testing::FlowOf;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReceived;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ReadOperation;
using ::flow::testing::Soon;

absl::Status Torn() { return absl::DataLossError("torn"); }

// Fails, and tells the transport underneath nothing.
class TearingTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t) override { return Torn(); }
};

struct Decorator {
  const char* name;
  std::unique_ptr<Flow> (*decorate)(std::unique_ptr<Flow> flow);
};

class BrokenReadTest : public ::testing::TestWithParam<Decorator> {
 protected:
  // Returns a flow on `fd` whose first Read has failed.
  static std::unique_ptr<Flow> TornFlow(int fd) {
    std::unique_ptr<Flow> flow = GetParam().decorate(FlowOf(fd));
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
    return flow;
  }
};

TEST_P(BrokenReadTest, ResetsATcpConnection) {
  for (const bool sends : {false, true}) {
    const RawPair tcp = RawTcp();
    const auto remote = FlowOf(tcp.right);
    if (sends) {
      ASSERT_THAT(remote->Write("unread"), IsOk());
    }
    EXPECT_THAT(TornFlow(tcp.left)->Close(Patience()),
                StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(remote->Close(Patience()),
                StatusIs(absl::StatusCode::kUnavailable));
  }
}

// The kernel of the remote says no more than that.
TEST_P(BrokenReadTest, MakesWritesToATcpConnectionClosed) {
  const RawPair tcp = RawTcp();
  const auto remote = FlowOf(tcp.right);
  EXPECT_THAT(TornFlow(tcp.left)->Close(Patience()),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(remote->Write("more"), IsClosed());
  EXPECT_THAT(remote->Close(Patience()), IsClosed());
}

TEST_P(BrokenReadTest, LeavesWhatHasEndedWhole) {
  const RawPair tcp = RawTcp(/*small=*/true);
  const auto flow = TornFlow(tcp.left);
  flow->SetWriteDeadline(Soon());
  // As much as is on its way without a reader.
  EXPECT_THAT(flow->Write(std::string(size_t{1} << 20, 'x')),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  const auto accepted = static_cast<size_t>(flow->bytes_written());
  EXPECT_THAT(flow->Close(Patience()), StatusIs(absl::StatusCode::kDataLoss));
  const RawReceived received = RawReadToEnd(tcp.right);
  EXPECT_EQ(received.bytes.size(), accepted);
  EXPECT_EQ(received.error, 0);
  // The kernel answers the first by a reset.
  while (::send(tcp.right, "x", 1, MSG_NOSIGNAL) == 1) {
  }
  ::close(tcp.right);
}

TEST_P(BrokenReadTest, OfAUnixSocketIsAnErrorIfSomethingWasLeftUnread) {
  const RawPair unix = RawUnix();
  const auto remote = FlowOf(unix.right);
  ASSERT_THAT(remote->Write("unread"), IsOk());
  EXPECT_THAT(TornFlow(unix.left)->Close(Patience()),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(remote->Write("more"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(remote->Close(Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(BrokenReadTest, OfAUnixSocketClosesItIfNothingWas) {
  const RawPair unix = RawUnix();
  const auto remote = FlowOf(unix.right);
  EXPECT_THAT(TornFlow(unix.left)->Close(Patience()),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(remote->Read(), IsEof());
  EXPECT_THAT(remote->Write("more"), IsClosed());
}

INSTANTIATE_TEST_SUITE_P(
    Decorators, BrokenReadTest,
    ::testing::Values(Decorator{"that_aborts",
                                [](std::unique_ptr<Flow> flow) {
                                  return MakeFaultFlow(
                                      std::move(flow),
                                      {Fault::Error(ReadOperation(0), Torn())});
                                }},
                      Decorator{
                          "that_tells_nothing",
                          [](std::unique_ptr<Flow> flow) {
                            return DecorateFlow(
                                std::move(flow),
                                [](std::unique_ptr<Transport> underneath) {
                                  return std::make_unique<TearingTransport>(
                                      std::move(underneath));
                                });
                          }}),
    [](const auto& info) { return std::string(info.param.name); });

// Finds fault with whatever comes.
class RejectingTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    const absl::StatusOr<absl::Cord> data =
        ForwardingTransport::Read(max_bytes);
    return data.ok() ? Torn() : data.status();
  }
};

TEST(LateBrokenReadTest, EndsAWaitingCloseAndResetsATcpConnection) {
  const RawPair tcp = RawTcp();
  const auto flow =
      DecorateFlow(FlowOf(tcp.left), [](std::unique_ptr<Transport> underneath) {
        return std::make_unique<RejectingTransport>(std::move(underneath));
      });
  const auto remote = FlowOf(tcp.right);
  std::thread closer([&] {
    EXPECT_THAT(flow->Close(Patience()), StatusIs(absl::StatusCode::kDataLoss));
  });
  // Close() now waits for the remote.
  EXPECT_THAT(remote->Read(), IsEof());
  ASSERT_THAT(remote->Write("corrupt"), IsOk());
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  closer.join();
  EXPECT_THAT(remote->Write("more"), ::testing::Not(IsOk()));
}

// It was left on purpose.
TEST(UnreadTest, IsNoErrorAfterTheEndOfThePeer) {
  const RawPair unix = RawUnix();
  const auto remote = FlowOf(unix.right);
  ASSERT_THAT(remote->Write("unread"), IsOk());
  ASSERT_THAT(remote->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(FlowOf(unix.left)->Close(Patience()), IsOk());
  EXPECT_THAT(remote->Close(Patience()), IsOk());
}

}  // namespace
}  // namespace flow
