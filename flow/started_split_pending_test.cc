// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of the halves of a flow, while they are pending: what one half does to
// those of the other. Their outcomes are those of calls that block, which
// split_flow_test.cc tests in both ways.

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/join.h"
#include "flow/limit.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/internal/counted.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/internal/raw_sockets.h"
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
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowOf;
using ::flow::testing::HoldsData;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::ShrinkBuffers;
using ::testing::AnyOf;

enum class Kind { kPipe, kUnix, kTcp };
constexpr Kind kKinds[] = {Kind::kPipe, Kind::kUnix, Kind::kTcp};

// Of a pipe the left descriptor is -1.
struct Ends {
  std::unique_ptr<Flow> near;
  std::unique_ptr<Flow> far;
  int fd = -1;
};

// Two ends between which there is little room.
Ends Connect(Kind kind) {
  if (kind == Kind::kPipe) {
    Pipe pipe = MakePipe(/*capacity=*/0);
    return {std::move(pipe.left), std::move(pipe.right)};
  }
  const RawPair raw = kind == Kind::kTcp ? RawTcp(/*small=*/true) : RawUnix();
  ShrinkBuffers(raw.left);
  ShrinkBuffers(raw.right);
  return {FlowOf(raw.left), FlowOf(raw.right), raw.left};
}

class StartedSplitTest : public ::testing::Test {
 protected:
  // From here on `remote_` is what the halves are connected to.
  void Split(Kind kind) {
    Ends ends = Connect(kind);
    ends.near->SetEngine(&engine_);
    SplitHalves halves = SplitFlow(std::move(ends.near));
    reader_ = std::move(halves.reader);
    writer_ = std::move(halves.writer);
    remote_ = std::move(ends.far);
    fd_ = ends.fd;
    read_.done = write_.done = refusal_.done = 0;
    first_close_.done = second_close_.done = 0;
    // More than there is room for.
    write_.rest = absl::Cord(std::string(1 << 20, 'x'));
  }

  // If this end is a descriptor, it is ready.
  void RunAll() {
    if (fd_ >= 0) engine_.MakeReady(fd_);
    engine_.RunAll();
  }
  // TCP looks by a timer until the remote has acknowledged the end.
  void RunUntilDone(const Counted<Flow::CloseOperation>& close) {
    while (close.done == 0) {
      engine_.FireTimers();
      RunAll();
      std::this_thread::yield();
    }
  }

  ManualEngine engine_;
  std::unique_ptr<Flow> reader_;
  std::unique_ptr<Flow> writer_;
  std::unique_ptr<Flow> remote_;
  int fd_ = -1;
  Counted<Flow::ReadOperation> read_;
  Counted<Flow::WriteOperation> write_;
  Counted<Flow::RefusalOperation> refusal_;
  Counted<Flow::CloseOperation> first_close_;
  Counted<Flow::CloseOperation> second_close_;
};

TEST_F(StartedSplitTest, BothHaveTheEngineOfTheFlow) {
  Split(Kind::kPipe);
  EXPECT_EQ(reader_->engine(), &engine_);
  EXPECT_EQ(writer_->engine(), &engine_);
}

TEST_F(StartedSplitTest, WithoutAnEngineBeforeTheyCanOnlyBlock) {
  Pipe pipe = MakePipe();
  const SplitHalves halves = SplitFlow(std::move(pipe.left));
  halves.reader->SetEngine(&engine_);
  EXPECT_TRUE(halves.reader->StartRead(&read_));
  EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kUnimplemented));
  ASSERT_THAT(pipe.right->Write("in"), IsOk());
  EXPECT_THAT(halves.reader->Read(), HoldsData("in"));
}

