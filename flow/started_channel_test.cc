// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a channel starts: that it does what the call that waits does, whatever
// pieces the bytes come in, and that a started Close() flushes.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Counted;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::testing::HasSubstr;
using ::testing::Optional;

using Line = Counted<Channel::LineOperation>;
using Part = Counted<Channel::PartOperation>;
using Bytes = Counted<Channel::BytesOperation>;
using Reader = Counted<Flow::ReadOperation>;
using Writer = Counted<Flow::WriteOperation>;
using Closer = Counted<Flow::CloseOperation>;

// A channel on one end of a pipe. Its engine is driven by the test.
class StartedChannelTest : public ::testing::Test {
 protected:
  explicit StartedChannelTest(size_t capacity = size_t{256} << 10) {
    Pipe pipe = MakePipe(capacity);
    remote_ = std::move(pipe.right);
    pipe.left->SetEngine(&engine_);
    channel_ = MakeChannel(std::move(pipe.left), Options());
  }

  static ChannelOptions Options() {
    ChannelOptions options;
    options.max_buffered_write = 8;
    return options;
  }

  Channel& channel() { return *channel_; }
  Flow& remote() { return *remote_; }
  void Send(absl::string_view text) {
    ASSERT_THAT(remote_->Write(text), IsOk());
    engine_.RunAll();
  }

  ManualEngine engine_;
  std::unique_ptr<Flow> remote_;
  std::unique_ptr<Channel> channel_;
};

// Its remote takes what it reads, and no more.
class StartedChannelOnNoRoomTest : public StartedChannelTest {
 protected:
  StartedChannelOnNoRoomTest() : StartedChannelTest(0) {
    remote_->SetEngine(&engine_);
  }
};

// --- Reads

TEST_F(StartedChannelTest, AChannelHasTheEngineOfItsFlow) {
  Send("line\n");
  Line line;
  EXPECT_TRUE(channel().StartReadLine(&line, 100));
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("line"))));
  EXPECT_EQ(line.done, 0);
}

TEST_F(StartedChannelTest, ALineComesInPieces) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Send("a li");
  Send("ne\r");
  EXPECT_EQ(line.done, 0);
  Send("\nand more");
  EXPECT_EQ(line.done, 1);
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("a line"))));
  EXPECT_EQ(channel().bytes_read(), 8);
  // What was read ahead comes next.
  Reader read;
  EXPECT_TRUE(channel().StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("and more"));
}

TEST_F(StartedChannelTest, AnOperationIsUsedForTheNextLine) {
  Send("one\ntwo\n");
  Line line;
  ASSERT_TRUE(channel().StartReadLine(&line, 100));
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("one"))));
  ASSERT_TRUE(channel().StartReadLine(&line, 100));
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("two"))));
}

TEST_F(StartedChannelTest, EndOfFileIsNoLine) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(line.line, IsOkAndHolds(std::nullopt));
  EXPECT_EQ(line.done, 1);
}

TEST_F(StartedChannelTest, AStreamThatEndsInALineIsNotWhole) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Send("cut o");
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(line.line, StatusIs(absl::StatusCode::kOutOfRange,
                                  HasSubstr("ended after 5 bytes")));
  // The bytes stay.
  ASSERT_TRUE(channel().StartReadLine(&line, 100, LastLine::kNeedsNoNewline));
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("cut o"))));
}

TEST_F(StartedChannelTest, ALineThatIsTooLongStays) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 4));
  Send("12345\n");
  EXPECT_THAT(line.line, StatusIs(absl::StatusCode::kResourceExhausted));
  ASSERT_TRUE(channel().StartReadLine(&line, 100));
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("12345"))));
}

TEST_F(StartedChannelTest, ADeadlineLosesNothing) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Send("begun");
  channel().SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  ASSERT_EQ(line.done, 1);
  EXPECT_THAT(line.line, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(channel().bytes_read(), 0);
  channel().SetReadDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Send(" and ended\n");
  EXPECT_THAT(line.line,
              IsOkAndHolds(Optional(std::string("begun and ended"))));
}

