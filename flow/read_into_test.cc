// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Flow::ReadInto(): the contract of Read() with memory of the caller.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AllocationCounter;
using ::flow::testing::IsClosed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kLate = absl::StatusCode::kDeadlineExceeded;

// What a ReadInto() of at most `size` bytes puts into memory.
absl::StatusOr<std::string> Take(Flow& flow, size_t size) {
  std::string space(size, '\0');
  const absl::StatusOr<size_t> n = flow.ReadInto(absl::MakeSpan(space));
  if (!n.ok()) return n.status();
  EXPECT_LE(*n, size);
  // What lies behind is left alone.
  EXPECT_EQ(space.find_first_not_of('\0', *n), std::string::npos);
  return space.substr(0, *n);
}

// --- On a pipe

TEST(ReadIntoTest, ReturnsWhatThereIsUpToItsSpaceThenZeroAtTheEnd) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("abcde"), IsOk());
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(Take(*pipe.right, 2), IsOkAndHolds("ab"));
  EXPECT_EQ(pipe.right->bytes_read(), 2);
  EXPECT_THAT(Take(*pipe.right, 100), IsOkAndHolds("cde"));
  EXPECT_EQ(pipe.right->bytes_read(), 5);
  EXPECT_THAT(Take(*pipe.right, 100), IsOkAndHolds(""));
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds(""));
  EXPECT_EQ(pipe.right->bytes_read(), 5);
}

TEST(ReadIntoTest, MixesWithRead) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("abcdef"), IsOk());
  EXPECT_THAT(Take(*pipe.right, 2), IsOkAndHolds("ab"));
  EXPECT_THAT(pipe.right->Read(2), IsOkAndHolds("cd"));
  EXPECT_THAT(Take(*pipe.right, 2), IsOkAndHolds("ef"));
}

TEST(ReadIntoTest, OfNoSpaceIsInvalidArgumentAndDisturbsNothing) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.right->ReadInto({}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Read of at most 0 bytes")));
  ASSERT_THAT(pipe.left->Write("x"), IsOk());
  EXPECT_THAT(Take(*pipe.right, 1), IsOkAndHolds("x"));
}

TEST(ReadIntoTest, DeliversDataBeforeTheError) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("ab"), IsOk());
  pipe.left->Abort(absl::DataLossError("disk on fire"));
  EXPECT_THAT(Take(*pipe.right, 1), IsOkAndHolds("a"));
  EXPECT_THAT(Take(*pipe.right, 1), IsOkAndHolds("b"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Take(*pipe.right, 1),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr("Read at byte 2: disk on fire")));
  }
}

TEST(ReadIntoTest, ADeadlineDoesNotStayAndLosesNothing) {
  Pipe pipe = MakePipe();
  pipe.right->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(Take(*pipe.right, 1), StatusIs(kLate));
  ASSERT_THAT(pipe.left->Write("x"), IsOk());
  // It need not wait.
  EXPECT_THAT(Take(*pipe.right, 1), IsOkAndHolds("x"));
  EXPECT_THAT(Take(*pipe.right, 1), StatusIs(kLate));
}

TEST(ReadIntoTest, AfterCloseIsClosed) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.right->Close(), IsOk());
  EXPECT_THAT(Take(*pipe.right, 1).status(), IsClosed());
}

// A ReadInto() of the right end that waits on another thread.
class WaitingReadInto {
 public:
  WaitingReadInto()
      : reader_([this] { result_ = pipe.right->ReadInto(space_); }) {
    while (pipe.right->DebugString().find("in Read()") == std::string::npos) {
      std::this_thread::yield();
    }
  }

  absl::StatusOr<size_t> Result() {
    reader_.join();
    return result_;
  }

  Pipe pipe = MakePipe();

 private:
  std::array<char, 8> storage_;
  absl::Span<char> space_ = absl::MakeSpan(storage_);
  absl::StatusOr<size_t> result_ = size_t{99};
  std::thread reader_;  // last, since it uses the others
};

TEST(ReadIntoTest, WaitsForData) {
  WaitingReadInto reader;
  ASSERT_THAT(reader.pipe.left->Write("abc"), IsOk());
  EXPECT_THAT(reader.Result(), IsOkAndHolds(3u));
}