TEST_F(StartedSplitTest, HalvesOfAFlowThatCannotStartCanOnlyBlock) {
  auto flow = MakeFunctionFlow({});
  flow->SetEngine(&engine_);
  const SplitHalves halves = SplitFlow(std::move(flow));
  write_.rest = absl::Cord("x");
  EXPECT_TRUE(halves.writer->StartWrite(&write_));
  EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_F(StartedSplitTest, EachWaitsForItsDirection) {
  for (const Kind kind : kKinds) {
    Split(kind);
    ASSERT_FALSE(reader_->StartRead(&read_));
    ASSERT_FALSE(writer_->StartWrite(&write_));
    while (write_.done == 0) {
      ASSERT_THAT(remote_->Read(), IsOk());
      RunAll();
    }
    EXPECT_THAT(write_.status, IsOk());
    EXPECT_EQ(read_.done, 0);
    ASSERT_THAT(remote_->Write(absl::Cord("in")), IsOk());
    RunAll();
    EXPECT_EQ(read_.done, 1);
    EXPECT_THAT(read_.result, HoldsData("in"));
    remote_->Abort(absl::OkStatus());
  }
}

TEST_F(StartedSplitTest, AnAbortOfOneEndsWhatIsPendingOnBoth) {
  for (const Kind kind : kKinds) {
    for (const bool of_reader : {false, true}) {
      Split(kind);
      ASSERT_FALSE(reader_->StartRead(&read_));
      ASSERT_FALSE(writer_->StartWrite(&write_));
      ASSERT_FALSE(writer_->StartAwaitRefusal(&refusal_));
      (of_reader ? reader_ : writer_)->Abort(absl::DataLossError("no"));
      engine_.RunAll();
      EXPECT_EQ(read_.done + write_.done + refusal_.done, 3);
      EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(refusal_.status, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_TRUE(reader_->StartClose(&first_close_));
      EXPECT_TRUE(writer_->StartClose(&second_close_));
      EXPECT_THAT(first_close_.status, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(second_close_.status, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_FALSE(engine_.knows(fd_));
    }
  }
}

TEST_F(StartedSplitTest, DestructionOfOneEndsWhatIsPendingOnTheOther) {
  for (const Kind kind : kKinds) {
    Split(kind);
    ASSERT_FALSE(reader_->StartRead(&read_));
    writer_ = nullptr;
    engine_.RunAll();
    EXPECT_EQ(read_.done, 1);
    EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kAborted));
    Split(kind);
    ASSERT_FALSE(writer_->StartWrite(&write_));
    reader_ = nullptr;
    engine_.RunAll();
    EXPECT_EQ(write_.done, 1);
    EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kAborted));
    writer_ = nullptr;
    EXPECT_FALSE(engine_.knows(fd_));
  }
}

