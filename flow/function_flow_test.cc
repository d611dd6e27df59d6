// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// docs/semantics.md, "Function flows", rule by rule. What the base keeps for
// every flow is in flow_test.cc, how a function flow ends in
// function_flow_close_test.cc, what functions do that call their own flow in
// function_flow_reentrancy_test.cc, what two threads do in
// function_flow_threads_test.cc.

#include "flow/function_flow.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/buffer_size.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// An Input by the byte that yields `chunks`, one a call, then end-of-file.
Input Chunks(std::vector<std::string> chunks) {
  return Input::Bytes(
      [chunks = std::move(chunks), next = size_t{0}](
          absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
        if (next == chunks.size()) return size_t{0};
        std::string& chunk = chunks[next];
        const size_t n = std::min(chunk.size(), buffer.size());
        std::memcpy(buffer.data(), chunk.data(), n);
        chunk.erase(0, n);
        if (chunk.empty()) ++next;
        return n;
      });
}

// An Output by the byte that takes at most `most` bytes a call.
Output Appending(std::string* sink, size_t most = kNoLimit) {
  return Output::Bytes(
      [=](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        const size_t n = std::min(bytes.size(), most);
        sink->append(bytes.data(), n);
        return n;
      });
}

Output Collecting(std::vector<std::string>* sink) {
  return Output::Buffers([=](absl::Cord buffer) -> absl::Status {
    sink->emplace_back(buffer);
    return absl::OkStatus();
  });
}

// --- Without functions

TEST(FunctionFlowTest, WithoutInputReadIsEndOfFileAtOnce) {
  auto flow = MakeFunctionFlow({});
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(FunctionFlowTest, WithoutOutputWriteIsClosed) {
  auto flow = MakeFunctionFlow({});
  EXPECT_THAT(flow->Write("x"), IsClosed());
  EXPECT_THAT(flow->Write(absl::Cord("x")), IsClosed());
  EXPECT_EQ(flow->bytes_written(), 0);
}

TEST(FunctionFlowTest, AnEmptyFunctionIsInvalidArgumentAndNoCrash) {
  FunctionFlowOptions options;
  options.input = Input::Buffers(std::function<absl::StatusOr<absl::Cord>()>());
  options.output =
      Output::Buffers(static_cast<absl::Status (*)(absl::Cord)>(nullptr));
  auto flow = MakeFunctionFlow(std::move(options));
  char space[4];
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(flow->Read(), invalid);
  EXPECT_THAT(flow->Write("x"), invalid);

  using Next = std::function<absl::StatusOr<absl::Cord>()>;
  flow = MakeInputFlow(Input::Buffers(Next()));
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), invalid);
  flow = MakeInputFlow(Input::Buffers(Next([] { return absl::Cord("none"); })));
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(4));

  using Fill = std::function<absl::StatusOr<size_t>(absl::Span<char>)>;
  flow = MakeInputFlow(Input::Bytes(Fill()));
  EXPECT_THAT(flow->Read(), invalid);
  flow = MakeInputFlow(Input::Bytes(Fill()));
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), invalid);

  using Consume = std::function<absl::StatusOr<size_t>(absl::Span<const char>)>;
  flow = MakeOutputFlow(Output::Bytes(Consume()));
  EXPECT_THAT(flow->Write("x"), invalid);
}

TEST(FunctionFlowTest, ANullEndOrCloseFunctionIsAsNone) {
  FunctionFlowOptions options;
  options.output = Output::Buffers(
      [](absl::Cord) -> absl::Status { return absl::OkStatus(); },
      std::function<absl::Status()>());
  options.close = std::function<void()>();
  EXPECT_THAT(MakeFunctionFlow(std::move(options))->Close(), IsOk());
  FunctionFlowOptions pointers;
  pointers.output = Output::Buffers(
      [](absl::Cord) -> absl::Status { return absl::OkStatus(); },
      static_cast<void (*)()>(nullptr));
  pointers.close = nullptr;
  EXPECT_THAT(MakeFunctionFlow(std::move(pointers))->Close(), IsOk());
}

// A functor that could be made of a null pointer, but is none.
struct FromPointer {
  explicit FromPointer(const char* text) : text(text) {}
  absl::StatusOr<absl::Cord> operator()() {
    return absl::Cord(std::exchange(text, ""));
  }
  const char* text;
};

TEST(FunctionFlowTest, TakesFunctorsMadeOfPointers) {
  auto flow = MakeInputFlow(Input::Buffers(FromPointer("abc")));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("abc"));
}

// --- Reading by the byte

