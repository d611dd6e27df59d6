// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copy() to several sinks.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FaultPlan;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::Pattern;
using ::testing::Each;
using Side = CopyResult::Side;

constexpr size_t kPlenty = 1 << 20;

class CopyToSinksTest : public ::testing::Test {
 protected:
  // What `sink` has been given.
  static absl::Cord Received(Pipe& sink) {
    sink.right->SetReadDeadline(absl::InfinitePast());
    absl::Cord all;
    ReadAll(*sink.right, kPlenty, &all).IgnoreError();
    return all;
  }

  void Send(absl::Cord data) {
    EXPECT_THAT(source_.right->Write(std::move(data)), IsOk());
    EXPECT_THAT(source_.right->Shutdown(ShutdownMode::kWrite), IsOk());
  }

  MultiCopyResult CopyToAll() {
    return Copy(*source_.left, {a_.left.get(), b_.left.get(), c_.left.get()},
                options_);
  }

  CopyOptions options_;
  Pipe source_ = MakePipe(kNoLimit);
  Pipe a_ = MakePipe(kNoLimit), b_ = MakePipe(kNoLimit),
       c_ = MakePipe(kNoLimit);
};

TEST_F(CopyToSinksTest, EverySinkGetsEveryByteShared) {
  const absl::Cord data(std::string(100000, 'x'));
  Send(data);
  std::vector<int64_t> writes;
  options_.on_write = [&](int64_t bytes) { writes.push_back(bytes); };
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(result.status, IsOk());
  ASSERT_EQ(result.sinks.size(), 3);
  for (const CopyResult& sink : result.sinks) {
    EXPECT_THAT(sink.status, IsOk());
    EXPECT_EQ(sink.failed, Side::kNone);
    EXPECT_TRUE(sink.unwritten.empty());
    EXPECT_EQ(sink.statistics.bytes, 100000);
    EXPECT_EQ(sink.statistics.writes, 1);
    EXPECT_EQ(sink.statistics.reads, 1);
  }
  EXPECT_THAT(writes, ::testing::ElementsAre(100000, 100000, 100000));
  for (Pipe* sink : {&a_, &b_, &c_}) {
    EXPECT_EQ(CopiedBytes(data, Received(*sink)), 0);
    // Nothing is shut down.
    EXPECT_THAT(sink->left->Write("more"), IsOk());
  }
}

TEST_F(CopyToSinksTest, ASinkThatFailsStopsTheCopy) {
  Send(absl::Cord("hello world"));
  options_.max_read = 5;
  EXPECT_THAT(b_.right->Shutdown(ShutdownMode::kRead), IsOk());
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(result.status, IsClosed());
  // It had its turn before, and got what was read.
  EXPECT_THAT(result.sinks[0].status, IsClosed());
  EXPECT_EQ(result.sinks[0].failed, Side::kNone);
  EXPECT_EQ(result.sinks[0].statistics.bytes, 5);
  EXPECT_TRUE(result.sinks[0].unwritten.empty());
  EXPECT_THAT(result.sinks[1].status, IsClosed());
  EXPECT_EQ(result.sinks[1].failed, Side::kSink);
  EXPECT_EQ(result.sinks[1].unwritten, "hello");
  EXPECT_THAT(result.sinks[2].status, IsClosed());
  EXPECT_EQ(result.sinks[2].failed, Side::kNone);
  EXPECT_EQ(result.sinks[2].statistics.writes, 0);
  EXPECT_EQ(result.sinks[2].unwritten, "hello");
  EXPECT_THAT(ReadAll(*source_.left, kPlenty), HoldsData(" world"));
}

TEST_F(CopyToSinksTest, ACopyThatOutlivesSinksGoesOnWithTheOthers) {
  Send(absl::Cord("hello world"));
  options_.max_read = 5;
  options_.outlives_sinks = true;
  EXPECT_THAT(b_.right->Shutdown(ShutdownMode::kRead), IsOk());
  const MultiCopyResult result = CopyToAll();
  // Not every sink has everything.
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_THAT(result.sinks[0].status, IsOk());
  EXPECT_THAT(result.sinks[1].status, IsClosed());
  EXPECT_EQ(result.sinks[1].failed, Side::kSink);
  EXPECT_EQ(result.sinks[1].unwritten, "hello");
  EXPECT_EQ(result.sinks[1].statistics.writes, 1);
  EXPECT_THAT(result.sinks[2].status, IsOk());
  EXPECT_EQ(Received(a_), "hello world");
  EXPECT_EQ(Received(c_), "hello world");
}

