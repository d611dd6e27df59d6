// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/packet_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "absl/log/absl_check.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::flow::testing::OpenDescriptors;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawWrite;

RawPair PacketPipe() {
  int fds[2];
  ABSL_PCHECK(::pipe2(fds, O_DIRECT | O_CLOEXEC) == 0);
  return {fds[0], fds[1]};
}

void Close(const RawPair& pipe) {
  ::close(pipe.left);
  ::close(pipe.right);
}

TEST(KindOfPipeTest, SeesWhatIsNextAndLeavesIt) {
  for (const bool packets : {false, true}) {
    const RawPair pipe = packets ? PacketPipe() : RawPipe();
    RawWrite(pipe.right, "ab");
    RawWrite(pipe.right, std::string(5000, 'c'));
    const size_t before = OpenDescriptors();
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(KindOfPipe(pipe.left),
                packets ? PipeKind::kPackets : PipeKind::kStream);
    }
    EXPECT_EQ(OpenDescriptors(), before);
    ::close(pipe.right);
    EXPECT_EQ(RawReadToEnd(pipe.left).bytes.size(), 5002);
    ::close(pipe.left);
  }
}

// Of a packet of one byte nothing can be lost.
TEST(KindOfPipeTest, IsUnknownBeforeTwoBytesHaveComeAtOnce) {
  const RawPair pipe = PacketPipe();
  EXPECT_EQ(KindOfPipe(pipe.left), PipeKind::kUnknown);
  RawWrite(pipe.right, "a");
  EXPECT_EQ(KindOfPipe(pipe.left), PipeKind::kUnknown);
  RawWrite(pipe.right, "bc");
  EXPECT_EQ(KindOfPipe(pipe.left), PipeKind::kUnknown);
  char first;
  ABSL_PCHECK(::read(pipe.left, &first, 1) == 1);
  EXPECT_EQ(KindOfPipe(pipe.left), PipeKind::kPackets);
  Close(pipe);
}

TEST(KindOfPipeTest, IsUnknownOfWhatCannotBeRead) {
  const RawPair pipe = PacketPipe();
  RawWrite(pipe.right, "abc");
  EXPECT_EQ(KindOfPipe(pipe.right), PipeKind::kUnknown);
  Close(pipe);
  EXPECT_EQ(KindOfPipe(-1), PipeKind::kUnknown);
}

}  // namespace
}  // namespace flow::internal
