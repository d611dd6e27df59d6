// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/frame_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
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
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Blocker;
using ::flow::testing::CopiedBytes;
using ::flow::testing::Fault;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultOptions;
using ::flow::testing::FaultPlan;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::Soon;
using ::flow::testing::WriteByte;
using ::testing::ElementsAre;

const auto kLate = StatusIs(absl::StatusCode::kDeadlineExceeded);

// A flow whose writes end as the test says. Each takes all if it says nothing.
class ScriptedWrites {
 public:
  struct Outcome {
    size_t accepted;
    absl::Status status;
  };

  explicit ScriptedWrites(std::map<size_t, Outcome> outcomes = {})
      : outcomes_(std::move(outcomes)) {
    flow.hooks.write = [this](const absl::Cord& data, size_t* accepted) {
      const size_t call = writes.size();
      writes.push_back(std::string(data));
      if (blocker.has_value() && call == 0) blocker->Block();
      const auto outcome = outcomes_.find(call);
      *accepted =
          outcome == outcomes_.end() ? data.size() : outcome->second.accepted;
      accepted_ += writes.back().substr(0, *accepted);
      return outcome == outcomes_.end() ? absl::OkStatus()
                                        : outcome->second.status;
    };
  }

  const std::string& accepted() const { return accepted_; }

  HookFlow flow;
  std::vector<std::string> writes;  // what each was given
  std::optional<Blocker> blocker;   // of the first write

 private:
  const std::map<size_t, Outcome> outcomes_;
  std::string accepted_;
};

// Frames that wait behind one that is being written.
class Queue {
 public:
  Queue(ScriptedWrites& scripted, FrameWriter& writer)
      : scripted_(scripted), writer_(writer) {
    scripted_.blocker.emplace();
  }

  // Begins with the first frame, whose write blocks.
  void Add(std::string frame, absl::Time deadline = absl::InfiniteFuture()) {
    const size_t size = frame.size();
    const size_t before = writer_.waiting_bytes();
    const size_t i = threads_.size();
    {
      absl::MutexLock lock(&mu_);
      outcomes_.emplace_back();
    }
    threads_.emplace_back([this, i, deadline, frame = std::move(frame)] {
      absl::Status status = writer_.Write(frame, deadline);
      absl::MutexLock lock(&mu_);
      outcomes_[i] = std::move(status);
    });
    if (i == 0) scripted_.blocker->WaitUntilEntered();
    while (writer_.waiting_bytes() != before + size) std::this_thread::yield();
  }

  // Lets the first frame go on, and returns the outcomes of all.
  std::vector<absl::Status> Finish() {
    scripted_.blocker->Leave();
    for (std::thread& thread : threads_) thread.join();
    absl::MutexLock lock(&mu_);
    return {outcomes_.begin(), outcomes_.end()};
  }

 private:
  ScriptedWrites& scripted_;
  FrameWriter& writer_;
  std::vector<std::thread> threads_;
  absl::Mutex mu_;
  std::deque<absl::Status> outcomes_ ABSL_GUARDED_BY(mu_);
};

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

// --- A write deadline that somebody else sets

TEST(FrameWriterDisturbedTest, ADeadlineOfSomebodyElseEndsNoFrame) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  ScriptedWrites scripted({{0, {2, passed}}, {1, {0, passed}}});
  scripted.flow.hooks.write = [&scripted, write = scripted.flow.hooks.write](
                                  const absl::Cord& data, size_t* accepted) {
    if (scripted.writes.size() < 2) {
      scripted.flow.SetWriteDeadline(absl::InfinitePast());
    }
    return write(data, accepted);
  };
  FrameWriter writer(scripted.flow);
  EXPECT_THAT(writer.Write("abcd", Patience()), IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("abcd", "cd", "cd"));
  // Each change was undone, once.
  EXPECT_EQ(absl::c_count(scripted.flow.hooks.log(), "write deadline"), 5);
}

