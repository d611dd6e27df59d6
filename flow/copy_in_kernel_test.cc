// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies that move bytes inside the kernel do what copies through memory do
// (docs/semantics.md, "Inside the kernel"). copy_in_kernel_failure_test.cc has
// those that fail on the way.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AllocationCounter;
using ::flow::testing::FlowOf;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::flow::testing::PatternString;
using ::flow::testing::RawContents;
using ::flow::testing::RawDuplicate;
using ::flow::testing::RawFile;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReopen;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SetNonBlocking;
using ::testing::HasSubstr;
using Side = CopyResult::Side;

// More than one step of any kind, and no round number.
constexpr size_t kLarge = (size_t{9} << 20) + 12345;
// More than a pipe of this library holds.
constexpr size_t kMedium = (size_t{600} << 10) + 321;
// What a Unix socket or a pipe of 256 KiB holds without a reader.
constexpr size_t kQueued = size_t{128} << 10;

std::unique_ptr<Flow> FileFlow(absl::string_view bytes) {
  return FlowOf(RawFile(bytes));
}

int DevNull() { return ::open("/dev/null", O_WRONLY | O_CLOEXEC); }

// --- All pairs

enum class Kind { kFile, kNull, kPipe, kUnix, kTcp };

std::string Name(Kind kind) {
  static constexpr const char* kNames[] = {"File", "Null", "Pipe", "Unix",
                                           "Tcp"};
  return kNames[static_cast<int>(kind)];
}

RawPair Pair(Kind kind) {
  return kind == Kind::kPipe   ? RawPipe()
         : kind == Kind::kUnix ? RawUnix()
                               : RawTcp();
}

// A flow that gives `bytes`, and the thread that sends them.
class Source {
 public:
  Source(Kind kind, std::string bytes) {
    if (kind == Kind::kFile) {
      flow = FileFlow(bytes);
      return;
    }
    const RawPair pair = Pair(kind);
    if (kind != Kind::kPipe) SetNonBlocking(pair.left);
    flow = FlowOf(pair.left);
    thread_ = std::thread([fd = pair.right, bytes = std::move(bytes)] {
      RawWrite(fd, bytes);
      ::shutdown(fd, SHUT_WR);
      // A socket stays open, as closing it could be a reset.
      char byte;
      [[maybe_unused]] const ssize_t end = ::read(fd, &byte, 1);
      ::close(fd);
    });
  }
  ~Source() {
    flow.reset();
    if (thread_.joinable()) thread_.join();
  }

  std::unique_ptr<Flow> flow;

 private:
  std::thread thread_;
};

// A flow, and what it was given.
class Sink {
 public:
  explicit Sink(Kind kind) {
    if (kind == Kind::kNull) {
      flow = FlowOf(DevNull());
    } else if (kind == Kind::kFile) {
      file_ = RawFile();
      flow = FlowOf(RawReopen(file_, O_WRONLY));
    } else {
      const RawPair pair = Pair(kind);
      if (kind != Kind::kPipe) SetNonBlocking(pair.right);
      flow = FlowOf(pair.right);
      thread_ = std::thread([this, fd = pair.left] {
        received_ = RawReadToEnd(fd).bytes;
        ::close(fd);
      });
    }
  }
  ~Sink() {
    flow.reset();
    if (thread_.joinable()) thread_.join();
    if (file_ >= 0) ::close(file_);
  }

  std::string End() {
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    flow.reset();
    if (thread_.joinable()) thread_.join();
    return file_ >= 0 ? RawContents(file_) : received_;
  }

  std::unique_ptr<Flow> flow;

 private:
  int file_ = -1;
  std::string received_;
  std::thread thread_;
};

class CopyInKernelTest
    : public ::testing::TestWithParam<std::tuple<Kind, Kind, bool>> {};

TEST_P(CopyInKernelTest, MovesTheSameBytesAndCountsThemAlike) {
  const auto [from, to, through_memory] = GetParam();
  const std::string bytes = PatternString(0, kMedium);
  Source source(from, bytes);
  Sink sink(to);
  CopyOptions options;
  options.through_memory = through_memory;
  int64_t told = 0;
  options.on_write = [&](int64_t n) { told += n; };
  const CopyResult result = Copy(*source.flow, *sink.flow, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.failed, Side::kNone);
  EXPECT_EQ(result.unwritten, "");
  EXPECT_EQ(result.statistics.bytes, kMedium);
  EXPECT_EQ(result.statistics.reads, result.statistics.writes);
  EXPECT_GT(result.statistics.reads, 0);
  EXPECT_EQ(told, kMedium);
  EXPECT_EQ(source.flow->bytes_read(), kMedium);
  EXPECT_EQ(sink.flow->bytes_written(), kMedium);
  if (to != Kind::kNull) {
    EXPECT_EQ(sink.End(), bytes);
  }
}