TEST(ReadByTheByteTest, ReturnsEachFillAsItIsThenEndOfFile) {
  auto flow = MakeInputFlow(Chunks({"hello", "world"}));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("hello"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("world"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_EQ(flow->bytes_read(), 10);
}

// Upstream's `read` passes the length of a new buffer to refill although the
// buffer has shrunk to what the last read left of it, and runs past its end.
TEST(ReadByTheByteTest, EveryFillGetsAWholeBufferAlsoAfterAShortOne) {
  std::vector<size_t> offered;
  std::vector<std::string> data = {"hello", std::string(4092, 'x')};
  Input chunks = Chunks(data);
  auto inner = MakeInputFlow(std::move(chunks));
  EXPECT_THAT(inner->Read(), IsOkAndHolds("hello"));
  std::string rest;
  while (true) {
    absl::StatusOr<absl::Cord> read = inner->Read();
    ASSERT_THAT(read, IsOk());
    if (read->empty()) break;
    rest += std::string(*read);
  }
  EXPECT_EQ(rest, data[1]);

  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        offered.push_back(buffer.size());
        std::fill(buffer.begin(), buffer.end(), 'x');  // ASan looks on
        return size_t{5};
      }));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(flow->Read(), IsOkAndHolds("xxxxx"));
  EXPECT_THAT(offered, ::testing::Each(offered[0]));
  EXPECT_GT(offered[0], 4000);
}

TEST(ReadByTheByteTest, IsNeverGivenMoreSpaceThanTheReadAsksFor) {
  std::vector<size_t> offered;
  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        offered.push_back(buffer.size());
        std::fill(buffer.begin(), buffer.end(), 'x');
        return buffer.size();
      }));
  for (const size_t limit : {1, 15, 16, 511, 512, 3000, 7}) {
    EXPECT_THAT(flow->Read(limit), IsOkAndHolds(SizeIs(limit)));
  }
  EXPECT_THAT(offered, ElementsAre(1, 15, 16, 511, 512, 3000, 7));
}

TEST(ReadByTheByteTest, BuffersGrowOverABulkTransfer) {
  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        std::fill(buffer.begin(), buffer.end(), 'x');
        return buffer.size();
      }));
  size_t largest = 0;
  for (int i = 0; i < 10; ++i) {
    absl::StatusOr<absl::Cord> read = flow->Read();
    ASSERT_THAT(read, IsOk());
    largest = std::max(largest, read->size());
  }
  EXPECT_EQ(largest, internal::kMaxBlock);
}

// Upstream loops or raises.
TEST(ReadByTheByteTest, ACountLargerThanTheSpanIsInternalAndSticky) {
  for (const size_t excess : {size_t{1}, kNoLimit - 100000}) {
    auto flow = MakeInputFlow(
        Input::Bytes([=](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
          return buffer.size() + excess;
        }));
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kInternal,
                                       HasSubstr("claims to have filled")));
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kInternal));
    EXPECT_EQ(flow->bytes_read(), 0);
  }
}

TEST(ReadByTheByteTest, DataReadEarlierNeverChanges) {
  auto flow = MakeInputFlow(Input::Bytes(
      [n = 'a'](absl::Span<char> buffer) mutable -> absl::StatusOr<size_t> {
        std::fill(buffer.begin(), buffer.end(), n++);
        return size_t{3};
      }));
  absl::StatusOr<absl::Cord> first = flow->Read();
  absl::StatusOr<absl::Cord> second = flow->Read();
  EXPECT_THAT(first, IsOkAndHolds("aaa"));
  EXPECT_THAT(second, IsOkAndHolds("bbb"));
}

TEST(ReadByTheByteTest, AFailedFillLosesNothing) {
  int calls = 0;
  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        std::memcpy(buffer.data(), "abc", 3);
        if (++calls == 1) return absl::DeadlineExceededError("later");
        return size_t{3};
      }));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("abc"));
}

// --- Reading by the buffer

TEST(ReadByTheBufferTest, ABufferLargerThanTheLimitIsReturnedOverSeveral) {
  int calls = 0;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    return ++calls == 1 ? absl::Cord("abcdefgh") : absl::Cord();
  }));
  EXPECT_THAT(flow->Read(3), IsOkAndHolds("abc"));
  EXPECT_THAT(flow->Read(3), IsOkAndHolds("def"));
  EXPECT_THAT(flow->Read(3), IsOkAndHolds("gh"));
  EXPECT_EQ(calls, 1);
  EXPECT_THAT(flow->Read(3), IsEof());
}