TEST(FrameWriterDisturbedTest, ABlockedFrameAndLaterOnesGoOn) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  FaultOptions pieces;
  pieces.max_write = 1;
  const auto flow = MakeFaultFlow(std::move(pipe.left), std::move(pieces));
  FrameWriter writer(*flow);
  std::thread thread([&] {
    EXPECT_THAT(writer.Write("01234567"), IsOk());
    EXPECT_THAT(writer.Write("89"), IsOk());
  });
  // The writer has set its deadline, and blocks before the end of the frame.
  EXPECT_THAT(pipe.right->Read(), HoldsData("0"));
  flow->SetWriteDeadline(absl::InfinitePast());
  const auto remote = MakeChannel(std::move(pipe.right));
  remote->SetReadDeadline(Patience());
  EXPECT_THAT(remote->ReadExactly(7), IsOkAndHolds("1234567"));
  flow->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(remote->ReadExactly(2), IsOkAndHolds("89"));
  thread.join();
}

TEST(FrameWriterDisturbedTest, AFrameIsStillLateByItsOwnDeadline) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  FrameWriter writer(*pipe.left);
  pipe.left->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(writer.Write("x", Soon()), kLate);
  EXPECT_THAT(writer.Write("x", absl::InfinitePast()), kLate);
}

// --- Frames that are posted

TEST(FrameWriterPostTest, SendsAtOnceWhatTheFlowTakes) {
  Pipe pipe = MakePipe(kNoLimit);
  FrameWriter writer(*pipe.left);
  EXPECT_THAT(writer.Post({"head", absl::Cord("body")}), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("headbody"));
  EXPECT_EQ(writer.waiting_bytes(), 0);
}

TEST(FrameWriterPostTest, KeepsACopyOfTheRestForTheNextCall) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  FrameWriter writer(*pipe.left);
  std::string borrowed = "one";
  EXPECT_THAT(writer.Post(borrowed), IsOk());
  borrowed = "xxx";
  EXPECT_THAT(writer.Post("two"), IsOk());
  EXPECT_EQ(writer.waiting_bytes(), 6);
  std::thread thread([&] { EXPECT_THAT(writer.Write("three"), IsOk()); });
  const auto remote = MakeChannel(std::move(pipe.right));
  EXPECT_THAT(remote->ReadExactly(11), IsOkAndHolds("onetwothree"));
  thread.join();
}

TEST(FrameWriterPostTest, FlushAndFinishSendWhatWasPosted) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  ScriptedWrites scripted({{0, {1, passed}}, {2, {0, passed}}});
  FrameWriter writer(scripted.flow);
  EXPECT_THAT(writer.Post("abc"), IsOk());
  EXPECT_EQ(writer.waiting_bytes(), 2);
  EXPECT_THAT(writer.Flush(), IsOk());
  EXPECT_EQ(scripted.accepted(), "abc");
  EXPECT_THAT(writer.Post("de"), IsOk());
  EXPECT_THAT(writer.Finish(), IsOk());
  EXPECT_EQ(scripted.accepted(), "abcde");
  EXPECT_THAT(writer.Post("f"), IsClosed());
}

TEST(FrameWriterPostTest, IsSentByWhoeverWritesEvenIfNobodyWaits) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  queue.Add("first");
  EXPECT_THAT(writer.Post("b"), IsOk());
  EXPECT_THAT(writer.Post("c"), IsOk());
  for (const absl::Status& status : queue.Finish()) EXPECT_THAT(status, IsOk());
  EXPECT_THAT(scripted.writes, ElementsAre("first", "bc"));
  EXPECT_EQ(writer.waiting_bytes(), 0);
}

// A frame that is late leaves what was posted behind it where it is.
TEST(FrameWriterPostTest, KeepsItsPlaceWhateverBecomesOfTheFrameBeforeIt) {
  const absl::Status passed = absl::DeadlineExceededError("late");
  for (size_t accepted = 0; accepted <= 10; ++accepted) {
    ScriptedWrites scripted({{1, {accepted, passed}}});
    FrameWriter writer(scripted.flow);
    Queue queue(scripted, writer);
    queue.Add("first");
    queue.Add("bb");
    EXPECT_THAT(writer.Post("PP"), IsOk());
    queue.Add("cc", Patience());
    EXPECT_THAT(writer.Post("QQ"), IsOk());
    queue.Add("dd", Patience() + absl::Hours(1));
    const std::vector<absl::Status> outcomes = queue.Finish();
    EXPECT_THAT(writer.Flush(), IsOk());
    EXPECT_EQ(IsFrameBegun(outcomes[2]), accepted >= 5);
    EXPECT_EQ(scripted.accepted(),
              accepted >= 5 ? "firstbbPPccQQdd" : "firstbbPPQQdd");
    EXPECT_EQ(writer.waiting_bytes(), 0);
  }
}

