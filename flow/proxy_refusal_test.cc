// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Proxy() notices that a sink refuses or is gone, also while it has nothing to
// write there: between pipes, Unix sockets and TCP connections.

#include <dirent.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/run_proxy.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::BindForProxy;
using ::flow::testing::FlowOf;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::RawPair;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::RunProxy;
using ::flow::testing::SameData;
using ::flow::testing::StartsProxies;
using ::testing::HasSubstr;
using Side = CopyResult::Side;

// A function that connects two ends.
using Connect = Pipe (*)();

Pipe ByPipe() { return MakePipe(); }
Pipe FlowsOf(RawPair raw) { return {FlowOf(raw.left), FlowOf(raw.right)}; }
Pipe ByUnix() { return FlowsOf(RawUnix()); }
Pipe ByTcp() { return FlowsOf(RawTcp()); }

// Two ends with a proxy in between, on a thread of its own. The second flow of
// the proxy is that of the server.
class Relay {
 public:
  explicit Relay(Pipe near, Pipe far, ProxyOptions options = {})
      : client_(std::move(near.left)),
        server_(std::move(far.right)),
        a_(std::move(near.right)),
        b_(std::move(far.left)) {
    BindForProxy(*a_, *b_);
    thread_ =
        std::thread([this, options] { result_ = RunProxy(*a_, *b_, options); });
  }

  ~Relay() {
    // Either may be gone already.
    a_->Abort(absl::AbortedError("the test is over"));
    b_->Abort(absl::AbortedError("the test is over"));
    if (thread_.joinable()) thread_.join();
  }

  std::unique_ptr<Flow>& client() { return client_; }
  std::unique_ptr<Flow>& server() { return server_; }
  Flow& a() { return *a_; }
  Flow& b() { return *b_; }

  // Waits for the proxy.
  const ProxyResult& Wait() {
    if (thread_.joinable()) thread_.join();
    return result_;
  }

 private:
  std::unique_ptr<Flow> client_, server_, a_, b_;
  ProxyResult result_;
  std::thread thread_;
};

// --- Refusals, of either end, where a transport carries them

struct Kind {
  std::string name;
  Connect connect;
};

class ProxyRefusalTest
    : public ::testing::TestWithParam<std::tuple<Kind, bool, bool>> {
 protected:
  ProxyRefusalTest() : relay_(Make(), Make(), Options()) {}

  // One end refuses what the other one would send.
  std::unique_ptr<Flow>& refuser() {
    return server_refuses() ? relay_.server() : relay_.client();
  }
  std::unique_ptr<Flow>& sender() {
    return server_refuses() ? relay_.client() : relay_.server();
  }
  const CopyResult& refused() {
    return server_refuses() ? relay_.Wait().a_to_b : relay_.Wait().b_to_a;
  }
  const CopyResult& other() {
    return server_refuses() ? relay_.Wait().b_to_a : relay_.Wait().a_to_b;
  }

  Relay relay_;

 private:
  static Pipe Make() { return std::get<0>(GetParam()).connect(); }
  static bool server_refuses() { return std::get<1>(GetParam()); }
  static ProxyOptions Options() {
    ProxyOptions options;
    if (std::get<2>(GetParam())) options.idle_timeout = absl::Hours(1);
    return options;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Kinds, ProxyRefusalTest,
    ::testing::Combine(::testing::Values(Kind{"pipe", ByPipe},
                                         Kind{"unix", ByUnix}),
                       ::testing::Bool(), ::testing::Bool()),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param).name,
                          std::get<1>(info.param) ? "_of_server" : "_of_client",
                          std::get<2>(info.param) ? "_with_idle_timeout" : "");
    });

TEST_P(ProxyRefusalTest, IsNoticedWhileTheSourceIsSilent) {
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(sender()->AwaitRefusal(Patience()), IsClosed());
  // The other direction goes on to its end.
  ASSERT_THAT(refuser()->Write("answer"), IsOk());
  EXPECT_THAT(sender()->Read(), IsOkAndHolds("answer"));
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(sender()->Read(), IsEof());
  // The silent end need not do anything for that.
  EXPECT_THAT(relay_.Wait().status, IsOk());
  EXPECT_THAT(refused().status, IsClosed());
  EXPECT_EQ(refused().failed, Side::kSink);
  EXPECT_EQ(refused().statistics.bytes, 0);
  EXPECT_THAT(other().status, IsOk());
  for (Flow* flow : {&relay_.a(), &relay_.b(), relay_.client().get(),
                     relay_.server().get()}) {
    EXPECT_THAT(flow->Close(Patience()), IsOk());
  }
}

