// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads are of round sizes, so that what was written in blocks passes a relay
// in blocks: tar, for one, refuses an archive whose blocks of 512 bytes come
// cut out of a pipe.

#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::flow::testing::FlowOf;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::testing::ElementsAre;

constexpr size_t kBlock = 512;        // of an archive of tar
constexpr size_t kTarRecord = 10240;  // what tar writes at a time

// The sizes of the first `count` Reads of `flow`.
std::vector<size_t> Sizes(Flow& flow, int count) {
  std::vector<size_t> sizes;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<absl::Cord> data = flow.Read();
    ABSL_CHECK_OK(data);
    sizes.push_back(data->size());
  }
  return sizes;
}

TEST(RoundReadsTest, AreOfPowersOfTwoWhileThereIsMore) {
  const std::string data(130000, 'x');
  for (RawPair raw : {RawUnix(), RawTcp()}) {
    RawWrite(raw.right, data);
    auto flow = FlowOf(raw.left);
    EXPECT_THAT(Sizes(*flow, 5), ElementsAre(4096, 8192, 16384, 32768, 65536));
    ::close(raw.right);
  }
}

TEST(RoundReadsTest, AreOfTheSizeThatIsAskedFor) {
  RawPair raw = RawUnix();
  RawWrite(raw.right, std::string(100000, 'x'));
  auto flow = FlowOf(raw.left);
  Sizes(*flow, 3);
  absl::StatusOr<absl::Cord> record = flow->Read(kTarRecord);
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->size(), kTarRecord);
  ::close(raw.right);
}

// Whatever the records, and whether the reader is ahead or behind. (Larger ones
// the kernel itself cuts, in a Unix socket.)
TEST(RoundReadsTest, KeepRecordsAlignedThroughACopy) {
  for (const size_t record :
       {kBlock, size_t{4096}, kTarRecord, size_t{32768}}) {
    for (const RawPair raw : {RawPipe(), RawUnix()}) {
      std::thread writer([&] {
        const std::string data(record, 'x');
        for (size_t sent = 0; sent < 2000000; sent += record) {
          RawWrite(raw.right, data);
        }
        ::close(raw.right);
      });
      auto source = FlowOf(raw.left);
      size_t unaligned = 0;
      auto sink = MakeOutputFlow(
          Output::Buffers([&](absl::Cord buffer) -> absl::Status {
            if (buffer.size() % kBlock != 0) ++unaligned;
            return absl::OkStatus();
          }));
      EXPECT_THAT(Copy(*source, *sink).status, IsOk());
      EXPECT_EQ(unaligned, 0) << record;
      writer.join();
    }
  }
}

// As `tar -c | relay | tar -x` has it.
TEST(RoundReadsTest, ReachTheFarEndOfASecondPipeAligned) {
  const RawPair first = RawPipe();
  const RawPair second = RawPipe();
  std::thread writer([&] {
    const std::string data(kTarRecord, 'x');
    for (int i = 0; i < 300; ++i) RawWrite(first.right, data);
    ::close(first.right);
  });
  std::thread relay([&] {
    auto source = FlowOf(first.left);
    auto sink = FlowOf(second.right);
    EXPECT_THAT(Copy(*source, *sink).status, IsOk());
    EXPECT_THAT(sink->Close(), IsOk());
  });
  size_t unaligned = 0;
  size_t total = 0;
  while (true) {
    char buffer[kTarRecord];
    const ssize_t n = ::read(second.left, buffer, sizeof(buffer));
    ABSL_PCHECK(n >= 0);
    if (n == 0) break;
    total += static_cast<size_t>(n);
    if (static_cast<size_t>(n) % kBlock != 0) ++unaligned;
  }
  EXPECT_EQ(total, 300 * kTarRecord);
  EXPECT_EQ(unaligned, 0);
  writer.join();
  relay.join();
  ::close(second.left);
}

}  // namespace
}  // namespace flow