TEST(FrameWriterPostTest, BehindAFrameThatIsLateWhileOthersAreWrittenItIsSent) {
  ScriptedWrites scripted;
  FrameWriter writer(scripted.flow);
  Queue queue(scripted, writer);
  queue.Add("first");
  absl::Status late;
  std::thread thread([&] { late = writer.Write("late", Soon()); });
  EXPECT_THAT(writer.Post("b"), IsOk());
  thread.join();
  EXPECT_THAT(writer.Post("c"), IsOk());
  queue.Add("d");
  for (const absl::Status& status : queue.Finish()) EXPECT_THAT(status, IsOk());
  EXPECT_THAT(late, kLate);
  EXPECT_EQ(scripted.accepted(), "firstbcd");
}

TEST(FrameWriterPostTest, WithTooManyBytesWaitingItFails) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  FrameWriterOptions options;
  options.max_waiting_bytes = 8;
  FrameWriter writer(*pipe.left, options);
  EXPECT_THAT(writer.Post("12345"), IsOk());
  const absl::Status full = writer.Post("6789");
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(IsFrameBegun(full));
  EXPECT_THAT(writer.Post("678"), IsOk());
  EXPECT_EQ(writer.waiting_bytes(), 8);
}

TEST(FrameWriterPostTest, AnErrorThatIsFoundLaterIsThatOfTheNextCall) {
  ScriptedWrites scripted({{0, {0, absl::DeadlineExceededError("late")}},
                           {1, {1, absl::UnavailableError("torn")}}});
  FrameWriterOptions options;
  options.max_waiting_bytes = 8;
  FrameWriter writer(scripted.flow, options);
  EXPECT_THAT(writer.Post("abc"), IsOk());
  const auto torn = StatusIs(absl::StatusCode::kUnavailable);
  const absl::Status status = writer.Write("d");
  EXPECT_THAT(status, torn);
  EXPECT_FALSE(IsFrameBegun(status));
  EXPECT_THAT(writer.Post("e"), torn);
  EXPECT_THAT(writer.Post(std::string(options.max_waiting_bytes, 'x')), torn);
  EXPECT_THAT(writer.Flush(), torn);
}

// Or the stream would look whole to the remote.
TEST(FrameWriterPostTest, DestroyedWithAPostedFrameItAbortsTheFlow) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  EXPECT_THAT(FrameWriter(*pipe.left).Post("x"), IsOk());
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
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

// --- Faults

constexpr BlockFormat kBlocks(/*max_bytes=*/1000);

// Sends `block` in `writer` as a frame.
absl::Status Send(FrameWriter& writer, absl::string_view block,
                  absl::Time deadline = absl::InfiniteFuture()) {
  return writer.WriteBlock(kBlocks, block, deadline);
}

// Reads blocks until there are no more. Returns how that ended.
absl::Status Receive(Channel& channel, std::vector<std::string>& blocks) {
  while (true) {
    absl::StatusOr<std::optional<absl::Cord>> block =
        ReadBlock(channel, kBlocks);
    if (!block.ok()) return block.status();
    if (!block->has_value()) return absl::OkStatus();
    blocks.push_back(std::string(**block));
  }
}

TEST(FrameWriterFaultTest, ExactlyWhatItSaysWasSentArrivesAtEveryFault) {
  const std::vector<std::string> frames = {"one", "", "three", "4"};
  for (const size_t max_write : {1, 3, 100}) {
    const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
      Pipe pipe = MakePipe(kNoLimit);
      std::vector<std::string> sent;   // whole
      std::vector<std::string> begun;  // and finished, if the flow lives
      absl::Status finished;
      {
        const auto flow =
            plan.Wrap(std::move(pipe.left), /*max_read=*/kNoLimit, max_write);
        FrameWriter writer(*flow);
        bool posts = false;
        for (const std::string& frame : frames) {
          const absl::Status status =
              posts ? writer.PostBlock(kBlocks, frame) : Send(writer, frame);
          posts = !posts;
          if (status.ok()) sent.push_back(frame);
          if (IsFrameBegun(status)) begun.push_back(frame);
          if (!status.ok()) {
            EXPECT_THAT(status, StatusIs(plan.error().code()));
          }
        }
        finished = writer.Finish();
      }
      std::vector<std::string> received;
      const absl::Status end =
          Receive(*MakeChannel(std::move(pipe.right)), received);
      EXPECT_EQ(end.ok(), finished.ok());
      if (finished.ok()) {
        EXPECT_EQ(received, begun);
      } else {
        EXPECT_NE(plan.mode(), FaultMode::kDeadline);
        EXPECT_EQ(received, sent);
      }
      if (!plan.fired()) {
        EXPECT_EQ(received, frames);
      }
    });
    EXPECT_GT(points, 10);
  }
}

