// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/deflate/deflate_flow.h"

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::HoldsData;
using ::flow::testing::IsEof;
using ::flow::testing::PatternString;
using ::flow::testing::SameData;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr size_t kLimit = 100 << 20;

auto IsLate() { return StatusIs(absl::StatusCode::kDeadlineExceeded); }
auto IsCorrupt() {
  return StatusIs(absl::StatusCode::kDataLoss,
                  HasSubstr("corrupt compressed data"));
}

// A pair of deflate flows.
struct Pair {
  explicit Pair(size_t capacity = 256 << 10,
                const DeflateOptions& options = {}) {
    Pipe pipe = MakePipe(capacity);
    left = MakeDeflateFlow(std::move(pipe.left), options);
    right = MakeDeflateFlow(std::move(pipe.right), options);
  }

  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

// Writes a message and its end.
absl::Status Send(Flow& flow, absl::string_view message) {
  absl::Status status = flow.Write(message);
  return status.ok() ? flow.Shutdown(ShutdownMode::kWrite) : status;
}

// What goes over the wire for a message and its end.
std::string Compressed(absl::string_view message,
                       const DeflateOptions& options = {}) {
  Pipe pipe = MakePipe(kNoLimit);
  const auto flow = MakeDeflateFlow(std::move(pipe.left), options);
  EXPECT_THAT(Send(*flow, message), IsOk());
  const absl::StatusOr<absl::Cord> wire = ReadAll(*pipe.right, kLimit);
  EXPECT_THAT(wire, IsOk());
  return std::string(wire.value_or(absl::Cord()));
}

// What is read of `wire`, after which the transport ends in good order.
struct Received {
  std::string data;
  absl::Status status;  // Ok: end-of-file
};
Received Decompress(absl::string_view wire) {
  Pipe pipe = MakePipe(kNoLimit);
  EXPECT_THAT(Send(*pipe.left, wire), IsOk());
  const auto flow = MakeDeflateFlow(std::move(pipe.right));
  absl::Cord data;
  const absl::Status status = ReadAll(*flow, kLimit, &data);
  return {std::string(data), status};
}

// --- What is compressed

TEST(DeflateFlowTest, CompressesOnTheWay) {
  std::string text;
  for (int i = 0; i < 10000; ++i) absl::StrAppend(&text, "line ", i, "\n");
  const std::string wire = Compressed(text);
  EXPECT_LT(wire.size(), text.size() / 4);
  EXPECT_EQ(Decompress(wire).data, text);
}

TEST(DeflateFlowTest, EveryLevelCanBeReadByEveryOther) {
  const std::string text = PatternString(0, 100000);
  for (int level = 0; level <= 9; ++level) {
    DeflateOptions options;
    options.level = level;
    const Received received = Decompress(Compressed(text, options));
    EXPECT_THAT(received.status, IsOk());
    EXPECT_TRUE(SameData(absl::Cord(received.data), absl::Cord(text)));
  }
}

TEST(DeflateFlowTest, NothingButAnEndArrivesAsThat) {
  Pair pair;
  EXPECT_THAT(pair.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pair.right->Read(), IsEof());
}

TEST(DeflateFlowTest, ErrorsSayOnWhatItStands) {
  EXPECT_THAT(Pair().left->DebugString(),
              StartsWith("deflate on pipe (left end) ["));
}

// --- What arrives when

TEST(DeflateFlowTest, EachWriteCanBeReadAtOnce) {
  Pair pair;
  pair.right->SetReadDeadline(absl::InfinitePast());
  for (const absl::string_view line : {"one", "two", "three"}) {
    ASSERT_THAT(pair.left->Write(line), IsOk());
    EXPECT_THAT(pair.right->Read(), HoldsData(line));
  }
}

TEST(DeflateFlowTest, WithoutAFlushTheEndSendsAll) {
  DeflateOptions options;
  options.flush_each_write = false;
  Pair pair(256 << 10, options);
  pair.right->SetReadDeadline(absl::InfinitePast());
  for (const absl::string_view line : {"one", "two", "three"}) {
    ASSERT_THAT(pair.left->Write(line), IsOk());
    EXPECT_THAT(pair.right->Read(), IsLate());
  }
  ASSERT_THAT(pair.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pair.right->Read(), HoldsData("onetwothree"));
  EXPECT_THAT(pair.right->Read(), IsEof());
}

TEST(DeflateFlowTest, ReadIntoPutsBytesWhereTheyShallBe) {
  Pair pair;
  ASSERT_THAT(Send(*pair.left, "hello"), IsOk());
  char space[4];
  ASSERT_THAT(pair.right->ReadInto(absl::MakeSpan(space)),
              absl_testing::IsOkAndHolds(4));
  EXPECT_EQ(absl::string_view(space, 4), "hell");
  EXPECT_THAT(pair.right->ReadInto(absl::MakeSpan(space)),
              absl_testing::IsOkAndHolds(1));
  EXPECT_EQ(space[0], 'o');
  EXPECT_THAT(pair.right->ReadInto(absl::MakeSpan(space)),
              absl_testing::IsOkAndHolds(0));
}

// --- What is not whole

TEST(DeflateFlowTest, EveryTruncationIsAnError) {
  const std::string text = "hello, hello, hello";
  const std::string wire = Compressed(text);
  ASSERT_EQ(Decompress(wire).data, text);
  for (size_t size = 0; size < wire.size(); ++size) {
    SCOPED_TRACE(size);
    const Received received =
        Decompress(absl::string_view(wire).substr(0, size));
    EXPECT_THAT(received.status, IsCorrupt());
    EXPECT_TRUE(absl::StartsWith(text, received.data));
  }
}

// Bits that only fill a byte up carry nothing, and may be anything.
TEST(DeflateFlowTest, AFlippedBitIsAnErrorUnlessItCarriesNothing) {
  const std::string text = "hello, hello, hello";
  const std::string wire = Compressed(text);
  size_t harmless = 0;
  for (size_t bit = 0; bit < 8 * wire.size(); ++bit) {
    SCOPED_TRACE(bit);
    std::string flipped = wire;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const Received received = Decompress(flipped);
    if (received.status.ok()) {
      EXPECT_EQ(received.data, text);
      ++harmless;
    } else {
      EXPECT_THAT(received.status, IsCorrupt());
    }
  }
  // Up to the length of the flush, and up to the checksum.
  EXPECT_LE(harmless, 14);
}

TEST(DeflateFlowTest, WhatFollowsTheTrailerIsAnError) {
  const std::string wire = Compressed("hello");
  const Received received = Decompress(wire + "x");
  EXPECT_EQ(received.data, "hello");
  EXPECT_THAT(received.status, IsCorrupt());

  // The same if it comes later.
  Pipe pipe = MakePipe();
  const auto flow = MakeDeflateFlow(std::move(pipe.right));
  ASSERT_THAT(pipe.left->Write(wire), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("hello"));
  ASSERT_THAT(pipe.left->Write("x"), IsOk());
  EXPECT_THAT(flow->Read(), IsCorrupt());
}

TEST(DeflateFlowTest, WhatIsNoCompressedDataIsAnErrorThatTheRemoteIsTold) {
  Pipe pipe = MakePipe();
  auto flow = MakeDeflateFlow(std::move(pipe.right));
  ASSERT_THAT(pipe.left->Write("GET / HTTP/1.0\r\n"), IsOk());
  EXPECT_THAT(flow->Read(), IsCorrupt());
  EXPECT_THAT(flow->Read(), IsCorrupt());
  EXPECT_THAT(flow->Close(), IsCorrupt());
  EXPECT_THAT(pipe.left->Write("x"), IsCorrupt());
}

// Connected Unix sockets, which cannot carry an abort.
Pipe UnixSockets() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  auto left = MakeFdFlow(fds[0]);
  auto right = MakeFdFlow(fds[1]);
  EXPECT_THAT(left, IsOk());
  EXPECT_THAT(right, IsOk());
  Pipe pipe;
  pipe.left = *std::move(left);
  pipe.right = *std::move(right);
  return pipe;
}

