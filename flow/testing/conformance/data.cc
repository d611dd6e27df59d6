// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks of conformance.h on bytes: what is written is what is read.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/testing/conformance.h"
#include "flow/testing/conformance/check.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing::conformance {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;

// Around the size up to which Abseil copies (511), a page, and more than the
// blocks of any flow.
constexpr size_t kSizes[] = {1, 2, 511, 512, 4095, 4096, 4097, 100000};

// One that was refused because another one is under way.
auto IsBusy() { return StatusIs(absl::StatusCode::kInvalidArgument); }

FLOW_CONFORMANCE_CHECK(CarriesAMebibyteInPiecesOfAKibibyte, kNothing) {
  const std::string sent = Bytes(1 << 20);
  Ends ends(check);
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), sent, 1024); });
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(CarriesAThousandPingPongs, kNothing) {
  constexpr uint32_t kRounds = 1000;
  constexpr size_t kSize = 7;
  Ends ends(check);
  Task echo(ends, [&] {
    for (uint32_t i = 0; i < kRounds; ++i) {
      const Received ball = ReadBytes(ends.remote(), kSize);
      absl::Status status = OrAbort(ends.remote(), ball.outcome);
      if (!status.ok()) return status;
      status = ends.remote().Write(ball.bytes);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
  for (uint32_t i = 0; i < kRounds; ++i) {
    const std::string ball = Bytes(kSize, i);
    ASSERT_THAT(ends.local().Write(ball), IsOk());
    ASSERT_TRUE(Same(ReadBytes(ends.local(), kSize), ball));
  }
  EXPECT_THAT(echo.Wait(), IsOk());
}

// Writes `bytes` in pieces of random sizes and in every form, and ends.
absl::Status WriteInRandomPieces(Flow& flow, const std::string& bytes,
                                 uint32_t seed) {
  std::mt19937 random(seed);
  for (size_t i = 0; i < bytes.size();) {
    const size_t size = std::min<size_t>(
        random() % (random() % 8 == 0 ? 20000 : 700), bytes.size() - i);
    const absl::string_view piece = absl::string_view(bytes).substr(i, size);
    const absl::string_view front = piece.substr(0, size / 3);
    const absl::string_view back = piece.substr(size / 3);
    absl::Status status;
    switch (random() % 6) {
      case 0:
        status = flow.Write(piece);
        break;
      case 1:
        status = flow.Write(absl::Cord(piece));
        break;
      case 2:
        status = flow.Write(std::string(piece));
        break;
      case 3:
        status = flow.Writev({front, back});
        break;
      case 4:
        status = flow.Writev({absl::Cord(front), back});
        break;
      default:
        status = flow.Writev({absl::Cord(front), absl::Cord(back)});
    }
    if (!status.ok()) return OrAbort(flow, status);
    i += size;
  }
  return flow.Shutdown(ShutdownMode::kWrite);
}

Received ReadInRandomPieces(Flow& flow, uint32_t seed) {
  std::mt19937 random(seed);
  Received received;
  while (true) {
    const size_t most = 1 + random() % (random() % 8 == 0 ? 20000 : 700);
    absl::StatusOr<absl::Cord> data =
        ReadAs(/*into=*/random() % 2 == 0, flow, most);
    received.outcome = data.status();
    if (!data.ok() || data->empty()) return received;
    absl::AppendCordToString(*data, &received.bytes);
  }
}

FLOW_CONFORMANCE_CHECK(CarriesBothDirectionsAtOnceInRandomPieces, kNothing) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const std::string there = Bytes(200000, seed);
    const std::string back = Bytes(200001, seed + 100);
    Ends ends(check);
    Task local_writes(
        ends, [&] { return WriteInRandomPieces(ends.local(), there, seed); });
    Task remote_writes(ends, [&] {
      return WriteInRandomPieces(ends.remote(), back, seed + 1);
    });
    Task remote_reads(
        ends, [&] { return ReadInRandomPieces(ends.remote(), seed + 2); });
    ASSERT_TRUE(Same(ReadInRandomPieces(ends.local(), seed + 3), back));
    ASSERT_TRUE(Same(remote_reads.Wait(), there));
    EXPECT_THAT(local_writes.Wait(), IsOk());
    EXPECT_THAT(remote_writes.Wait(), IsOk());
  }
}

FLOW_CONFORMANCE_CHECK(CarriesTenThousandBuffersInOneWritev, kNothing) {
  constexpr size_t kBuffers = 10000;
  const std::string sent = Bytes(kBuffers * 5);
  std::vector<absl::string_view> views;
  std::vector<absl::Cord> cords;
  for (size_t i = 0; i < kBuffers; ++i) {
    views.push_back(absl::string_view(sent).substr(i * 5, 5));
    cords.push_back(absl::Cord(views.back()));
  }
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = ends.local().Writev(views);
    if (!status.ok()) return status;
    status = ends.local().Writev(cords);
    if (!status.ok()) return status;
    return ends.local().Shutdown(ShutdownMode::kWrite);
  });
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent + sent));
  EXPECT_THAT(sender.Wait(), IsOk());
  EXPECT_EQ(ends.local().bytes_written(), 2 * sent.size());
}