TEST_F(StartedChannelTest, AnAbortEndsALine) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Send("begun");
  channel().Abort(absl::CancelledError("no more"));
  EXPECT_EQ(line.done, 0);
  engine_.RunAll();
  EXPECT_EQ(line.done, 1);
  EXPECT_THAT(line.line, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StartedChannelTest, AnErrorComesAfterWhatCameBeforeIt) {
  Bytes bytes;
  ASSERT_FALSE(channel().StartReadExactly(&bytes, 10));
  Send("five.");
  remote().Abort(absl::DataLossError("gone"));
  engine_.RunAll();
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_TRUE(channel().StartReadExactly(&bytes, 5));
  EXPECT_THAT(bytes.bytes, IsOkAndHolds("five."));
  ASSERT_TRUE(channel().StartReadExactly(&bytes, 1));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kDataLoss));
}

// As recv(2) can: tells of an error once, and afterwards of an end.
class ErrsOnce final : public Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t) override {
    switch (++reads_) {
      case 1:
        return absl::Cord("five.");
      case 2:
        return absl::DataLossError("reset");
      default:
        return absl::Cord();
    }
  }
  absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
  std::string Describe() const override { return "errs once"; }

  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry*) override {
    return Read(max_bytes);
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
    return absl::OkStatus();
  }

 private:
  int reads_ = 0;
};

TEST(StartedChannelOnErrorTest, AnErrorThatIsToldOnceIsNoEnd) {
  ManualEngine engine;
  const auto channel = MakeChannel(MakeFlow(std::make_unique<ErrsOnce>()));
  channel->SetEngine(&engine);
  Bytes bytes;
  ASSERT_TRUE(channel->StartReadExactly(&bytes, 10));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_TRUE(channel->StartReadExactly(&bytes, 5));
  EXPECT_THAT(bytes.bytes, IsOkAndHolds("five."));
  ASSERT_TRUE(channel->StartReadExactly(&bytes, 1));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kDataLoss));
  Closer close;
  ASSERT_TRUE(channel->StartClose(&close));
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StartedChannelTest, ExactlyIsNeverFewer) {
  Bytes bytes;
  ASSERT_FALSE(channel().StartReadExactly(&bytes, 4));
  Send("ab");
  EXPECT_EQ(bytes.done, 0);
  Send("cdef");
  EXPECT_THAT(bytes.bytes, IsOkAndHolds("abcd"));
  ASSERT_TRUE(channel().StartReadExactly(&bytes, 0));
  EXPECT_THAT(bytes.bytes, IsOkAndHolds(""));
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_TRUE(channel().StartReadExactly(&bytes, 4));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kOutOfRange));
  ASSERT_TRUE(channel().StartReadExactly(&bytes, 2));
  ASSERT_TRUE(channel().StartReadExactly(&bytes, 2));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kOutOfRange,
                                    HasSubstr("before the first of 2 bytes")));
}

TEST_F(StartedChannelTest, APeekLeavesTheBytes) {
  Bytes bytes;
  ASSERT_FALSE(channel().StartPeek(&bytes, 3));
  Send("ab");
  Send("cd");
  EXPECT_EQ(bytes.done, 1);
  EXPECT_THAT(bytes.bytes, IsOkAndHolds("abc"));
  EXPECT_EQ(channel().bytes_read(), 0);
  EXPECT_THAT(channel().ReadExactly(4), IsOkAndHolds("abcd"));
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_TRUE(channel().StartPeek(&bytes, 3));
  EXPECT_THAT(bytes.bytes, IsEof());
}

TEST_F(StartedChannelTest, ADelimiterIsFoundAcrossPieces) {
  Part part;
  {
    std::string delimiter = "--a delimiter that no small string holds--";
    ASSERT_FALSE(channel().StartReadUntil(&part, delimiter, 100));
    delimiter.assign(delimiter.size(), 'x');  // it was copied
  }
  Send("data--a delimiter that no");
  Send(" small string holds--rest");
  EXPECT_EQ(part.done, 1);
  EXPECT_THAT(part.part, IsOkAndHolds(Optional(absl::Cord("data"))));
  ASSERT_TRUE(channel().StartReadUntil(&part, "", 100));
  EXPECT_THAT(part.part, StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StartedChannelTest, StartedAndBlockingReadsAlternate) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Send("one\ntwo\nthree\n");
  EXPECT_THAT(channel().ReadLine(100),
              IsOkAndHolds(Optional(std::string("two"))));
  ASSERT_TRUE(channel().StartReadLine(&line, 100));
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("three"))));
}

