// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What is read pins at most twice its size and a constant, for every way to
// read: counted in blocks as malloc() made them. A limit on bytes is then a
// limit on memory.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::AllocationCounter;
using ::flow::testing::AllocationLimit;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FlowOf;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;

// What a Cord itself needs, and malloc() adds.
constexpr size_t kPerRead = 160;
// The block that a flow fills or takes from, and small things.
constexpr size_t kConstant = size_t{70} << 10;

constexpr size_t kMaxSegment = 5000;

absl::Cord Must(absl::StatusOr<absl::Cord> data) {
  ABSL_CHECK_OK(data);
  ABSL_CHECK(!data->empty());
  return *std::move(data);
}

// Reads `count` times, keeps one in `every` of what was read, and looks how
// much memory that holds.
void ExpectPinsLittle(size_t count, size_t every,
                      const std::function<absl::Cord()>& read) {
  std::vector<absl::Cord> kept;
  kept.reserve(count);
  size_t bytes = 0;
  AllocationCounter counter;
  for (size_t i = 0; i < count; ++i) {
    absl::Cord data = read();
    if (i % every != 0) continue;
    bytes += data.size();
    kept.push_back(std::move(data));
  }
  EXPECT_LE(
      counter.live_bytes(),
      static_cast<int64_t>(2 * bytes + kPerRead * kept.size() + kConstant))
      << bytes << " bytes in " << kept.size() << " reads";
}

// An input by the byte that fills `segment` bytes at a time, `total` in all.
Input Segments(size_t segment, size_t total) {
  return Input::Bytes(
      [=](absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
        const size_t n = std::min({segment, total, buffer.size()});
        std::memset(buffer.data(), 'x', n);
        total -= n;
        return n;
      });
}

TEST(PinnedMemoryTest, OfAFunctionByTheByte) {
  for (size_t segment = 1; segment <= kMaxSegment;
       segment += segment < 600 ? 1 : 7) {
    SCOPED_TRACE(segment);
    auto flow = MakeInputFlow(Segments(segment, kNoLimit));
    ExpectPinsLittle(100, 1, [&] { return Must(flow->Read()); });
    if (HasFailure()) return;
  }
}

TEST(PinnedMemoryTest, OfAFunctionByTheByteWithALimit) {
  for (const size_t limit : {1, 16, 511, 512, 513, 2000, 4096, 5000, 40000}) {
    SCOPED_TRACE(limit);
    auto flow = MakeInputFlow(Segments(kNoLimit, kNoLimit));
    ExpectPinsLittle(100, 1, [&] { return Must(flow->Read(limit)); });
  }
}

TEST(PinnedMemoryTest, OfAFunctionByTheBufferReadInParts) {
  for (const size_t limit : {16, 100, 600, 5000}) {
    SCOPED_TRACE(limit);
    auto flow =
        MakeInputFlow(Input::Buffers([]() -> absl::StatusOr<absl::Cord> {
          return absl::Cord(std::string(64 << 10, 'x'));
        }));
    ExpectPinsLittle(3000, 30, [&] { return Must(flow->Read(limit)); });
  }
}

TEST(PinnedMemoryTest, OfSocketsAndPipes) {
  const auto pair = [](int i) {
    return i == 0 ? RawUnix() : i == 1 ? RawTcp() : RawPipe();
  };
  for (int i = 0; i < 3; ++i) {
    SCOPED_TRACE(i);
    RawPair raw = pair(i);
    auto flow = FlowOf(raw.left);
    const std::string data(kMaxSegment, 'x');
    for (size_t segment = 1; segment <= kMaxSegment; segment += 7) {
      SCOPED_TRACE(segment);
      ExpectPinsLittle(50, 1, [&] {
        RawWrite(raw.right, absl::string_view(data).substr(0, segment));
        return Must(flow->Read());
      });
      if (HasFailure()) break;
    }
    ::close(raw.right);
  }
}

TEST(PinnedMemoryTest, OfReadAllWhateverTheSegments) {
  constexpr size_t kTotal = 100000;
  for (size_t segment = 1; segment <= kMaxSegment;
       segment += segment < 600 ? 1 : 13) {
    auto flow = MakeInputFlow(Segments(segment, kTotal));
    AllocationCounter counter;
    absl::StatusOr<absl::Cord> all = ReadAll(*flow, kTotal);
    ASSERT_TRUE(all.ok());
    ASSERT_EQ(all->size(), kTotal);
    // And a block that the flow goes on to use.
    ASSERT_LE(counter.live_bytes(), 2 * kTotal + 5000) << segment;
  }
}

