// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/frame_writer.h"

#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/frame_writer_fixture.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FaultOptions;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::Queue;
using ::flow::testing::ScriptedWrites;
using ::flow::testing::Soon;
using ::testing::ElementsAre;

const auto kLate = StatusIs(absl::StatusCode::kDeadlineExceeded);

// --- One thread

TEST(FrameWriterTest, WritesTheConcatenationOfTheBuffers) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  EXPECT_THAT(writer.Write({"head", "=", absl::Cord("body")}), IsOk());
  EXPECT_THAT(writer.Write("one"), IsOk());
  EXPECT_THAT(writer.Write(std::vector<Buffer>{"t", "wo"}), IsOk());
  EXPECT_THAT(writer.Write(""), IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("head=body", "one", "two"));
  EXPECT_EQ(writer.waiting_bytes(), 0);
}

TEST(FrameWriterTest, ALargeCordIsNotCopied) {
  constexpr size_t kLarge = size_t{1} << 20;
  const absl::Cord sent = Pattern(0, kLarge);
  Pipe pipe = MakePipe(kNoLimit);
  FrameWriter writer(*pipe.left);
  absl::Cord moved = sent;
  ASSERT_THAT(writer.Write({"header", std::move(moved)}), IsOk());
  const auto remote = MakeChannel(std::move(pipe.right));
  ASSERT_THAT(remote->ReadExactly(6), IsOkAndHolds("header"));
  const absl::Cord received = remote->ReadExactly(kLarge).value();
  EXPECT_EQ(received, sent);
  EXPECT_EQ(CopiedBytes(sent, received), 0);
}

TEST(FrameWriterTest, ADeadlineInThePastCutsOnlyWhatBlocks) {
  Pipe pipe = MakePipe(/*capacity=*/3);
  FrameWriter writer(*pipe.left);
  EXPECT_THAT(writer.Write("abc", absl::InfinitePast()), IsOk());
  const absl::Status late = writer.Write("def", absl::InfinitePast());
  EXPECT_THAT(late, kLate);
  EXPECT_FALSE(IsFrameBegun(late));
  EXPECT_THAT(pipe.right->Read(), HoldsData("abc"));
  EXPECT_THAT(writer.Write("ghi"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("ghi"));
}

TEST(FrameWriterTest, AFrameThatIsCutIsFinishedBeforeTheNextOne) {
  ScriptedWrites scripted({{0, {2, absl::DeadlineExceededError("late")}}});
  FrameWriter writer(scripted.flow);
  const absl::Status late = writer.Write({"ab", "cd"});
  EXPECT_THAT(late, kLate);
  EXPECT_TRUE(IsFrameBegun(late));
  EXPECT_EQ(writer.waiting_bytes(), 2);
  EXPECT_THAT(writer.Write("ef"), IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("abcd", "cdef"));
  EXPECT_EQ(scripted.accepted(), "abcdef");
}

TEST(FrameWriterTest, AFrameThatComesAfterARestThatBlocksIsNotBegun) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  ScriptedWrites scripted(
      {{0, {1, passed}}, {1, {1, passed}}, {2, {0, passed}}});
  FrameWriter writer(scripted.flow);
  EXPECT_TRUE(IsFrameBegun(writer.Write("abcd")));
  for (int i = 0; i < 2; ++i) {
    const absl::Status late = writer.Write("xy");
    EXPECT_THAT(late, kLate);
    EXPECT_FALSE(IsFrameBegun(late));
    EXPECT_EQ(writer.waiting_bytes(), 2);
  }
  EXPECT_THAT(writer.Write("ef"), IsOk());
  EXPECT_EQ(scripted.accepted(), "abcdef");
}

TEST(FrameWriterTest, ALateFrameWhoseLastByteWasAcceptedIsOk) {
  ScriptedWrites scripted({{0, {4, absl::DeadlineExceededError("late")}}});
  FrameWriter writer(scripted.flow);
  EXPECT_THAT(writer.Write("abcd"), IsOk());
  EXPECT_THAT(writer.Write("ef"), IsOk());
  EXPECT_EQ(scripted.accepted(), "abcdef");
}

TEST(FrameWriterTest, FlushSendsARest) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  ScriptedWrites scripted({{0, {1, passed}}, {1, {1, passed}}});
  FrameWriter writer(scripted.flow);
  EXPECT_THAT(writer.Flush(), IsOk());
  EXPECT_THAT(writer.Write("abcd"), kLate);
  EXPECT_THAT(writer.Flush(), kLate);
  EXPECT_THAT(writer.Flush(), IsOk());
  EXPECT_EQ(scripted.accepted(), "abcd");
  EXPECT_EQ(writer.waiting_bytes(), 0);
}

TEST(FrameWriterTest, ABlockIsAFrame) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  const BlockFormat format(/*max_bytes=*/3, LengthPrefix::k8Bit);
  EXPECT_THAT(writer.WriteBlock(format, {"a", absl::Cord("bc")}), IsOk());
  EXPECT_THAT(writer.WriteBlock(format, "d"), IsOk());
  EXPECT_THAT(writer.PostBlock(format, {"e", "f"}), IsOk());
  const auto too_large = StatusIs(absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(writer.WriteBlock(format, "four"), too_large);
  EXPECT_THAT(writer.PostBlock(format, "four"), too_large);
  EXPECT_THAT(scripted.writes, ElementsAre("\3abc", "\1d", "\2ef"));
}