FLOW_CONFORMANCE_CHECK(WritevIsTheConcatenationOfItsBuffers, kNothing) {
  std::vector<std::string> strings = {""};
  std::string sent;
  uint32_t seed = 0;
  for (size_t size : kSizes) {
    strings.push_back(Bytes(size, ++seed));
    strings.push_back("");
    strings.push_back("");
    sent += Bytes(size, seed);
  }
  const std::vector<absl::string_view> views(strings.begin(), strings.end());
  const std::vector<absl::Cord> cords(views.begin(), views.end());
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = ends.local().Writev(views);
    if (!status.ok()) return status;
    status = ends.local().Writev(cords);
    if (!status.ok()) return status;
    return ends.local().Writev(strings);
  });
  for (const absl::string_view form : {"views", "Cords", "strings"}) {
    SCOPED_TRACE(form);
    ASSERT_TRUE(Same(ReadBytes(ends.remote(), sent.size()), sent));
  }
  EXPECT_THAT(sender.Wait(), IsOk());
  EXPECT_EQ(ends.local().bytes_written(), 3 * sent.size());
}

FLOW_CONFORMANCE_CHECK(WritevOfAMixtureIsTheConcatenationOfItsBuffers,
                       kNothing) {
  Ends ends(check);
  uint32_t seed = 0;
  for (const size_t size : kSizes) {
    SCOPED_TRACE(absl::StrCat(size, " bytes"));
    const std::string borrowed = Bytes(size, ++seed);
    const std::string moved = Bytes(size, ++seed);
    const absl::Cord shared(Bytes(size, ++seed));
    const std::string sent = absl::StrCat(borrowed, moved, std::string(shared));
    Task sender(ends, [&] {
      Flow& flow = ends.local();
      for (absl::Status status :
           {flow.Writev({borrowed, "", std::string(moved), shared}),
            flow.Writev({absl::Cord(borrowed), absl::string_view(moved),
                         absl::Cord(), absl::Cord(shared)})}) {
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    });
    for (const absl::string_view form : {"borrowed first", "shared first"}) {
      SCOPED_TRACE(form);
      ASSERT_TRUE(Same(ReadBytes(ends.remote(), sent.size()), sent));
    }
    EXPECT_THAT(sender.Wait(), IsOk());
  }
  EXPECT_EQ(ends.local().bytes_written(), ends.remote().bytes_read());
}

FLOW_CONFORMANCE_CHECK(SharedBorrowedAndMovedBuffersArriveTheSame, kNothing) {
  Ends ends(check);
  uint32_t seed = 0;
  for (const size_t size : kSizes) {
    SCOPED_TRACE(absl::StrCat(size, " bytes"));
    const std::string sent = Bytes(size, ++seed);
    absl::Cord in_chunks;
    for (size_t i = 0; i < size; i += 1000) {
      in_chunks.Append(absl::Cord(absl::string_view(sent).substr(i, 1000)));
    }
    const absl::Cord shared(sent);
    const absl::Cord shared_again = shared;
    absl::Cord rest(sent);
    Task sender(ends, [&] {
      Flow& flow = ends.local();
      for (absl::Status status :
           {flow.Write(absl::string_view(sent)), flow.Write(std::string(sent)),
            flow.Write(shared), flow.Write(shared_again), flow.Write(in_chunks),
            flow.WriteFrom(&rest)}) {
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    });
    for (const absl::string_view form :
         {"borrowed", "moved", "shared", "shared again", "in chunks", "from"}) {
      SCOPED_TRACE(form);
      ASSERT_TRUE(Same(ReadBytes(ends.remote(), size), sent));
    }
    EXPECT_THAT(sender.Wait(), IsOk());
    EXPECT_EQ(shared, sent);
    EXPECT_EQ(in_chunks, sent);
    EXPECT_EQ(rest, "");
  }
}

FLOW_CONFORMANCE_CHECK(BorrowedMemoryIsFreeAfterTheWrite, kNothing) {
  std::string sent;
  for (uint32_t round = 0; round < 8; ++round) sent += Bytes(1500, round);
  Ends ends(check);
  Task sender(ends, [&] {
    std::string memory(1500, 'x');
    for (uint32_t round = 0; round < 8; ++round) {
      Bytes(memory.size(), round).copy(memory.data(), memory.size());
      const absl::string_view borrowed = memory;
      absl::Status status = round % 2 == 0
                                ? ends.local().Write(borrowed)
                                : ends.local().Writev({borrowed.substr(0, 700),
                                                       borrowed.substr(700)});
      if (!status.ok()) return status;
      std::fill(memory.begin(), memory.end(), 'x');
    }
    return ends.local().Shutdown(ShutdownMode::kWrite);
  });
  sender.DoneWithin(check.blocked_wait());  // at best all is overwritten
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ReadIntoReadsWhatReadReads, kNothing) {
  const std::string sent = Bytes(70000);
  Ends ends(check);
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), sent); });
  EXPECT_THAT(ends.remote().ReadInto(absl::Span<char>()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Received received;
  const size_t maxima[] = {1, 2, 3, 64, 511, 512, 4096, 5000, 65536};
  for (size_t i = 0; received.bytes.size() < sent.size(); ++i) {
    // By turns, so that neither keeps from the other what it has read ahead.
    const absl::StatusOr<absl::Cord> data = ReadAs(
        /*into=*/i % 3 != 0, ends.remote(), maxima[i % std::size(maxima)]);
    ASSERT_THAT(data, IsOk());
    ASSERT_GE(data->size(), 1) << "after " << received.bytes.size();
    absl::AppendCordToString(*data, &received.bytes);
    ASSERT_EQ(ends.remote().bytes_read(), received.bytes.size());
  }
  ASSERT_TRUE(Same(received, sent));
  EXPECT_THAT(ReadAs(/*into=*/true, ends.remote()), IsEof());
  EXPECT_THAT(ends.remote().Read(), IsEof());
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(EveryReadReturnsOneByteToTheMaximum, kNothing) {
  const std::string sent = Bytes(70000);
  Ends ends(check);
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), sent); });
  Received received;
  const size_t maxima[] = {1, 2, 3, 64, 511, 512, 4096, 5000};
  for (size_t i = 0; received.bytes.size() < sent.size(); ++i) {
    const size_t most = maxima[i % std::size(maxima)];
    const absl::StatusOr<absl::Cord> data = ends.remote().Read(most);
    ASSERT_THAT(data, IsOk());
    ASSERT_GE(data->size(), 1) << "after " << received.bytes.size();
    ASSERT_LE(data->size(), most) << "after " << received.bytes.size();
    absl::AppendCordToString(*data, &received.bytes);
  }
  EXPECT_TRUE(Same(received, sent));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(AReadOfAtMostZeroBytesIsInvalidAndChangesNothing,
                       kNothing) {
  Ends ends(check);
  EXPECT_THAT(ends.local().Read(0),
              StatusIs(absl::StatusCode::kInvalidArgument));
  Task sender(ends, [&] { return WriteAndEnd(ends.remote(), "x"); });
  EXPECT_THAT(ends.local().Read(), IsOkAndHolds("x"));
  EXPECT_THAT(ends.local().Read(0),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ends.local().Read(), IsEof());
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(BuffersReadEarlierNeverChange, kNothing) {
  const std::string sent = Bytes(100000);
  std::vector<absl::Cord> buffers;
  std::vector<std::string> as_they_were;
  {
    Ends ends(check);
    Task sender(ends, [&] { return WriteAndEnd(ends.local(), sent, 2500); });
    for (size_t i = 0; true; ++i) {
      absl::StatusOr<absl::Cord> data = ends.remote().Read(100 + i * 37);
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      as_they_were.push_back(std::string(*data));
      buffers.push_back(*std::move(data));
    }
    EXPECT_THAT(sender.Wait(), IsOk());
  }
  // Both flows are gone by now.
  for (size_t i = 0; i < buffers.size(); ++i) {
    ASSERT_EQ(buffers[i], as_they_were[i]) << "buffer " << i;
  }
}

FLOW_CONFORMANCE_CHECK(CountersCountWhatWasWrittenAndRead, kNothing) {
  Ends ends(check);
  EXPECT_EQ(ends.local().bytes_read(), 0);
  EXPECT_EQ(ends.local().bytes_written(), 0);
  const std::string sent = Bytes(5000);
  size_t total = 0;
  for (const size_t size : {1u, 10u, 511u, 512u, 5000u}) {
    Task sender(ends, [&] {
      return ends.local().Write(absl::string_view(sent).substr(0, size));
    });
    const Received received = ReadBytes(ends.remote(), size);
    ASSERT_THAT(received.outcome, IsOk());
    ASSERT_THAT(sender.Wait(), IsOk());
    total += size;
    EXPECT_EQ(ends.remote().bytes_read(), total);
    EXPECT_EQ(ends.local().bytes_written(), total);
  }
  EXPECT_THAT(ends.local().Write(""), IsOk());
  EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ends.remote().Read(), IsEof());
  EXPECT_THAT(ends.local().Write("Closed"), IsClosed());
  EXPECT_EQ(ends.remote().bytes_read(), total);
  EXPECT_EQ(ends.local().bytes_written(), total);
  EXPECT_EQ(ends.local().bytes_read(), 0);
  EXPECT_EQ(ends.remote().bytes_written(), 0);
}