TEST_P(ProxyRefusalTest, IsNoticedAfterTheOwnEndOfTheSink) {
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(sender()->Read(), IsEof());
  ASSERT_THAT(sender()->Write("question"), IsOk());
  EXPECT_THAT(refuser()->Read(), IsOkAndHolds("question"));
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(sender()->AwaitRefusal(Patience()), IsClosed());
  EXPECT_THAT(relay_.Wait().status, IsOk());
  EXPECT_THAT(refused().status, IsClosed());
  EXPECT_EQ(refused().statistics.bytes, 8);
}

TEST_P(ProxyRefusalTest, IsNoticedInBothDirections) {
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kRead), IsOk());
  ASSERT_THAT(sender()->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(sender()->AwaitRefusal(Patience()), IsClosed());
  EXPECT_THAT(refuser()->AwaitRefusal(Patience()), IsClosed());
  EXPECT_THAT(relay_.Wait().status, IsOk());
}

// What the remote has sent before is for the other direction to read.
TEST_P(ProxyRefusalTest, OfAPeerThatIsGoneIsAnEndOrItsReason) {
  ASSERT_THAT(refuser()->Write("last words"), IsOk());
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kWrite), IsOk());
  refuser() = nullptr;
  EXPECT_THAT(
      sender()->AwaitRefusal(Patience()),
      ::testing::AnyOf(IsClosed(), StatusIs(absl::StatusCode::kAborted)));
  EXPECT_THAT(ReadAll(*sender(), 100), IsOkAndHolds("last words"));
  EXPECT_EQ(refused().failed, Side::kSink);
  EXPECT_THAT(other().status, IsOk());
}

TEST_P(ProxyRefusalTest, ComesAfterAllThatWasTakenBefore) {
  constexpr size_t kSize = 100000;
  constexpr size_t kTaken = 20000;
  absl::Status sent;
  std::thread writer([&] {
    for (size_t i = 0; sent.ok(); i += 1000) {
      sent = sender()->Write(Pattern(static_cast<int64_t>(i), 1000, 1));
    }
  });
  std::thread answerer(
      [&] { EXPECT_THAT(refuser()->Write(Pattern(0, kSize, 2)), IsOk()); });
  absl::Cord taken;
  while (taken.size() < kTaken) {
    absl::StatusOr<absl::Cord> data = refuser()->Read(kTaken - taken.size());
    ASSERT_THAT(data, IsOk());
    taken.Append(*std::move(data));
  }
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_TRUE(SameData(taken, Pattern(0, kTaken, 1)));
  absl::Cord answer;
  while (answer.size() < kSize) {
    absl::StatusOr<absl::Cord> data = sender()->Read();
    ASSERT_THAT(data, IsOk());
    ASSERT_FALSE(data->empty());
    answer.Append(*std::move(data));
  }
  EXPECT_TRUE(SameData(answer, Pattern(0, kSize, 2)));
  writer.join();
  answerer.join();
  EXPECT_THAT(sent, IsClosed());
  ASSERT_THAT(refuser()->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay_.Wait().status, IsOk());
  EXPECT_GE(refused().statistics.bytes, int64_t{kTaken});
  EXPECT_EQ(other().statistics.bytes, int64_t{kSize});
}

// --- Other ways