// --- Frames that wait together

TEST(FrameWriterQueueTest, GathersThemInOneWriteInTheOrderInWhichTheyCame) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  for (const char* frame : {"first", "b", "cc", "", "ddd"}) queue.Add(frame);
  for (const absl::Status& status : queue.Finish()) EXPECT_THAT(status, IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("first", "bccddd"));
}

TEST(FrameWriterQueueTest, GathersNoMoreThan64KiBSoThatNobodyWaitsForLong) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  const std::string large(40000, 'x');
  for (int i = 0; i < 3; ++i) queue.Add(large);
  queue.Add("y");
  for (const absl::Status& status : queue.Finish()) EXPECT_THAT(status, IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre(large, large, large + "y"));
}

TEST(FrameWriterQueueTest, GathersWhatFitsIn64KiBExactly) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  const std::string large(40000, 'x');
  const std::string rest((64 << 10) - 40000, 'y');
  for (const std::string& frame : {std::string("first"), large, rest}) {
    queue.Add(frame);
  }
  for (const absl::Status& status : queue.Finish()) EXPECT_THAT(status, IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("first", large + rest));
}

TEST(FrameWriterQueueTest, ADeadlineWhileOthersAreWrittenCutsOnlyItsFrame) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  queue.Add("first");
  queue.Add("b");
  const absl::Status late = writer.Write("late", Soon());
  EXPECT_THAT(late, kLate);
  EXPECT_FALSE(IsFrameBegun(late));
  queue.Add("c");
  for (const absl::Status& status : queue.Finish()) EXPECT_THAT(status, IsOk());
  EXPECT_EQ(scripted.accepted(), "firstbc");
}

// The write is cut at the earliest deadline of those in it.
TEST(FrameWriterQueueTest, ADeadlineInAGatheredWriteCutsOnlyItsFrame) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  for (size_t accepted = 0; accepted <= 6; ++accepted) {
    ScriptedWrites scripted({{1, {accepted, passed}}});
    FrameWriter writer(scripted.flow);
    Queue queue(scripted, writer);
    queue.Add("first");
    queue.Add("bb");
    queue.Add("cc", Patience());
    queue.Add("dd", Patience() + absl::Hours(1));
    const std::vector<absl::Status> outcomes = queue.Finish();
    EXPECT_THAT(outcomes[0], IsOk());
    EXPECT_THAT(outcomes[1], IsOk());
    EXPECT_THAT(outcomes[3], IsOk());
    EXPECT_THAT(writer.Flush(), IsOk());
    if (accepted >= 4) {
      EXPECT_THAT(outcomes[2], IsOk());
    } else {
      EXPECT_THAT(outcomes[2], kLate);
      EXPECT_EQ(IsFrameBegun(outcomes[2]), accepted == 3);
    }
    EXPECT_EQ(scripted.accepted(), accepted >= 3 ? "firstbbccdd" : "firstbbdd");
  }
}

TEST(FrameWriterQueueTest, AnErrorReachesEveryFrameThatWaits) {
  ScriptedWrites scripted({{0, {2, absl::UnavailableError("torn")}}});
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  for (const char* frame : {"first", "b", "c"}) queue.Add(frame);
  std::vector<absl::Status> outcomes = queue.Finish();
  outcomes.push_back(writer.Write("later"));
  outcomes.push_back(writer.Flush());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_THAT(outcomes[i], StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(IsFrameBegun(outcomes[i]), i == 0);
  }
  EXPECT_THAT(scripted.writes, ElementsAre("first"));
}

TEST(FrameWriterQueueTest, AFrameThatWasSentBeforeAnErrorIsOk) {
  ScriptedWrites scripted({{1, {2, absl::UnavailableError("torn")}}});
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  for (const char* frame : {"first", "bb", "cc"}) queue.Add(frame);
  EXPECT_THAT(
      queue.Finish(),
      ElementsAre(IsOk(), IsOk(), StatusIs(absl::StatusCode::kUnavailable)));
}

// It has no byte that could have been accepted before the error.
TEST(FrameWriterQueueTest, AFlushBehindAFrameThatWasSentBeforeAnErrorFails) {
  ScriptedWrites scripted({{1, {2, absl::UnavailableError("torn")}}});
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  for (const char* frame : {"first", "bb"}) queue.Add(frame);
  std::thread flusher([&] {
    EXPECT_THAT(writer.Flush(), StatusIs(absl::StatusCode::kUnavailable));
  });
  // The rule holds if it comes later as well, but is easy then.
  absl::SleepFor(absl::Milliseconds(10));
  EXPECT_THAT(queue.Finish(), ElementsAre(IsOk(), IsOk()));
  flusher.join();
}