TEST(ReadIntoTest, ASecondReaderIsRefusedAndDisturbsNothing) {
  WaitingReadInto reader;
  EXPECT_THAT(Take(*reader.pipe.right, 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(reader.pipe.right->Read(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(reader.pipe.left->Write("abc"), IsOk());
  EXPECT_THAT(reader.Result(), IsOkAndHolds(3u));
}

TEST(ReadIntoTest, ARefusalWakesItWithEndOfFile) {
  WaitingReadInto reader;
  ASSERT_THAT(reader.pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(reader.Result(), IsOkAndHolds(0u));
}

TEST(ReadIntoTest, AnAbortWakesItWithItsReason) {
  WaitingReadInto reader;
  reader.pipe.right->Abort(absl::CancelledError("stop"));
  EXPECT_THAT(reader.Result(), StatusIs(absl::StatusCode::kCancelled, "stop"));
}

TEST(ReadIntoTest, ADeadlineThatIsSetLaterWakesIt) {
  WaitingReadInto reader;
  reader.pipe.right->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(reader.Result(), StatusIs(kLate));
}

TEST(ReadIntoTest, OfAllThatIsQueuedAllocatesNothing) {
  Pipe pipe = MakePipe();
  std::array<char, 4096> space;
  const std::string text(1000, 'x');
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(pipe.left->Write(text), IsOk());
    AllocationCounter counter;
    const absl::StatusOr<size_t> n =
        pipe.right->ReadInto(absl::MakeSpan(space));
    EXPECT_EQ(counter.blocks(), 0);
    ASSERT_THAT(n, IsOkAndHolds(text.size()));
  }
}

// A copy would need memory to go to.
TEST(ReadIntoTest, OfAPartCopiesItOnce) {
  Pipe pipe = MakePipe();
  std::array<char, 100> space;
  ASSERT_THAT(pipe.left->Write(std::string(60000, 'x')), IsOk());
  for (int i = 0; i < 600; ++i) {
    AllocationCounter counter;
    const absl::StatusOr<size_t> n =
        pipe.right->ReadInto(absl::MakeSpan(space));
    // Nodes that refer to the rest, and no block for the bytes.
    EXPECT_LE(counter.blocks(), 2);
    EXPECT_LT(counter.bytes(), 100);
    ASSERT_THAT(n, IsOkAndHolds(space.size()));
  }
}

// --- On functions

TEST(ReadIntoTest, AnInputByTheByteFillsTheMemoryOfTheCaller) {
  std::array<char, 4> space;
  std::vector<const char*> offered;
  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        offered.push_back(buffer.data());
        EXPECT_EQ(buffer.size(), space.size());
        std::memcpy(buffer.data(), "ab", 2);
        return size_t{2};
      }));
  AllocationCounter counter;
  const absl::StatusOr<size_t> n = flow->ReadInto(absl::MakeSpan(space));
  EXPECT_LE(counter.blocks(), 1);  // of `offered`
  EXPECT_THAT(n, IsOkAndHolds(2u));
  EXPECT_THAT(offered, ElementsAre(space.data()));
  EXPECT_EQ(absl::string_view(space.data(), 2), "ab");
  EXPECT_EQ(flow->bytes_read(), 2);
}

TEST(ReadIntoTest, ACountBeyondItsSpaceIsInternalAndSticky) {
  auto flow = MakeInputFlow(
      Input::Bytes([](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        return buffer.size() + 1;
      }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(Take(*flow, 3), StatusIs(absl::StatusCode::kInternal,
                                         HasSubstr("claims to have filled")));
  }
  EXPECT_EQ(flow->bytes_read(), 0);
}

TEST(ReadIntoTest, WithoutInputIsEndOfFile) {
  EXPECT_THAT(Take(*MakeFunctionFlow({}), 1), IsOkAndHolds(""));
}

TEST(ReadIntoTest, ALongBufferIsReadInPartsWithoutMemory) {
  constexpr size_t kSize = 100000;
  std::vector<size_t> asked;
  asked.reserve(10);
  absl::Cord source(std::string(kSize, 'x'));
  auto flow = MakeInputFlow(
      Input::Buffers([&](size_t max_bytes) -> absl::StatusOr<absl::Cord> {
        asked.push_back(max_bytes);
        return std::exchange(source, absl::Cord());
      }));
  std::array<char, 1000> space;
  AllocationCounter counter;
  for (size_t read = 0; read < kSize; read += space.size()) {
    const absl::StatusOr<size_t> n = flow->ReadInto(absl::MakeSpan(space));
    ASSERT_TRUE(n.ok());
    ASSERT_EQ(*n, space.size());
  }
  EXPECT_EQ(counter.blocks(), 0);
  EXPECT_THAT(asked, ElementsAre(1000u));
  EXPECT_THAT(Take(*flow, 1), IsOkAndHolds(""));
}

TEST(ReadIntoTest, FragmentsComeInOrderHoweverTheyAreRead) {
  constexpr absl::string_view kLetters = "abcdefghijklmnopqrstuvwxyz";
  absl::Cord source;
  std::string expected;
  for (size_t i = 0; i < kLetters.size(); ++i) {
    source.Append(absl::MakeCordFromExternal(kLetters.substr(i), [] {}));
    expected += std::string(kLetters.substr(i));
  }
  for (size_t size = 1; size < 30; ++size) {
    auto flow = MakeInputFlow(
        Input::Buffers([rest = source]() mutable -> absl::StatusOr<absl::Cord> {
          return std::exchange(rest, absl::Cord());
        }));
    std::string all;
    // Every third one by Read().
    for (int i = 0; all.size() < expected.size(); ++i) {
      if (i % 3 == 2) {
        absl::StatusOr<absl::Cord> data = flow->Read(size);
        ASSERT_THAT(data, IsOk());
        all += std::string(*data);
      } else {
        absl::StatusOr<std::string> data = Take(*flow, size);
        ASSERT_THAT(data, IsOk());
        all += *data;
      }
    }
    EXPECT_EQ(all, expected) << size;
    EXPECT_THAT(Take(*flow, size), IsOkAndHolds(""));
  }
}

TEST(ReadIntoTest, ErrorsOfAnInputByTheBufferComeAfterItsData) {
  int calls = 0;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    if (++calls == 1) return absl::Cord("ab");
    return absl::UnavailableError("unplugged");
  }));
  EXPECT_THAT(Take(*flow, 1), IsOkAndHolds("a"));
  EXPECT_THAT(Take(*flow, 1), IsOkAndHolds("b"));
  EXPECT_THAT(Take(*flow, 1), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Take(*flow, 1), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace flow