TEST_F(StartedSplitTest, ADeadlineIsForTheDirectionOfItsHalf) {
  for (const Kind kind : kKinds) {
    Split(kind);
    ASSERT_FALSE(reader_->StartRead(&read_));
    ASSERT_FALSE(writer_->StartWrite(&write_));
    writer_->SetReadDeadline(absl::InfinitePast());
    reader_->SetWriteDeadline(absl::InfinitePast());
    engine_.RunAll();
    EXPECT_EQ(read_.done + write_.done, 0);
    reader_->SetReadDeadline(absl::InfinitePast());
    writer_->SetWriteDeadline(absl::InfinitePast());
    engine_.RunAll();
    EXPECT_THAT(read_.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(read_.done + write_.done, 2);
  }
}

// The engine forgets the descriptor with the second one only.
TEST_F(StartedSplitTest, CloseOfOneLeavesWhatIsPendingOnTheOther) {
  for (const Kind kind : kKinds) {
    Split(kind);
    ASSERT_FALSE(reader_->StartRead(&read_));
    EXPECT_TRUE(writer_->StartClose(&first_close_));
    EXPECT_THAT(first_close_.status, IsOk());
    writer_ = nullptr;
    EXPECT_THAT(remote_->Read(), IsEof());
    RunAll();
    EXPECT_EQ(read_.done, 0);
    EXPECT_EQ(engine_.knows(fd_), fd_ >= 0);
    ASSERT_FALSE(reader_->StartClose(&second_close_));
    ASSERT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
    RunAll();
    EXPECT_EQ(read_.done, 1);
    EXPECT_THAT(read_.result, IsEof());
    EXPECT_EQ(second_close_.done, 1);
    EXPECT_THAT(second_close_.status, IsOk());
    EXPECT_FALSE(engine_.knows(fd_));
  }
}

TEST_F(StartedSplitTest, CloseOfTheReaderLeavesAWriteThatIsPending) {
  for (const Kind kind : kKinds) {
    Split(kind);
    ASSERT_FALSE(writer_->StartWrite(&write_));
    EXPECT_TRUE(reader_->StartClose(&first_close_));
    EXPECT_THAT(first_close_.status, IsOk());
    reader_ = nullptr;
    ASSERT_FALSE(writer_->StartClose(&second_close_));
    ASSERT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
    size_t arrived = 0;
    while (true) {
      const absl::StatusOr<absl::Cord> data = remote_->Read();
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      arrived += data->size();
      RunAll();
    }
    EXPECT_EQ(arrived, size_t{1} << 20);
    RunUntilDone(second_close_);
    EXPECT_THAT(write_.status, IsOk());
    EXPECT_THAT(second_close_.status, IsOk());
    EXPECT_FALSE(engine_.knows(fd_));
  }
}

TEST_F(StartedSplitTest, OfTwoClosesAtOnceTheSecondWaitsForTheRemote) {
  for (const Kind kind : kKinds) {
    for (const bool reader_first : {false, true}) {
      Split(kind);
      Flow& first = reader_first ? *reader_ : *writer_;
      Flow& second = reader_first ? *writer_ : *reader_;
      ASSERT_TRUE(first.StartClose(&first_close_));
      EXPECT_THAT(first_close_.status, IsOk());
      ASSERT_FALSE(second.StartClose(&second_close_));
      RunAll();
      EXPECT_EQ(second_close_.done, 0);
      ASSERT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
      RunUntilDone(second_close_);
      EXPECT_THAT(second_close_.status, IsOk());
      EXPECT_FALSE(engine_.knows(fd_));
    }
  }
}

TEST_F(StartedSplitTest, TheSecondCloseIsLateAndTheFirstIsNot) {
  for (const Kind kind : kKinds) {
    for (const bool reader_first : {false, true}) {
      Split(kind);
      Flow& first = reader_first ? *reader_ : *writer_;
      Flow& second = reader_first ? *writer_ : *reader_;
      ASSERT_TRUE(first.StartClose(&first_close_, absl::InfinitePast()));
      EXPECT_THAT(first_close_.status, IsOk());
      ASSERT_TRUE(second.StartClose(&second_close_, absl::InfinitePast()));
      EXPECT_THAT(second_close_.status,
                  StatusIs(absl::StatusCode::kDeadlineExceeded));
      EXPECT_FALSE(remote_->Write("x").ok());
    }
  }
}

TEST_F(StartedSplitTest, ACloseThatWaitsIsBroughtForward) {
  for (const Kind kind : kKinds) {
    Split(kind);
    ASSERT_TRUE(writer_->StartClose(&first_close_));
    ASSERT_FALSE(reader_->StartClose(&second_close_));
    Counted<Flow::CloseOperation> forward;
    EXPECT_TRUE(reader_->StartClose(&forward, absl::InfinitePast()));
    engine_.RunAll();
    EXPECT_EQ(second_close_.done, 1);
    EXPECT_THAT(second_close_.status,
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_FALSE(engine_.knows(fd_));
  }
}

// As that of one flow, which a refusal wakes as well.
TEST_F(StartedSplitTest, ARefusalByTheReaderEndsACloseOfTheWriter) {
  for (const Kind kind : {Kind::kPipe, Kind::kUnix}) {
    Split(kind);
    ASSERT_FALSE(reader_->StartRead(&read_));
    // It waits for the read.
    ASSERT_FALSE(reader_->StartClose(&first_close_));
    ASSERT_FALSE(writer_->StartClose(&second_close_));
    engine_.RunAll();
    EXPECT_EQ(read_.done + first_close_.done + second_close_.done, 0);
    EXPECT_THAT(reader_->Shutdown(ShutdownMode::kRead), IsOk());
    engine_.RunAll();
    EXPECT_EQ(read_.done + first_close_.done + second_close_.done, 3);
    EXPECT_THAT(first_close_.status, IsOk());
    EXPECT_THAT(second_close_.status, IsOk());
  }
}

// Has nothing to read, tells nobody of an abort, and has errors of its own.
class DullTransport final : public Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing&) override { return absl::OkStatus(); }
  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t, Retry*) override {
    if (!aborted_) return std::nullopt;
    return absl::UnavailableError("over");
  }
  std::optional<absl::Status> TryWrite(absl::Cord*, Retry*) override {
    if (!aborted_) return std::nullopt;
    return absl::UnavailableError("over");
  }
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry*) override {
    if (!aborted_ && outcome.ok() && is_slow) return std::nullopt;
    return absl::OkStatus();
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
    if (!aborted_) return std::nullopt;
    return absl::UnavailableError("over");
  }
  void Abort(const absl::Status&) override { aborted_ = true; }
  std::string Describe() const override { return "dull"; }

  bool is_slow = false;  // to send its end

 private:
  bool aborted_ = false;
};

