// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// fork(2): a child that destroys its copy of a flow closes its descriptors, and
// does nothing else. The flow of the parent, and its remote, notice nothing.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/frame_writer.h"
#include "flow/function_flow.h"
#include "flow/iostream.h"
#include "flow/join.h"
#include "flow/pipe.h"
#include "flow/tee.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::FlowOf;
using ::flow::testing::IsEof;
using ::flow::testing::Patience;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::Soon;

// Calls `function` in a child, which then exits with 0.
void InChild(const std::function<void()>& function) {
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    // A child that hangs is a failure, too.
    ::alarm(20);
    function();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  ASSERT_EQ(WEXITSTATUS(status), 0);
}

void ExpectWorks(Flow& local, Flow& remote) {
  EXPECT_THAT(local.Write("there"), IsOk());
  EXPECT_THAT(remote.Read(), IsOkAndHolds("there"));
  EXPECT_THAT(remote.Write("and back"), IsOk());
  EXPECT_THAT(local.Read(), IsOkAndHolds("and back"));
  std::thread closer([&] { EXPECT_THAT(remote.Close(Patience()), IsOk()); });
  EXPECT_THAT(local.Close(Patience()), IsOk());
  closer.join();
}

TEST(ForkTest, AChildThatDestroysASocketSendsNothing) {
  for (const RawPair raw : {RawUnix(), RawTcp()}) {
    auto local = FlowOf(raw.left);
    auto remote = FlowOf(raw.right);
    InChild([&] {
      local.reset();
      if (::fcntl(raw.left, F_GETFD) >= 0) ::_exit(1);  // it is closed
    });
    ExpectWorks(*local, *remote);
  }
}

TEST(ForkTest, AChildThatDestroysFlowsOnTopOfASocketSendsNothing) {
  for (const RawPair raw : {RawUnix(), RawTcp()}) {
    std::unique_ptr<Channel> local = MakeChannel(FlowOf(raw.left));
    auto remote = FlowOf(raw.right);
    ASSERT_THAT(local->WriteBuffered("the parent's: "), IsOk());
    InChild([&] { local.reset(); });
    ASSERT_THAT(local->Flush(), IsOk());
    ASSERT_THAT(remote->Read(), IsOkAndHolds("the parent's: "));
    ExpectWorks(*local, *remote);
  }
}

TEST(ForkTest, AChildThatDestroysAWriterWithTheRestOfAFrameAbortsNothing) {
  for (const bool flushes_itself : {false, true}) {
    const RawPair raw = RawUnix();
    auto local = FlowOf(raw.left);
    auto remote = FlowOf(raw.right);
    FrameWriterOptions options;
    options.flushes_itself = flushes_itself;
    std::optional<FrameWriter> writer;
    writer.emplace(*local, options);
    const std::string large(4 << 20, 'x');  // more than the kernel takes
    EXPECT_TRUE(IsFrameBegun(writer->Write(large, Soon())));
    InChild([&] { writer.reset(); });
    std::thread finisher(
        [&] { EXPECT_THAT(writer->Finish(Patience()), IsOk()); });
    EXPECT_THAT(ReadAll(*remote, 2 * large.size()), IsOkAndHolds(large));
    finisher.join();
  }
}

// The thread of the tee is the parent's.
TEST(ForkTest, AChildThatDestroysATeeWaitsForNothing) {
  const RawPair raw = RawUnix();
  const RawPair side = RawUnix();
  auto copy = FlowOf(side.right);
  ASSERT_THAT(copy->Shutdown(ShutdownMode::kWrite), IsOk());
  auto local = TeeWrites(FlowOf(raw.left), FlowOf(side.left));
  auto remote = FlowOf(raw.right);
  InChild([&] {
    local.reset();
    for (const int fd : {raw.left, side.left}) {
      if (::fcntl(fd, F_GETFD) >= 0) ::_exit(1);  // it is closed
    }
  });
  ExpectWorks(*local, *remote);
  EXPECT_THAT(copy->Read(), IsOkAndHolds("there"));
  EXPECT_THAT(copy->Read(), IsEof());
}

TEST(ForkTest, AChildThatDestroysJoinedFlowsSendsNothing) {
  const RawPair in = RawUnix();
  const RawPair out = RawUnix();
  auto joined = JoinFlow(FlowOf(in.left), FlowOf(out.left));
  auto remote = JoinFlow(FlowOf(out.right), FlowOf(in.right));
  InChild([&] {
    joined.reset();
    for (const int fd : {in.left, out.left}) {
      if (::fcntl(fd, F_GETFD) >= 0) ::_exit(1);  // it is closed
    }
  });
  ExpectWorks(*joined, *remote);
}

