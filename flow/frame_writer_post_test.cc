// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Frames that are posted, and deadlines that somebody else has set.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/borrow.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/frame_writer.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/frame_writer_fixture.h"
#include "flow/testing/internal/no_threads.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::FaultOptions;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::NoThreads;
using ::flow::testing::Patience;
using ::flow::testing::Queue;
using ::flow::testing::ScriptedWrites;
using ::flow::testing::Soon;
using ::testing::ElementsAre;

const auto kLate = StatusIs(absl::StatusCode::kDeadlineExceeded);

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

// --- A writer that flushes itself

// A frame is cut at its deadline, as the remote reads nothing.
class FrameWriterFlushesTest : public ::testing::Test {
 protected:
  FrameWriterFlushesTest() {
    FaultOptions pieces;
    pieces.max_write = 1;
    flow_ = MakeFaultFlow(std::move(pipe_.left), std::move(pieces));
    FrameWriterOptions options;
    options.flushes_itself = true;
    writer_.emplace(*flow_, options);
  }

  void CutAFrame() {
    const absl::Status status = writer_->Write("0123456789", Soon());
    EXPECT_THAT(status, kLate);
    EXPECT_TRUE(IsFrameBegun(status));
  }

  absl::StatusOr<absl::Cord> ReadAtRemote(size_t size) {
    const auto remote = MakeChannel(BorrowFlow(*pipe_.right));
    remote->SetReadDeadline(Patience());
    absl::StatusOr<absl::Cord> data = remote->ReadExactly(size);
    EXPECT_THAT(remote->Close(), IsOk());  // of the borrower only
    return data;
  }

  Pipe pipe_ = MakePipe(/*capacity=*/1);
  std::unique_ptr<Flow> flow_;
  std::optional<FrameWriter> writer_;
};

TEST_F(FrameWriterFlushesTest, TheRestOfAFrameGoesOutThoughNoCallFollows) {
  for (int i = 0; i < 3; ++i) {
    CutAFrame();
    EXPECT_THAT(ReadAtRemote(10), IsOkAndHolds("0123456789"));
  }
  EXPECT_THAT(writer_->Finish(Patience()), IsOk());
  EXPECT_THAT(pipe_.right->Read(), IsEof());
}

TEST_F(FrameWriterFlushesTest, APostedFrameGoesOutThoughNoCallFollows) {
  EXPECT_THAT(writer_->Post("one"), IsOk());
  EXPECT_THAT(writer_->Post("two"), IsOk());
  EXPECT_THAT(ReadAtRemote(6), IsOkAndHolds("onetwo"));
}

TEST_F(FrameWriterFlushesTest, FramesThatComeMeanwhileGoBehindIt) {
  CutAFrame();
  std::thread other([&] { EXPECT_THAT(writer_->Write("next"), IsOk()); });
  EXPECT_THAT(writer_->Write("late", Soon()), kLate);
  EXPECT_THAT(ReadAtRemote(14), IsOkAndHolds("0123456789next"));
  other.join();
}

TEST_F(FrameWriterFlushesTest, DestroyedWithARestItAbortsTheFlow) {
  CutAFrame();
  writer_.reset();
  pipe_.right->SetReadDeadline(Patience());
  EXPECT_THAT(ReadAll(*pipe_.right, 1000),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(FrameWriterFlushesTest, WithoutAThreadTheNextCallSendsIt) {
  {
    const NoThreads none;
    CutAFrame();
  }
  std::thread other([&] { EXPECT_THAT(writer_->Flush(Patience()), IsOk()); });
  EXPECT_THAT(ReadAtRemote(10), IsOkAndHolds("0123456789"));
  other.join();
}

TEST(FrameWriterFlushesItselfTest, AFlowThatIsLateByItselfIsTriedAgain) {
  ScriptedWrites scripted({{0, {2, absl::DeadlineExceededError("late")}},
                           {1, {0, absl::DeadlineExceededError("late")}},
                           {2, {1, absl::DeadlineExceededError("late")}}});
  FrameWriterOptions options;
  options.flushes_itself = true;
  FrameWriter writer(scripted.flow, options);
  EXPECT_TRUE(IsFrameBegun(writer.Write("abcd")));
  while (writer.waiting_bytes() > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(scripted.accepted(), "abcd");
}

}  // namespace
}  // namespace flow