TEST_F(StartedChannelTest, APendingLineIsTheReader) {
  Line line;
  ASSERT_FALSE(channel().StartReadLine(&line, 100));
  Line second;
  EXPECT_TRUE(channel().StartReadLine(&second, 100));
  EXPECT_THAT(second.line, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(channel().Peek(1), StatusIs(absl::StatusCode::kInvalidArgument));
  Send("undisturbed\n");
  EXPECT_THAT(line.line, IsOkAndHolds(Optional(std::string("undisturbed"))));
}

TEST(StartedChannelWithoutEngineTest, EachStartSaysWhatItLacks) {
  Pipe pipe = MakePipe();
  auto channel = MakeChannel(std::move(pipe.left));
  Line line;
  EXPECT_TRUE(channel->StartReadLine(&line, 100));
  EXPECT_THAT(line.line, StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("StartReadLine")));
  Part part;
  EXPECT_TRUE(channel->StartReadUntil(&part, "x", 100));
  EXPECT_THAT(part.part, StatusIs(absl::StatusCode::kFailedPrecondition));
  Bytes bytes;
  EXPECT_TRUE(channel->StartReadExactly(&bytes, 1));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(channel->StartPeek(&bytes, 1));
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("StartPeek")));
  Writer write;
  EXPECT_TRUE(channel->StartFlush(&write));
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("StartFlush")));
  EXPECT_TRUE(channel->StartWriteBuffered(&write));
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(StartedChannelWithoutEngineTest, AChannelOnFunctionsCanOnlyBlock) {
  ManualEngine engine;
  auto channel = MakeChannel(MakeFunctionFlow({}));
  channel->SetEngine(&engine);
  Line line;
  EXPECT_TRUE(channel->StartReadLine(&line, 100));
  EXPECT_THAT(line.line, StatusIs(absl::StatusCode::kUnimplemented));
}

// --- Writes

TEST_F(StartedChannelTest, ASmallWriteIsBuffered) {
  Writer write;
  write.rest = absl::Cord("abc");
  EXPECT_TRUE(channel().StartWriteBuffered(&write));
  EXPECT_THAT(write.status, IsOk());
  EXPECT_TRUE(write.rest.empty());
  EXPECT_EQ(channel().bytes_written(), 3);
  remote().SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(remote().Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  write.rest = absl::Cord("defgh");
  EXPECT_TRUE(channel().StartWriteBuffered(&write));
  EXPECT_THAT(remote().Read(), IsOkAndHolds("abcdefgh"));
}

TEST_F(StartedChannelTest, AFlushHandsOnWhatIsBuffered) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Writer write;
  EXPECT_TRUE(channel().StartFlush(&write));
  EXPECT_THAT(write.status, IsOk());
  EXPECT_THAT(remote().Read(), IsOkAndHolds("abc"));
  // There is nothing any more.
  EXPECT_TRUE(channel().StartFlush(&write));
  EXPECT_THAT(write.status, IsOk());
}

TEST_F(StartedChannelOnNoRoomTest, AWriteComesAfterWhatIsBuffered) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Writer write;
  write.rest = absl::Cord("def");
  ASSERT_FALSE(channel().StartWrite(&write));
  Reader read;
  ASSERT_TRUE(remote().StartRead(&read, 4));
  EXPECT_THAT(read.result, IsOkAndHolds("abcd"));
  engine_.RunAll();
  EXPECT_EQ(write.done, 0);
  // It is given up: what was not accepted is left, and comes once.
  channel().SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_EQ(write.done, 1);
  EXPECT_THAT(write.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(write.rest, "ef");
  EXPECT_EQ(channel().bytes_written(), 4);
  EXPECT_EQ(channel().bytes_in_transit(), 0);
  channel().SetWriteDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(channel().StartWrite(&write));
  ASSERT_TRUE(remote().StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("ef"));
  engine_.RunAll();
  EXPECT_EQ(write.done, 2);
  EXPECT_THAT(write.status, IsOk());
}

