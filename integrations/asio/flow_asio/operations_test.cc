// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow_asio/operations.h"

#include <cstddef>
#include <cstdlib>
#include <future>  // NOLINT(build/c++11): for asio::use_future
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/bind_allocator.hpp"
#include "asio/bind_executor.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/strand.hpp"
#include "asio/use_future.hpp"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "flow_asio/asio_engine.h"
#include "flow_asio/context_threads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow_asio {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FlowOf;
using ::flow::testing::IsEof;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;

class OperationsTest : public ::testing::Test {
 protected:
  OperationsTest() {
    left().SetEngine(engine_.get());
    right().SetEngine(engine_.get());
  }

  flow::Flow& left() { return *pipe_.left; }
  flow::Flow& right() { return *pipe_.right; }

  // Runs what there is to run.
  void Run() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_;
  std::unique_ptr<flow::AsioEngine> engine_ = *flow::AsioEngine::Make(context_);
  flow::Pipe pipe_ = flow::MakePipe();
};

TEST_F(OperationsTest, ACallbackGetsWhatComes) {
  std::optional<absl::StatusOr<absl::Cord>> result;
  async_read(right(), [&](absl::StatusOr<absl::Cord> data) {
    result = std::move(data);
  });
  Run();
  EXPECT_FALSE(result.has_value());
  ASSERT_THAT(left().Write("data"), IsOk());
  EXPECT_FALSE(result.has_value());
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, IsOkAndHolds("data"));
}

TEST_F(OperationsTest, AHandlerIsNeverCalledInsideTheFunction) {
  ASSERT_THAT(left().Write("data"), IsOk());
  std::optional<absl::StatusOr<absl::Cord>> result;
  async_read(right(), 3, [&](absl::StatusOr<absl::Cord> data) {
    result = std::move(data);
  });
  EXPECT_FALSE(result.has_value());
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, IsOkAndHolds("dat"));
}

TEST_F(OperationsTest, WritesAndClosesTellHowTheyEnded) {
  std::optional<absl::Status> written;
  std::optional<absl::Status> closed;
  async_write(left(), absl::Cord("data"), [&](absl::Status status) {
    written = status;
    async_close(left(), absl::InfiniteFuture(),
                [&](absl::Status status) { closed = status; });
  });
  Run();
  ASSERT_TRUE(written.has_value());
  EXPECT_THAT(*written, IsOk());
  EXPECT_THAT(right().Read(), IsOkAndHolds("data"));
  EXPECT_THAT(right().Read(), IsEof());
  EXPECT_THAT(right().Close(), IsOk());
  Run();
  ASSERT_TRUE(closed.has_value());
  EXPECT_THAT(*closed, IsOk());
}