TEST(ForkTest, AChildThatDestroysTheHalvesOfASocketSendsNothing) {
  const RawPair raw = RawUnix();
  SplitHalves halves = SplitFlow(FlowOf(raw.left));
  auto remote = FlowOf(raw.right);
  InChild([&] {
    halves.reader.reset();
    if (::fcntl(raw.left, F_GETFD) < 0) ::_exit(1);  // the other half has it
    halves.writer.reset();
    if (::fcntl(raw.left, F_GETFD) >= 0) ::_exit(2);  // it is closed
  });
  ExpectWorks(*JoinFlow(std::move(halves.reader), std::move(halves.writer)),
              *remote);
}

TEST(ForkTest, AChildThatDestroysPipesEndsNothing) {
  for (RawPair (*const make)() : {RawPipe, RawFifo}) {
    const RawPair there = make();
    const RawPair back = make();
    auto local = FlowOf(back.left, there.right);
    auto remote = FlowOf(there.left, back.right);
    // A FIFO is opened once more when it is first used.
    EXPECT_THAT(local->Write("before"), IsOk());
    EXPECT_THAT(remote->Read(), IsOkAndHolds("before"));
    InChild([&] { local.reset(); });
    ExpectWorks(*local, *remote);
  }
}

TEST(ForkTest, AChildMayDestroyWhatAThreadOfItsParentUses) {
  for (const RawPair raw : {RawUnix(), RawTcp()}) {
    auto local = FlowOf(raw.left);
    auto remote = FlowOf(raw.right);
    std::thread reader([&] { EXPECT_THAT(local->Read(), IsOkAndHolds("x")); });
    // Whatever the reader has come to, and whatever lock it may hold.
    for (int i = 0; i < 20; ++i) InChild([&] { local.reset(); });
    EXPECT_THAT(remote->Write("x"), IsOk());
    reader.join();
    ExpectWorks(*local, *remote);
  }
}

TEST(ForkTest, AChildThatDestroysAPipeInMemoryTouchesItsCopyOnly) {
  Pipe pipe = MakePipe();
  InChild([&] {
    pipe.left.reset();
    pipe.right.reset();
  });
  ExpectWorks(*pipe.left, *pipe.right);
}

TEST(ForkTest, AChildCallsNoFunctions) {
  int called = 0;
  FunctionFlowOptions options;
  options.output = Output::Buffers([](absl::Cord) { return absl::OkStatus(); },
                                   [&] {
                                     ++called;
                                     return absl::OkStatus();
                                   });
  options.close = [&] {
    ++called;
    return absl::OkStatus();
  };
  auto flow = MakeFunctionFlow(std::move(options));
  InChild([&] {
    flow.reset();
    if (called != 0) ::_exit(1);
  });
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_EQ(called, 2);
}

TEST(ForkTest, AChildDoesNotSendWhatItsParentHasInAStream) {
  const RawPair raw = RawUnix();
  auto local = FlowOf(raw.left);
  auto remote = FlowOf(raw.right);
  {
    auto stream = std::make_unique<FlowStream>(*local);
    *stream << "once";
    InChild([&] { stream.reset(); });
  }
  EXPECT_THAT(remote->Read(), IsOkAndHolds("once"));
  ExpectWorks(*local, *remote);
}

TEST(ForkTest, AChildMayUseAFlowThatItMadeItself) {
  InChild([] {
    Pipe pipe = MakePipe();
    if (!pipe.left->Write("x").ok() ||
        !pipe.left->Shutdown(ShutdownMode::kWrite).ok() ||
        !pipe.right->Read().ok()) {
      ::_exit(1);
    }
    pipe.left.reset();
    if (pipe.right->Close().ok()) ::_exit(2);  // it was destroyed: an abort
  });
}

// The waker of a thread is shared with the child's copy of it.
TEST(ForkTest, AChildThatWaitsDoesNotWakeItsParent) {
  const RawPair parents = RawUnix();
  auto local = FlowOf(parents.left);
  // So that this thread has a waker.
  local->SetReadDeadline(absl::Now() + absl::Milliseconds(1));
  EXPECT_FALSE(local->Read().ok());
  InChild([] {
    const RawPair raw = RawUnix();
    auto flow = FlowOf(raw.left);
    flow->SetReadDeadline(Soon());
    if (!absl::IsDeadlineExceeded(flow->Read().status())) ::_exit(1);
  });
  local->SetReadDeadline(absl::InfiniteFuture());
  auto remote = FlowOf(parents.right);
  ExpectWorks(*local, *remote);
}

}  // namespace
}  // namespace flow