// As frames do that share a header.
TEST(ReadByTheBufferTest, WhatWasReadIsGivenUpEvenIfAChunkComesAgainAndAgain) {
  const std::string bytes(70000, 'x');
  const size_t size = 1000 + bytes.size();
  const absl::Cord header = absl::MakeCordFromExternal(
      absl::string_view(bytes).substr(0, 1000), [] {});
  int given_up = 0;
  absl::Cord frames;
  for (int i = 0; i < 10; ++i) {
    frames.Append(header);
    frames.Append(absl::MakeCordFromExternal(bytes, [&] { ++given_up; }));
  }
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    return std::exchange(frames, absl::Cord());
  }));
  for (int i = 0; i < 10; ++i) {
    EXPECT_GE(given_up, i);
    EXPECT_THAT(flow->Read(size), IsOkAndHolds(SizeIs(size)));
  }
}

TEST(ReadByTheBufferTest, WhatIsLeftOverComesBeforeAnError) {
  int calls = 0;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    if (++calls == 1) return absl::Cord("ab");
    return absl::DataLossError("x");
  }));
  EXPECT_THAT(flow->Read(1), IsOkAndHolds("a"));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("b"));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ReadTest, DataAfterEndOfFileIsNeverSeen) {
  int calls = 0;
  auto flow = MakeInputFlow(Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    return ++calls == 1 ? absl::Cord() : absl::Cord("zombie");
  }));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_EQ(calls, 1);
}

TEST(ReadTest, AnErrorOfTheInputIsStickyAndNamesTheFlow) {
  FunctionFlowOptions options;
  options.name = "sensor";
  options.input = Input::Buffers([]() -> absl::StatusOr<absl::Cord> {
    return absl::UnavailableError("unplugged");
  });
  auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_THAT(
      flow->Read(),
      StatusIs(absl::StatusCode::kUnavailable,
               HasSubstr("function flow \"sensor\" [in: open, 0 bytes; out: "
                         "open, 0 bytes]: Read at byte 0: unplugged")));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kUnavailable));
}

// --- Writing by the byte

TEST(WriteByTheByteTest, ShowsTheRestUntilAllIsTaken) {
  std::string sink;
  auto flow = MakeOutputFlow(Appending(&sink, 3));
  EXPECT_THAT(flow->Write("abcdefgh"), IsOk());
  absl::Cord fragmented("0123");
  fragmented.Append(absl::MakeCordFromExternal("4567", [] {}));
  EXPECT_THAT(flow->Write(fragmented), IsOk());
  EXPECT_THAT(flow->Writev({"x", "", "yz"}), IsOk());
  EXPECT_EQ(sink, "abcdefgh01234567xyz");
  EXPECT_EQ(flow->bytes_written(), 19);
}

// Upstream loses the count.
TEST(WriteByTheByteTest, APartialWriteIsCountedThenClosed) {
  std::string sink;
  auto flow = MakeOutputFlow(Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        const size_t n = std::min(bytes.size(), 4 - sink.size());
        sink.append(bytes.data(), n);
        return n;
      }));
  absl::Cord source("abcdef");
  EXPECT_THAT(flow->WriteFrom(&source), IsClosed());
  EXPECT_EQ(sink, "abcd");
  EXPECT_EQ(source, "ef");
  EXPECT_EQ(flow->bytes_written(), 4);
  EXPECT_THAT(flow->Write("g"), IsClosed());
  EXPECT_EQ(sink, "abcd");
}

// Upstream loops or raises.
TEST(WriteByTheByteTest, AClaimOfMoreThanWasShownIsInternalAndSticky) {
  for (const size_t excess : {size_t{1}, kNoLimit - 100}) {
    auto flow = MakeOutputFlow(Output::Bytes(
        [=, calls = 0](
            absl::Span<const char> bytes) mutable -> absl::StatusOr<size_t> {
          return ++calls == 1 ? size_t{2} : bytes.size() + excess;
        }));
    absl::Cord source("abcdef");
    EXPECT_THAT(flow->WriteFrom(&source),
                StatusIs(absl::StatusCode::kInternal,
                         HasSubstr("claims to have taken")));
    EXPECT_EQ(source, "cdef");
    EXPECT_EQ(flow->bytes_written(), 2);
    EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kInternal));
  }
}

TEST(WriteByTheByteTest, WritevIsTheSameAsWritingTheConcatenation) {
  std::string one, other;
  const std::vector<std::string> pieces = {"a",  "", std::string(5000, 'b'),
                                           "cd", "", std::string(600, 'e')};
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  auto first = MakeOutputFlow(Appending(&one, 700));
  auto second = MakeOutputFlow(Appending(&other, 700));
  EXPECT_THAT(first->Writev(pieces), IsOk());
  EXPECT_THAT(second->Write(all), IsOk());
  EXPECT_EQ(one, other);
  EXPECT_EQ(first->bytes_written(), second->bytes_written());
}

