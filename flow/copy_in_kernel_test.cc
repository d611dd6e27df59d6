// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies that move bytes inside the kernel do what copies through memory do
// (docs/semantics.md, "Inside the kernel"). copy_in_kernel_files_test.cc has
// more about files, copy_in_kernel_failure_test.cc those that fail on the way.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
#include "flow/borrow.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/socket.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/copy_ends.h"
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
using ::flow::testing::CopySink;
using ::flow::testing::CopySource;
using ::flow::testing::EndKind;
using ::flow::testing::FileFlow;
using ::flow::testing::FlowOf;
using ::flow::testing::kLarge;
using ::flow::testing::kMedium;
using ::flow::testing::kQueued;
using ::flow::testing::PatternString;
using ::flow::testing::RawContents;
using ::flow::testing::RawFile;
using ::flow::testing::RawNull;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReopen;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::flow::testing::SetNonBlocking;
using Side = CopyResult::Side;

// --- All pairs

class CopyInKernelTest
    : public ::testing::TestWithParam<std::tuple<EndKind, EndKind, bool>> {};

TEST_P(CopyInKernelTest, MovesTheSameBytesAndCountsThemAlike) {
  const auto [from, to, through_memory] = GetParam();
  const std::string bytes = PatternString(0, kMedium);
  CopySource source(from, bytes);
  CopySink sink(to);
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
  if (to != EndKind::kNull) {
    EXPECT_EQ(sink.End(), bytes);
  }
}

// The second copy goes on where the first one has stopped.
TEST_P(CopyInKernelTest, StopsAfterMaxBytesAndLeavesTheRest) {
  const auto [from, to, through_memory] = GetParam();
  const std::string bytes = PatternString(0, kMedium);
  CopySource source(from, bytes);
  CopySink sink(to);
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
  if (to != EndKind::kNull) {
    EXPECT_EQ(sink.End(), bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(
    AllPairs, CopyInKernelTest,
    ::testing::Combine(::testing::Values(EndKind::kFile, EndKind::kPipe,
                                         EndKind::kUnix, EndKind::kTcp),
                       ::testing::Values(EndKind::kFile, EndKind::kNull,
                                         EndKind::kPipe, EndKind::kUnix,
                                         EndKind::kTcp),
                       ::testing::Bool()),
    [](const auto& info) {
      return absl::StrCat(NameOf(std::get<0>(info.param)), "To",
                          NameOf(std::get<1>(info.param)),
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
  auto sink = FlowOf(RawNull());
  EXPECT_LT(MemoryOfCopy(*source, *sink), kBlock);
  EXPECT_EQ(sink->bytes_written(), kLarge);
}

TEST(CopyInKernelMemoryTest, AFileToAPipeOrASocketNeedsNone) {
  const std::string bytes = PatternString(0, kLarge);
  for (const EndKind to : {EndKind::kPipe, EndKind::kUnix, EndKind::kTcp}) {
    auto source = FileFlow(bytes);
    CopySink sink(to);
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
      auto sink = FlowOf(to_file ? RawReopen(file, O_WRONLY) : RawNull());
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
  auto sink = FlowOf(RawNull());
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
  auto sink = FlowOf(RawNull());
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
  CopySink sink(EndKind::kUnix);
  EXPECT_THAT(Copy(*borrowed, *sink.flow).status, IsOk());
  EXPECT_EQ(lender->bytes_read(), kMedium);
  EXPECT_EQ(sink.End(), bytes);
}

TEST(CopyInKernelMemoryTest, SeveralSinksGetEveryByte) {
  const std::string bytes = PatternString(0, kMedium);
  auto source = FileFlow(bytes);
  CopySink one(EndKind::kFile);
  CopySink other(EndKind::kUnix);
  EXPECT_THAT(Copy(*source, {one.flow.get(), other.flow.get()}).status, IsOk());
  EXPECT_EQ(one.End(), bytes);
  EXPECT_EQ(other.End(), bytes);
}

// --- Steps

// So that `on_write` tells of the progress.
TEST(CopyInKernelStepTest, ASlowSinkGetsSmallOnes) {
  const RawPair pair = RawPipe();
  // What fills the pipe, or comes to a full one, waits for two of its reads.
  std::thread reader([fd = pair.left] {
    std::string block(32 << 10, '\0');
    do {
      absl::SleepFor(absl::Milliseconds(15));
    } while (::read(fd, block.data(), block.size()) > 0);
    ::close(fd);
  });
  auto source = FileFlow(PatternString(0, 1 << 20));
  auto sink = FlowOf(pair.right);
  CopyOptions options;
  int64_t largest = 0;
  options.on_write = [&](int64_t n) { largest = std::max(largest, n); };
  EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
  EXPECT_LE(largest, 128 << 10);
  sink = nullptr;
  reader.join();
}

// --- Sockets of our own

TEST(CopyInKernelSocketTest, ConnectionsOfAcceptAndDialNeedLittleMemory) {
  const auto listener = Listen("tcp:127.0.0.1:0");
  ABSL_CHECK_OK(listener.status());
  const auto client = Dial((*listener)->address());
  ABSL_CHECK_OK(client.status());
  const auto served = (*listener)->Accept();
  ABSL_CHECK_OK(served.status());
  for (Flow* const source : {client->get(), served->get()}) {
    Flow* const writer =
        source == client->get() ? served->get() : client->get();
    ABSL_CHECK_OK(writer->Write(PatternString(0, kQueued)));
    ABSL_CHECK_OK(writer->Shutdown(ShutdownMode::kWrite));
    const RawPair out = RawUnix();
    SetNonBlocking(out.right);
    std::thread reader([&] { RawReadToEnd(out.left); });
    {
      auto sink = FlowOf(out.right);
      EXPECT_LT(MemoryOfCopy(*source, *sink), kBlock);
      EXPECT_EQ(sink->bytes_written(), kQueued);
      EXPECT_THAT(sink->Shutdown(ShutdownMode::kWrite), IsOk());
    }
    reader.join();
    ::close(out.left);
  }
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
  CopySink sink(EndKind::kFile);
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

}  // namespace
}  // namespace flow