// --- Many threads

// What each thread has sent, in order, and what is known of it.
struct Sent {
  std::string block;
  bool whole;
  bool begun;
};

struct StressCase {
  std::string name;
  std::vector<Fault> faults;
};

class FrameWriterStressTest : public ::testing::TestWithParam<StressCase> {};

TEST_P(FrameWriterStressTest, EachFrameArrivesWholeAndInTheOrderOfItsThread) {
  constexpr int kThreads = 8;
  constexpr int kFrames = 150;
  Pipe pipe = MakePipe(/*capacity=*/64);
  FaultOptions options;
  options.max_write = 50;
  options.faults = GetParam().faults;
  const auto flow = MakeFaultFlow(std::move(pipe.left), std::move(options));
  FrameWriter writer(*flow);

  absl::Status end;
  std::vector<std::string> received;
  std::thread reader(
      [&] { end = Receive(*MakeChannel(std::move(pipe.right)), received); });
  std::vector<std::vector<Sent>> sent(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand dice(static_cast<uint32_t>(t + 1));
      for (int i = 0; i < kFrames; ++i) {
        const std::string block =
            absl::StrCat(t, " ", i, " ", std::string(dice() % 100, 'x'));
        const absl::Time deadline =
            dice() % 2 == 0 ? absl::InfiniteFuture()
                            : absl::Now() + absl::Microseconds(dice() % 300);
        const bool posts = dice() % 4 == 0;
        const absl::Status status = posts ? writer.PostBlock(kBlocks, block)
                                          : Send(writer, block, deadline);
        sent[t].push_back({block, status.ok() && !posts, IsFrameBegun(status)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::Status finished = writer.Finish();
  if (!finished.ok()) flow->Abort(finished);
  reader.join();

  EXPECT_EQ(end.ok(), finished.ok()) << end << finished;
  std::vector<std::vector<std::string>> from(kThreads);
  for (const std::string& block : received) {
    from[static_cast<size_t>(block[0] - '0')].push_back(block);
  }
  for (int t = 0; t < kThreads; ++t) {
    std::vector<std::string> expected;
    for (const Sent& frame : sent[t]) {
      // Of one that was begun and then cut by an error, no end can have come.
      if (finished.ok() ? frame.begun : frame.whole) {
        expected.push_back(frame.block);
      }
    }
    if (finished.ok()) {
      EXPECT_EQ(from[t], expected);
    } else {
      // One that was cut by its deadline was finished before the error.
      for (const std::string& block : expected) {
        EXPECT_TRUE(absl::c_linear_search(from[t], block)) << block;
      }
      for (const std::string& block : from[t]) {
        EXPECT_TRUE(std::any_of(sent[t].begin(), sent[t].end(),
                                [&](const Sent& frame) {
                                  return frame.begun && frame.block == block;
                                }))
            << block;
      }
    }
  }
}

std::vector<StressCase> StressCases() {
  const absl::Status late = absl::DeadlineExceededError("late");
  return {
      {"without_faults", {}},
      {"with_writes_that_are_late",
       {Fault::Error(WriteByte(1), late), Fault::Error(WriteByte(777), late),
        Fault::Error(WriteByte(778), late),
        Fault::Error(WriteByte(3000), late)}},
      {"with_an_error",
       {Fault::Error(WriteByte(5001), absl::UnavailableError("torn"))}},
      {"with_an_abort",
       {Fault::Abort(WriteByte(5001), absl::UnavailableError("torn"))}}};
}

INSTANTIATE_TEST_SUITE_P(, FrameWriterStressTest,
                         ::testing::ValuesIn(StressCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace flow