TEST(FrameWriterQueueTest, AnAbortOfTheFlowWakesEveryFrame) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  FrameWriter writer(*pipe.left);
  ASSERT_THAT(writer.Write("x"), IsOk());
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      EXPECT_THAT(writer.Write("abc"), StatusIs(absl::StatusCode::kCancelled));
    });
  }
  while (writer.waiting_bytes() < 9) std::this_thread::yield();
  pipe.left->Abort(absl::CancelledError("enough"));
  for (std::thread& thread : threads) thread.join();
}

// --- Back-pressure

TEST(FrameWriterBackPressureTest, WithTooManyBytesWaitingAFrameFailsIfItMay) {
  ScriptedWrites scripted;
  FrameWriterOptions options;
  options.max_waiting_bytes = 8;
  FrameWriter writer(scripted.flow, options);
  // If nothing waits, a frame may be larger.
  EXPECT_THAT(writer.Write(std::string(20, 'x'), absl::InfiniteFuture(),
                           WhenFull::kFail),
              IsOk());
  scripted.writes.clear();
  Queue queue(scripted, writer);
  queue.Add("first");
  const auto full = StatusIs(absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(writer.Write("four", absl::InfiniteFuture(), WhenFull::kFail),
              full);
  // Fits, and waits.
  EXPECT_THAT(writer.Write("one", Soon(), WhenFull::kFail), kLate);
  queue.Add("three and more");
  const absl::Status status =
      writer.Write("o", absl::InfiniteFuture(), WhenFull::kFail);
  EXPECT_THAT(status, full);
  EXPECT_FALSE(IsFrameBegun(status));
  for (const absl::Status& each : queue.Finish()) EXPECT_THAT(each, IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("first", "three and more"));
}

// --- The end

TEST(FrameWriterFinishTest, SendsWhatWaitsThenHalfClosesAndTakesNoMore) {
  ScriptedWrites scripted({{1, {1, absl::DeadlineExceededError("late")}}});
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  queue.Add("first");
  queue.Add("bb", Patience());
  absl::Status finished;
  std::thread finisher([&] { finished = writer.Finish(); });
  // Until Finish() has begun, this frame is late.
  while (absl::IsDeadlineExceeded(writer.Write("no", absl::InfinitePast()))) {
    std::this_thread::yield();
  }
  const std::vector<absl::Status> outcomes = queue.Finish();
  finisher.join();
  EXPECT_THAT(outcomes[0], IsOk());
  EXPECT_THAT(outcomes[1], kLate);
  EXPECT_THAT(finished, IsOk());
  EXPECT_EQ(scripted.accepted(), "firstbb");
  EXPECT_THAT(writer.Write("x"), IsClosed());
  EXPECT_THAT(writer.Flush(), IsClosed());
  EXPECT_THAT(writer.Finish(), IsOk());
  EXPECT_THAT(scripted.flow.Write("x"), IsClosed());
}

TEST(FrameWriterFinishTest, PastItsDeadlineHalfClosesNothingAndCanGoOn) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  ScriptedWrites scripted({{0, {1, passed}}, {1, {1, passed}}});
  FrameWriter writer(scripted.flow);
  EXPECT_THAT(writer.Write("abcd"), kLate);
  EXPECT_THAT(writer.Finish(Patience()), kLate);
  EXPECT_THAT(scripted.flow.Write(""), IsOk());
  EXPECT_THAT(writer.Finish(Patience()), IsOk());
  EXPECT_EQ(scripted.accepted(), "abcd");
  EXPECT_THAT(scripted.flow.Write(""), IsClosed());
}

// Or the remote would take what comes next for the rest, or see a clean end.
TEST(FrameWriterEndTest, DestroyedWithARestItAbortsTheFlow) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  FaultOptions pieces;
  pieces.max_write = 1;
  const auto flow = MakeFaultFlow(std::move(pipe.left), std::move(pieces));
  {
    FrameWriter writer(*flow);
    EXPECT_TRUE(IsFrameBegun(writer.Write("abc", absl::InfinitePast())));
  }
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST(FrameWriterEndTest, DestroyedOtherwiseItLeavesTheFlowAlone) {
  Pipe pipe = MakePipe(/*capacity=*/4);
  FrameWriter(*pipe.left).Write("abcd").IgnoreError();
  EXPECT_THAT(FrameWriter(*pipe.left).Write("x", absl::InfinitePast()), kLate);
  EXPECT_THAT(pipe.right->Read(), HoldsData("abcd"));
  // What the remote refuses cannot look whole to it.
  FaultOptions pieces;
  pieces.max_write = 1;
  const auto flow = MakeFaultFlow(std::move(pipe.left), std::move(pieces));
  {
    FrameWriter writer(*flow);
    EXPECT_TRUE(IsFrameBegun(writer.Write("abcdef", absl::InfinitePast())));
    ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
    ASSERT_THAT(writer.Flush(), IsClosed());
    ASSERT_THAT(pipe.right->Write("yes"), IsOk());
  }
  EXPECT_THAT(flow->Read(), HoldsData("yes"));
}

}  // namespace
}  // namespace flow