TEST(DeflateFlowTest, AnAbortIsAnErrorEvenWhereTheTransportCarriesNone) {
  for (const bool destroy : {false, true}) {
    Pipe sockets = UnixSockets();
    auto sender = MakeDeflateFlow(std::move(sockets.left));
    const auto receiver = MakeDeflateFlow(std::move(sockets.right));
    ASSERT_THAT(sender->Write("hello"), IsOk());
    if (destroy) {
      sender = nullptr;
    } else {
      sender->Abort(absl::AbortedError("enough"));
    }
    EXPECT_THAT(receiver->Read(), HoldsData("hello"));
    EXPECT_THAT(receiver->Read(), IsCorrupt());
  }
}

TEST(DeflateFlowTest, DataThatADestroyedReaderHadDecompressedSpoilClose) {
  Pair pair;
  ASSERT_THAT(Send(*pair.left, PatternString(0, 1000)), IsOk());
  ASSERT_THAT(pair.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pair.left->Read(), IsEof());
  ASSERT_THAT(pair.right->Read(1), IsOk());
  pair.right = nullptr;
  EXPECT_THAT(pair.left->Close(), Not(IsOk()));
}

// --- Limits

TEST(DeflateFlowTest, ABombIsDecompressedNoFartherThanItIsRead) {
  const std::string bomb = Compressed(std::string(64 << 20, '\0'));
  ASSERT_GT(bomb.size(), 32 << 10);
  ASSERT_LT(bomb.size(), 256 << 10);
  Pipe pipe = MakePipe(kNoLimit);
  ASSERT_THAT(Send(*pipe.left, bomb), IsOk());
  const auto flow = MakeDeflateFlow(std::move(pipe.right));
  for (int i = 0; i < 10; ++i)
    EXPECT_THAT(flow->Read(3), HoldsData({"\0\0\0", 3}));
  // A block of 16 KiB was taken off the wire, and stands for megabytes.
  EXPECT_EQ(pipe.left->bytes_in_transit(), bomb.size() - (16 << 10));
  size_t size = 30;
  while (true) {
    const absl::StatusOr<absl::Cord> data = flow->Read();
    ASSERT_THAT(data, IsOk());
    if (data->empty()) break;
    ASSERT_LE(data->size(), 16 << 10);
    size += data->size();
  }
  EXPECT_EQ(size, 64 << 20);
}