TEST(PinnedMemoryTest, OfReadAllWhereTinyAndOtherSegmentsAlternate) {
  constexpr int kTimes = 200;
  auto flow = MakeInputFlow(Input::Bytes(
      [i = 0](absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
        if (++i > kTimes) return 0;
        const size_t n = i % 2 == 0 ? 600 : 1;
        std::memset(buffer.data(), 'x', n);
        return n;
      }));
  AllocationCounter counter;
  absl::StatusOr<absl::Cord> all = ReadAll(*flow, kNoLimit);
  ASSERT_TRUE(all.ok());
  EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * all->size() + 8192));
}

TEST(PinnedMemoryTest, OfAPipeWithBorrowedWrites) {
  for (size_t segment = 1; segment <= kMaxSegment; segment += 7) {
    SCOPED_TRACE(segment);
    const std::string data(segment, 'x');
    Pipe pipe = MakePipe(kNoLimit);
    ExpectPinsLittle(20, 1, [&] {
      for (int i = 0; i < 5; ++i) ABSL_CHECK_OK(pipe.left->Write(data));
      return Must(pipe.right->Read());
    });
    if (HasFailure()) return;
  }
}

TEST(PinnedMemoryTest, OfAPipeWhereTinyWritesAndSharedBuffersAlternate) {
  constexpr int kTimes = 100;
  for (const size_t tiny : {1, 16, 100, 511}) {
    for (const size_t shared : {512, 600, 4000}) {
      SCOPED_TRACE(tiny);
      SCOPED_TRACE(shared);
      Pipe pipe = MakePipe(kNoLimit);
      const std::string bytes(tiny, 't');
      AllocationCounter counter;
      for (int i = 0; i < kTimes; ++i) {
        ABSL_CHECK_OK(pipe.left->Write(bytes));
        ABSL_CHECK_OK(pipe.left->Write(absl::Cord(std::string(shared, 's'))));
      }
      const int64_t limit = 2 * kTimes * (tiny + shared) + 8192;
      EXPECT_LE(counter.live_bytes(), limit) << "queued";
      const absl::Cord all = Must(pipe.right->Read());
      EXPECT_EQ(all.size(), kTimes * (tiny + shared));
      EXPECT_LE(counter.live_bytes(), limit) << "read";
    }
  }
}

TEST(PinnedMemoryTest, OfAListOfCordsOfBothSizesInAPipe) {
  std::vector<absl::Cord> list;
  size_t size = 0;
  AllocationCounter counter;
  for (int i = 0; i < 200; ++i) {
    list.emplace_back(std::string(i % 2 == 0 ? 600 : 20, 'x'));
    size += list.back().size();
  }
  Pipe pipe = MakePipe(kNoLimit);
  ABSL_CHECK_OK(pipe.left->Writev(list));
  list.clear();
  EXPECT_LE(counter.live_bytes(), static_cast<int64_t>(2 * size + 16384));
}

TEST(PinnedMemoryTest, OfAPipeReadInParts) {
  const std::string data(64 << 10, 'x');
  for (const size_t limit : {16, 100, 511, 512, 600, 5000}) {
    SCOPED_TRACE(limit);
    Pipe pipe = MakePipe(kNoLimit);
    ExpectPinsLittle(3000, 30, [&] {
      if (pipe.right->bytes_read() == pipe.left->bytes_written()) {
        ABSL_CHECK_OK(pipe.left->Write(data));
      }
      return Must(pipe.right->Read(limit));
    });
  }
}

// A write that waits has its bytes in one block, of which each Read gets what
// there is room for.
TEST(PinnedMemoryTest, OfAPipeSmallerThanTheWrite) {
  const std::string data(60000, 'x');
  for (const size_t capacity : {100, 600, 5000}) {
    SCOPED_TRACE(capacity);
    Pipe pipe = MakePipe(capacity);
    pipe.left->SetWriteDeadline(absl::InfinitePast());
    ExpectPinsLittle(500, 1, [&] {
      pipe.left->Write(data).IgnoreError();
      return Must(pipe.right->Read());
    });
  }
}

// Nodes, and blocks that are not full.
constexpr size_t kSmallThings = 16 << 10;

