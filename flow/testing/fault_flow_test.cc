// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/fault_flow.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kWatchdog = absl::Seconds(20);
constexpr absl::Duration kShort = absl::Milliseconds(20);

const absl::Status& Reset() {
  static const auto* const kReset =
      new absl::Status(absl::UnavailableError("reset"));
  return *kReset;
}

// A fault flow and the remote end of the pipe in it.
struct Faulty {
  explicit Faulty(std::vector<Fault> faults = {}) {
    Pipe pipe = MakePipe(kNoLimit);
    flow = MaybeStarts(MakeFaultFlow(std::move(pipe.left), std::move(faults)));
    remote = std::move(pipe.right);
    // What never comes is a failure and not a hang.
    remote->SetReadDeadline(absl::Now() + kWatchdog);
  }
  std::unique_ptr<Flow> flow, remote;
};

// --- Without faults

TEST(FaultFlowTest, WithoutFaultsNothingChanges) {
  Faulty f;
  EXPECT_THAT(f.flow->Write("a"), IsOk());
  EXPECT_THAT(f.flow->Write(absl::Cord("b")), IsOk());
  EXPECT_THAT(f.flow->Writev({"c", "", "d"}), IsOk());
  EXPECT_THAT(f.flow->Writev({absl::Cord("e"), absl::Cord("f")}), IsOk());
  EXPECT_THAT(f.remote->Read(), HoldsData("abcdef"));
  EXPECT_THAT(f.remote->Write("answer"), IsOk());
  EXPECT_THAT(f.flow->Read(3), HoldsData("ans"));
  EXPECT_THAT(f.flow->Read(), HoldsData("wer"));
  EXPECT_THAT(f.flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(f.remote->Read(), IsEof());
  EXPECT_THAT(f.flow->Write("x"), IsClosed());
  EXPECT_THAT(f.remote->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(f.flow->Close(), IsOk());
  EXPECT_THAT(f.remote->Close(), IsOk());
  EXPECT_EQ(f.flow->bytes_written(), 6);
  EXPECT_EQ(f.flow->bytes_read(), 6);
}

TEST(FaultFlowTest, WithoutFaultsNothingIsCopied) {
  Faulty f;
  const absl::Cord data(std::string(100000, 'x'));
  EXPECT_THAT(f.flow->Write(data), IsOk());
  absl::StatusOr<absl::Cord> received = f.remote->Read();
  ASSERT_THAT(received, HoldsData(data));
  EXPECT_EQ(CopiedBytes(data, *received), 0);
}

TEST(FaultFlowTest, CloseWaitsForTheRemoteAndFrees) {
  auto inner = std::make_unique<HookFlow>();
  std::vector<std::string> log;
  inner->hooks.also_log = [&](std::string what) {
    log.push_back(std::move(what));
  };
  auto flow = MaybeStarts(MakeFaultFlow(std::move(inner)));
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(log, ElementsAre("end", "await remote end", "free"));
  flow.reset();
  EXPECT_EQ(log.size(), 3);
}

TEST(FaultFlowTest, DestructionAborts) {
  Faulty f;
  EXPECT_THAT(f.flow->Write("prefix"), IsOk());
  f.flow.reset();
  EXPECT_THAT(f.remote->Read(), HoldsData("prefix"));
  EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kAborted));
}

TEST(FaultFlowTest, CloseReturnsTheReasonOfTheRemote) {
  Faulty f;
  f.remote->Abort(absl::DataLossError("disk"));
  EXPECT_THAT(f.flow->Close(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("disk")));
}

TEST(FaultFlowTest, CloseReturnsTheErrorOfFreeing) {
  auto inner = std::make_unique<HookFlow>();
  inner->hooks.read = [](size_t) { return absl::Cord(); };
  inner->hooks.free = [] { return absl::DataLossError("disk"); };
  auto flow = MaybeStarts(MakeFaultFlow(std::move(inner)));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("disk")));
}