FLOW_CONFORMANCE_CHECK(EmptyWritesDoNothing, kNothing) {
  Ends ends(check);
  absl::Cord empty;
  const auto write_nothing = [&] {
    EXPECT_THAT(ends.local().Write(""), IsOk());
    EXPECT_THAT(ends.local().Write(absl::Cord()), IsOk());
    EXPECT_THAT(ends.local().Writev(absl::Span<const absl::Cord>()), IsOk());
    EXPECT_THAT(ends.local().Writev({"", ""}), IsOk());
    EXPECT_THAT(ends.local().WriteFrom(&empty), IsOk());
  };
  write_nothing();
  Task reader(ends, [&] { return ends.remote().Read(); });
  write_nothing();
  EXPECT_EQ(ends.local().bytes_written(), 0);
  ASSERT_THAT(ends.local().Write("x"), IsOk());
  EXPECT_THAT(reader.Wait(), IsOkAndHolds("x"));
  EXPECT_EQ(ends.local().bytes_written(), 1);
}

// --- One reader and one writer, independent of each other

FLOW_CONFORMANCE_CHECK(ABlockedReadLeavesWritesFlowing, kNothing) {
  const std::string sent = Bytes(50000);
  Ends ends(check);
  Task reader(ends, [&] { return ends.local().Read(); });
  ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
  Task sender(ends, [&] { return ends.local().Write(sent); });
  ASSERT_TRUE(Same(ReadBytes(ends.remote(), sent.size()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
  ASSERT_THAT(ends.remote().Write("x"), IsOk());
  EXPECT_THAT(reader.Wait(), IsOkAndHolds("x"));
}

FLOW_CONFORMANCE_CHECK(ABlockedWriteLeavesReadsFlowing, kFull) {
  const std::string sent = Bytes(check.more_than_full());
  const std::string back = Bytes(50000, 2);
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  Task sender(ends,
              [&] { return ends.remote().Write(absl::string_view(back)); });
  ASSERT_TRUE(Same(ReadBytes(ends.local(), back.size()), back));
  EXPECT_THAT(sender.Wait(), IsOk());
  Received rest = ReadBytes(ends.remote(), sent.size() - 1);
  rest.bytes.insert(0, first.bytes);
  ASSERT_TRUE(Same(rest, sent));
  EXPECT_THAT(writer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ASecondReaderIsRefusedAndDisturbsNothing, kNothing) {
  Ends ends(check);
  Task one(ends, [&] { return ends.local().Read(); });
  Task other(ends, [&] { return ends.local().Read(); });
  while (!one.DoneWithin(absl::Milliseconds(1)) &&
         !other.DoneWithin(absl::Milliseconds(1)) && !check.hung()) {
  }
  // Which came first is the scheduler's choice.
  const bool one_is_second = one.DoneWithin(absl::ZeroDuration());
  ASSERT_THAT((one_is_second ? one : other).Wait(), IsBusy());
  Task sender(ends, [&] { return ends.remote().Write("x"); });
  EXPECT_THAT((one_is_second ? other : one).Wait(), IsOkAndHolds("x"));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ASecondWriterIsRefusedAndDisturbsNothing, kFull) {
  const std::string bytes[] = {Bytes(check.more_than_full(), 1),
                               Bytes(check.more_than_full(), 2)};
  Ends ends(check, Ends::kFillsUp);
  const auto write = [&](int i) {
    return ends.local().Write(absl::string_view(bytes[i]));
  };
  Task one(ends, [&] { return write(0); });
  Task other(ends, [&] { return write(1); });
  while (!one.DoneWithin(absl::Milliseconds(1)) &&
         !other.DoneWithin(absl::Milliseconds(1)) && !check.hung()) {
  }
  const bool one_is_second = one.DoneWithin(absl::ZeroDuration());
  ASSERT_THAT((one_is_second ? one : other).Wait(), IsBusy());
  ASSERT_TRUE(Same(ReadBytes(ends.remote(), check.more_than_full()),
                   bytes[one_is_second ? 1 : 0]));
  EXPECT_THAT((one_is_second ? other : one).Wait(), IsOk());
  EXPECT_EQ(ends.local().bytes_written(), check.more_than_full());
}

}  // namespace
}  // namespace flow::testing::conformance