// --- Deadlines

TEST(DeflateFlowTest, ARemoteThatSendsBlocksOfNothingHoldsUpNoDeadline) {
  const std::string header = Compressed("").substr(0, 2);
  std::string blocks;
  while (blocks.size() < 1 << 20) blocks += std::string("\0\0\0\xff\xff", 5);
  Pipe pipe = MakePipe(kNoLimit);
  ASSERT_THAT(pipe.left->Writev({header, blocks}), IsOk());
  const auto flow = MakeDeflateFlow(std::move(pipe.right));
  flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow->Read(), IsLate());
  EXPECT_GT(pipe.left->bytes_in_transit(), 0);
  // Nothing was lost, or taken for an end.
  flow->SetReadDeadline(absl::InfiniteFuture());
  ASSERT_THAT(pipe.left->Write(absl::string_view("\0\1\0\xfe\xff!", 6)),
              IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("!"));
}

TEST(DeflateFlowTest, ALateWriteKeepsWhatWasCompressedForTheNext) {
  const std::string sent = PatternString(0, 1 << 20);
  Pair pair(/*capacity=*/1000);
  pair.left->SetWriteDeadline(absl::InfinitePast());
  pair.right->SetReadDeadline(absl::InfinitePast());
  absl::Cord rest(sent);
  absl::Cord received;
  int late = 0;
  while (!rest.empty()) {
    const absl::Status status = pair.left->WriteFrom(&rest);
    ASSERT_EQ(pair.left->bytes_written() + rest.size(), sent.size());
    if (absl::IsDeadlineExceeded(status)) {
      ++late;
      // Besides what the pipe holds.
      EXPECT_GT(pair.left->bytes_in_transit(), 1000);
      EXPECT_LE(pair.left->bytes_in_transit(), 1000 + (16 << 10));
    } else {
      ASSERT_THAT(status, IsOk());
    }
    // As much as there is.
    EXPECT_THAT(ReadAll(*pair.right, kLimit, &received), IsLate());
  }
  EXPECT_GT(late, 500);
  // Nothing is kept once all was accepted.
  EXPECT_TRUE(SameData(received, absl::Cord(sent)));
}

// A pair whose left end was late with a write of "abc", of which "c" is left.
Pair PairWithALateWrite() {
  Pair pair(/*capacity=*/5);
  pair.left->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(pair.left->Write("abc"), IsLate());
  EXPECT_EQ(pair.left->bytes_written(), 2);
  pair.left->SetWriteDeadline(absl::InfiniteFuture());
  return pair;
}