TEST_F(OperationsTest, TheDeadlineOfACloseCounts) {
  std::optional<absl::Status> closed;
  async_close(left(), absl::Now() + absl::Milliseconds(10),
              [&](absl::Status status) { closed = status; });
  context_.run();
  ASSERT_TRUE(closed.has_value());
  EXPECT_THAT(*closed, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(OperationsTest, APatientCloseGivesUp) {
  std::optional<absl::Status> closed;
  async_patient_close(left(), absl::Milliseconds(10),
                      [&](absl::Status status) { closed = status; });
  context_.run();
  ASSERT_TRUE(closed.has_value());
  EXPECT_THAT(*closed, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(OperationsTest, ARefusalIsTold) {
  std::optional<absl::Status> refused;
  async_await_refusal(left(), absl::InfiniteFuture(),
                      [&](absl::Status status) { refused = status; });
  Run();
  EXPECT_FALSE(refused.has_value());
  ASSERT_THAT(right().Shutdown(flow::ShutdownMode::kRead), IsOk());
  Run();
  ASSERT_TRUE(refused.has_value());
  EXPECT_TRUE(flow::IsClosed(*refused)) << *refused;
}

TEST_F(OperationsTest, AnAbortEndsACall) {
  std::optional<absl::Status> result;
  async_read(right(),
             [&](absl::StatusOr<absl::Cord> data) { result = data.status(); });
  right().Abort(absl::CancelledError("enough"));
  EXPECT_FALSE(result.has_value());
  Run();
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(*result, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(OperationsTest, AHandlerMayDestroyTheFlow) {
  std::optional<absl::Status> result;
  async_read(right(), [&](absl::StatusOr<absl::Cord> data) {
    result = data.status();
    pipe_.right.reset();
  });
  pipe_.left.reset();
  Run();
  EXPECT_TRUE(result.has_value());
}

TEST_F(OperationsTest, AHandlerMayBeMovedOnly) {
  ASSERT_THAT(left().Write("data"), IsOk());
  std::string got;
  async_read(right(), [&got, owned = std::make_unique<int>(1)](
                          absl::StatusOr<absl::Cord> data) {
    got = std::string(*data);
  });
  Run();
  EXPECT_EQ(got, "data");
}

TEST_F(OperationsTest, AHandlerRunsOnItsExecutorAndKeepsItBusy) {
  asio::io_context other;
  std::optional<std::thread::id> ran_on;
  async_read(right(),
             asio::bind_executor(other, [&](absl::StatusOr<absl::Cord> data) {
               EXPECT_THAT(data, IsOkAndHolds("data"));
               ran_on = std::this_thread::get_id();
             }));
  // It returns when the handler was called, and not before.
  std::thread thread([&] { other.run(); });
  const std::thread::id id = thread.get_id();
  absl::SleepFor(absl::Milliseconds(20));
  ASSERT_THAT(left().Write("data"), IsOk());
  Run();
  thread.join();
  EXPECT_EQ(ran_on, id);
}

TEST_F(OperationsTest, AStrandKeepsHandlersApart) {
  ContextThreads threads(2);
  const RawPair pair = RawTcp();
  const std::unique_ptr<flow::Flow> left = FlowOf(pair.left);
  const std::unique_ptr<flow::Flow> right = FlowOf(pair.right);
  left->SetEngine(threads.engine());
  right->SetEngine(threads.engine());
  const auto strand = asio::make_strand(threads.context());
  int unguarded = 0;
  for (int i = 0; i < 200; ++i) {
    std::promise<void> both;
    int ended = 0;
    const auto end = [&] {
      ++unguarded;
      if (++ended == 2) both.set_value();
    };
    async_read(*right, asio::bind_executor(
                           strand, [&](absl::StatusOr<absl::Cord> data) {
                             EXPECT_THAT(data, IsOkAndHolds("data"));
                             end();
                           }));
    async_write(*left, absl::Cord("data"),
                asio::bind_executor(strand, [&](absl::Status status) {
                  EXPECT_THAT(status, IsOk());
                  end();
                }));
    both.get_future().wait();
  }
  EXPECT_EQ(unguarded, 400);
}

// Counts what is allocated by it.
template <typename T>
struct CountingAllocator {
  using value_type = T;
  explicit CountingAllocator(int* live) : live(live) {}
  template <typename U>
  CountingAllocator(const CountingAllocator<U>& other) : live(other.live) {}
  T* allocate(size_t n) {
    ++*live;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, size_t n) {
    --*live;
    std::allocator<T>().deallocate(p, n);
  }
  template <typename U>
  bool operator==(const CountingAllocator<U>& other) const {
    return live == other.live;
  }
  template <typename U>
  bool operator!=(const CountingAllocator<U>& other) const {
    return live != other.live;
  }
  int* live;
};

TEST_F(OperationsTest, MemoryIsOfTheHandlersAllocatorAndFreedBeforeItIsCalled) {
  int live = 0;
  int live_inside = -1;
  async_read(right(), asio::bind_allocator(CountingAllocator<char>(&live),
                                           [&](absl::StatusOr<absl::Cord>) {
                                             live_inside = live;
                                           }));
  EXPECT_EQ(live, 1);
  ASSERT_THAT(left().Write("data"), IsOk());
  Run();
  EXPECT_EQ(live_inside, 0);
}

TEST_F(OperationsTest, WithoutAnEngineTheHandlerIsToldSo) {
  flow::Pipe pipe = flow::MakePipe();
  std::promise<absl::Status> result;
  async_read(*pipe.left, [&](absl::StatusOr<absl::Cord> data) {
    result.set_value(data.status());
  });
  EXPECT_THAT(result.get_future().get(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(OperationsOnSocketsTest, FuturesEcho) {
  ContextThreads threads(2);
  const RawPair pair = RawTcp();
  const std::unique_ptr<flow::Flow> left = FlowOf(pair.left);
  const std::unique_ptr<flow::Flow> right = FlowOf(pair.right);
  left->SetEngine(threads.engine());
  right->SetEngine(threads.engine());
  for (int i = 0; i < 100; ++i) {
    std::future<absl::StatusOr<absl::Cord>> read =
        async_read(*right, asio::use_future);
    std::future<absl::Status> write =
        async_write(*left, absl::Cord("data"), asio::use_future);
    EXPECT_THAT(write.get(), IsOk());
    ASSERT_THAT(read.get(), IsOkAndHolds("data"));
  }
  std::future<absl::Status> close =
      async_close(*left, absl::InfiniteFuture(), asio::use_future);
  EXPECT_THAT(right->Read(), IsEof());
  EXPECT_THAT(right->Close(), IsOk());
  EXPECT_THAT(close.get(), IsOk());
}

TEST(OperationsOnSocketsTest, AnyEngineDoes) {
  const std::unique_ptr<flow::EpollEngine> engine = *flow::EpollEngine::Make();
  std::thread thread([&] { engine->Run(); });
  {
    flow::Pipe pipe = flow::MakePipe();
    pipe.left->SetEngine(engine.get());
    std::promise<std::thread::id> ran_on;
    async_read(*pipe.left, [&](absl::StatusOr<absl::Cord>) {
      ran_on.set_value(std::this_thread::get_id());
    });
    ASSERT_THAT(pipe.right->Write("data"), IsOk());
    EXPECT_EQ(ran_on.get_future().get(), thread.get_id());
  }
  engine->Stop();
  thread.join();
}

}  // namespace
}  // namespace flow_asio