// --- Writing by the buffer

TEST(WriteByTheBufferTest, CordsArriveOneByOne) {
  std::vector<std::string> sink;
  auto flow = MakeOutputFlow(Collecting(&sink));
  EXPECT_THAT(flow->Write(absl::Cord("ab")), IsOk());
  EXPECT_THAT(flow->Writev({absl::Cord("c"), absl::Cord(), absl::Cord("d")}),
              IsOk());
  EXPECT_THAT(sink, ElementsAre("ab", "c", "d"));
}

TEST(WriteByTheBufferTest, BorrowedBytesAreGatheredIntoLargeBuffers) {
  constexpr size_t kTotal = 3 * internal::kMaxBlock;
  std::vector<std::string> sink;
  auto flow = MakeOutputFlow(Collecting(&sink));
  EXPECT_THAT(flow->Writev({"a", "", "bc", "def"}), IsOk());
  EXPECT_THAT(sink, ElementsAre("abcdef"));
  sink.clear();
  std::string expected;
  for (size_t i = 0; i < kTotal; ++i) expected += static_cast<char>(i % 251);
  const absl::string_view all = expected;
  EXPECT_THAT(flow->Writev({all.substr(0, 1), all.substr(1, 100000), "",
                            all.substr(100001)}),
              IsOk());
  std::string joined;
  for (const std::string& piece : sink) {
    EXPECT_LE(piece.size(), internal::kMaxBlock);
    joined += piece;
  }
  EXPECT_EQ(joined, expected);
  EXPECT_LE(sink.size(), 4);
}

TEST(WriteByTheBufferTest, AnErrorMeansThatNoneOfThatBufferWasTaken) {
  int calls = 0;
  auto flow = MakeOutputFlow(Output::Buffers([&](absl::Cord) -> absl::Status {
    return ++calls == 2 ? absl::DeadlineExceededError("full")
                        : absl::OkStatus();
  }));
  EXPECT_THAT(flow->Writev({absl::Cord("ab"), absl::Cord("cde")}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(flow->bytes_written(), 2);
  absl::Cord rest("cde");
  EXPECT_THAT(flow->WriteFrom(&rest), IsOk());
  EXPECT_EQ(flow->bytes_written(), 5);
}

// --- What a function may not do

#if defined(__cpp_exceptions)
TEST(ThrowingFunctionDeathTest, EndsTheProgram) {
  auto flow = MakeInputFlow(Input::Buffers([]() -> absl::StatusOr<absl::Cord> {
    throw std::runtime_error("thrown by the input");
  }));
  EXPECT_DEATH(flow->Read().IgnoreError(), "thrown by the input");
}
#endif

// --- Move-only functions and names

TEST(FunctionFlowTest, TakesMoveOnlyFunctions) {
  auto owned = std::make_unique<std::string>("owned");
  auto flow = MakeInputFlow(Input::Buffers(
      [owned = std::move(owned)]() -> absl::StatusOr<absl::Cord> {
        return absl::Cord(std::exchange(*owned, ""));
      }));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("owned"));
  EXPECT_THAT(flow->Read(), IsEof());
}

TEST(FunctionFlowTest, IsNamedInItsDebugString) {
  EXPECT_THAT(MakeFunctionFlow({})->DebugString(),
              HasSubstr("function flow ["));
  FunctionFlowOptions options;
  options.name = "log";
  EXPECT_THAT(MakeFunctionFlow(std::move(options))->DebugString(),
              HasSubstr("function flow \"log\" ["));
}

// --- One direction

TEST(MakeInputFlowTest, ReadsAndTakesNothing) {
  const auto flow = MakeInputFlow(
      Input::Buffers([n = 0]() mutable -> absl::StatusOr<absl::Cord> {
        return absl::Cord(n++ == 0 ? "data" : "");
      }));
  EXPECT_THAT(flow->Read(), IsOkAndHolds("data"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("x"), IsClosed());
}

TEST(MakeOutputFlowTest, WritesAndHasNothingToRead) {
  absl::Cord out;
  const auto flow = MakeOutputFlow(Output::Buffers([&](absl::Cord data) {
    out.Append(std::move(data));
    return absl::OkStatus();
  }));
  EXPECT_THAT(flow->Write("data"), IsOk());
  EXPECT_EQ(out, "data");
  EXPECT_THAT(flow->Read(), IsEof());
}

}  // namespace
}  // namespace flow
