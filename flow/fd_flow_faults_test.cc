// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Descriptors and files whose system calls fail: each call of each scenario, in
// each way that is plausible. What was interrupted is done nevertheless. What
// fails says so, or does no harm.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/file.h"
#include "flow/flow.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/failing_system_calls.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/stream_scenarios.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::Converse;
using ::flow::testing::Cut;
using ::flow::testing::ExpectSurvivesEachFault;
using ::flow::testing::Flows;
using ::flow::testing::FlowsOf;
using ::flow::testing::kMuch;
using ::flow::testing::Late;
using ::flow::testing::NewFolder;
using ::flow::testing::Own;
using ::flow::testing::OwnSystemCalls;
using ::flow::testing::Patience;
using ::flow::testing::Pattern;
using ::flow::testing::PatternChecker;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawTerminal;
using ::flow::testing::Refuse;
using ::flow::testing::SendOneWay;
using ::flow::testing::Shortly;
using ::flow::testing::SmallPipe;
using ::flow::testing::SmallUnix;
using ::flow::testing::SystemCallFault;
using ::flow::testing::SystemCallScope;

// --- Descriptors

TEST(FdFlowFaultsTest, Pipe) {
  ExpectSurvivesEachFault([] { return SendOneWay(FlowsOf(Own(SmallPipe))); });
}

TEST(FdFlowFaultsTest, Fifo) {
  ExpectSurvivesEachFault([] { return SendOneWay(FlowsOf(Own(RawFifo))); });
}

TEST(FdFlowFaultsTest, PipeThatRefuses) {
  ExpectSurvivesEachFault([] {
    const RawPair raw = Own(RawPipe);
    absl::StatusOr<Flows> flows = FlowsOf(raw);
    if (!flows.ok()) return flows.status();
    std::swap(flows->left, flows->right);
    return Refuse(std::move(flows));
  });
}

TEST(FdFlowFaultsTest, TwoPipesAsOneFlow) {
  ExpectSurvivesEachFault([] {
    const RawPair there = Own(SmallPipe);
    const RawPair back = Own(SmallPipe);
    auto left = MakeFdPairFlow(back.left, there.right);
    auto right = MakeFdPairFlow(there.left, back.right);
    if (!left.ok()) return left.status();
    if (!right.ok()) return right.status();
    return Converse(Flows{*std::move(left), *std::move(right)},
                    Cut::kLooksWhole);
  });
}

// A socket and a pipe as one flow.
TEST(FdFlowFaultsTest, ASocketAndAPipe) {
  ExpectSurvivesEachFault([] {
    const RawPair there = Own(SmallUnix);
    const RawPair back = Own(SmallPipe);
    auto left = MakeFdPairFlow(back.left, there.left);
    auto right = MakeFdPairFlow(there.right, back.right);
    if (!left.ok()) return left.status();
    if (!right.ok()) return right.status();
    return Converse(Flows{*std::move(left), *std::move(right)},
                    Cut::kLooksWhole);
  });
}

TEST(FdFlowFaultsTest, Terminal) {
  // If the master of a terminal says falsely that it is ready, a call waits.
  ExpectSurvivesEachFault(
      [] {
        absl::StatusOr<Flows> flows = FlowsOf(Own(RawTerminal));
        if (!flows.ok()) return flows.status();
        // A terminal has no half-close.
        for (Flow* from : {flows->left.get(), flows->right.get()}) {
          Flow& to = from == flows->left.get() ? *flows->right : *flows->left;
          to.SetReadDeadline(Shortly());
          absl::Status status = Late(to.Read().status());
          if (!status.ok()) return status;
          absl::Cord rest = Pattern(0, 100);
          PatternChecker checker;
          from->SetWriteDeadline(Patience());
          to.SetReadDeadline(Patience());
          status = from->WriteFrom(&rest);
          while (status.ok() && checker.offset() < 100) {
            const absl::StatusOr<absl::Cord> data = to.Read();
            status = data.status();
            if (!data.ok()) break;
            EXPECT_FALSE(data->empty()) << "an end that nobody has sent";
            if (data->empty()) return status;
            EXPECT_TRUE(checker.Check(*data).ok());
          }
          if (!status.ok()) return status;
        }
        const absl::Status status = flows->left->Close(Patience());
        if (!status.ok()) return status;
        const absl::StatusOr<absl::Cord> end = flows->right->Read();
        if (!end.ok()) return end.status();
        EXPECT_TRUE(end->empty());
        return flows->right->Close(Patience());
      },
      /*less=*/false);
}

TEST(FdFlowFaultsTest, StandardInput) {
  const int before = ::dup(STDIN_FILENO);
  ExpectSurvivesEachFault([] {
    const RawPair raw = Own([] {
      const RawPair pipe = RawPipe();
      ABSL_PCHECK(::dup2(pipe.left, STDIN_FILENO) == STDIN_FILENO);
      ::close(pipe.left);
      return RawPair{STDIN_FILENO, pipe.right};
    });
    const absl::Status status = SendOneWay(FlowsOf(raw));
    // Somebody may read it, and the next descriptor must not be it.
    const OwnSystemCalls own;
    EXPECT_GE(::fcntl(STDIN_FILENO, F_GETFD), 0);
    return status;
  });
  ABSL_PCHECK(::dup2(before, STDIN_FILENO) == STDIN_FILENO);
  ::close(before);
}