TEST(FaultFlowTest, ClosePastItsDeadlineAbortsTheRemote) {
  Faulty f;
  EXPECT_THAT(f.flow->Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(f.remote->Read(), IsEof());  // it had ended in good order
  EXPECT_THAT(f.remote->Write("x"), StatusIs(absl::StatusCode::kAborted));
}

TEST(FaultFlowTest, AReaderDuringCloseSeesAllOrClosedAndCloseIsOk) {
  for (int round = 0; round < 200; ++round) {
    Faulty f;
    std::thread closer([&] { EXPECT_THAT(f.flow->Close(), IsOk()); });
    std::thread remote([&] {
      for (int i = 0; i < 3; ++i) {
        f.remote->Write("x").IgnoreError();  // may be refused
      }
      f.remote->Close().IgnoreError();
    });
    absl::StatusOr<absl::Cord> data;
    do {
      data = f.flow->Read();
    } while (data.ok() && !data->empty());
    if (data.ok()) {
      EXPECT_EQ(f.flow->bytes_read(), 3);
    } else {
      EXPECT_THAT(data, IsClosed());
    }
    closer.join();
    remote.join();
  }
}

TEST(FaultFlowTest, AWriteThatEndsByItsDeadlineAfterAShutdownIsNoCleanEnd) {
  Pipe pipe = MakePipe(/*capacity=*/0);
  auto flow = MaybeStarts(MakeFaultFlow(std::move(pipe.left)));
  std::thread writer([&] {
    EXPECT_THAT(flow->Write("more than is read"),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  EXPECT_THAT(pipe.right->Read(1), HoldsData("m"));  // it has begun
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  flow->SetWriteDeadline(absl::InfinitePast());
  writer.join();
  absl::StatusOr<absl::Cord> data;
  do {
    data = pipe.right->Read();
  } while (data.ok() && !data->empty());
  EXPECT_THAT(data, StatusIs(absl::StatusCode::kAborted));
}

// --- Pieces

TEST(FaultFlowTest, ReadsAreAsShortAsTheOptionsSay) {
  Pipe pipe = MakePipe();
  FaultOptions options;
  options.max_read = 2;
  auto flow =
      MaybeStarts(MakeFaultFlow(std::move(pipe.left), std::move(options)));
  EXPECT_THAT(pipe.right->Write("abcde"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("ab"));
  EXPECT_THAT(flow->Read(1), HoldsData("c"));
  EXPECT_THAT(flow->Read(3), HoldsData("de"));
}

TEST(FaultFlowTest, WritesAreHandedOnInPieces) {
  auto inner = std::make_unique<HookFlow>();
  std::vector<std::string> pieces;
  inner->hooks.write = [&](absl::Cord buffer, size_t*) {
    pieces.emplace_back(buffer);
    return absl::OkStatus();
  };
  FaultOptions options;
  options.max_write = 2;
  auto flow = MaybeStarts(MakeFaultFlow(std::move(inner), std::move(options)));
  EXPECT_THAT(flow->Write("abcde"), IsOk());
  EXPECT_THAT(flow->Write(absl::Cord("fgh")), IsOk());
  EXPECT_THAT(flow->Writev({"i", "", "jk"}), IsOk());
  EXPECT_THAT(flow->Writev({absl::Cord("lm"), absl::Cord("n")}), IsOk());
  EXPECT_THAT(pieces,
              ElementsAre("ab", "cd", "e", "fg", "h", "ij", "k", "lm", "n"));
  EXPECT_EQ(flow->bytes_written(), 14);
}

TEST(FaultFlowTest, AnErrorFromUnderneathCountsWhatItsPiecesTook) {
  auto inner = std::make_unique<HookFlow>();
  int calls = 0;
  inner->hooks.write = [&](absl::Cord, size_t* accepted) {
    if (++calls < 3) return absl::OkStatus();
    *accepted = 1;
    return absl::DataLossError("disk");
  };
  FaultOptions options;
  options.max_write = 2;
  auto flow = MaybeStarts(MakeFaultFlow(std::move(inner), std::move(options)));
  absl::Cord source("abcdefgh");
  EXPECT_THAT(flow->WriteFrom(&source), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(source, "fgh");
  EXPECT_THAT(flow->Read(), HoldsData("data"));
}

// --- Read faults

TEST(FaultFlowTest, AReadErrorIsInsteadOfTheReadAndStays) {
  Faulty f({Fault::Error(ReadOperation(1), Reset())});
  EXPECT_THAT(f.remote->Write("ab"), IsOk());
  EXPECT_THAT(f.flow->Read(1), HoldsData("a"));
  EXPECT_THAT(f.flow->Read(1), StatusIs(absl::StatusCode::kUnavailable,
                                        HasSubstr("Read at byte 1: reset")));
  EXPECT_THAT(f.flow->Read(1), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(f.flow->bytes_read(), 1);
}

TEST(FaultFlowTest, AReadErrorAtAByteComesAfterTheBytesBefore) {
  for (const size_t at : {size_t{0}, size_t{3}, size_t{4}, size_t{5}}) {
    Faulty f({Fault::Error(ReadByte(at), Reset())});
    EXPECT_THAT(f.remote->Writev({"abcd", "efgh"}), IsOk());
    std::string read;
    absl::StatusOr<absl::Cord> data;
    while ((data = f.flow->Read(4)).ok()) read.append(std::string(*data));
    EXPECT_THAT(data, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(read, std::string("abcdefgh").substr(0, at));
  }
}

TEST(FaultFlowTest, AfterAReadErrorWritesGoOnAndCloseTellsTheRemote) {
  Faulty f({Fault::Error(ReadOperation(0), Reset())});
  EXPECT_THAT(f.flow->Read(), Not(IsOk()));
  EXPECT_THAT(f.flow->Write("still"), IsOk());
  EXPECT_THAT(f.remote->Write("unread"), IsOk());
  EXPECT_THAT(f.flow->Close(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(f.remote->Read(), HoldsData("still"));
  EXPECT_THAT(f.remote->Read(), IsEof());
  EXPECT_THAT(f.remote->Write("x"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(FaultFlowTest, AReadDeadlineHappensOnceAndLosesNothing) {
  Faulty f({Fault::Error(ReadByte(2), absl::DeadlineExceededError("late"))});
  EXPECT_THAT(f.remote->Write("abcd"), IsOk());
  EXPECT_THAT(f.flow->Read(), HoldsData("ab"));
  EXPECT_THAT(f.flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(f.flow->Read(), HoldsData("cd"));
  EXPECT_THAT(f.remote->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(f.flow->Close(), IsOk());
}

// --- Write faults

TEST(FaultFlowTest, AWriteErrorHandsOverWhatWasAcceptedThenAnError) {
  for (const bool list : {false, true}) {
    Faulty f({Fault::Error(WriteOperation(1), Reset(), 2)});
    EXPECT_THAT(f.flow->Write("abc"), IsOk());
    const absl::Status status =
        list ? f.flow->Writev({"d", "ef"}) : f.flow->Write("def");
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                                 HasSubstr("2 of them accepted: reset")));
    EXPECT_EQ(f.flow->Write("x"), status);
    EXPECT_EQ(f.flow->bytes_written(), 5);
    EXPECT_THAT(f.remote->Read(), HoldsData("abcde"));
    EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(f.remote->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_EQ(f.flow->Close(), status);
  }
}

TEST(FaultFlowTest, AWriteErrorAtAByteComesAfterTheBytesBefore) {
  for (const size_t at : {0, 3, 4, 5, 7}) {
    Faulty f({Fault::Error(WriteByte(at), Reset())});
    absl::Cord source("abcdefgh");
    absl::Cord first = source.Subcord(0, 4);
    const absl::Status status = f.flow->WriteFrom(&first);
    EXPECT_EQ(status.ok(), at >= 4);
    EXPECT_EQ(f.flow->Write("efgh").ok(), false);
    EXPECT_EQ(f.flow->bytes_written(), at);
    if (at > 0) {
      EXPECT_THAT(f.remote->Read(), HoldsData(source.Subcord(0, at)));
    }
    EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST(FaultFlowTest, AWriteErrorMayComeAfterEverythingWasAccepted) {
  Faulty f({Fault::Error(WriteOperation(0), Reset(), kNoLimit)});
  EXPECT_THAT(f.flow->Write("abc"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(f.flow->bytes_written(), 3);
  EXPECT_THAT(f.remote->Read(), HoldsData("abc"));
}

TEST(FaultFlowTest, ReadsGoOnAfterAWriteError) {
  Faulty f({Fault::Error(WriteOperation(0), Reset())});
  EXPECT_THAT(f.flow->Write("abc"), Not(IsOk()));
  EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(f.remote->Write("answer"), IsOk());
  EXPECT_THAT(f.flow->Read(), HoldsData("answer"));
  EXPECT_THAT(f.remote->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(f.flow->Read(), IsEof());
}

TEST(FaultFlowTest, AWriteDeadlineHappensOnceAndCanBeResumed) {
  Faulty f({Fault::Error(WriteByte(2), absl::DeadlineExceededError("late"))});
  absl::Cord source("abcd");
  EXPECT_THAT(f.flow->WriteFrom(&source),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(source, "cd");
  EXPECT_THAT(f.flow->WriteFrom(&source), IsOk());
  EXPECT_THAT(f.remote->Read(), HoldsData("abcd"));
}

TEST(FaultFlowTest, AnEndThatFailsIsNoCleanEnd) {
  Faulty f({Fault::Error(WriteOperation(1), Reset())});
  EXPECT_THAT(f.flow->Write("abc"), IsOk());
  EXPECT_THAT(f.flow->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(f.remote->Read(), HoldsData("abc"));
  EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(f.remote->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(f.flow->Close(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(FaultFlowTest, OfSeveralFaultsTheFirstToBeReachedHappens) {
  Faulty f({Fault::Error(WriteByte(5), absl::DataLossError("second")),
            Fault::Error(WriteByte(2), absl::DeadlineExceededError("first"))});
  absl::Cord source("abcdefgh");
  EXPECT_THAT(f.flow->WriteFrom(&source),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(f.flow->WriteFrom(&source),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(source, "fgh");
}

// --- Aborts

auto IsStop() {
  return StatusIs(absl::StatusCode::kCancelled, HasSubstr("stop"));
}

TEST(FaultFlowTest, AnAbortInAWriteIsTheReasonAtBothEnds) {
  Faulty f({Fault::Abort(WriteOperation(1), absl::CancelledError("stop"), 1)});
  EXPECT_THAT(f.remote->Write("unread"), IsOk());
  EXPECT_THAT(f.flow->Write("abc"), IsOk());
  absl::Cord source("def");
  EXPECT_THAT(f.flow->WriteFrom(&source), IsStop());
  EXPECT_EQ(source, "ef");
  EXPECT_THAT(f.flow->Write("ef"), IsStop());
  EXPECT_THAT(f.flow->Read(), IsStop());
  EXPECT_THAT(f.remote->Read(), HoldsData("abcd"));
  EXPECT_THAT(f.remote->Read(), IsStop());
  EXPECT_THAT(f.remote->Write("x"), IsStop());
  EXPECT_THAT(f.flow->Close(), IsStop());
}

TEST(FaultFlowTest, AnAbortInAReadOrInTheEndIsTheReason) {
  const absl::Status reason = absl::CancelledError("stop");
  Faulty reading({Fault::Abort(ReadOperation(0), reason)});
  EXPECT_THAT(reading.flow->Read(), IsStop());
  EXPECT_THAT(reading.flow->Write("x"), IsStop());
  EXPECT_THAT(reading.remote->Read(), IsStop());
  EXPECT_THAT(reading.flow->Close(), IsStop());
  Faulty closing({Fault::Abort(ReadOperation(0), reason)});
  EXPECT_THAT(closing.flow->Read(), IsStop());
  EXPECT_THAT(closing.flow->Close(), IsStop());
  EXPECT_THAT(closing.remote->Read(), IsStop()) << "and no clean end";
  Faulty ending({Fault::Abort(WriteOperation(0), reason)});
  EXPECT_THAT(ending.flow->Close(), IsStop());
  EXPECT_THAT(ending.remote->Read(), IsStop());
  EXPECT_THAT(ending.remote->Write("x"), IsStop());
}

TEST(FaultFlowTest, AnAbortForAnOkOrDeadlineReasonIsAborted) {
  for (const absl::Status& reason :
       {absl::OkStatus(), absl::DeadlineExceededError("late")}) {
    Faulty f({Fault::Abort(WriteOperation(0), reason)});
    EXPECT_THAT(f.flow->Write("x"), StatusIs(absl::StatusCode::kAborted));
    EXPECT_THAT(f.flow->Read(), StatusIs(absl::StatusCode::kAborted));
    EXPECT_EQ(f.flow->bytes_written(), 0);
  }
}

TEST(FaultFlowTest, AnAbortWakesACallOfTheOtherDirection) {
  const absl::Status reason = absl::CancelledError("stop");
  Pipe pipe = MakePipe(4);
  auto reading = MaybeStarts(MakeFaultFlow(
      std::move(pipe.left), {Fault::Abort(WriteOperation(0), reason)}));
  std::thread reader([&] { EXPECT_THAT(reading->Read(), IsStop()); });
  absl::SleepFor(kShort);
  EXPECT_THAT(reading->Write("x"), IsStop());
  reader.join();

  pipe = MakePipe(/*capacity=*/0);
  auto writing = MaybeStarts(MakeFaultFlow(
      std::move(pipe.left), {Fault::Abort(ReadOperation(0), reason)}));
  std::thread writer(
      [&] { EXPECT_THAT(writing->Write("more than is read"), IsStop()); });
  EXPECT_THAT(pipe.right->Read(1), HoldsData("m"));  // it has begun
  EXPECT_THAT(writing->Read(), IsStop());
  writer.join();
}

TEST(FaultFlowTest, TheFirstAbortIsHandedOnAndNoOther) {
  auto inner = std::make_unique<HookFlow>();
  std::vector<std::string> log;
  inner->hooks.also_log = [&](std::string what) {
    log.push_back(std::move(what));
  };
  auto flow = MaybeStarts(MakeFaultFlow(
      std::move(inner),
      {Fault::Abort(WriteOperation(0), absl::CancelledError("stop"))}));
  EXPECT_THAT(flow->Write("x"), IsStop());
  flow->Abort(absl::DataLossError("too late"));
  flow.reset();
  EXPECT_THAT(log, ElementsAre("abort CANCELLED", "free"));
}

// --- Observers and names

TEST(FaultFlowTest, AnObserverSeesEachOperation) {
  std::vector<std::string> seen;
  FaultOptions options;
  options.faults = {Fault::Error(ReadOperation(1), Reset())};
  options.observer = [&](const FaultOperation& operation) {
    seen.push_back(absl::StrCat(operation.side == FaultPlace::Side::kRead
                                    ? "read "
                                : operation.is_end ? "end "
                                                   : "write ",
                                operation.number, ": ", operation.bytes,
                                operation.failed_here ? " failed" : ""));
  };
  Pipe pipe = MakePipe();
  auto flow =
      MaybeStarts(MakeFaultFlow(std::move(pipe.left), std::move(options)));
  EXPECT_THAT(pipe.right->Write("abc"), IsOk());
  EXPECT_THAT(flow->Read(), IsOk());
  EXPECT_THAT(flow->Write("de"), IsOk());
  EXPECT_THAT(flow->Write(""), IsOk());  // does not reach the transport
  EXPECT_THAT(flow->Read(), Not(IsOk()));
  EXPECT_THAT(flow->Read(), Not(IsOk()));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(seen, ElementsAre("read 0: 3", "write 0: 2", "read 1: 0 failed",
                                "end 1: 0"));
}

// A fault flow tells what the flow underneath tells.
TEST(FaultFlowTest, AWaitForARefusalThatNobodyTellsEndsWithTheWrites) {
  auto flow = MaybeStarts(MakeFaultFlow(std::make_unique<HookFlow>()));
  EXPECT_THAT(flow->AwaitRefusal(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow->AwaitRefusal(), IsClosed());
}

TEST(FaultPlaceTest, IsPrinted) {
  EXPECT_EQ(ReadOperation(3).ToString(), "read 3");
  EXPECT_EQ(WriteOperation(0).ToString(), "write 0");
  EXPECT_EQ(ReadByte(7).ToString(), "read byte 7");
  EXPECT_EQ(WriteByte(100).ToString(), "written byte 100");
}

}  // namespace
}  // namespace flow::testing
