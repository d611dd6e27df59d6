// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies inside the kernel from and to files (docs/semantics.md, "Inside the
// kernel"): offsets, files that change meanwhile, and what the kernel refuses.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/copy_ends.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::flow::testing::CopySink;
using ::flow::testing::CopySource;
using ::flow::testing::EndKind;
using ::flow::testing::FileFlow;
using ::flow::testing::FlowOf;
using ::flow::testing::kLarge;
using ::flow::testing::kMedium;
using ::flow::testing::kQueued;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawContents;
using ::flow::testing::RawDuplicate;
using ::flow::testing::RawFile;
using ::flow::testing::RawNull;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReopen;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SetNonBlocking;
using ::testing::HasSubstr;

// --- Files

TEST(CopyInKernelFileTest, OneWithoutASizeIsCopiedWhole) {
  const int fd = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  CopySink sink(EndKind::kFile);
  EXPECT_THAT(Copy(*FlowOf(fd), *sink.flow).status, IsOk());
  EXPECT_THAT(sink.End(), HasSubstr("copy_in_kernel_files_test"));
}

TEST(CopyInKernelFileTest, TheOffsetsOfBothMoveByWhatWasCopied) {
  const std::string bytes = PatternString(0, kLarge);
  for (const bool through_memory : {false, true}) {
    const int from = RawFile(bytes);
    const int to = RawFile();
    auto source = FlowOf(RawDuplicate(from));
    auto sink = FlowOf(RawDuplicate(to));
    CopyOptions options;
    options.through_memory = through_memory;
    options.max_bytes = kLarge - 100;
    EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
    EXPECT_EQ(::lseek(from, 0, SEEK_CUR), kLarge - 100);
    EXPECT_EQ(::lseek(to, 0, SEEK_CUR), kLarge - 100);
    options.max_bytes = CopyOptions().max_bytes;
    EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
    EXPECT_EQ(::lseek(from, 0, SEEK_CUR), kLarge);
    EXPECT_EQ(::lseek(to, 0, SEEK_CUR), kLarge);
    EXPECT_TRUE(RawContents(to) == bytes);
    ::close(from);
    ::close(to);
  }
}

// Numbers, of which each comes once.
std::string Numbers(uint64_t first, size_t count) {
  std::string bytes(count * sizeof(uint64_t), '\0');
  for (size_t i = 0; i < count; ++i) {
    const uint64_t number = first + i;
    std::memcpy(&bytes[i * sizeof(number)], &number, sizeof(number));
  }
  return bytes;
}

std::vector<uint64_t> Sorted(const std::string& bytes) {
  std::vector<uint64_t> numbers(bytes.size() / sizeof(uint64_t));
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(uint64_t));
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

