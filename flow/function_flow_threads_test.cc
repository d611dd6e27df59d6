// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What close, abort and shutdown do while functions run on other threads. Made
// for ThreadSanitizer and AddressSanitizer.

#include <atomic>
#include <cstddef>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;

constexpr absl::Duration kShort = absl::Milliseconds(20);

// An input that blocks until it is released.
struct BlockingInput {
  absl::Notification entered;
  absl::Notification release;

  Input Make() {
    return Input::Buffers([this]() -> absl::StatusOr<absl::Cord> {
      entered.Notify();
      release.WaitForNotification();
      return absl::Cord("late");
    });
  }
};

TEST(CloseUnderACallTest, CloseWaitsForTheFunctionThenRunsClose) {
  BlockingInput input;
  std::atomic<int> closes{0};
  FunctionFlowOptions options;
  options.input = input.Make();
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  std::thread reader([&] { EXPECT_THAT(flow->Read(), IsOkAndHolds("late")); });
  input.entered.WaitForNotification();
  std::thread closer([&] { EXPECT_THAT(flow->Close(), IsOk()); });
  absl::SleepFor(kShort);
  EXPECT_EQ(closes, 0);
  input.release.Notify();
  reader.join();
  closer.join();
  EXPECT_EQ(closes, 1);
}

TEST(CloseUnderACallTest, PastItsDeadlineTheLastFunctionToReturnRunsClose) {
  BlockingInput input;
  std::atomic<int> closes{0};
  FunctionFlowOptions options;
  options.input = input.Make();
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  std::thread reader([&] { EXPECT_THAT(flow->Read().status(), IsClosed()); });
  input.entered.WaitForNotification();
  EXPECT_THAT(flow->Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(closes, 0);
  input.release.Notify();
  reader.join();
  EXPECT_EQ(closes, 1);
}

TEST(CloseUnderACallTest, AfterAnAbortTheLastFunctionToReturnRunsClose) {
  BlockingInput input;
  std::atomic<int> closes{0};
  FunctionFlowOptions options;
  options.input = input.Make();
  options.close = [&] { ++closes; };
  auto flow = MakeFunctionFlow(std::move(options));
  std::thread reader([&] {
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kCancelled, "stop"));
  });
  input.entered.WaitForNotification();
  flow->Abort(absl::CancelledError("stop"));
  EXPECT_EQ(closes, 0);
  input.release.Notify();
  reader.join();
  EXPECT_EQ(closes, 1);
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(closes, 1);
}

TEST(CloseUnderACallTest, CloseInsideAFunctionWhileAnotherThreadCloses) {
  Flow* self = nullptr;
  absl::Notification entered, closing;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    entered.Notify();
    closing.WaitForNotification();
    absl::SleepFor(kShort);  // the other Close() now waits for this function
    EXPECT_THAT(self->Close(), StatusIs(absl::StatusCode::kInvalidArgument));
    return absl::Cord("discarded");
  });
  auto flow = MakeFunctionFlow(std::move(options));
  self = flow.get();
  std::thread reader([&] {
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  });
  entered.WaitForNotification();
  closing.Notify();
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kInvalidArgument));
  reader.join();
}

// The end is sent exactly once, whichever of the write and the shutdown comes
// last: neither may leave it to the other.
TEST(RaceTest, ShutdownAgainstTheEndOfAWriteAlwaysSendsTheEnd) {
  for (int i = 0; i < 1000; ++i) {
    std::atomic<int> ends{0};
    FunctionFlowOptions options;
    options.output = Output::Bytes(
        [](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
          return bytes.size();
        },
        [&]() -> absl::Status {
          ++ends;
          return absl::OkStatus();
        });
    auto flow = MakeFunctionFlow(std::move(options));
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go.load()) {
      }
      EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    });
    go = true;
    while (flow->Write("x").ok()) {
    }
    other.join();
    ASSERT_EQ(ends, 1);
  }
}

// A reader, a writer, and others who shut down, abort and close at random
// times: close runs once, overlaps nothing, and every call returns.
// ThreadSanitizer sees it if there is nothing between two calls.
TEST(RaceTest, ACallSeesWhatTheOneBeforeItDidOnAnotherThread) {
  int calls = 0;  // not atomic
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    ++calls;
    return absl::Cord("x");
  });
  auto flow = MakeFunctionFlow(std::move(options));
  const auto read = [&] {
    for (int successes = 0; successes < 100;) {
      if (flow->Read().ok()) ++successes;  // or the other one is reading
    }
  };
  std::thread other(read);
  read();
  other.join();
  EXPECT_EQ(calls, 200);
}

TEST(RaceTest, AnyOrderOfEndsRunsCloseOnceAndAlone) {
  for (int seed = 0; seed < 300; ++seed) {
    std::atomic<int> running{0};
    std::atomic<int> closes{0};
    const auto function = [&] {
      EXPECT_EQ(closes.load(), 0) << seed;
      ++running;
      std::this_thread::yield();
      --running;
    };
    FunctionFlowOptions options;
    options.input =
        Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
          function();
          buffer[0] = 'x';
          return size_t{1};
        });
    options.output = Output::Buffers([&](absl::Cord) -> absl::Status {
      function();
      return absl::OkStatus();
    });
    options.close = [&] {
      EXPECT_EQ(running.load(), 0) << seed;
      ++closes;
    };
    auto flow = MakeFunctionFlow(std::move(options));
    std::vector<std::thread> threads;
    int64_t read = 0, written = 0;
    threads.emplace_back([&] {
      while (true) {
        absl::StatusOr<absl::Cord> data = flow->Read();
        if (!data.ok() || data->empty()) break;
        read += static_cast<int64_t>(data->size());
      }
    });
    threads.emplace_back([&] {
      absl::Status status;
      while (status.ok()) {
        absl::Cord source("x");
        status = flow->WriteFrom(&source);
        if (source.empty()) ++written;
      }
    });
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        std::minstd_rand random(2 * seed + i);
        for (int step = 0; step < 3; ++step) {
          for (int spin = random() % 50; spin > 0; --spin) {
            std::this_thread::yield();
          }
          switch (random() % 5) {
            case 0:
              flow->Shutdown(ShutdownMode::kRead).IgnoreError();
              break;
            case 1:
              flow->Shutdown(ShutdownMode::kWrite).IgnoreError();
              break;
            case 2:
              if (random() % 4 == 0) flow->Abort(absl::CancelledError("x"));
              break;
            case 3:
              flow->Close(absl::InfinitePast()).IgnoreError();
              break;
            case 4:
              EXPECT_FALSE(flow->DebugString().empty());
              break;
          }
        }
        flow->Close().IgnoreError();
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(closes, 1) << seed;
    ASSERT_EQ(flow->bytes_read(), read) << seed;
    ASSERT_EQ(flow->bytes_written(), written) << seed;
  }
}

}  // namespace
}  // namespace flow
