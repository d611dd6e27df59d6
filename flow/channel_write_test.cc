// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Writing through a channel: what is buffered, when it is handed on, and what
// becomes of it when that waits or fails.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Fault;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::WriteByte;
using ::flow::testing::WriteOperation;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kBuffer = 10;  // the write buffer of the channels here
constexpr absl::Duration kShort = absl::Milliseconds(20);

ChannelOptions SmallBuffer() {
  ChannelOptions options;
  options.max_buffered_write = kBuffer;
  return options;
}

// Logs each write that comes through, borrowed ones in brackets.
class LoggingTransport final : public ForwardingTransport {
 public:
  LoggingTransport(std::unique_ptr<Transport> inner,
                   std::vector<std::string>* log)
      : ForwardingTransport(std::move(inner)), log_(log) {}

  absl::Status Write(Outgoing& data) override {
    std::string bytes;
    data.ForEachPiece([&](absl::string_view piece) { bytes.append(piece); });
    log_->push_back(data.is_borrowed() ? "[" + bytes + "]" : bytes);
    return ForwardingTransport::Write(data);
  }

 private:
  std::vector<std::string>* const log_;
};

struct Logged {
  Logged() {
    Pipe pipe = MakePipe(kNoLimit);
    channel =
        MakeChannel(DecorateFlow(std::move(pipe.left),
                                 [this](std::unique_ptr<Transport> underneath) {
                                   return std::make_unique<LoggingTransport>(
                                       std::move(underneath), &log);
                                 }),
                    SmallBuffer());
    remote = std::move(pipe.right);
  }
  std::vector<std::string> log;
  std::unique_ptr<Channel> channel;
  std::unique_ptr<Flow> remote;
};

// Says when a write has begun.
class AnnouncingTransport final : public ForwardingTransport {
 public:
  AnnouncingTransport(std::unique_ptr<Transport> inner,
                      std::atomic<bool>* writing)
      : ForwardingTransport(std::move(inner)), writing_(writing) {}

  absl::Status Write(Outgoing& data) override {
    *writing_ = true;
    return ForwardingTransport::Write(data);
  }

 private:
  std::atomic<bool>* const writing_;
};

// A channel on a pipe that takes no more, with "y" in its buffer.
struct Full {
  Full() {
    Pipe pipe = MakePipe(1);
    EXPECT_THAT(pipe.left->Write("x"), IsOk());
    channel =
        MakeChannel(DecorateFlow(std::move(pipe.left),
                                 [this](std::unique_ptr<Transport> underneath) {
                                   return std::make_unique<AnnouncingTransport>(
                                       std::move(underneath), &writing);
                                 }),
                    SmallBuffer());
    remote = std::move(pipe.right);
    EXPECT_THAT(channel->WriteBuffered("y"), IsOk());
  }

  // Until a flush has begun.
  void WaitUntilWriting() const {
    while (!writing) std::this_thread::yield();
  }

  std::atomic<bool> writing{false};
  std::unique_ptr<Channel> channel;
  std::unique_ptr<Flow> remote;
};

// --- When it is handed on

TEST(WriteBufferedTest, IsCountedAtOnceAndHandedOnByFlush) {
  Logged flow;
  EXPECT_THAT(flow.channel->WriteBuffered("ab"), IsOk());
  EXPECT_THAT(flow.channel->WriteBuffered(absl::Cord("cd")), IsOk());
  EXPECT_THAT(flow.channel->WriteBuffered(""), IsOk());
  EXPECT_EQ(flow.channel->bytes_written(), 4);
  EXPECT_THAT(flow.log, IsEmpty());
  EXPECT_THAT(flow.channel->Flush(), IsOk());
  EXPECT_THAT(flow.channel->Flush(), IsOk());
  EXPECT_THAT(flow.log, ElementsAre("abcd"));
  EXPECT_EQ(flow.channel->bytes_written(), 4);
}