// The most that a pipe holds while more passes than fits: its capacity, one
// buffer, and a constant.
TEST(PinnedMemoryTest, OfAPipeAtItsPeak) {
  for (const size_t capacity : {4 << 10, 64 << 10, 256 << 10}) {
    for (const size_t size : {1, 64, 511, 4 << 10, 64 << 10, 1 << 20}) {
      for (const bool is_cord : {false, true}) {
        SCOPED_TRACE(absl::StrCat("capacity ", capacity, ", buffers of ", size,
                                  is_cord ? ", Cords" : ", borrowed"));
        if (!is_cord && size > capacity) continue;  // would have to wait
        const std::string data(size, 'x');
        Pipe pipe = MakePipe(capacity);
        const auto queued = [&] {
          return static_cast<size_t>(pipe.left->bytes_in_transit());
        };
        AllocationCounter counter;
        int64_t peak = 0;
        for (size_t passed = 0; passed < 3 * (capacity + size);) {
          while (queued() + (is_cord ? 1 : size) <= capacity) {
            ABSL_CHECK_OK(is_cord ? pipe.left->Write(absl::Cord(data))
                                  : pipe.left->Write(data));
            peak = std::max(peak, counter.live_bytes());
          }
          passed += Must(pipe.right->Read(capacity / 3)).size();
        }
        EXPECT_GT(peak, static_cast<int64_t>(capacity / 2));
        EXPECT_LE(peak, static_cast<int64_t>(capacity + size + kSmallThings));
      }
    }
  }
}

TEST(PinnedMemoryTest, OfAPipeThatStaysFullOfTinyPieces) {
  constexpr size_t kQueued = 200000;
  constexpr size_t kTiny = 10;
  AllocationCounter counter;
  Pipe pipe = MakePipe(kNoLimit);
  ABSL_CHECK_OK(pipe.left->Write(absl::Cord(std::string(kQueued, 'x'))));
  const std::string data(kTiny, 'x');
  for (size_t passed = 0; passed < kQueued; passed += kTiny) {
    ABSL_CHECK_OK(pipe.left->Write(data));
    EXPECT_EQ(Must(pipe.right->Read(kTiny)).size(), kTiny);
  }
  EXPECT_LE(counter.live_bytes(),
            static_cast<int64_t>(2 * kQueued + kConstant));
}

// What a pipe holds once everything was read: a small block for each end that
// wrote borrowed bytes.
TEST(PinnedMemoryTest, OfAPipeThatIsIdle) {
  for (const size_t size : {1, 64, 511, 512, 4 << 10, 64 << 10, 256 << 10}) {
    SCOPED_TRACE(size);
    const std::string data(size, 'x');
    Pipe pipe = MakePipe();
    AllocationCounter counter;
    for (const auto& [from, to] :
         {std::pair(&pipe.left, &pipe.right), {&pipe.right, &pipe.left}}) {
      for (int i = 0; i < 3; ++i) {
        ABSL_CHECK_OK((*from)->Write(data));
        while ((*from)->bytes_in_transit() != 0) Must((*to)->Read());
      }
    }
    EXPECT_LE(counter.live_bytes(), 2 * (4096 + 64));
  }
}

// A write that is given up has copied more than it handed over.
TEST(PinnedMemoryTest, OfAPipeWhoseWritesAreGivenUp) {
  for (const size_t capacity : {4 << 10, 64 << 10, 256 << 10}) {
    for (const size_t size : {4 << 10, 64 << 10, 1 << 20}) {
      for (const size_t part : {size_t{100}, size_t{1000}, capacity / 3}) {
        SCOPED_TRACE(absl::StrCat("capacity ", capacity, ", writes of ", size,
                                  ", reads of ", part));
        const std::string data(size, 'x');
        Pipe pipe = MakePipe(capacity);
        pipe.left->SetWriteDeadline(absl::InfinitePast());
        AllocationCounter counter;
        int64_t peak = 0;
        for (int i = 0; i < 300; ++i) {
          while (pipe.left->Write(data).ok()) {
          }
          peak = std::max(peak, counter.live_bytes());
          Must(pipe.right->Read(part));
        }
        EXPECT_GE(peak, static_cast<int64_t>(capacity));
        EXPECT_LE(peak, static_cast<int64_t>(2 * capacity + kSmallThings));
      }
    }
  }
}

class PinnedByAChannelTest : public ::testing::TestWithParam<size_t> {
 protected:
  // A channel on an endless stream in whole blocks.
  static std::unique_ptr<Channel> Endless() {
    return MakeChannel(MakeInputFlow(Segments(kNoLimit, kNoLimit)));
  }
  const size_t n_ = GetParam();
};

TEST_P(PinnedByAChannelTest, ReadExactly) {
  auto channel = Endless();
  ExpectPinsLittle(3000, 30, [&] { return Must(channel->ReadExactly(n_)); });
}