// The direction that could read of it waits for a far end that takes nothing.
TEST(ProxyWatchTest, ARefusalIsNoticedWhileTheOtherDirectionIsHeldBack) {
  Relay relay(MakePipe(/*capacity=*/0), MakePipe(/*capacity=*/0));
  ASSERT_THAT(relay.server()->Write("x"), IsOk());  // the proxy has it now
  ASSERT_THAT(relay.server()->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(relay.client()->AwaitRefusal(Patience()), IsClosed());
  EXPECT_THAT(relay.client()->Read(), IsOkAndHolds("x"));
  ASSERT_THAT(relay.server()->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
}

TEST(ProxyWatchTest, AnAbortAfterTheEndIsNoticedWhileTheSourceIsSilent) {
  for (const bool by_server : {false, true}) {
    Relay relay(MakePipe(), MakePipe());
    Flow& gone = by_server ? *relay.server() : *relay.client();
    Flow& silent = by_server ? *relay.client() : *relay.server();
    ASSERT_THAT(gone.Write("whole"), IsOk());
    ASSERT_THAT(gone.Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(ReadAll(silent, 100), IsOkAndHolds("whole"));
    gone.Abort(absl::DataLossError("the reason"));
    EXPECT_THAT(silent.AwaitRefusal(Patience()),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the reason")));
    EXPECT_THAT(relay.Wait().status,
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the reason")));
    const CopyResult& failed =
        by_server ? relay.Wait().a_to_b : relay.Wait().b_to_a;
    EXPECT_EQ(failed.failed, Side::kSink);
    EXPECT_THAT(failed.status, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT((by_server ? relay.Wait().b_to_a : relay.Wait().a_to_b).status,
                IsOk());
  }
}

TEST(ProxyWatchTest, AnAbortOfAFlowThatHasEndedIsNoticed) {
  Relay relay(MakePipe(), MakePipe());
  ASSERT_THAT(relay.server()->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay.client()->Read(), IsEof());
  relay.b().Abort(absl::CancelledError("stop"));
  EXPECT_THAT(relay.Wait().status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(relay.client()->AwaitRefusal(Patience()),
              StatusIs(absl::StatusCode::kCancelled));
}

// A peer that has ended and then resets the connection may have closed it in
// good order, as far as the kernel tells. A write would be Closed, too.
TEST(ProxyWatchTest, AResetAfterAHalfCloseIsNoticedWhileTheSourceIsSilent) {
  const RawPair raw = RawTcp();
  Relay relay(MakePipe(), {FlowOf(raw.left), nullptr});
  RawWrite(raw.right, "whole");
  ASSERT_EQ(::shutdown(raw.right, SHUT_WR), 0);
  EXPECT_THAT(ReadAll(*relay.client(), 100), IsOkAndHolds("whole"));
  RawReset(raw.right);
  EXPECT_THAT(relay.client()->AwaitRefusal(Patience()), IsClosed());
  EXPECT_THAT(relay.Wait().status, IsOk());
  EXPECT_THAT(relay.Wait().a_to_b.status, IsClosed());
  EXPECT_THAT(relay.Wait().b_to_a.status, IsOk());
  EXPECT_THAT(relay.b().Close(Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ProxyWatchTest, AResetAfterARefusalIsNoticedWhileTheSourceIsSilent) {
  // The proxy reads the connection no more, as its client wants nothing of it.
  const RawPair raw = RawTcp();
  Relay relay(MakePipe(), {FlowOf(raw.left), nullptr});
  ASSERT_THAT(relay.client()->Shutdown(ShutdownMode::kRead), IsOk());
  while (relay.b().DebugString().find("in: refused") == std::string::npos) {
    std::this_thread::yield();
  }
  RawReset(raw.right);
  EXPECT_THAT(relay.Wait().status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ProxyWatchTest, AFlowThatCannotTellEndsAsItAlwaysDid) {
  Pipe pipe = MakePipe();
  HookFlow b;
  b.hooks.read = [](size_t) { return absl::Cord(); };
  ProxyResult result;
  std::thread proxy([&] { result = RunProxy(*pipe.right, b); });
  EXPECT_THAT(pipe.left->Read(), IsEof());
  ASSERT_THAT(pipe.left->Write("x"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  proxy.join();
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.a_to_b.statistics.bytes, 1);
}

TEST(ProxyWatchTest, AnIdleTimeoutEndsItWhileItWaits) {
  Pipe near = MakePipe();
  Pipe far = MakePipe();
  ASSERT_THAT(far.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ProxyOptions options;
  options.idle_timeout = absl::Milliseconds(20);
  const ProxyResult result = RunProxy(*near.right, *far.left, options);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.a_to_b.failed, Side::kSource);
  EXPECT_THAT(result.b_to_a.status, IsOk());
}

size_t ThreadCount() {
  DIR* const directory = ::opendir("/proc/self/task");
  ABSL_PCHECK(directory != nullptr);
  size_t count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

TEST(ProxyWatchTest, TcpConnectionsTakeOneThreadMoreThanTheCaller) {
  if (StartsProxies()) GTEST_SKIP() << "a started one takes none";
  const size_t before = ThreadCount();
  Relay relay(ByTcp(), ByTcp());
  ASSERT_THAT(relay.client()->Write("there"), IsOk());
  EXPECT_THAT(relay.server()->Read(), IsOkAndHolds("there"));
  ASSERT_THAT(relay.server()->Write("back"), IsOk());
  EXPECT_THAT(relay.client()->Read(), IsOkAndHolds("back"));
  EXPECT_EQ(ThreadCount(), before + 2);
}

}  // namespace
}  // namespace flow