TEST_F(CopyToSinksTest, AWriteTimeoutEndsTheSlowSinkAndTellsWhichItIs) {
  Send(absl::Cord("hello world"));
  b_ = MakePipe(/*capacity=*/2);  // takes one Cord of any size
  std::vector<Flow*> late;
  options_.max_read = 5;
  options_.outlives_sinks = true;
  options_.write_timeout = absl::Milliseconds(5);
  options_.on_deadline = [&](Flow& flow) {
    late.push_back(&flow);
    return late.size() < 2;
  };
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(late, ::testing::ElementsAre(b_.left.get(), b_.left.get()));
  EXPECT_THAT(result.sinks[1].status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.sinks[1].failed, Side::kSink);
  EXPECT_EQ(result.sinks[1].unwritten, " worl");
  EXPECT_EQ(Received(a_), "hello world");
  EXPECT_EQ(Received(c_), "hello world");
}

TEST_F(CopyToSinksTest, AWriteTimeoutLeavesNoSinkADeadline) {
  Send(absl::Cord("data"));
  std::vector<absl::Time> deadlines(2);
  std::vector<std::unique_ptr<Flow>> sinks;
  for (absl::Time& deadline : deadlines) {
    FunctionFlowOptions options;
    options.output =
        Output::Buffers([](absl::Cord) { return absl::OkStatus(); });
    options.interrupt = [&deadline](const Interruption& interruption) {
      deadline = interruption.deadline;
    };
    sinks.push_back(MakeFunctionFlow(std::move(options)));
  }
  options_.write_timeout = absl::Hours(1);
  EXPECT_THAT(
      Copy(*source_.left, {sinks[0].get(), sinks[1].get()}, options_).status,
      IsOk());
  EXPECT_THAT(deadlines, Each(absl::InfiniteFuture()));
}

TEST_F(CopyToSinksTest, ACopyEndsWhenItHasNoSinkLeft) {
  Send(absl::Cord("hello world"));
  options_.max_read = 5;
  options_.outlives_sinks = true;
  a_.left->Abort(absl::DataLossError("first"));
  for (Pipe* sink : {&b_, &c_}) {
    EXPECT_THAT(sink->right->Shutdown(ShutdownMode::kRead), IsOk());
  }
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(result.sinks[2].status, IsClosed());
  EXPECT_EQ(source_.left->bytes_read(), 5);
}

TEST_F(CopyToSinksTest, AnErrorOfTheSourceIsThatOfEverySinkThatHasNone) {
  EXPECT_THAT(source_.right->Write("hello"), IsOk());
  source_.right->Abort(absl::UnavailableError("reset"));
  options_.outlives_sinks = true;
  EXPECT_THAT(b_.right->Shutdown(ShutdownMode::kRead), IsOk());
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(result.sinks[0].status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(result.sinks[0].failed, Side::kSource);
  EXPECT_THAT(result.sinks[1].status, IsClosed());
  EXPECT_EQ(result.sinks[1].failed, Side::kSink);
  EXPECT_EQ(Received(c_), "hello");
}

TEST_F(CopyToSinksTest, ASourceThatIsTooShortIsAnErrorForAll) {
  Send(absl::Cord("hello"));
  options_.max_bytes = 6;
  options_.exactly = true;
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kOutOfRange));
  for (const CopyResult& sink : result.sinks) {
    EXPECT_THAT(sink.status, StatusIs(absl::StatusCode::kOutOfRange));
    EXPECT_EQ(sink.failed, Side::kSource);
    EXPECT_EQ(sink.statistics.bytes, 5);
  }
}