// The second copy goes on where the first one has stopped.
TEST_P(CopyInKernelTest, StopsAfterMaxBytesAndLeavesTheRest) {
  const auto [from, to, through_memory] = GetParam();
  const std::string bytes = PatternString(0, kMedium);
  Source source(from, bytes);
  Sink sink(to);
  CopyOptions options;
  options.through_memory = through_memory;
  options.max_bytes = kMedium / 2;
  options.exactly = true;
  EXPECT_THAT(Copy(*source.flow, *sink.flow, options).status, IsOk());
  EXPECT_EQ(sink.flow->bytes_written(), kMedium / 2);
  options.max_bytes = kMedium;
  const CopyResult rest = Copy(*source.flow, *sink.flow, options);
  EXPECT_THAT(rest.status, StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(rest.failed, Side::kSource);
  EXPECT_EQ(rest.unwritten, "");
  EXPECT_EQ(sink.flow->bytes_written(), kMedium);
  if (to != Kind::kNull) {
    EXPECT_EQ(sink.End(), bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(
    AllPairs, CopyInKernelTest,
    ::testing::Combine(::testing::Values(Kind::kFile, Kind::kPipe, Kind::kUnix,
                                         Kind::kTcp),
                       ::testing::Values(Kind::kFile, Kind::kNull, Kind::kPipe,
                                         Kind::kUnix, Kind::kTcp),
                       ::testing::Bool()),
    [](const auto& info) {
      return absl::StrCat(Name(std::get<0>(info.param)), "To",
                          Name(std::get<1>(info.param)),
                          std::get<2>(info.param) ? "ThroughMemory" : "");
    });

// --- What goes through memory, and what does not

// What goes through memory takes a block of this size, at least, if it is more.
constexpr int64_t kBlock = 64 << 10;

// Copies, and returns how many bytes of memory that took.
int64_t MemoryOfCopy(Flow& source, Flow& sink,
                     const CopyOptions& options = {}) {
  AllocationCounter counter;
  const CopyResult result = Copy(source, sink, options);
  const int64_t allocated = counter.bytes();
  EXPECT_THAT(result.status, IsOk());
  return allocated;
}

// A source that has all its bytes, and then ends.
std::unique_ptr<Flow> QueuedIn(RawPair pair, absl::string_view bytes) {
  if (::fcntl(pair.right, F_SETPIPE_SZ, 256 << 10) < 0) {
    SetNonBlocking(pair.left);
  }
  RawWrite(pair.right, bytes);
  ::close(pair.right);
  return FlowOf(pair.left);
}

TEST(CopyInKernelMemoryTest, AFileToAFileOrToNothingNeedsNone) {
  const std::string bytes = PatternString(0, kLarge);
  {
    auto source = FileFlow(bytes);
    const int file = RawFile();
    auto sink = FlowOf(RawReopen(file, O_WRONLY));
    EXPECT_LT(MemoryOfCopy(*source, *sink), kBlock);
    EXPECT_EQ(RawContents(file), bytes);
    ::close(file);
  }
  auto source = FileFlow(bytes);
  auto sink = FlowOf(DevNull());
  EXPECT_LT(MemoryOfCopy(*source, *sink), kBlock);
  EXPECT_EQ(sink->bytes_written(), kLarge);
}

TEST(CopyInKernelMemoryTest, AFileToAPipeOrASocketNeedsNone) {
  const std::string bytes = PatternString(0, kLarge);
  for (const Kind to : {Kind::kPipe, Kind::kUnix, Kind::kTcp}) {
    auto source = FileFlow(bytes);
    Sink sink(to);
    EXPECT_LT(MemoryOfCopy(*source, *sink.flow), kBlock);
    EXPECT_TRUE(sink.End() == bytes);
  }
}

// The first reads find out that much comes.
TEST(CopyInKernelMemoryTest, APipeOrAUnixSocketNeedsLittle) {
  const std::string bytes = PatternString(0, kQueued);
  for (const bool to_file : {false, true}) {
    for (const RawPair pair : {RawPipe(), RawUnix()}) {
      auto source = QueuedIn(pair, bytes);
      const int file = RawFile();
      auto sink = FlowOf(to_file ? RawReopen(file, O_WRONLY) : DevNull());
      EXPECT_LT(MemoryOfCopy(*source, *sink), kBlock);
      EXPECT_EQ(sink->bytes_written(), kQueued);
      if (to_file) {
        EXPECT_EQ(RawContents(file), bytes);
      }
      ::close(file);
    }
  }
}

TEST(CopyInKernelMemoryTest, OnRequestAllIsInMemory) {
  CopyOptions options;
  options.through_memory = true;
  auto source = FileFlow(PatternString(0, kMedium));
  auto sink = FlowOf(DevNull());
  EXPECT_GT(MemoryOfCopy(*source, *sink, options), kBlock);
  // Small steps are worth nothing.
  options.through_memory = false;
  options.max_read = 4096;
  source = FileFlow(PatternString(0, kMedium));
  EXPECT_EQ(Copy(*source, *sink, options).statistics.reads, kMedium / 4096 + 1);
}

// Sees all bytes that are read.
class SeeingTransport final : public ForwardingTransport {
 public:
  SeeingTransport(std::unique_ptr<Transport> inner, std::string* seen)
      : ForwardingTransport(std::move(inner)), seen_(seen) {}
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) absl::AppendCordToString(*data, seen_);
    return data;
  }

 private:
  std::string* const seen_;
};

TEST(CopyInKernelMemoryTest, ADecoratorSeesEveryByte) {
  const std::string bytes = PatternString(0, kMedium);
  std::string seen;
  auto source =
      DecorateFlow(FileFlow(bytes), [&seen](std::unique_ptr<Transport> inner) {
        return std::make_unique<SeeingTransport>(std::move(inner), &seen);
      });
  auto sink = FlowOf(DevNull());
  EXPECT_THAT(Copy(*source, *sink).status, IsOk());
  EXPECT_EQ(seen, bytes);
}

TEST(CopyInKernelMemoryTest, WhatAChannelHasBufferedComesFirst) {
  const std::string bytes = "header:" + PatternString(0, kMedium);
  auto source = MakeChannel(FileFlow(bytes));
  EXPECT_THAT(source->ReadExactly(7), IsOkAndHolds("header:"));
  const int file = RawFile();
  auto sink = FlowOf(RawReopen(file, O_WRONLY));
  EXPECT_THAT(Copy(*source, *sink).status, IsOk());
  EXPECT_EQ(RawContents(file), bytes.substr(7));
  ::close(file);
}

TEST(CopyInKernelMemoryTest, ABorrowedFlowIsReadThroughItsLender) {
  const std::string bytes = PatternString(0, kMedium);
  auto lender = FileFlow(bytes);
  auto borrowed = BorrowFlow(*lender);
  Sink sink(Kind::kUnix);
  EXPECT_THAT(Copy(*borrowed, *sink.flow).status, IsOk());
  EXPECT_EQ(lender->bytes_read(), kMedium);
  EXPECT_EQ(sink.End(), bytes);
}

TEST(CopyInKernelMemoryTest, SeveralSinksGetEveryByte) {
  const std::string bytes = PatternString(0, kMedium);
  auto source = FileFlow(bytes);
  Sink one(Kind::kFile);
  Sink other(Kind::kUnix);
  EXPECT_THAT(Copy(*source, {one.flow.get(), other.flow.get()}).status, IsOk());
  EXPECT_EQ(one.End(), bytes);
  EXPECT_EQ(other.End(), bytes);
}

// --- Sockets of others

TEST(CopyInKernelSocketTest, ABlockingOneKeepsItsFlagsAndGetsEverything) {
  const std::string bytes = PatternString(0, kMedium);
  const RawPair in = RawUnix();
  const RawPair out = RawTcp();
  const int flags = ::fcntl(in.left, F_GETFL);
  std::thread writer([&] {
    RawWrite(in.right, bytes);
    ::shutdown(in.right, SHUT_WR);
  });
  std::string received;
  std::thread reader([&] { received = RawReadToEnd(out.left).bytes; });
  auto source = FlowOf(in.left);
  auto sink = FlowOf(out.right);
  EXPECT_THAT(Copy(*source, *sink).status, IsOk());
  EXPECT_EQ(::fcntl(in.left, F_GETFL), flags);
  EXPECT_EQ(::fcntl(out.right, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
  writer.join();
  reader.join();
  EXPECT_EQ(received, bytes);
  ::close(in.right);
  ::close(out.left);
}

TEST(CopyInKernelSocketTest, UrgentDataStayWhereTheyWereSent) {
  const RawPair in = RawTcp();
  SetNonBlocking(in.left);
  auto source = FlowOf(in.left);  // before they come
  std::string bytes = PatternString(0, kQueued);
  RawWrite(in.right, bytes);
  ABSL_PCHECK(::send(in.right, "!", 1, MSG_OOB) == 1);
  RawWrite(in.right, bytes);
  ::shutdown(in.right, SHUT_WR);
  Sink sink(Kind::kFile);
  EXPECT_THAT(Copy(*source, *sink.flow).status, IsOk());
  EXPECT_EQ(sink.End(), bytes + "!" + bytes);
  ::close(in.right);
}

TEST(CopyInKernelSocketTest, AFlowSendsBackWhatComes) {
  const std::string bytes = PatternString(0, kMedium);
  const RawPair pair = RawUnix();
  SetNonBlocking(pair.left);
  auto flow = FlowOf(pair.left);
  std::thread writer([&] {
    RawWrite(pair.right, bytes);
    ::shutdown(pair.right, SHUT_WR);
  });
  std::string received;
  std::thread reader([&] { received = RawReadToEnd(pair.right).bytes; });
  EXPECT_THAT(Copy(*flow, *flow).status, IsOk());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  writer.join();
  reader.join();
  EXPECT_EQ(received, bytes);
  ::close(pair.right);
}

TEST(CopyInKernelSocketTest, AProxyCarriesBothDirectionsAtOnce) {
  const std::string bytes = PatternString(0, kLarge);
  const RawPair left = RawUnix();
  const RawPair right = RawTcp();
  SetNonBlocking(left.left);
  SetNonBlocking(right.left);
  auto a = FlowOf(left.left);
  auto b = FlowOf(right.left);
  std::string received[2];
  std::vector<std::thread> threads;
  for (const int i : {0, 1}) {
    const int fd = i == 0 ? left.right : right.right;
    threads.emplace_back([&, fd] {
      RawWrite(fd, bytes);
      ::shutdown(fd, SHUT_WR);
    });
    threads.emplace_back([&, fd, i] { received[i] = RawReadToEnd(fd).bytes; });
  }
  EXPECT_THAT(Proxy(*a, *b).status, IsOk());
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(received[0] == bytes);
  EXPECT_TRUE(received[1] == bytes);
  ::close(left.right);
  ::close(right.right);
}

// --- Files

TEST(CopyInKernelFileTest, OneWithoutASizeIsCopiedWhole) {
  const int fd = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  Sink sink(Kind::kFile);
  EXPECT_THAT(Copy(*FlowOf(fd), *sink.flow).status, IsOk());
  EXPECT_THAT(sink.End(), HasSubstr("copy_in_kernel_test"));
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
      Sink sink(Kind::kPipe);
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
      auto sink = FlowOf(DevNull());
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
  for (const Kind kind : {Kind::kFile, Kind::kPipe}) {
    const int to = RawFile();
    std::vector<std::thread> threads;
    for (const int i : {0, 1}) {
      threads.emplace_back([i, to, kind] {
        Source source(kind, Numbers(i * kCount, kCount));
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
  Sink sink(Kind::kFile);
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
  Sink sink(Kind::kFile);
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
  for (const Kind from : {Kind::kFile, Kind::kPipe, Kind::kUnix}) {
    Source source(from, bytes);
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
  for (const Kind from : {Kind::kFile, Kind::kPipe, Kind::kUnix}) {
    Source source(from, bytes);
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
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  struct rlimit none = before;
  none.rlim_cur = 3;
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const CopyResult result = Copy(*source, *sink);
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_EQ(RawReadToEnd(pair.left).bytes, bytes);
  ::close(pair.left);
}

// --- Descriptors

TEST(CopyInKernelDescriptorsTest, ASilentSourceKeepsNoneButItsOwn) {
  const RawPair in = RawUnix();
  SetNonBlocking(in.left);
  auto source = FlowOf(in.left);
  auto sink = FlowOf(DevNull());
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