TEST(DeflateFlowTest, TheRestOfALateWriteCanBeWrittenWithMore) {
  Pair pair = PairWithALateWrite();
  std::thread reader(
      [&] { EXPECT_THAT(ReadAll(*pair.right, kLimit), HoldsData("abcdef")); });
  EXPECT_THAT(pair.left->Writev({"", "cd", "ef"}), IsOk());
  EXPECT_EQ(pair.left->bytes_written(), 6);
  EXPECT_THAT(pair.left->Shutdown(ShutdownMode::kWrite), IsOk());
  reader.join();
}

TEST(DeflateFlowTest, WhoeverLeavesTheRestOfALateWriteGetsNoCleanEnd) {
  for (const bool writes : {false, true}) {
    Pair pair = PairWithALateWrite();
    absl::Cord received;
    std::thread reader([&] {
      EXPECT_THAT(ReadAll(*pair.right, kLimit, &received), Not(IsOk()));
    });
    EXPECT_THAT(writes ? pair.left->Write("x")
                       : pair.left->Shutdown(ShutdownMode::kWrite),
                StatusIs(absl::StatusCode::kAborted));
    reader.join();
    pair.right = nullptr;
    EXPECT_THAT(pair.left->Close(), StatusIs(absl::StatusCode::kAborted));
  }
}

TEST(DeflateFlowTest, ARefusedWriteCountsNothing) {
  Pair pair;
  ASSERT_THAT(pair.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_TRUE(IsClosed(pair.left->Write("hello")));
  EXPECT_EQ(pair.left->bytes_written(), 0);
}

// Fills the pair up, so that the end has no room. Returns what was accepted.
std::string Fill(Pair& pair) {
  const std::string bytes = PatternString(0, 1 << 20);
  pair.left->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(pair.left->Write(bytes), IsLate());
  pair.left->SetWriteDeadline(absl::InfiniteFuture());
  return bytes.substr(0, static_cast<size_t>(pair.left->bytes_written()));
}

TEST(DeflateFlowTest, ShutdownWaitsForRoomForTheTrailer) {
  Pair pair(/*capacity=*/1000);
  const std::string sent = Fill(pair);
  std::thread reader([&] {
    EXPECT_TRUE(SameData(ReadAll(*pair.right, kLimit), absl::Cord(sent)));
  });
  EXPECT_THAT(pair.left->Shutdown(ShutdownMode::kWrite), IsOk());
  reader.join();
}

TEST(DeflateFlowTest, AnEndPastTheWriteDeadlineIsNoEnd) {
  Pair pair(/*capacity=*/1000);
  const std::string sent = Fill(pair);
  pair.left->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(pair.left->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kAborted));
  absl::Cord received;
  EXPECT_THAT(ReadAll(*pair.right, kLimit, &received), Not(IsOk()));
  EXPECT_TRUE(absl::StartsWith(sent, std::string(received)));
}

TEST(DeflateFlowTest, AnEndPastTheDeadlineOfCloseIsNoEnd) {
  Pair pair(/*capacity=*/1000);
  const std::string sent = Fill(pair);
  EXPECT_THAT(pair.left->Close(absl::Now() + absl::Milliseconds(1)), IsLate());
  absl::Cord received;
  EXPECT_THAT(ReadAll(*pair.right, kLimit, &received), Not(IsOk()));
  EXPECT_TRUE(absl::StartsWith(sent, std::string(received)));
}

TEST(DeflateFlowTest, APatientCloseGoesOnWithTheTrailerWhileBytesArrive) {
  Pair pair(/*capacity=*/1000);
  const std::string sent = Fill(pair);
  std::thread reader([&] {
    // Longer in all than the close is patient.
    absl::Cord received;
    while (true) {
      const absl::StatusOr<absl::Cord> data = pair.right->Read();
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      received.Append(*data);
      absl::SleepFor(absl::Milliseconds(25));
    }
    EXPECT_TRUE(SameData(received, absl::Cord(sent)));
    EXPECT_THAT(pair.right->Close(), IsOk());
  });
  EXPECT_THAT(pair.left->PatientClose(absl::Seconds(1)), IsOk());
  reader.join();
}

// --- A remote that refuses