TEST_F(CopyToSinksTest, ExactlySoManyBytesAreCopied) {
  Send(absl::Cord("hello world"));
  options_.max_bytes = 5;
  options_.exactly = true;
  EXPECT_THAT(CopyToAll().status, IsOk());
  EXPECT_EQ(Received(b_), "hello");
  EXPECT_THAT(ReadAll(*source_.left, kPlenty), HoldsData(" world"));
}

TEST_F(CopyToSinksTest, ADeadlineOfASinkBoundsHowLongItHoldsUpTheOthers) {
  Send(absl::Cord("hello"));
  b_ = MakePipe(/*capacity=*/0);
  b_.left->SetWriteDeadline(absl::InfinitePast());
  options_.outlives_sinks = true;
  const MultiCopyResult result = CopyToAll();
  EXPECT_THAT(result.sinks[1].status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.sinks[1].unwritten, "hello");
  EXPECT_THAT(result.sinks[2].status, IsOk());
  EXPECT_EQ(Received(c_), "hello");
}

TEST_F(CopyToSinksTest, ToNoSinksIsInvalid) {
  Send(absl::Cord("hello"));
  EXPECT_THAT(Copy(*source_.left, std::vector<Flow*>()).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(source_.left->bytes_read(), 0);
}

// Returns how many runs had a fault.
size_t CopyAtEveryFaultPoint(bool outlives_sinks) {
  constexpr size_t kSize = 150;
  return ForEachFaultPoint([outlives_sinks](FaultPlan& plan) {
    Pipe from = MakePipe(kNoLimit);
    EXPECT_THAT(from.right->Write(Pattern(0, kSize)), IsOk());
    EXPECT_THAT(from.right->Shutdown(ShutdownMode::kWrite), IsOk());
    const auto source = plan.Wrap(std::move(from.left));
    Pipe to[] = {MakePipe(kNoLimit), MakePipe(kNoLimit)};
    const std::unique_ptr<Flow> sinks[] = {plan.Wrap(std::move(to[0].left)),
                                           plan.Wrap(std::move(to[1].left))};
    CopyOptions options;
    options.max_read = 64;
    options.outlives_sinks = outlives_sinks;
    const MultiCopyResult result =
        Copy(*source, {sinks[0].get(), sinks[1].get()}, options);
    const bool fired = plan.fired();  // and not in an end that follows
    EXPECT_EQ(result.status.ok(), !fired);
    for (size_t i = 0; i < 2; ++i) {
      const CopyResult& copy = result.sinks[i];
      const bool is_own = fired && plan.flow() == i + 1;
      EXPECT_EQ(copy.failed == Side::kSink, is_own);
      const bool goes_on = outlives_sinks && fired && plan.flow() != 0;
      EXPECT_EQ(copy.status.ok(), !fired || (goes_on && !is_own));
      // As copy.h says.
      const bool is_whole =
          copy.status.ok() && sinks[i]->Shutdown(ShutdownMode::kWrite).ok();
      if (!copy.status.ok()) sinks[i]->Abort(copy.status);
      absl::Cord received;
      EXPECT_EQ(ReadAll(*to[i].right, kSize, &received).ok(), is_whole);
      EXPECT_EQ(received.size(), copy.statistics.bytes);
      EXPECT_EQ(received.size(), sinks[i]->bytes_written());
      received.Append(copy.unwritten);
      EXPECT_EQ(received, Pattern(0, received.size()));
      if (!is_own || !outlives_sinks) {
        EXPECT_EQ(received.size(), source->bytes_read());
      }
    }
  });
}

TEST(CopyToSinksFaultTest, NoByteIsLostRepeatedOrMoved) {
  // 4 Reads in 3 modes; 3 writes of each sink in 4, and its end in 2.
  EXPECT_EQ(CopyAtEveryFaultPoint(/*outlives_sinks=*/false),
            4 * 3 + 2 * (3 * 4 + 2));
}

TEST(CopyToSinksFaultTest, NoOtherSinkIsDisturbedIfTheCopyGoesOn) {
  EXPECT_EQ(CopyAtEveryFaultPoint(/*outlives_sinks=*/true),
            4 * 3 + 2 * (3 * 4 + 2));
}

}  // namespace
}  // namespace flow
