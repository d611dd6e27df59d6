// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Proxy() or StartProxy() with a fault at every operation of both flows, while
// a thread reads and another one writes at each far end: wherever it ends, no
// byte is lost, repeated or moved, an end is carried over only if its direction
// is whole, and both far ends hear the reason.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/run_proxy.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultPlan;
using ::flow::testing::FaultPointOptions;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::RunProxy;
using ::flow::testing::SameData;
using ::testing::AnyOf;
using Side = CopyResult::Side;

constexpr size_t kSize = 300;
constexpr size_t kMaxRead = 64;

// What is behind one of the flows: sends all of a pattern and then the end, and
// receives until there is no more.
class FarEnd {
 public:
  FarEnd(std::unique_ptr<Flow> flow, uint64_t seed)
      : flow_(std::move(flow)),
        sender_([this, seed] {
          sent_ = flow_->Write(Pattern(0, kSize, seed));
          if (sent_.ok()) sent_ = flow_->Shutdown(ShutdownMode::kWrite);
        }),
        receiver_([this] {
          absl::StatusOr<absl::Cord> data = flow_->Read();
          for (; data.ok() && !data->empty(); data = flow_->Read()) {
            received_.Append(*std::move(data));
          }
          end_ = data.status();
        }) {}

  // Waits for both threads.
  void Join() {
    sender_.join();
    receiver_.join();
  }

  Flow& flow() { return *flow_; }
  const absl::Cord& received() const { return received_; }
  const absl::Status& sent() const { return sent_; }
  const absl::Status& end() const { return end_; }  // Ok: end-of-file

 private:
  const std::unique_ptr<Flow> flow_;
  absl::Status sent_;
  absl::Cord received_;
  absl::Status end_;
  std::thread sender_;
  std::thread receiver_;
};

constexpr uint64_t kThere = 1;
constexpr uint64_t kBack = 2;

// A client and a server that were connected by a proxy.
struct Relayed {
  Relayed(FaultPlan& plan, size_t capacity, size_t max_read, size_t max_write,
          absl::Duration idle_timeout) {
    Pipe near = MakePipe(capacity);
    Pipe far = MakePipe(capacity);
    a = plan.Wrap(std::move(near.right), max_read, max_write);
    b = plan.Wrap(std::move(far.left), max_read, max_write);
    FarEnd client(std::move(near.left), kThere);
    FarEnd server(std::move(far.right), kBack);
    ProxyOptions options;
    options.max_read = kMaxRead;
    options.idle_timeout = idle_timeout;
    result = RunProxy(*a, *b, options);
    client.Join();
    server.Join();
    Check(plan, client, server, std::min(max_read, kMaxRead));
  }

  void Check(const FaultPlan& plan, FarEnd& client, FarEnd& server,
             size_t read_size) {
    {
      SCOPED_TRACE("from a to b");
      CheckDirection(*a, *b, result.a_to_b, server, kThere, read_size);
    }
    {
      SCOPED_TRACE("from b to a");
      CheckDirection(*b, *a, result.b_to_a, client, kBack, read_size);
    }
    if (result.status.ok()) {
      EXPECT_THAT(result.a_to_b.status, IsOk());
      EXPECT_THAT(result.b_to_a.status, IsOk());
      for (Flow* flow : {a.get(), b.get(), &client.flow(), &server.flow()}) {
        EXPECT_THAT(flow->Close(Patience()), IsOk());
      }
      return;
    }
    ASSERT_TRUE(plan.fired());
    const absl::StatusCode code = plan.error().code();
    EXPECT_THAT(result.status, StatusIs(code));
    // kDeadlineExceeded is nobody else's.
    const absl::StatusCode far_code =
        plan.mode() == FaultMode::kDeadline ? absl::StatusCode::kAborted : code;
    for (FarEnd* far_end : {&client, &server}) {
      EXPECT_THAT(far_end->sent(), AnyOf(IsOk(), StatusIs(far_code)));
      EXPECT_THAT(far_end->end(), AnyOf(IsOk(), StatusIs(far_code)));
      // Not all was in good order, and this is how it learns that.
      EXPECT_THAT(far_end->flow().Close(Patience()),
                  AnyOf(IsOk(), StatusIs(far_code)));
    }
    // The direction that failed has not ended in good order.
    EXPECT_FALSE(result.a_to_b.status.ok() && result.b_to_a.status.ok());
  }

  static void CheckDirection(const Flow& source, const Flow& sink,
                             const CopyResult& copy, const FarEnd& behind_sink,
                             uint64_t seed, size_t read_size) {
    const int64_t read = source.bytes_read();
    const int64_t written = sink.bytes_written();
    EXPECT_EQ(copy.statistics.bytes, written);
    EXPECT_EQ(copy.statistics.reads, (read + read_size - 1) / read_size);
    EXPECT_GE(copy.statistics.writes, copy.statistics.reads);
    EXPECT_TRUE(
        SameData(copy.unwritten, Pattern(written, read - written, seed)));
    EXPECT_TRUE(SameData(behind_sink.received(), Pattern(0, written, seed)));
    EXPECT_EQ(copy.failed == Side::kNone, copy.status.ok());
    if (copy.status.ok()) {
      EXPECT_THAT(behind_sink.end(), IsOk());
    }
    // The other way round does not hold: an abort of the other direction can
    // come between the end and the return of the Shutdown() that sent it.
    if (behind_sink.end().ok()) {
      EXPECT_EQ(written, kSize) << "a truncated stream that looks whole";
    }
  }

  std::unique_ptr<Flow> a, b;
  ProxyResult result;
};

class ProxyFaultTest : public ::testing::TestWithParam<size_t> {};

INSTANTIATE_TEST_SUITE_P(Capacities, ProxyFaultTest,
                         ::testing::Values(0, kMaxRead, kNoLimit));

TEST_P(ProxyFaultTest, NoByteIsLostRepeatedOrMovedAndNoEndIsFalse) {
  const auto body = [](FaultPlan& plan) {
    const Relayed relayed(plan, GetParam(), kNoLimit, kNoLimit,
                          absl::InfiniteDuration());
    EXPECT_NE(relayed.result.status.ok(), plan.fired());
  };
  // Of each flow, 5 Reads with data and one without, in 3 modes; 5 writes in 4;
  // the end in 2.
  EXPECT_EQ(ForEachFaultPoint(body), 2 * (6 * 3 + 5 * 4 + 2));
}

TEST_P(ProxyFaultTest, TheSameInShortReadsAndPieces) {
  const auto body = [](FaultPlan& plan) {
    const Relayed relayed(plan, GetParam(), 7, 3, absl::InfiniteDuration());
    EXPECT_NE(relayed.result.status.ok(), plan.fired());
  };
  // 43 Reads of 7 bytes, the last of 6.
  EXPECT_EQ(ForEachFaultPoint(body), 2 * (44 * 3 + 43 * 4 + 2));
}

TEST_P(ProxyFaultTest, WithAnIdleTimeoutADeadlineAnywhereChangesNothing) {
  FaultPointOptions options;
  options.modes = {FaultMode::kDeadline};
  const auto body = [](FaultPlan& plan) {
    const Relayed relayed(plan, GetParam(), kNoLimit, kNoLimit, absl::Hours(1));
    EXPECT_THAT(relayed.result.status, IsOk());
  };
  EXPECT_EQ(ForEachFaultPoint(body, options), 2 * (6 + 5));
}

}  // namespace
}  // namespace flow