TEST(DeflateFlowTest, ATrailerThatIsRefusedIsNoError) {
  Pair pair;
  ASSERT_THAT(pair.left->Write("hello"), IsOk());
  ASSERT_THAT(pair.right->Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_TRUE(IsClosed(pair.left->Write("hello")));
  Pair other;
  ASSERT_THAT(other.left->Write("hello"), IsOk());
  ASSERT_THAT(other.right->Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_THAT(other.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(other.left->Close(), IsOk());
}

// --- Faults

// At every fault underneath the message is whole at its reader, or the reader
// gets an error.
TEST(DeflateFlowTest, NoFaultMakesATruncatedMessageLookWhole) {
  const std::string message = PatternString(0, 100000);
  const size_t points =
      testing::ForEachFaultPoint([&](testing::FaultPlan& plan) {
        Pipe pipe = MakePipe(kNoLimit);
        auto sender = MakeDeflateFlow(plan.Wrap(std::move(pipe.left)));
        auto receiver = MakeDeflateFlow(plan.Wrap(std::move(pipe.right)));
        absl::Status sent = Send(*sender, message);
        if (sent.ok()) sent = receiver->Shutdown(ShutdownMode::kWrite);
        if (sent.ok()) sent = sender->Read().status();
        if (sent.ok()) sent = sender->Close();
        sender = nullptr;
        absl::Cord received;
        const absl::Status status = ReadAll(*receiver, kLimit, &received);
        EXPECT_TRUE(absl::StartsWith(message, std::string(received)));
        if (status.ok()) {
          EXPECT_EQ(received.size(), message.size());
        }
        if (plan.fired()) {
          EXPECT_TRUE(!sent.ok() || !status.ok());
        } else {
          EXPECT_THAT(sent, IsOk());
          EXPECT_THAT(status, IsOk());
        }
      });
  EXPECT_GT(points, 40);
}

// A deadline at any operation underneath: whoever asks again goes on.
TEST(DeflateFlowTest, ADeadlineAnywhereLosesAndRepeatsNothing) {
  const std::string message = PatternString(0, 100000);
  testing::FaultPointOptions options;
  options.modes = {testing::FaultMode::kDeadline};
  const size_t points = testing::ForEachFaultPoint(
      [&](testing::FaultPlan& plan) {
        Pipe pipe = MakePipe(kNoLimit);
        const auto sender = MakeDeflateFlow(plan.Wrap(std::move(pipe.left)));
        const auto receiver = MakeDeflateFlow(plan.Wrap(std::move(pipe.right)));
        absl::Cord rest(message);
        absl::Status status = sender->WriteFrom(&rest);
        if (absl::IsDeadlineExceeded(status)) status = sender->WriteFrom(&rest);
        EXPECT_THAT(status, IsOk());
        // The one of the trailer breaks the direction; see above.
        const absl::Status ended = sender->Shutdown(ShutdownMode::kWrite);
        absl::Cord received;
        status = ReadAll(*receiver, kLimit, &received);
        if (absl::IsDeadlineExceeded(status)) {
          status = ReadAll(*receiver, kLimit, &received);
        }
        EXPECT_EQ(status.ok(), ended.ok());
        EXPECT_TRUE(SameData(received, absl::Cord(message)));
      },
      options);
  EXPECT_GT(points, 10);
}

// --- Threads

TEST(DeflateFlowTest, BothDirectionsFlowAtTheSameTime) {
  Pair pair(/*capacity=*/4096);
  const auto converse = [](Flow& flow, uint64_t out, uint64_t in) {
    std::thread writer([&flow, out] {
      absl::Status status;
      for (int64_t at = 0; at < 1 << 20 && status.ok(); at += 10000) {
        status = flow.Write(PatternString(at, 10000, out));
      }
      EXPECT_THAT(status, IsOk());
      EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
    });
    testing::PatternChecker checker(in);
    while (true) {
      const absl::StatusOr<absl::Cord> data = flow.Read();
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      ASSERT_THAT(checker.Check(*data), IsOk());
      EXPECT_GE(flow.bytes_in_transit(), 0);
    }
    writer.join();
    EXPECT_EQ(checker.offset(), flow.bytes_written());
    EXPECT_THAT(flow.Close(), IsOk());
  };
  std::thread left([&] { converse(*pair.left, 1, 2); });
  converse(*pair.right, 2, 1);
  left.join();
}

}  // namespace
}  // namespace flow::examples