// A PatientClose() goes on as long as that number falls.
TEST_F(StartedChannelOnNoRoomTest, WhatIsTakenOfAFlushIsNotInTransit) {
  ASSERT_THAT(channel().WriteBuffered("ab"), IsOk());
  Writer write;
  write.rest = absl::Cord("cd");
  ASSERT_FALSE(channel().StartWrite(&write));
  for (const int left : {1, 0, 0}) {
    EXPECT_THAT(remote().Read(1), IsOk());
    channel().SetReadDeadline(absl::InfiniteFuture());  // it tries again
    engine_.RunAll();
    EXPECT_EQ(channel().bytes_in_transit(), left);
  }
  EXPECT_THAT(remote().Read(), IsOkAndHolds("d"));
  engine_.RunAll();
  EXPECT_THAT(write.status, IsOk());
}

TEST_F(StartedChannelOnNoRoomTest, AFlushThatIsLateLosesNothing) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Writer flush;
  ASSERT_FALSE(channel().StartFlush(&flush));
  channel().SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  EXPECT_THAT(flush.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(channel().bytes_in_transit(), 3);
  channel().SetWriteDeadline(absl::InfiniteFuture());
  ASSERT_FALSE(channel().StartFlush(&flush));
  EXPECT_THAT(remote().Read(), IsOkAndHolds("abc"));
  engine_.RunAll();
  EXPECT_THAT(flush.status, IsOk());
}

// --- Close

// Its EndWrite() waits: for an end that the test lets go.
class EndsLate final : public Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
  absl::Status EndWrite(const absl::Status&, absl::Time) override {
    ADD_FAILURE() << "it blocks a thread";
    return absl::OkStatus();
  }
  void Abort(const absl::Status&) override { may_end = true; }
  std::string Describe() const override { return "ends late"; }

  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t, Retry*) override {
    return absl::Cord();
  }
  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    retry_ = retry;
    if (!may_write) return std::nullopt;
    rest->Clear();
    return absl::OkStatus();
  }
  std::optional<absl::Status> TryEndWrite(const absl::Status&,
                                          Retry* retry) override {
    retry_ = retry;
    if (!may_end) return std::nullopt;
    return absl::OkStatus();
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
    return absl::OkStatus();
  }
  void Wake() { retry_->Now(); }

  bool may_write = false;
  bool may_end = false;

 private:
  Retry* retry_ = nullptr;
};

TEST(StartedEndTest, TheEndAfterAPendingWriteWaitsWithoutAThread) {
  ManualEngine engine;
  auto made = std::make_unique<EndsLate>();
  EndsLate& transport = *made;
  const std::unique_ptr<Flow> flow = MakeFlow(std::move(made));
  flow->SetEngine(&engine);
  Writer write;
  write.rest = absl::Cord("data");
  ASSERT_FALSE(flow->StartWrite(&write));
  Closer close;
  ASSERT_FALSE(flow->StartClose(&close));
  engine.RunAll();
  transport.may_write = true;
  transport.Wake();
  engine.RunAll();
  EXPECT_EQ(write.done, 1);
  EXPECT_THAT(write.status, IsOk());
  EXPECT_EQ(close.done, 0);
  transport.may_end = true;
  transport.Wake();
  engine.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
}

TEST(StartedEndTest, ADeadlineOfAnotherCloseEndsTheEndThatWaits) {
  ManualEngine engine;
  const std::unique_ptr<Flow> flow = MakeFlow(std::make_unique<EndsLate>());
  flow->SetEngine(&engine);
  Closer close;
  ASSERT_FALSE(flow->StartClose(&close));
  Closer earlier;
  ASSERT_TRUE(flow->StartClose(&earlier, absl::InfinitePast()));
  EXPECT_THAT(earlier.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  engine.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// Its remote ends when this end refuses, and not before.
class EndsAfterRefusal final : public Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
  void RefuseRead() override { is_refused_ = true; }
  std::string Describe() const override { return "ends after refusal"; }

  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t,
                                                    Retry* retry) override {
    retry_ = retry;
    if (answers_.empty()) return std::nullopt;
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
    if (!is_refused_) return std::nullopt;
    return absl::OkStatus();
  }
  void Answer(absl::StatusOr<absl::Cord> answer) {
    answers_.push_back(std::move(answer));
  }
  void Wake() { retry_->Now(); }

 private:
  bool is_refused_ = false;
  std::deque<absl::StatusOr<absl::Cord>> answers_;
  Retry* retry_ = nullptr;
};