TEST_P(PinnedByAChannelTest, Peek) {
  auto channel = Endless();
  ExpectPinsLittle(3000, 30, [&] {
    absl::Cord peeked = Must(channel->Peek(n_));
    Must(channel->ReadExactly(n_));
    return peeked;
  });
}

TEST_P(PinnedByAChannelTest, ReadAfterPeek) {
  auto channel = Endless();
  ExpectPinsLittle(3000, 30, [&] {
    Must(channel->Peek(1));
    return Must(channel->Read(n_));
  });
}

// What is left of a block after a part of it was read.
TEST_P(PinnedByAChannelTest, TheRestOfABlock) {
  auto channel = Endless();
  Must(channel->Peek(1));
  ExpectPinsLittle(100, 1, [&] {
    const size_t buffered = Must(channel->Peek(1 << 16)).size();
    Must(channel->ReadExactly(buffered - n_));
    return Must(channel->Read());
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, PinnedByAChannelTest,
                         ::testing::Values(16, 100, 511, 512, 600, 2000, 5000,
                                           20000, 65000));

TEST(PinnedMemoryTest, OfAChannelThatIsAskedForMoreThanABlock) {
  auto channel = MakeChannel(MakeInputFlow(Segments(kNoLimit, kNoLimit)));
  ExpectPinsLittle(1000, 20, [&] { return Must(channel->ReadExactly(70000)); });
}

TEST(PinnedMemoryTest, OfWhatAChannelBuffersToWrite) {
  Pipe pipe = MakePipe(kNoLimit);
  auto channel = MakeChannel(std::move(pipe.left));
  AllocationCounter counter;
  for (int i = 0; i < 100; ++i) {
    ABSL_CHECK_OK(channel->WriteBuffered("x"));
    ABSL_CHECK_OK(channel->WriteBuffered(absl::Cord(std::string(600, 'x'))));
  }
  EXPECT_LE(counter.live_bytes(), 2 * 601 * 100 + 8192);
}

// What was handed over as a Cord, and is larger than what this library makes,
// is shared in parts, too.
TEST(PinnedMemoryTest, ALargeBufferThatWasHandedOverIsNotCopied) {
  constexpr size_t kPart = 4096;
  const absl::Cord large(std::string(1 << 20, 'x'));
  const auto next = [&]() -> absl::StatusOr<absl::Cord> { return large; };

  auto function = MakeInputFlow(Input::Buffers(next));
  Pipe pipe = MakePipe();
  ABSL_CHECK_OK(pipe.left->Write(large));
  auto channel = MakeChannel(MakeInputFlow(Input::Buffers(next)));
  for (size_t at = 0; at < 10 * kPart; at += kPart) {
    const absl::Cord part = large.Subcord(at, kPart);
    EXPECT_EQ(CopiedBytes(part, Must(function->Read(kPart))), 0);
    EXPECT_EQ(CopiedBytes(part, Must(pipe.right->Read(kPart))), 0);
    EXPECT_EQ(CopiedBytes(part, Must(channel->ReadExactly(kPart))), 0);
  }
}

// The memory of what is read is allocated first, so nothing is lost with it.
TEST(OutOfMemoryTest, AReadWithoutABlockIsResourceExhaustedAndTakesNothing) {
  const RawPair socket = RawUnix();
  const RawPair pipe = RawPipe();
  RawWrite(socket.right, "x");
  RawWrite(pipe.right, "x");
  int calls = 0;
  std::vector<std::unique_ptr<Flow>> flows;
  flows.push_back(FlowOf(socket.left));
  flows.push_back(FlowOf(pipe.left));
  flows.push_back(MakeInputFlow(
      Input::Bytes([&](absl::Span<char>) -> absl::StatusOr<size_t> {
        ++calls;
        return 0;
      })));
  for (const std::unique_ptr<Flow>& flow : flows) {
    SCOPED_TRACE(flow->DebugString());
    {
      AllocationLimit limit(4096);
      EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kResourceExhausted));
    }
    EXPECT_EQ(flow->bytes_read(), 0);
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kResourceExhausted))
        << "it stays";
  }
  EXPECT_EQ(calls, 0);
  int pending = 0;
  ASSERT_EQ(::ioctl(socket.left, FIONREAD, &pending), 0);
  EXPECT_EQ(pending, 1);
  EXPECT_THAT(flows[0]->Write("still works"), IsOk());
  ::close(socket.right);
  ::close(pipe.right);
}

}  // namespace
}  // namespace flow
