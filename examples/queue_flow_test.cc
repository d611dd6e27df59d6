// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/queue_flow.h"

#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/conformance.h"
#include "flow/testing/matchers.h"
#include "gtest/gtest.h"

namespace flow::examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;

flow::testing::FlowPair Pair(size_t capacity) {
  QueueFlows flows = MakeQueueFlows(capacity);
  return {std::move(flows.left), std::move(flows.right)};
}

flow::testing::ConformanceOptions Queues() {
  flow::testing::ConformanceOptions options;
  options.name = "queue";
  options.make_pair = [] { return Pair(256 << 10); };
  options.make_full = [] { return Pair(4096); };
  // Functions have no remote end that Close() could wait for.
  options.traits.awaits_remote_end = false;
  options.traits.reports_lost_data = false;
  options.traits.tells_of_refusals = false;  // functions cannot
  return options;
}

INSTANTIATE_TEST_SUITE_P(QueueFlow, FlowConformanceTest,
                         ::testing::Values(Queues()),
                         flow::testing::ConformanceName);

constexpr absl::StatusCode kLate = absl::StatusCode::kDeadlineExceeded;

TEST(QueueFlowTest, ADeadlineThatIsSetLaterWakesAReadThatWaits) {
  QueueFlows flows = MakeQueueFlows(1);
  absl::StatusOr<absl::Cord> data;
  std::thread reader([&] { data = flows.left->Read(); });
  flows.left->SetReadDeadline(absl::InfinitePast());
  reader.join();
  EXPECT_THAT(data, StatusIs(kLate));
  // It was the outcome of that call alone.
  ASSERT_THAT(flows.right->Write("x"), IsOk());
  EXPECT_THAT(flows.left->Read(), IsOkAndHolds("x"));
}

TEST(QueueFlowTest, ADeadlinePassesWhileAWriteWaits) {
  QueueFlows flows = MakeQueueFlows(1);
  ASSERT_THAT(flows.left->Write("x"), IsOk());
  flows.left->SetWriteDeadline(absl::Now() + absl::Milliseconds(10));
  EXPECT_THAT(flows.left->Write("y"), StatusIs(kLate));
  EXPECT_EQ(flows.left->bytes_written(), 1);
  EXPECT_THAT(flows.right->Read(), IsOkAndHolds("x"));
  EXPECT_THAT(flows.left->Write("y"), IsOk());
}

TEST(QueueFlowTest, AbortWakesBothFunctions) {
  QueueFlows flows = MakeQueueFlows(1);
  ASSERT_THAT(flows.left->Write("x"), IsOk());
  absl::StatusOr<absl::Cord> data;
  absl::Status written;
  std::thread reader([&] { data = flows.left->Read(); });
  std::thread writer([&] { written = flows.left->Write("y"); });
  flows.left->Abort(absl::CancelledError("stop"));
  reader.join();
  writer.join();
  EXPECT_THAT(data, StatusIs(absl::StatusCode::kCancelled, "stop"));
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kCancelled, "stop"));
  EXPECT_THAT(flows.right->Read(), IsOkAndHolds("x"));
  EXPECT_THAT(flows.right->Read(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(QueueFlowTest, ShutdownOfReadsWakesTheReaderAndTheRemoteWriter) {
  QueueFlows flows = MakeQueueFlows(1);
  absl::StatusOr<absl::Cord> data;
  std::thread reader([&] { data = flows.left->Read(); });
  ASSERT_THAT(flows.left->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  EXPECT_THAT(data, IsEof());
  EXPECT_THAT(flows.right->Write("x"), IsClosed());
}

TEST(QueueFlowTest, CloseWakesAReadThatWaitsOnceItsDeadlineHasPassed) {
  QueueFlows flows = MakeQueueFlows(1);
  absl::StatusOr<absl::Cord> data = absl::Cord("not yet");
  std::thread reader([&] { data = flows.left->Read(); });
  while (flows.left->DebugString().find("in Read()") == std::string::npos) {
    std::this_thread::yield();
  }
  EXPECT_THAT(flows.left->Close(absl::Now() + absl::Milliseconds(10)),
              StatusIs(kLate));
  reader.join();
  EXPECT_THAT(data.status(), IsClosed());
}

}  // namespace
}  // namespace flow::examples