TEST(StartedEndTest, AnErrorBehindBytesEndsACloseThatWaits) {
  ManualEngine engine;
  auto made = std::make_unique<EndsAfterRefusal>();
  EndsAfterRefusal& transport = *made;
  const auto channel = MakeChannel(MakeFlow(std::move(made)));
  channel->SetEngine(&engine);
  Bytes bytes;
  ASSERT_FALSE(channel->StartReadExactly(&bytes, 10));
  Closer close;
  ASSERT_FALSE(channel->StartClose(&close));
  transport.Answer(absl::Cord("five."));
  transport.Answer(absl::DataLossError("damaged"));
  transport.Wake();
  engine.RunAll();
  EXPECT_EQ(bytes.done, 1);
  EXPECT_THAT(bytes.bytes, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(StartedChannelOnNoRoomTest, AStartedCloseFlushesWithoutAThread) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Closer close;
  ASSERT_FALSE(channel().StartClose(&close));
  engine_.RunAll();
  EXPECT_EQ(close.done, 0);
  Reader read;
  ASSERT_TRUE(remote().StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds("abc"));
  engine_.RunAll();
  ASSERT_TRUE(remote().StartRead(&read));
  EXPECT_THAT(read.result, IsEof());
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsOk());
  EXPECT_THAT(remote().Close(), IsOk());
}

TEST_F(StartedChannelOnNoRoomTest, ACloseThatIsLateDoesNotLookClean) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Closer close;
  ASSERT_FALSE(channel().StartClose(&close));
  Closer earlier;
  ASSERT_TRUE(channel().StartClose(&earlier, absl::InfinitePast()));
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(earlier.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(remote().Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(StartedChannelOnNoRoomTest, TheWriteDeadlineBoundsTheFlushOfAClose) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Closer close;
  ASSERT_FALSE(channel().StartClose(&close));
  channel().SetWriteDeadline(absl::InfinitePast());
  engine_.RunAll();
  // It goes on to wait for the end of the remote, which learns that there is
  // less than was written.
  EXPECT_THAT(remote().Read(), StatusIs(absl::StatusCode::kAborted));
  remote().Shutdown(ShutdownMode::kWrite).IgnoreError();
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kAborted,
                                     HasSubstr("before all was flushed")));
}

TEST_F(StartedChannelOnNoRoomTest, ATimerEndsTheFlushOfAClose) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  channel().SetWriteDeadline(absl::Now() + absl::Milliseconds(20));
  Closer close;
  ASSERT_FALSE(channel().StartClose(&close));
  absl::SleepFor(absl::Milliseconds(30));
  engine_.FireTimers();
  engine_.RunAll();
  EXPECT_THAT(remote().Read(), StatusIs(absl::StatusCode::kAborted));
  remote().Shutdown(ShutdownMode::kWrite).IgnoreError();
  engine_.RunAll();
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kAborted));
}

TEST_F(StartedChannelOnNoRoomTest, AnAbortEndsTheFlushOfAClose) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Closer close;
  ASSERT_FALSE(channel().StartClose(&close));
  channel().Abort(absl::CancelledError("no more"));
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(remote().Read(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StartedChannelOnNoRoomTest, ARefusalEndsTheFlushOfAClose) {
  ASSERT_THAT(channel().WriteBuffered("abc"), IsOk());
  Closer close;
  ASSERT_FALSE(channel().StartClose(&close));
  ASSERT_THAT(remote().Shutdown(ShutdownMode::kReadWrite), IsOk());
  engine_.RunAll();
  EXPECT_EQ(close.done, 1);
  EXPECT_THAT(close.status, IsClosed());
}

}  // namespace
}  // namespace flow
