// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the library promises not to copy, counted: by address where bytes are,
// and by what is allocated (a copy needs memory to go to).

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/cord_flow.h"
#include "flow/cstruct.h"
#include "flow/cstruct_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/string_flow.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/copied_bytes.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::flow::testing::AllocationCounter;
using ::flow::testing::CopiedBytes;

constexpr size_t kSmallest = 512;  // the least that is shared
constexpr size_t kBlock = size_t{64} << 10;
constexpr size_t kPayload = size_t{1} << 20;

// A Cord of `n` adopted strings of `size` bytes.
absl::Cord LargeCord(size_t n, size_t size) {
  absl::Cord cord;
  for (size_t i = 0; i < n; ++i) {
    cord.Append(absl::Cord(std::string(size, static_cast<char>('a' + i % 26))));
  }
  return cord;
}

TEST(CopyFreeTest, AStringHandedOverByValueAndReadBackWhole) {
  for (const size_t size : {kSmallest, kBlock, kPayload}) {
    std::string data(size, 'x');
    const absl::string_view before = data;
    auto flow = MakeInputFlow(InputString(std::move(data)));
    AllocationCounter counter;
    absl::StatusOr<absl::Cord> read = flow->Read();
    EXPECT_LT(counter.bytes(), 200);
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(CopiedBytes(before, *read), 0) << size;
  }
}

TEST(CopyFreeTest, ACordThroughInputCordCopyAndOutputCord) {
  for (const size_t max_read : {kBlock, kNoLimit}) {
    const absl::Cord in = LargeCord(16, kBlock);
    absl::Cord out;
    auto source = MakeInputFlow(InputCord(in));
    auto sink = MakeCordFlow(absl::Cord(), &out);
    CopyOptions options;
    options.max_read = max_read;
    AllocationCounter counter;
    ASSERT_THAT(Copy(*source, *sink, options).status, IsOk());
    EXPECT_LT(counter.bytes(), kBlock);  // nodes of the tree, no payload
    EXPECT_EQ(out, in);
    EXPECT_EQ(CopiedBytes(in, out), 0);
  }
}

TEST(CopyFreeTest, WritevOfLargeCordsIntoAnOutputByTheBuffer) {
  const std::vector<absl::Cord> cords = {
      LargeCord(1, kSmallest), LargeCord(1, kBlock), LargeCord(4, kBlock)};
  std::vector<absl::Cord> taken;
  taken.reserve(cords.size());
  FunctionFlowOptions options;
  options.output = Output::Buffers([&](absl::Cord buffer) -> absl::Status {
    taken.push_back(std::move(buffer));
    return absl::OkStatus();
  });
  auto flow = MakeFunctionFlow(std::move(options));
  AllocationCounter counter;
  ASSERT_TRUE(flow->Writev(cords).ok());  // a matcher would allocate
  EXPECT_EQ(counter.blocks(), 0);
  ASSERT_EQ(taken.size(), cords.size());
  for (size_t i = 0; i < cords.size(); ++i) {
    EXPECT_EQ(CopiedBytes(cords[i], taken[i]), 0);
  }
}

TEST(CopyFreeTest, AStringRvalueWrittenIntoAnOutputByTheBuffer) {
  absl::Cord taken;
  auto flow = MakeCordFlow(absl::Cord(), &taken);
  std::string data(kPayload, 'x');
  const absl::string_view before = data;
  ASSERT_THAT(flow->Write(std::move(data)), IsOk());
  EXPECT_EQ(CopiedBytes(before, taken), 0);
}

TEST(CopyFreeTest, AFillByTheByteReadOnceAndHandedOver) {
  absl::Span<char> filled;
  auto flow = MakeInputFlow(
      Input::Bytes([&](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        std::memset(buffer.data(), 'x', buffer.size());
        filled = buffer;
        return buffer.size();
      }));
  for (int i = 0; i < 8; ++i) {
    AllocationCounter counter;
    absl::StatusOr<absl::Cord> read = flow->Read();
    // The buffer that is handed over, and the node that hands it over. A buffer
    // that nobody has any more is filled again, if it is not too small.
    EXPECT_EQ(counter.blocks(), i > 4 ? 1 : 2) << i;
    EXPECT_LT(counter.bytes(), filled.size() + 100);
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(
        CopiedBytes(absl::string_view(filled.data(), filled.size()), *read), 0);
  }
}

TEST(CopyFreeTest, BorrowedBytesIntoAnOutputByTheByteAreShownWhereTheyAre) {
  const std::string data(kPayload, 'x');
  const char* shown = nullptr;
  FunctionFlowOptions options;
  options.output = Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        shown = bytes.data();
        return bytes.size();
      });
  auto flow = MakeFunctionFlow(std::move(options));
  AllocationCounter counter;
  ASSERT_TRUE(flow->Write(data).ok());
  EXPECT_EQ(shown, data.data());
  EXPECT_EQ(counter.blocks(), 0);
}

TEST(CopyFreeTest, ACstructWithOneOwnerReadBackWhole) {
  Cstruct data = Cstruct::Create(kBlock);
  const absl::string_view before = data.view();
  auto flow = MakeCstructFlow(std::move(data), Cstruct());
  absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(CopiedBytes(before, *read), 0);
}

// Upstream's read of 5 bytes pins the 4 KiB that it was read into.
TEST(CopyFreeTest, AReadOfFiveBytesDoesNotPinABlock) {
  for (const size_t filled : {size_t{5}, size_t{100}, kSmallest - 1}) {
    auto flow = MakeInputFlow(
        Input::Bytes([=](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
          std::memset(buffer.data(), 'x', filled);
          return filled;
        }));
    absl::StatusOr<absl::Cord> read = flow->Read();
    ASSERT_THAT(read, IsOk());
    EXPECT_LT(read->EstimatedMemoryUsage(), filled + 100);
  }
}

TEST(AllocationTest, SmallReadsReuseTheBlockThatNobodyHasSeen) {
  auto flow = MakeInputFlow(
      Input::Bytes([](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        buffer[0] = 'x';
        return size_t{1};
      }));
  ASSERT_TRUE(flow->Read().ok());
  AllocationCounter counter;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(flow->Read().ok());
  EXPECT_EQ(counter.blocks(), 0);
}

TEST(AllocationTest, CallsThatNeitherBlockNorFailAllocateNothing) {
  FunctionFlowOptions options;
  options.input = Input::Buffers([]() -> absl::StatusOr<absl::Cord> {
    return absl::Cord("x");  // small enough to need no block
  });
  options.output =
      Output::Bytes([](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        return bytes.size();
      });
  auto flow = MakeFunctionFlow(std::move(options));
  const std::array<absl::string_view, 3> views = {"a", "b", "c"};
  absl::Cord source("small");
  AllocationCounter counter;
  ASSERT_TRUE(flow->Read().ok());
  ASSERT_TRUE(flow->Write("x").ok());
  ASSERT_TRUE(flow->Write("").ok());
  ASSERT_TRUE(flow->Writev(views).ok());
  ASSERT_TRUE(flow->WriteFrom(&source).ok());
  EXPECT_EQ(counter.blocks(), 0);
}

}  // namespace
}  // namespace flow
