// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Flow::CloseAfterRead(): the close of a flow that another thread reads.

#include <cstddef>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::Soon;
using ::testing::HasSubstr;

// The remote has said all and ended before the reader begins. Close() would
// return then, and drop it, with Ok at both ends.
void ExpectNothingIsLost(Flow& local, Flow& remote) {
  const std::string sent = PatternString(0, 10000);
  ASSERT_THAT(remote.Write(sent), IsOk());
  ASSERT_THAT(remote.Shutdown(ShutdownMode::kWrite), IsOk());
  std::thread closer([&] { EXPECT_THAT(local.CloseAfterRead(), IsOk()); });
  // Until it has begun.
  while (local.Write("").ok()) std::this_thread::yield();
  std::string received;
  while (true) {
    absl::StatusOr<absl::Cord> data = local.Read(100);
    ASSERT_THAT(data, IsOk());
    if (data->empty()) break;
    received += std::string(*data);
  }
  closer.join();
  EXPECT_TRUE(received == sent);
  EXPECT_THAT(local.Read(), IsClosed());
  EXPECT_THAT(remote.Close(Patience()), IsOk());
}

TEST(CloseAfterReadTest, LosesNothingThatTheRemoteHadSent) {
  Pipe pipe = MakePipe();
  ExpectNothingIsLost(*pipe.left, *pipe.right);
  for (const RawPair raw : {RawUnix(), RawTcp()}) {
    auto local = FlowOf(raw.left);
    auto remote = FlowOf(raw.right);
    ExpectNothingIsLost(*local, *remote);
  }
}

TEST(CloseAfterReadTest, ARefusalEndsTheWait) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("unread"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(pipe.left->CloseAfterRead(), IsOk());
}

TEST(CloseAfterReadTest, AReadErrorEndsTheWaitAndIsTheResult) {
  HookFlow flow;
  flow.hooks.read = [](size_t) { return absl::DataLossError("torn"); };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.CloseAfterRead(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(CloseAfterReadTest, PastItsDeadlineTheFlowIsAbortedAndNothingLooksWhole) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("unread"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  const absl::Status late = pipe.left->CloseAfterRead(Soon());
  EXPECT_THAT(late, StatusIs(absl::StatusCode::kDeadlineExceeded,
                             HasSubstr("another thread to read")));
  EXPECT_EQ(pipe.left->Close(), late);
  EXPECT_EQ(pipe.left->CloseAfterRead(), late);
  EXPECT_THAT(pipe.left->Read(), IsClosed());
  EXPECT_THAT(pipe.right->Close(), StatusIs(absl::StatusCode::kAborted));
}

TEST(CloseAfterReadTest, AnAbortOrACloseEndsTheWait) {
  {
    Pipe pipe = MakePipe();
    std::thread aborter([&] {
      while (pipe.left->Write("").ok()) std::this_thread::yield();
      pipe.left->Abort(absl::DataLossError("enough"));
    });
    EXPECT_THAT(pipe.left->CloseAfterRead(),
                StatusIs(absl::StatusCode::kDataLoss));
    aborter.join();
  }
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("unread"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  std::thread closer([&] {
    while (pipe.left->Write("").ok()) std::this_thread::yield();
    EXPECT_THAT(pipe.left->Close(), IsOk());
  });
  EXPECT_THAT(pipe.left->CloseAfterRead(), IsOk());
  closer.join();
}

TEST(CloseAfterReadTest, InsideAHookAbortsAsCloseDoes) {
  HookFlow flow;
  flow.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    EXPECT_THAT(flow.CloseAfterRead(),
                StatusIs(absl::StatusCode::kInvalidArgument));
    return absl::Cord();
  };
  EXPECT_FALSE(flow.Read().ok());
}

TEST(CloseAfterReadTest, OfAClosedFlowIsItsResult) {
  HookFlow flow;
  flow.hooks.free = [] { return absl::DataLossError("not flushed"); };
  const absl::Status closed = flow.Close();
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(flow.CloseAfterRead(), closed);
}

// What is buffered for writing goes out with the end.
TEST(CloseAfterReadTest, ItsDeadlineIsAlsoThatOfTheEnd) {
  HookFlow flow;
  absl::Time told = absl::InfiniteFuture();
  flow.hooks.read = [](size_t) { return absl::Cord(); };
  flow.hooks.end_write = [&told](absl::Time deadline) {
    told = deadline;
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.Read(), IsOk());
  EXPECT_THAT(flow.CloseAfterRead(absl::Now() + absl::Hours(1)), IsOk());
  EXPECT_LT(told, absl::InfiniteFuture());
}

}  // namespace
}  // namespace flow