TEST(CopyInKernelFileTest, TwoThatShareAnOffsetShareTheBytes) {
  const std::string numbers = Numbers(0, size_t{1} << 18);
  const int from = RawFile("12345678" + numbers);
  ABSL_PCHECK(::lseek(from, 8, SEEK_SET) == 8);  // as after a header
  std::string received[2];
  std::vector<std::thread> threads;
  for (std::string& bytes : received) {
    threads.emplace_back([&bytes, from] {
      auto source = FlowOf(RawDuplicate(from));
      CopySink sink(EndKind::kPipe);
      EXPECT_THAT(Copy(*source, *sink.flow).status, IsOk());
      bytes = sink.End();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Sorted(received[0] + received[1]) == Sorted(numbers));
  ::close(from);
}

TEST(CopyInKernelFileTest, TwoThatShareAnOffsetTakeNoByteTwice) {
  constexpr int64_t kSparse = int64_t{64} << 20;
  const int from = RawFile();
  ABSL_PCHECK(::ftruncate(from, kSparse) == 0);
  std::atomic<int64_t> copied{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      auto source = FlowOf(RawDuplicate(from));
      auto sink = FlowOf(RawNull());
      EXPECT_THAT(Copy(*source, *sink).status, IsOk());
      copied += sink->bytes_written();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(copied, kSparse);
  ::close(from);
}

TEST(CopyInKernelFileTest, TwoThatShareTheOffsetOfASinkOverwriteNothing) {
  constexpr size_t kCount = size_t{1} << 18;
  for (const EndKind kind : {EndKind::kFile, EndKind::kPipe}) {
    const int to = RawFile();
    std::vector<std::thread> threads;
    for (const int i : {0, 1}) {
      threads.emplace_back([i, to, kind] {
        CopySource source(kind, Numbers(i * kCount, kCount));
        auto sink = FlowOf(RawDuplicate(to));
        EXPECT_THAT(Copy(*source.flow, *sink).status, IsOk());
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(Sorted(RawContents(to)) == Sorted(Numbers(0, 2 * kCount)));
    ::close(to);
  }
}

TEST(CopyInKernelFileTest, OneThatGrowsIsCopiedUpToItsNewEnd) {
  const std::string bytes = PatternString(0, kLarge);
  const std::string more = PatternString(kLarge, kMedium);
  const int from = RawFile(bytes);
  auto source = FlowOf(RawReopen(from, O_RDONLY));
  CopySink sink(EndKind::kFile);
  CopyOptions options;
  bool has_grown = false;
  options.on_write = [&](int64_t) {
    if (sink.flow->bytes_written() < int64_t{kLarge} || has_grown) return;
    has_grown = true;
    ABSL_PCHECK(::lseek(from, 0, SEEK_END) >= 0);
    RawWrite(from, more);
  };
  EXPECT_THAT(Copy(*source, *sink.flow, options).status, IsOk());
  EXPECT_TRUE(sink.End() == bytes + more);
  ::close(from);
}

TEST(CopyInKernelFileTest, OneThatIsCutEndsThere) {
  const std::string bytes = PatternString(0, kLarge);
  const int from = RawFile(bytes);
  auto source = FlowOf(RawReopen(from, O_RDONLY));
  CopySink sink(EndKind::kFile);
  constexpr size_t kCut = (size_t{5} << 20) + 1;  // after the first step
  CopyOptions options;
  options.on_write = [&](int64_t) {
    ABSL_PCHECK(::ftruncate(from, kCut) == 0);
  };
  EXPECT_THAT(Copy(*source, *sink.flow, options).status, IsOk());
  EXPECT_TRUE(sink.End() == bytes.substr(0, kCut));
  ::close(from);
}

TEST(CopyInKernelFileTest, WithinOneFileItIsThroughMemory) {
  std::string contents[2];
  for (const bool through_memory : {false, true}) {
    const int file = RawFile(PatternString(0, kMedium));
    auto source = FlowOf(RawReopen(file, O_RDONLY));
    const int behind = RawReopen(file, O_WRONLY);
    ABSL_PCHECK(::lseek(behind, 4096, SEEK_SET) == 4096);
    auto sink = FlowOf(behind);
    CopyOptions options;
    options.through_memory = through_memory;
    options.max_bytes = kMedium;
    EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
    contents[through_memory ? 1 : 0] = RawContents(file);
    ::close(file);
  }
  EXPECT_TRUE(contents[0] == contents[1]);
}

TEST(CopyInKernelFileTest, WhatWasReadThroughMemoryDoesNotChange) {
  const std::string bytes = PatternString(0, kQueued);
  const int from = RawFile(bytes);
  auto source = FlowOf(RawReopen(from, O_RDONLY));
  const RawPair pair = RawPipe();
  ABSL_PCHECK(::fcntl(pair.right, F_SETPIPE_SZ, 256 << 10) >= 0);
  auto sink = FlowOf(pair.right);
  CopyOptions options;
  options.through_memory = true;
  EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
  ABSL_PCHECK(::ftruncate(from, 0) == 0);
  RawWrite(from, std::string(kQueued, '\0'));
  EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(RawReadToEnd(pair.left).bytes, bytes);
  ::close(from);
  ::close(pair.left);
}

// --- What the kernel refuses

TEST(CopyInKernelFallbackTest, AFileThatIsAppendedToGetsEverythingAtItsEnd) {
  const std::string bytes = PatternString(0, kMedium);
  for (const EndKind from : {EndKind::kFile, EndKind::kPipe, EndKind::kUnix}) {
    CopySource source(from, bytes);
    const int file = RawFile("before");
    auto sink = FlowOf(RawReopen(file, O_WRONLY | O_APPEND));
    const CopyResult result = Copy(*source.flow, *sink);
    EXPECT_THAT(result.status, IsOk());
    EXPECT_EQ(result.statistics.bytes, kMedium);
    EXPECT_EQ(result.statistics.reads, result.statistics.writes);
    EXPECT_TRUE(RawContents(file) == "before" + bytes);
    ::close(file);
  }
}

TEST(CopyInKernelFallbackTest, ARefusalInTheMiddleLosesNothing) {
  const std::string bytes = PatternString(0, kLarge);
  for (const EndKind from : {EndKind::kFile, EndKind::kPipe, EndKind::kUnix}) {
    CopySource source(from, bytes);
    const int file = RawFile();
    const int fd = RawReopen(file, O_WRONLY);
    const int same = RawDuplicate(fd);
    auto sink = FlowOf(fd);
    CopyOptions options;
    options.on_write = [&](int64_t) {
      if (sink->bytes_written() < int64_t{4} << 20) return;
      ABSL_PCHECK(::fcntl(same, F_SETFL, O_APPEND) == 0);
    };
    const CopyResult result = Copy(*source.flow, *sink, options);
    EXPECT_THAT(result.status, IsOk());
    EXPECT_EQ(result.statistics.bytes, kLarge);
    EXPECT_EQ(source.flow->bytes_read(), kLarge);
    EXPECT_TRUE(RawContents(file) == bytes);
    ::close(same);
    ::close(file);
  }
}

TEST(CopyInKernelFallbackTest, WithoutDescriptorsItIsThroughMemory) {
  const std::string bytes = PatternString(0, kQueued);
  auto source = FileFlow(bytes);
  const RawPair pair = RawUnix();
  SetNonBlocking(pair.right);
  auto sink = FlowOf(pair.right);
  // UBSan takes a descriptor for the first call of each kind.
  EXPECT_THAT(sink->Write("first"), IsOk());
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  struct rlimit none = before;
  none.rlim_cur = 3;
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const CopyResult result = Copy(*source, *sink);
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(RawReadToEnd(pair.left).bytes, "first" + bytes);
  ::close(pair.left);
}

// --- Descriptors

TEST(CopyInKernelDescriptorsTest, ASilentSourceKeepsNoneButItsOwn) {
  const RawPair in = RawUnix();
  SetNonBlocking(in.left);
  auto source = FlowOf(in.left);
  auto sink = FlowOf(RawNull());
  const size_t before = OpenDescriptors();
  RawWrite(in.right, PatternString(0, kQueued));
  std::thread copier([&] { EXPECT_THAT(Copy(*source, *sink).status, IsOk()); });
  while (sink->bytes_written() < int64_t{kQueued}) std::this_thread::yield();
  // Its thread has one to wake it.
  const absl::Time patience = Patience();
  while (OpenDescriptors() != before + 1 && absl::Now() < patience) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(OpenDescriptors(), before + 1);
  ::close(in.right);
  copier.join();
  EXPECT_EQ(OpenDescriptors(), before - 1);  // `in.right`
}

}  // namespace
}  // namespace flow