TEST(WriteBufferedTest, AFullBufferIsHandedOnInOneGatheringWrite) {
  {
    Logged flow;
    EXPECT_THAT(flow.channel->WriteBuffered("123456789"), IsOk());
    EXPECT_THAT(flow.log, IsEmpty());
    EXPECT_THAT(flow.channel->WriteBuffered("0"), IsOk());
    EXPECT_THAT(flow.log, ElementsAre("[1234567890]"));
    EXPECT_THAT(flow.channel->WriteBuffered("a"), IsOk());
    EXPECT_EQ(flow.log.size(), 1);
  }
  Logged flow;
  EXPECT_THAT(flow.channel->WriteBuffered("1"), IsOk());
  EXPECT_THAT(flow.channel->WriteBuffered(absl::Cord("23456789012")), IsOk());
  EXPECT_THAT(flow.channel->WriteBuffered("1234567890"), IsOk());
  EXPECT_THAT(flow.log, ElementsAre("123456789012", "[1234567890]"));
}

TEST(WriteBufferedTest, AnyOtherWriteHandsItOnTogetherWithItsOwnBytes) {
  using Write = std::function<absl::Status(Channel&)>;
  absl::Cord source("cd");
  const std::vector<std::pair<Write, std::string>> writes = {
      {[](Channel& c) { return c.Write("cd"); }, "[abcd]"},
      {[](Channel& c) { return c.Writev({"c", "", "d"}); }, "[abcd]"},
      {[](Channel& c) { return c.Write(absl::Cord("cd")); }, "abcd"},
      {[](Channel& c) { return c.Writev({absl::Cord("c"), absl::Cord("d")}); },
       "abcd"},
      {[&](Channel& c) { return c.WriteFrom(&source); }, "abcd"}};
  for (const auto& [write, expected] : writes) {
    Logged flow;
    ASSERT_THAT(flow.channel->WriteBuffered("a"), IsOk());
    ASSERT_THAT(flow.channel->WriteBuffered("b"), IsOk());
    EXPECT_THAT(write(*flow.channel), IsOk());
    EXPECT_THAT(flow.log, ElementsAre(expected));
    EXPECT_EQ(flow.channel->bytes_written(), 4);
    EXPECT_THAT(flow.remote->Read(), HoldsData("abcd"));
  }
  EXPECT_EQ(source, "");
}

