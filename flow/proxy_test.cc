// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Proxy() between two pipes: a client, and a server that it is connected to
// through the proxy. proxy_error_test.cc has the ends and errors of other
// flows, proxy_idle_test.cc what is about time, proxy_fault_test.cc a fault at
// every operation.

#include "flow/proxy.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/run_proxy.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::BindForProxy;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::PatternString;
using ::flow::testing::RunProxy;
using ::flow::testing::SameData;
using ::testing::HasSubstr;
using Side = CopyResult::Side;

constexpr size_t kSize = 6000;
constexpr uint64_t kThere = 1;  // the pattern that the client sends
constexpr uint64_t kBack = 2;   // and the server

// A proxy between two pipes, on a thread of its own. With `swapped` the server
// is its first flow.
class Relay {
 public:
  explicit Relay(size_t capacity, ProxyOptions options = {},
                 bool swapped = false)
      : swapped_(swapped) {
    Pipe near = MakePipe(capacity);
    Pipe far = MakePipe(capacity);
    client_ = std::move(near.left);
    server_ = std::move(far.right);
    a_ = swapped ? std::move(far.left) : std::move(near.right);
    b_ = swapped ? std::move(near.right) : std::move(far.left);
    BindForProxy(*a_, *b_);
    thread_ = std::thread([this, options = std::move(options)] {
      result_ = RunProxy(*a_, *b_, options);
    });
  }

  ~Relay() {
    client_->Abort(absl::AbortedError("the test is over"));
    server_->Abort(absl::AbortedError("the test is over"));
    if (thread_.joinable()) thread_.join();
  }

  Flow& client() { return *client_; }
  Flow& server() { return *server_; }
  Flow& a() { return *a_; }
  Flow& b() { return *b_; }

  // Waits for the proxy.
  const ProxyResult& Wait() {
    if (thread_.joinable()) thread_.join();
    return result_;
  }
  const CopyResult& there() { return swapped_ ? Wait().b_to_a : Wait().a_to_b; }
  const CopyResult& back() { return swapped_ ? Wait().a_to_b : Wait().b_to_a; }

  // Closes all four ends after an Ok proxy.
  void ExpectAllCloseInGoodOrder() {
    for (Flow* flow : {a_.get(), b_.get(), client_.get(), server_.get()}) {
      EXPECT_THAT(flow->Close(Patience()), IsOk());
    }
  }

 private:
  const bool swapped_;
  std::unique_ptr<Flow> client_, server_, a_, b_;
  ProxyResult result_;
  std::thread thread_;
};

// Borrowed bytes, which obey the capacity; in pieces that are not those of the
// proxy.
absl::Status SendAndEnd(Flow& flow, uint64_t seed) {
  const std::string bytes = PatternString(0, kSize, seed);
  for (size_t i = 0; i < kSize; i += 777) {
    absl::Status status = flow.Write(absl::string_view(bytes).substr(i, 777));
    if (!status.ok()) return status;
  }
  return flow.Shutdown(ShutdownMode::kWrite);
}

absl::StatusOr<absl::Cord> ReceiveAll(Flow& flow) {
  return ReadAll(flow, 2 * kSize);
}

// What was received before `*end`, which is Ok if that was end-of-file.
absl::Cord ReceiveUntil(Flow& flow, absl::Status* end) {
  absl::Cord all;
  while (true) {
    absl::StatusOr<absl::Cord> data = flow.Read();
    if (!data.ok() || data->empty()) {
      *end = data.status();
      return all;
    }
    all.Append(*std::move(data));
  }
}

struct Setting {
  size_t capacity;
  bool swapped;
};

class ProxyPipeTest : public ::testing::TestWithParam<Setting> {
 protected:
  Relay MakeRelay(ProxyOptions options = {}) {
    options.max_read = 1000;
    return Relay(GetParam().capacity, std::move(options), GetParam().swapped);
  }
};

INSTANTIATE_TEST_SUITE_P(
    Capacities, ProxyPipeTest,
    ::testing::Values(Setting{0, false}, Setting{0, true}, Setting{1, false},
                      Setting{1, true}, Setting{4096, false},
                      Setting{4096, true}, Setting{kNoLimit, false},
                      Setting{kNoLimit, true}),
    [](const auto& info) {
      return absl::StrCat(info.param.capacity == kNoLimit
                              ? "without_limit"
                              : absl::StrCat("capacity_", info.param.capacity),
                          info.param.swapped ? "_swapped" : "");
    });

