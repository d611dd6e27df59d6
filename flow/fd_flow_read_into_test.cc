// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Flow::ReadInto() on descriptors: straight into the caller's memory.

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::AllocationCounter;
using ::flow::testing::FlowOf;
using ::flow::testing::Patience;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawReadToEnd;
using ::flow::testing::RawReset;
using ::flow::testing::RawTcp;
using ::flow::testing::RawTerminal;
using ::flow::testing::RawUnix;
using ::flow::testing::RawWrite;
using ::testing::HasSubstr;

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

// Returns when another thread waits in a read.
void AwaitReader(const Flow& flow) {
  while (!absl::StrContains(flow.DebugString(), "in Read()")) {
    std::this_thread::yield();
  }
}

struct Kind {
  const char* name;
  RawPair (*make)();
};

class ReadIntoTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    const RawPair pair = GetParam().make();
    flow_ = FlowOf(pair.left);
    remote_ = pair.right;
  }
  ~ReadIntoTest() override { CloseRemote(); }

  void CloseRemote() {
    if (remote_ >= 0) ::close(remote_);
    remote_ = -1;
  }

  absl::string_view text(size_t size) const { return {space_, size}; }

  std::unique_ptr<Flow> flow_;
  int remote_ = -1;
  char space_[16] = "...............";
};

TEST_P(ReadIntoTest, FillsTheFrontAndNoMoreThanThere) {
  RawWrite(remote_, "hello");
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_, 3)), IsOkAndHolds(3));
  EXPECT_EQ(text(5), "hel..");
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(2));
  EXPECT_EQ(text(5), "lol..");
  EXPECT_EQ(flow_->bytes_read(), 5);
}

TEST_P(ReadIntoTest, TakesTurnsWithRead) {
  RawWrite(remote_, "abcdef");
  EXPECT_THAT(flow_->Read(2), IsOkAndHolds("ab"));
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_, 2)), IsOkAndHolds(2));
  EXPECT_EQ(text(2), "cd");
  EXPECT_THAT(flow_->Read(), IsOkAndHolds("ef"));
}

TEST_P(ReadIntoTest, AllocatesNothing) {
  // A FIFO is opened once more when it is read first, and a socket makes what
  // wakes its calls when one waits first. Both stay.
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow_->SetReadDeadline(absl::InfiniteFuture());
  RawWrite(remote_, "1");
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(1));
  for (const bool waits : {false, true}) {
    std::thread writer;
    if (waits) {
      writer = std::thread([&] {
        AwaitReader(*flow_);
        RawWrite(remote_, "data");
      });
    } else {
      RawWrite(remote_, "data");
    }
    const AllocationCounter counter;
    const absl::StatusOr<size_t> size = flow_->ReadInto(absl::MakeSpan(space_));
    EXPECT_EQ(counter.blocks(), 0) << "waits: " << waits;
    EXPECT_THAT(size, IsOkAndHolds(4));
    if (waits) writer.join();
  }
}

TEST_P(ReadIntoTest, HoldsNoBlockOfAReadBeforeWhileItWaits) {
  RawWrite(remote_, "data");
  const AllocationCounter counter;
  EXPECT_THAT(flow_->Read(), IsOkAndHolds("data"));
  EXPECT_GE(counter.live_bytes(), 4096);
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_LT(counter.live_bytes(), 1024);
}

TEST_P(ReadIntoTest, ObeysADeadlineAndLosesNothing) {
  flow_->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("no data before the deadline")));
  EXPECT_EQ(text(1), ".");
  RawWrite(remote_, "late");
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(4));
  EXPECT_EQ(text(4), "late");
}

TEST_P(ReadIntoTest, ADeadlineThatIsMovedEndsTheWait) {
  std::thread mover([&] {
    AwaitReader(*flow_);
    flow_->SetReadDeadline(absl::InfinitePast());
  });
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  mover.join();
}

TEST_P(ReadIntoTest, ARefusalEndsTheWait) {
  std::thread refuser([&] {
    AwaitReader(*flow_);
    EXPECT_THAT(flow_->Shutdown(ShutdownMode::kRead), IsOk());
  });
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(0));
  refuser.join();
}

TEST_P(ReadIntoTest, AnAbortEndsTheWait) {
  std::thread aborter([&] {
    AwaitReader(*flow_);
    flow_->Abort(absl::DataLossError("enough"));
  });
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)),
              StatusIs(absl::StatusCode::kDataLoss));
  aborter.join();
}

TEST_P(ReadIntoTest, IsZeroAtEndOfFileAndStaysSo) {
  RawWrite(remote_, "all");
  CloseRemote();
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(3));
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(0));
  EXPECT_THAT(flow_->ReadInto(absl::MakeSpan(space_)), IsOkAndHolds(0));
  EXPECT_THAT(flow_->Close(Patience()), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Descriptors, ReadIntoTest,
                         ::testing::Values(Kind{"tcp", [] { return RawTcp(); }},
                                           Kind{"unix", RawUnix},
                                           Kind{"pipe", RawPipe},
                                           Kind{"fifo", RawFifo}),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

// --- What only some of them do

TEST(ReadIntoErrorTest, AResetStays) {
  const RawPair tcp = RawTcp();
  auto flow = FlowOf(tcp.left);
  RawReset(tcp.right);
  char space[4];
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
                StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST(ReadIntoErrorTest, OfPacketsLosesNone) {
  int fds[2];
  ABSL_PCHECK(::pipe2(fds, O_DIRECT) == 0);
  const int other = ::dup(fds[0]);
  auto flow = FlowOf(fds[0]);
  RawWrite(fds[1], "packet");
  char space[4];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a pipe of packets (O_DIRECT)")));
  ::close(fds[1]);
  EXPECT_EQ(RawReadToEnd(other).bytes, "packet");
  ::close(other);
}

TEST(ReadIntoEndTest, IsAtOnceOfWhatIsOpenForWritingOnly) {
  auto flow = FlowOf(::open("/dev/null", O_WRONLY));
  char space[4];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
}

TEST(ReadIntoEndTest, ClosesTheReadEndThatWasRefusedMeanwhile) {
  const RawPair pipe = RawPipe();
  auto flow = FlowOf(pipe.left, ::open("/dev/null", O_WRONLY));
  std::thread refuser([&] {
    AwaitReader(*flow);
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead), IsOk());
  });
  char space[4];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
  refuser.join();
  EXPECT_FALSE(IsOpen(pipe.left));
  ::close(pipe.right);
}

TEST(ReadIntoEndTest, ATerminalIsReadByTheByte) {
  const auto [slave, master] = RawTerminal();
  auto terminal = FlowOf(slave);
  RawWrite(master, "typed");
  char space[2];
  EXPECT_THAT(terminal->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(2));
  EXPECT_EQ(absl::string_view(space, 2), "ty");
  EXPECT_THAT(terminal->Read(), IsOkAndHolds("ped"));
  ::close(master);
}

}  // namespace
}  // namespace flow