TEST(WriteBufferedTest, WithoutABufferItIsAWrite) {
  Pipe pipe = MakePipe();
  ChannelOptions options;
  options.max_buffered_write = 0;
  auto channel = MakeChannel(std::move(pipe.left), options);
  EXPECT_THAT(channel->WriteBuffered("a"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
  EXPECT_THAT(channel->WriteBuffered(""), IsOk());
}

TEST(WriteBufferedTest, ShutdownAndCloseHandItOnBeforeTheEnd) {
  for (const bool close : {false, true}) {
    Logged flow;
    ASSERT_THAT(flow.channel->WriteBuffered("ab"), IsOk());
    ASSERT_THAT(flow.remote->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(close ? flow.channel->Close(absl::InfinitePast())
                      : flow.channel->Shutdown(ShutdownMode::kWrite),
                IsOk());
    EXPECT_THAT(flow.remote->Read(), HoldsData("ab"));
    EXPECT_THAT(flow.remote->Read(), IsEof());
    EXPECT_THAT(flow.channel->WriteBuffered("c"), IsClosed());
    EXPECT_THAT(flow.channel->Flush(), IsClosed());
  }
}

TEST(WriteBufferedTest, AbortAndDestructionDropIt) {
  for (const bool abort : {false, true}) {
    Logged flow;
    ASSERT_THAT(flow.channel->WriteBuffered("ab"), IsOk());
    if (abort) {
      flow.channel->Abort(absl::AbortedError("enough"));
    } else {
      flow.channel = nullptr;
    }
    EXPECT_THAT(flow.remote->Read(), StatusIs(absl::StatusCode::kAborted));
  }
}

// --- When that waits

TEST(FlushTest, ADeadlineInTheMiddleLosesNothing) {
  for (const int at : {0, 1, 3}) {
    Pipe pipe = MakePipe(kNoLimit);
    auto channel = MakeChannel(MakeFaultFlow(
        std::move(pipe.left),
        {Fault::Error(WriteByte(at), absl::DeadlineExceededError("late"))}));
    ASSERT_THAT(channel->WriteBuffered("abcd"), IsOk());
    EXPECT_THAT(channel->Flush(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(channel->Flush(), IsOk());
    EXPECT_THAT(pipe.right->Read(), HoldsData("abcd"));
    EXPECT_EQ(channel->bytes_written(), 4);
  }
}

// What counts as accepted is what the inner flow has accepted of the new bytes.
TEST(FlushTest, ADeadlineInTheMiddleOfAnyWriteLosesNothing) {
  for (const int at : {0, 1, 2, 3}) {
    for (const bool buffered : {false, true}) {
      Pipe pipe = MakePipe(kNoLimit);
      auto channel = MakeChannel(
          MakeFaultFlow(std::move(pipe.left),
                        {Fault::Error(WriteByte(at),
                                      absl::DeadlineExceededError("late"))}),
          SmallBuffer());
      ASSERT_THAT(channel->WriteBuffered("ab"), IsOk());
      const std::string rest = "cdefghijkl";
      absl::Cord source(rest);
      EXPECT_THAT(
          buffered ? channel->WriteBuffered(rest) : channel->WriteFrom(&source),
          StatusIs(absl::StatusCode::kDeadlineExceeded));
      const size_t accepted = at < 2 ? 0 : at - 2;
      EXPECT_EQ(channel->bytes_written(), 2 + accepted);
      if (!buffered) {
        EXPECT_EQ(source, rest.substr(accepted));
      }
      EXPECT_THAT(channel->WriteBuffered(rest.substr(accepted)), IsOk());
      EXPECT_THAT(channel->Flush(), IsOk());
      EXPECT_THAT(pipe.right->Read(), HoldsData("abcdefghijkl"));
    }
  }
}

TEST(FlushTest, WaitsUpToTheWriteDeadline) {
  Full flow;
  flow.channel->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(flow.channel->Flush(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.remote->Read(), HoldsData("x"));
  EXPECT_THAT(flow.channel->Flush(), IsOk());
  EXPECT_THAT(flow.remote->Read(), HoldsData("y"));
}

TEST(FlushTest, AFailureBreaksTheDirectionAndIsNoCleanEnd) {
  Pipe pipe = MakePipe(kNoLimit);
  auto channel = MakeChannel(
      MakeFaultFlow(std::move(pipe.left),
                    {Fault::Error(WriteByte(1), absl::DataLossError("torn"))}));
  ASSERT_THAT(channel->WriteBuffered("ab"), IsOk());
  EXPECT_THAT(channel->Flush(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(channel->WriteBuffered("c"),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kDataLoss));
  // The other direction goes on.
  EXPECT_THAT(pipe.right->Write("b"), IsOk());
  EXPECT_THAT(channel->Read(), HoldsData("b"));
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(channel->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(FlushTest, AFailureAtTheEndIsReportedByShutdownAndClose) {
  for (const bool shutdown : {true, false}) {
    Pipe pipe = MakePipe(kNoLimit);
    auto channel = MakeChannel(MakeFaultFlow(
        std::move(pipe.left),
        {Fault::Error(WriteOperation(0), absl::DataLossError("torn"), 1)}));
    ASSERT_THAT(channel->WriteBuffered("ab"), IsOk());
    ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
    if (shutdown) {
      EXPECT_THAT(channel->Shutdown(ShutdownMode::kWrite),
                  StatusIs(absl::StatusCode::kDataLoss));
    }
    EXPECT_THAT(channel->Close(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(pipe.right->Read(), HoldsData("a"));
    EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(FlushTest, AShutdownThatPassesTheWriteDeadlineIsNoCleanEnd) {
  Full flow;
  flow.channel->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(flow.channel->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flow.remote->Read(), HoldsData("x"));
  EXPECT_THAT(flow.remote->Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST(FlushTest, ANewWriteDeadlineAppliesToAShutdownThatWaits) {
  Full flow;
  std::thread closer([&] {
    EXPECT_THAT(flow.channel->Shutdown(ShutdownMode::kWrite),
                StatusIs(absl::StatusCode::kAborted));
  });
  flow.WaitUntilWriting();
  flow.channel->SetWriteDeadline(absl::InfinitePast());
  closer.join();
}

TEST(FlushTest, CloseDoesNotWaitInItBeyondItsDeadline) {
  for (const absl::Duration wait : {-absl::InfiniteDuration(), kShort}) {
    Full flow;
    flow.channel->SetWriteDeadline(absl::Now() + absl::Hours(1));
    EXPECT_THAT(flow.channel->Close(absl::Now() + wait),
                StatusIs(absl::StatusCode::kDeadlineExceeded,
                         HasSubstr("Close() deadline exceeded waiting for")));
    EXPECT_THAT(flow.channel->Close(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(flow.channel->Write("z"), IsClosed());
    EXPECT_THAT(flow.remote->Read(), HoldsData("x"));
    EXPECT_THAT(flow.remote->Read(), StatusIs(absl::StatusCode::kAborted));
  }
}

TEST(FlushTest, CloseOfAFlowOnTopDoesNotWaitInItEither) {
  for (const absl::Duration wait : {-absl::InfiniteDuration(), kShort}) {
    Full flow;
    auto top = MakeFaultFlow(std::move(flow.channel));
    EXPECT_THAT(top->Close(absl::Now() + wait),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_THAT(flow.remote->Read(), HoldsData("x"));
    EXPECT_THAT(flow.remote->Read(), StatusIs(absl::StatusCode::kAborted));
  }
}

// Even if the write deadline is set again meanwhile.
TEST(FlushTest, CloseWaitsUpToTheEarlierDeadline) {
  Full flow;
  // What Close() waits for next is there.
  ASSERT_THAT(flow.remote->Shutdown(ShutdownMode::kWrite), IsOk());
  std::thread closer([&] {
    EXPECT_THAT(flow.channel->Close(absl::Now() + absl::Hours(1)),
                StatusIs(absl::StatusCode::kAborted));
  });
  flow.WaitUntilWriting();
  flow.channel->SetWriteDeadline(absl::Now() + absl::Hours(2));
  flow.channel->SetWriteDeadline(absl::InfinitePast());
  closer.join();

  Full other;
  std::thread late([&] {
    EXPECT_THAT(other.channel->Close(absl::Now() + absl::Milliseconds(200)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  other.WaitUntilWriting();
  other.channel->SetWriteDeadline(absl::Now() + absl::Hours(2));
  late.join();
}

TEST(FlushTest, AnEarlierCloseEndsTheWaitOfAnother) {
  Full flow;
  std::thread first([&] {
    EXPECT_THAT(flow.channel->Close(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  flow.WaitUntilWriting();
  EXPECT_THAT(flow.channel->Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  first.join();
}

TEST(FlushTest, AbortWakesIt) {
  for (int form = 0; form < 3; ++form) {
    Full flow;
    std::thread writer([&] {
      EXPECT_THAT(form == 0   ? flow.channel->Flush()
                  : form == 1 ? flow.channel->Shutdown(ShutdownMode::kWrite)
                              : flow.channel->Close(),
                  StatusIs(absl::StatusCode::kCancelled));
    });
    flow.WaitUntilWriting();
    flow.channel->Abort(absl::CancelledError("enough"));
    writer.join();
    EXPECT_THAT(flow.remote->Read(), HoldsData("x"));
    EXPECT_THAT(flow.remote->Read(), StatusIs(absl::StatusCode::kCancelled));
  }
}

TEST(FlushTest, CloseWaitsForTheRemoteToMakeRoom) {
  Full flow;
  std::thread closer([&] { EXPECT_THAT(flow.channel->Close(), IsOk()); });
  EXPECT_THAT(flow.remote->Read(), IsOkAndHolds("x"));
  EXPECT_THAT(flow.remote->Read(), IsOkAndHolds("y"));
  EXPECT_THAT(flow.remote->Read(), IsEof());
  EXPECT_THAT(flow.remote->Close(), IsOk());
  closer.join();
}

}  // namespace
}  // namespace flow