TEST_P(ProxyPipeTest, CarriesBothDirectionsAtTheSameTime) {
  Relay relay = MakeRelay();
  absl::Status sent, answered;
  std::thread sender([&] { sent = SendAndEnd(relay.client(), kThere); });
  std::thread answerer([&] { answered = SendAndEnd(relay.server(), kBack); });
  absl::StatusOr<absl::Cord> there;
  std::thread receiver([&] { there = ReceiveAll(relay.server()); });
  EXPECT_TRUE(SameData(ReceiveAll(relay.client()), Pattern(0, kSize, kBack)));
  sender.join();
  answerer.join();
  receiver.join();
  EXPECT_TRUE(SameData(there, Pattern(0, kSize, kThere)));
  EXPECT_THAT(sent, IsOk());
  EXPECT_THAT(answered, IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
  for (const CopyResult* result : {&relay.there(), &relay.back()}) {
    EXPECT_THAT(result->status, IsOk());
    EXPECT_EQ(result->failed, Side::kNone);
    EXPECT_EQ(result->statistics.bytes, kSize);
    EXPECT_EQ(result->statistics.reads, result->statistics.writes);
    EXPECT_GE(result->statistics.reads, kSize / 1000);  // that is max_read
    EXPECT_EQ(result->unwritten, "");
  }
  relay.ExpectAllCloseInGoodOrder();
}

TEST_P(ProxyPipeTest, AHalfCloseIsCarriedOverAndTheAnswerStillComes) {
  Relay relay = MakeRelay();
  absl::Status sent;
  std::thread sender([&] { sent = SendAndEnd(relay.client(), kThere); });
  EXPECT_TRUE(SameData(ReceiveAll(relay.server()), Pattern(0, kSize, kThere)));
  sender.join();
  EXPECT_THAT(sent, IsOk());
  std::thread answerer([&] { sent = SendAndEnd(relay.server(), kBack); });
  EXPECT_TRUE(SameData(ReceiveAll(relay.client()), Pattern(0, kSize, kBack)));
  answerer.join();
  EXPECT_THAT(sent, IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
  relay.ExpectAllCloseInGoodOrder();
}

TEST_P(ProxyPipeTest, AnEmptyStreamIsCarriedOver) {
  Relay relay = MakeRelay();
  ASSERT_THAT(relay.client().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay.server().Read(), IsEof());
  ASSERT_THAT(relay.server().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay.client().Read(), IsEof());
  EXPECT_THAT(relay.Wait().status, IsOk());
  EXPECT_EQ(relay.there().statistics.writes, 0);
  relay.ExpectAllCloseInGoodOrder();
}

TEST_P(ProxyPipeTest, CloseWaitsForTheFarEndThroughTheProxy) {
  Relay relay = MakeRelay();
  absl::Status closed;
  std::thread closer([&] { closed = relay.client().Close(Patience()); });
  EXPECT_THAT(relay.server().Read(), IsEof());
  absl::Status sent = relay.server().Close(Patience());
  closer.join();
  EXPECT_THAT(sent, IsOk());
  EXPECT_THAT(closed, IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
  relay.ExpectAllCloseInGoodOrder();
}

TEST_P(ProxyPipeTest, WithoutACloseTimeoutBothFlowsStayOpen) {
  Relay relay = MakeRelay();
  ASSERT_THAT(relay.client().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(relay.server().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
  EXPECT_THAT(relay.a().Read(), IsEof());
  EXPECT_THAT(relay.b().Read(), IsEof());
}

TEST_P(ProxyPipeTest, WithACloseTimeoutBothFlowsAreClosed) {
  ProxyOptions options;
  options.close_timeout = absl::Hours(1);
  Relay relay = MakeRelay(options);
  ASSERT_THAT(relay.client().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(relay.server().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
  EXPECT_THAT(relay.a().Read(), IsClosed());
  EXPECT_THAT(relay.b().Read(), IsClosed());
  EXPECT_THAT(relay.client().Close(Patience()), IsOk());
  EXPECT_THAT(relay.server().Close(Patience()), IsOk());
}

TEST_P(ProxyPipeTest, ARefusalIsCarriedOverAndTheOtherDirectionGoesOn) {
  Relay relay = MakeRelay();
  ASSERT_THAT(relay.server().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(relay.client().AwaitRefusal(Patience()), IsClosed());
  absl::Status answered;
  std::thread answerer([&] { answered = SendAndEnd(relay.server(), kBack); });
  EXPECT_TRUE(SameData(ReceiveAll(relay.client()), Pattern(0, kSize, kBack)));
  answerer.join();
  EXPECT_THAT(answered, IsOk());
  EXPECT_THAT(relay.Wait().status, IsOk());
  EXPECT_THAT(relay.there().status, IsClosed());
  EXPECT_EQ(relay.there().failed, Side::kSink);
  EXPECT_EQ(relay.there().statistics.bytes, 0);
  EXPECT_EQ(relay.there().unwritten, "");
  EXPECT_THAT(relay.back().status, IsOk());
  relay.ExpectAllCloseInGoodOrder();
}

TEST_P(ProxyPipeTest, BothDirectionsCanBeRefused) {
  Relay relay = MakeRelay();
  ASSERT_THAT(relay.server().Shutdown(ShutdownMode::kRead), IsOk());
  ASSERT_THAT(relay.client().Shutdown(ShutdownMode::kRead), IsOk());
  absl::Status refused;
  while (refused.ok()) refused = relay.client().Write("x");
  EXPECT_THAT(refused, IsClosed());
  refused = absl::OkStatus();
  while (refused.ok()) refused = relay.server().Write("x");
  EXPECT_THAT(refused, IsClosed());
  EXPECT_THAT(relay.Wait().status, IsOk());
}

// Upstream makes a clean end of an error.
TEST_P(ProxyPipeTest, AnAbortReachesTheFarEndWithItsReasonAfterTheData) {
  for (const bool by_server : {false, true}) {
    Relay relay = MakeRelay();
    Flow& from = by_server ? relay.server() : relay.client();
    Flow& to = by_server ? relay.client() : relay.server();
    absl::Status sent;
    std::thread sender([&] {
      sent = from.Write(absl::string_view(PatternString(0, kSize, kThere)));
      from.Abort(absl::DataLossError("the reason"));
    });
    absl::Status end;
    EXPECT_TRUE(SameData(ReceiveUntil(to, &end), Pattern(0, kSize, kThere)));
    sender.join();
    EXPECT_THAT(sent, IsOk());
    EXPECT_THAT(end,
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the reason")));
    EXPECT_THAT(relay.Wait().status,
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the reason")));
    const CopyResult& failed = by_server ? relay.back() : relay.there();
    EXPECT_THAT(failed.status, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(failed.failed, Side::kSource);
    EXPECT_EQ(failed.statistics.bytes, kSize);
    // The other direction is over by that, too.
    EXPECT_THAT((by_server ? relay.there() : relay.back()).status,
                StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(to.Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_P(ProxyPipeTest, ADestroyedFarEndNeverLooksLikeItsEnd) {
  Pipe near = MakePipe(GetParam().capacity);
  Pipe far = MakePipe(GetParam().capacity);
  ProxyResult result;
  std::thread proxy([&] { result = RunProxy(*near.right, *far.left); });
  std::thread sender([&] {
    EXPECT_THAT(near.left->Write(absl::string_view("truncated")), IsOk());
    near.left = nullptr;
  });
  absl::Status end;
  EXPECT_EQ(ReceiveUntil(*far.right, &end), "truncated");
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kAborted));
  sender.join();
  proxy.join();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kAborted));
}

TEST_P(ProxyPipeTest, AWriteErrorReachesTheFarEndOfTheSource) {
  Relay relay = MakeRelay();
  // A part is accepted, and the rest of the chain is full, except at kNoLimit.
  std::thread sender([&] {
    absl::Status status;
    while (status.ok()) status = relay.client().Write("12345");
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the reason")));
  });
  EXPECT_THAT(relay.server().Read(3), IsOk());
  relay.server().Abort(absl::DataLossError("the reason"));
  sender.join();
  EXPECT_THAT(relay.Wait().status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(relay.client().Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_P(ProxyPipeTest, AbortOfBothFlowsFromAnotherThreadEndsIt) {
  for (const bool half_closed : {false, true}) {
    Relay relay = MakeRelay();
    if (half_closed) {
      ASSERT_THAT(relay.client().Shutdown(ShutdownMode::kWrite), IsOk());
      EXPECT_THAT(relay.server().Read(), IsEof());
    }
    relay.a().Abort(absl::CancelledError("stop"));
    relay.b().Abort(absl::CancelledError("stop"));
    EXPECT_THAT(relay.Wait().status, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_THAT(relay.client().Read(), StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST_P(ProxyPipeTest, OnWriteIsToldEverythingAndNeverTwiceAtTheSameTime) {
  int64_t told[2] = {0, 0};  // a data race if calls overlap
  bool inside = false;
  ProxyOptions options;
  options.on_write = [&](ProxyDirection direction, int64_t bytes) {
    EXPECT_FALSE(std::exchange(inside, true));
    EXPECT_GT(bytes, 0);
    told[direction == ProxyDirection::kAToB ? 0 : 1] += bytes;
    std::this_thread::yield();
    inside = false;
  };
  Relay relay = MakeRelay(options);
  std::thread sender(
      [&] { EXPECT_THAT(SendAndEnd(relay.client(), kThere), IsOk()); });
  std::thread answerer(
      [&] { EXPECT_THAT(SendAndEnd(relay.server(), kBack), IsOk()); });
  std::thread receiver(
      [&] { EXPECT_THAT(ReceiveAll(relay.server()), IsOk()); });
  EXPECT_THAT(ReceiveAll(relay.client()), IsOk());
  sender.join();
  answerer.join();
  receiver.join();
  EXPECT_THAT(relay.Wait().status, IsOk());
  EXPECT_EQ(told[0], relay.Wait().a_to_b.statistics.bytes);
  EXPECT_EQ(told[1], relay.Wait().b_to_a.statistics.bytes);
  EXPECT_EQ(told[0] + told[1], 2 * kSize);
}

}  // namespace
}  // namespace flow