// --- What always fails, or fails at another moment

TEST(FdFlowFaultsTest, AKernelThatDoesNotKnowTheFlags) {
  for (const char* const name : {"preadv2", "pwritev2"}) {
    for (const int error : {ENOSYS, EOPNOTSUPP, EINVAL}) {
      SCOPED_TRACE(absl::StrCat(name, " ", error));
      const SystemCallScope scope(
          SystemCallFault{name, SystemCallFault::kEvery, error});
      const absl::Status status = SendOneWay(FlowsOf(Own(SmallPipe)));
      EXPECT_TRUE(status.ok()) << status;
    }
  }
}

TEST(FdFlowFaultsTest, WhatCannotBeOpenedAgain) {
  for (const auto& make : {RawFifo, RawTerminal}) {
    const SystemCallScope scope(
        SystemCallFault{"open", SystemCallFault::kEvery, ENOENT});
    const absl::StatusOr<Flows> flows = FlowsOf(Own(make));
    ASSERT_TRUE(flows.ok());
    flows->left->SetReadDeadline(Shortly());
    EXPECT_TRUE(absl::IsDeadlineExceeded(flows->left->Read().status()));
    EXPECT_TRUE(flows->right->Write("hello").ok());
    flows->left->SetReadDeadline(Patience());
    const absl::StatusOr<absl::Cord> data = flows->left->Read();
    EXPECT_TRUE(data.ok() && *data == "hello") << data.status();
    EXPECT_TRUE(scope.fired());
  }
}

TEST(FdFlowFaultsTest, AWakeUpThatIsInterruptedWakes) {
  // Nothing else wakes the reader of a pipe.
  const absl::StatusOr<Flows> flows = FlowsOf(RawPipe());
  ASSERT_TRUE(flows.ok());
  const SystemCallScope scope(SystemCallFault{"write", 0, EINTR});
  std::thread aborter([&] {
    while (scope.calls()["ppoll"] == 0) std::this_thread::yield();
    flows->left->Abort(absl::DataLossError("enough"));
  });
  EXPECT_TRUE(absl::IsDataLoss(flows->left->Read().status()));
  aborter.join();
  EXPECT_TRUE(scope.fired());
}

// As with a peer that never stops sending and has not taken all.
TEST(FdFlowFaultsTest, ACloseForWhichThereIsAlwaysMoreHasADeadline) {
  const absl::StatusOr<Flows> flows = FlowsOf(RawTcp(/*small=*/true));
  ASSERT_TRUE(flows.ok());
  flows->left->SetWriteDeadline(Shortly());
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      flows->left->Write(Pattern(0, size_t{8} << 20))));
  EXPECT_TRUE(flows->left->Shutdown(ShutdownMode::kRead).ok());
  const SystemCallScope scope(SystemCallFault{"ppoll", SystemCallFault::kEvery,
                                              SystemCallFault::kLess});
  EXPECT_TRUE(absl::IsDeadlineExceeded(flows->left->Close(Shortly())));
  EXPECT_TRUE(scope.fired());
}

// --- Files

class FileFaultsTest : public ::testing::Test {
 protected:
  ~FileFaultsTest() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }

  const std::string folder_ = NewFolder();
  const std::string path_ = absl::StrCat(folder_, "/file");
};

TEST_F(FileFaultsTest, WhatIsWrittenIsReadAgain) {
  ExpectSurvivesEachFault([this] {
    CreateFileOptions create;
    create.sync = true;
    absl::StatusOr<std::unique_ptr<Flow>> writer = CreateFile(path_, create);
    if (!writer.ok()) return writer.status();
    absl::Cord rest = Pattern(0, kMuch);
    absl::Status status = (*writer)->WriteFrom(&rest);
    status.Update((*writer)->Close());
    if (!status.ok()) return status;
    OpenFileOptions open;
    open.offset = 5;
    int64_t size = 0;
    absl::StatusOr<std::unique_ptr<Flow>> reader = OpenFile(path_, open, &size);
    if (!reader.ok()) return reader.status();
    EXPECT_EQ(size, static_cast<int64_t>(kMuch));
    PatternChecker checker(/*seed=*/0, /*offset=*/5);
    while (true) {
      const absl::StatusOr<absl::Cord> data = (*reader)->Read();
      if (!data.ok()) return data.status();
      if (data->empty()) break;
      EXPECT_TRUE(checker.Check(*data).ok()) << checker.Check(*data);
    }
    EXPECT_EQ(checker.offset(), static_cast<int64_t>(kMuch));
    return (*reader)->Close();
  });
}

TEST_F(FileFaultsTest, AFifoHasNotEndedBeforeItsFirstWriterCame) {
  ABSL_PCHECK(::mkfifo(path_.c_str(), 0600) == 0);
  ExpectSurvivesEachFault([this] {
    absl::StatusOr<std::unique_ptr<Flow>> reader = OpenFile(path_);
    if (!reader.ok()) return reader.status();
    (*reader)->SetReadDeadline(Shortly());
    const absl::Status status = Late((*reader)->Read().status());
    if (!status.ok()) return status;
    absl::StatusOr<std::unique_ptr<Flow>> writer = CreateFile(path_);
    if (!writer.ok()) return writer.status();
    return SendOneWay(Flows{*std::move(reader), *std::move(writer)});
  });
}

}  // namespace
}  // namespace flow