TEST_F(StartedSplitTest, AnAbortOverridesWhatTheTransportSays) {
  for (const bool is_slow : {false, true}) {
    auto transport = std::make_unique<DullTransport>();
    transport->is_slow = is_slow;
    auto flow = MakeFlow(std::move(transport));
    flow->SetEngine(&engine_);
    const SplitHalves halves = SplitFlow(std::move(flow));
    Counted<Flow::ReadOperation> read;
    Counted<Flow::CloseOperation> of_reader;
    Counted<Flow::CloseOperation> of_writer;
    ASSERT_FALSE(halves.reader->StartRead(&read));
    ASSERT_FALSE(halves.reader->StartClose(&of_reader));
    ASSERT_FALSE(halves.writer->StartClose(&of_writer));
    halves.reader->Abort(absl::DataLossError("no"));
    engine_.RunAll();
    EXPECT_EQ(read.done + of_reader.done + of_writer.done, 3);
    EXPECT_THAT(of_reader.status, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(of_writer.status, StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(StartedSplitTest, AnAbortEndsAWaitForARefusalThatNobodyTells) {
  for (const bool is_before : {false, true}) {
    auto flow = MakeFlow(std::make_unique<DullTransport>());
    flow->SetEngine(&engine_);
    const SplitHalves halves = SplitFlow(std::move(flow));
    Counted<Flow::RefusalOperation> refusal;
    if (is_before) halves.reader->Abort(absl::DataLossError("no"));
    EXPECT_EQ(halves.writer->StartAwaitRefusal(&refusal), is_before);
    halves.reader->Abort(absl::DataLossError("no"));
    engine_.RunAll();
    EXPECT_THAT(refusal.status, StatusIs(absl::StatusCode::kDataLoss));
  }
}

// A half may be gone while the transport is told something yet.
TEST_F(StartedSplitTest, TheTransportTellsNothingToAHalfThatIsGone) {
  Split(Kind::kPipe);
  ASSERT_FALSE(reader_->StartRead(&read_));
  reader_->SetReadDeadline(absl::InfinitePast());
  engine_.RunAll();
  ASSERT_FALSE(writer_->StartWrite(&write_));
  ASSERT_TRUE(reader_->StartClose(&first_close_));
  reader_ = nullptr;
  ASSERT_THAT(remote_->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(engine_.posted(), 0u);
  remote_->Abort(absl::DataLossError("no"));
  engine_.RunAll();
  EXPECT_THAT(write_.status, StatusIs(absl::StatusCode::kDataLoss));
}

// --- On threads

template <typename Operation>
struct Then final : Operation {
  void Done() override { then(); }
  std::function<void()> then;
};

// How a half ends, if not by a close in good order.
enum class End { kInGoodOrder, kAborts, kIsDestroyed };

// Reads, or writes, all that there is, then ends its half, which it destroys in
// the last Done().
class Owner {
 public:
  Owner(std::unique_ptr<Flow> half, End end, absl::BlockingCounter& over)
      : half_(std::move(half)), end_(end), over_(over) {
    read_.then = [this] {
      if (TakeRead()) ReadOn();
    };
    write_.then = [this] { WriteOn(); };
    close_.then = [this] { Finish(); };
  }

  void ReadOn() {
    while (half_->StartRead(&read_)) {
      if (!TakeRead()) return;
    }
  }

  void WriteOn() {
    while (write_.status.ok() && writes_left_-- > 0) {
      if (writes_left_ == 5 && end_ != End::kInGoodOrder) break;
      write_.rest = absl::Cord(std::string(1000, 'x'));
      if (!half_->StartWrite(&write_)) return;
    }
    Close();
  }

  const absl::Status& status() const { return close_.status; }

 private:
  bool TakeRead() {
    const bool goes_on = end_ == End::kInGoodOrder && read_.result.ok() &&
                         !read_.result->empty();
    if (!goes_on) Close();
    return goes_on;
  }

  void Close() {
    if (end_ == End::kAborts) half_->Abort(absl::DataLossError("no"));
    if (end_ == End::kIsDestroyed) return Finish();
    if (half_->StartClose(&close_, Patience())) Finish();
  }

  void Finish() {
    half_ = nullptr;
    over_.DecrementCount();
  }

  std::unique_ptr<Flow> half_;
  const End end_;
  absl::BlockingCounter& over_;
  int writes_left_ = 10;
  Then<Flow::ReadOperation> read_;
  Then<Flow::WriteOperation> write_;
  Then<Flow::CloseOperation> close_;
};

// Sends a word, reads all, and closes.
void BeRemote(Flow& flow) {
  absl::Status status = flow.Write(absl::Cord("hello"));
  status.Update(flow.Shutdown(ShutdownMode::kWrite));
  absl::StatusOr<absl::Cord> data;
  do {
    data = flow.Read();
  } while (data.ok() && !data->empty());
  flow.Close(Patience()).IgnoreError();
}

TEST(StartedSplitThreadsTest, HalvesOfTwoOwnersEndInAnyOrder) {
  constexpr std::pair<End, End> kEnds[] = {
      {End::kInGoodOrder, End::kInGoodOrder},
      {End::kAborts, End::kInGoodOrder},
      {End::kInGoodOrder, End::kAborts},
      {End::kIsDestroyed, End::kInGoodOrder},
      {End::kInGoodOrder, End::kIsDestroyed},
      {End::kAborts, End::kIsDestroyed}};
  for (const int threads : {1, 2}) {
    EngineThreads engine(threads);
    for (int round = 0; round < 20; ++round) {
      for (const Kind kind : kKinds) {
        for (const auto& [of_reader, of_writer] : kEnds) {
          Ends ends = Connect(kind);
          ends.near->SetEngine(engine.engine());
          SplitHalves halves = SplitFlow(std::move(ends.near));
          absl::BlockingCounter over(2);
          Owner reader(std::move(halves.reader), of_reader, over);
          Owner writer(std::move(halves.writer), of_writer, over);
          std::thread remote([&] { BeRemote(*ends.far); });
          engine.engine()->Post([&] { reader.ReadOn(); });
          engine.engine()->Post([&] { writer.WriteOn(); });
          over.Wait();
          remote.join();
          if (of_reader == of_writer) {
            EXPECT_THAT(reader.status(), IsOk());
            EXPECT_THAT(writer.status(), IsOk());
          } else {
            const auto may_be =
                AnyOf(IsOk(), StatusIs(absl::StatusCode::kDataLoss),
                      StatusIs(absl::StatusCode::kAborted));
            EXPECT_THAT(reader.status(), may_be);
            EXPECT_THAT(writer.status(), may_be);
          }
        }
      }
    }
  }
}

// --- A limit that refuses

// Over TCP a refusal tells nobody, so the read has to.
TEST(StartedLimitCloseTest, ACloseIsOverWhenAReadComesToTheLimit) {
  EngineThreads engine(1);
  const RawPair pair = RawTcp();
  const std::unique_ptr<Flow> flow = LimitInput(FlowOf(pair.left), 3);
  flow->SetEngine(engine.engine());
  struct Close final : Flow::CloseOperation {
    void Done() override { over.Notify(); }
    absl::Notification over;
  };
  Close close;
  ASSERT_FALSE(flow->StartClose(&close));
  RawWrite(pair.right, "abc");
  struct Read final : Flow::ReadOperation {
    void Done() override { over.Notify(); }
    absl::Notification over;
  };
  Read read;
  if (!flow->StartRead(&read)) read.over.WaitForNotification();
  EXPECT_THAT(read.result, IsOkAndHolds("abc"));
  ASSERT_TRUE(flow->StartRead(&read));
  EXPECT_THAT(read.result, IsOkAndHolds(""));
  // A peer that goes on sending is not waited for.
  const absl::Time until = Patience();
  while (!close.over.WaitForNotificationWithTimeout(absl::Milliseconds(20))) {
    ASSERT_LT(absl::Now(), until);
    ::send(pair.right, "x", 1, MSG_NOSIGNAL);
  }
  EXPECT_THAT(close.status, IsOk());
  ::close(pair.right);
}

}  // namespace
}  // namespace flow
