// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the base keeps for every kind of flow, on one whose hooks the test
// writes: docs/semantics.md, rule by rule.

#include "flow/flow.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr absl::Duration kShort = absl::Milliseconds(20);
constexpr absl::Duration kLong = absl::Seconds(30);

MATCHER(IsClosedError, "is Closed") { return IsClosed(arg); }
MATCHER(IsEof, "is end-of-file") { return arg.ok() && arg->empty(); }

// A flow whose hooks are functions of the test, with a log of those that are
// called rarely.
class HookFlow final : public Flow {
 public:
  ~HookFlow() override { Destroy(); }

  std::vector<std::string> log() const {
    absl::MutexLock lock(&log_mu_);
    return log_;
  }

  std::function<absl::StatusOr<absl::Cord>(size_t)> read = [](size_t) {
    return absl::Cord("data");
  };
  std::function<absl::Status(absl::Cord, size_t*)> write =
      [](absl::Cord, size_t*) { return absl::OkStatus(); };
  std::function<absl::Status()> end_write = [] { return absl::OkStatus(); };
  std::function<void()> shutdown_read = [] {};
  std::function<absl::Status(absl::Time)> await_remote_end = [](absl::Time) {
    return absl::OkStatus();
  };
  std::function<void()> abort = [] {};
  std::function<absl::Status()> free = [] { return absl::OkStatus(); };
  std::function<void(absl::Time)> read_deadline = [](absl::Time) {};
  // Outlives the flow, unlike log().
  std::function<void(std::string)> also_log = [](const std::string&) {};

 private:
  void Log(std::string what) {
    also_log(what);
    absl::MutexLock lock(&log_mu_);
    log_.push_back(std::move(what));
  }

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    return read(max_bytes);
  }
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    return write(std::move(buffer), accepted);
  }
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    Log(outcome.ok() ? "end" : "broken");
    return end_write();
  }
  void DoShutdownRead() override {
    Log("shutdown read");
    shutdown_read();
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    Log("await remote end");
    return await_remote_end(deadline);
  }
  void DoAbort(const absl::Status& reason) override {
    Log("abort " + absl::StatusCodeToString(reason.code()));
    abort();
  }
  absl::Status DoFree() override {
    Log("free");
    return free();
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    Log("read deadline");
    read_deadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time) override { Log("write deadline"); }
  std::string DoDescribe() const override { return "hook flow"; }

  mutable absl::Mutex log_mu_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(log_mu_);
};

// A hook that says when it is entered and returns when it is told to.
class Blocker {
 public:
  void Block() {
    entered_.Notify();
    leave_.WaitForNotification();
  }
  void WaitUntilEntered() { entered_.WaitForNotification(); }
  void Leave() { leave_.Notify(); }

 private:
  absl::Notification entered_;
  absl::Notification leave_;
};

// --- Read

TEST(ReadTest, ReturnsDataAndCountsIt) {
  HookFlow flow;
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
  EXPECT_THAT(flow.Read(4), IsOkAndHolds("data"));
  EXPECT_EQ(flow.bytes_read(), 8);
  EXPECT_EQ(flow.bytes_written(), 0);
}

TEST(ReadTest, PassesTheLimitOn) {
  HookFlow flow;
  size_t seen = 0;
  flow.read = [&](size_t max_bytes) {
    seen = max_bytes;
    return absl::Cord("x");
  };
  ASSERT_THAT(flow.Read(7), IsOk());
  EXPECT_EQ(seen, 7);
  ASSERT_THAT(flow.Read(), IsOk());
  EXPECT_EQ(seen, kNoLimit);
}

TEST(ReadTest, OfZeroBytesIsInvalidAndNotSticky) {
  HookFlow flow;
  EXPECT_THAT(flow.Read(0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
}

TEST(ReadTest, EndOfFileIsSticky) {
  HookFlow flow;
  flow.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(flow.Read(), IsEof());
  flow.read = [](size_t) { return absl::Cord("data after end-of-file"); };
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_EQ(flow.bytes_read(), 0);
}

TEST(ReadTest, AnErrorIsStickyAndSaysWhatWasTriedOnWhat) {
  HookFlow flow;
  ASSERT_THAT(flow.Read(), IsOk());
  flow.read = [](size_t) { return absl::DataLossError("bad sector"); };
  const absl::StatusOr<absl::Cord> first = flow.Read();
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("Read at byte 4: bad sector")));
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("hook flow [in: open")));
  flow.read = [](size_t) { return absl::Cord("data after an error"); };
  EXPECT_EQ(flow.Read().status(), first.status());
}

TEST(ReadTest, DeadlineExceededIsNeverSticky) {
  HookFlow flow;
  flow.read = [](size_t) { return absl::DeadlineExceededError("late"); };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow.read = [](size_t) { return absl::Cord("x"); };
  EXPECT_THAT(flow.Read(), IsOkAndHolds("x"));
}

TEST(ReadTest, MoreThanAskedForIsInternalAndSticky) {
  HookFlow flow;
  EXPECT_THAT(flow.Read(3), StatusIs(absl::StatusCode::kInternal,
                                     HasSubstr("at most 3 bytes was given 4")));
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(flow.bytes_read(), 0);
}

TEST(ReadTest, PayloadsOfAnErrorAreKept) {
  HookFlow flow;
  flow.read = [](size_t) { return ClosedError("cut"); };
  EXPECT_THAT(flow.Read().status(), IsClosedError());
}

// --- Write

TEST(WriteTest, CountsWhatWasAcceptedAlsoByAWriteThatFailed) {
  HookFlow flow;
  ASSERT_THAT(flow.Write("hello"), IsOk());
  flow.write = [](absl::Cord, size_t* accepted) {
    *accepted = 2;
    return absl::DataLossError("torn cable");
  };
  EXPECT_THAT(flow.Write("world"),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("Write of 5 bytes at byte 5, 2 of them "
                                 "accepted: torn cable")));
  EXPECT_EQ(flow.bytes_written(), 7);
}

TEST(WriteTest, AnErrorIsSticky) {
  HookFlow flow;
  flow.write = [](absl::Cord, size_t*) { return absl::DataLossError("x"); };
  const absl::Status first = flow.Write("a");
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss));
  flow.write = [](absl::Cord, size_t*) { return absl::OkStatus(); };
  EXPECT_EQ(flow.Write("b"), first);
  EXPECT_EQ(flow.Write(""), first);
  EXPECT_EQ(flow.bytes_written(), 0);
}

TEST(WriteTest, DeadlineExceededIsNeverSticky) {
  HookFlow flow;
  flow.write = [](absl::Cord, size_t* accepted) {
    *accepted = 1;
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.Write("abc"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow.write = [](absl::Cord, size_t*) { return absl::OkStatus(); };
  EXPECT_THAT(flow.Write("bc"), IsOk());
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(WriteTest, EmptyWritesReachNoImplementation) {
  HookFlow flow;
  flow.write = [](absl::Cord, size_t*) -> absl::Status {
    ADD_FAILURE() << "reached";
    return absl::OkStatus();
  };
  const std::vector<absl::Cord> empty_cords(3);
  const std::vector<absl::string_view> empty_views(3);
  absl::Cord none;
  const auto write_each = [&] {
    return std::vector<absl::Status>{
        flow.Write(""),
        flow.Write(absl::Cord()),
        flow.Write(std::string()),
        flow.Writev(empty_cords),
        flow.Writev(empty_views),
        flow.Writev(absl::Span<const absl::Cord>()),
        flow.WriteFrom(&none)};
  };
  EXPECT_THAT(write_each(), ::testing::Each(IsOk()));
  ASSERT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(write_each(), ::testing::Each(IsClosedError()));
}

TEST(WriteTest, WriteFromRemovesExactlyWhatWasAccepted) {
  HookFlow flow;
  absl::Cord source("abcdef");
  flow.write = [](absl::Cord, size_t* accepted) {
    *accepted = 2;
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.WriteFrom(&source),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(source, "cdef");
  flow.write = [](absl::Cord, size_t*) { return absl::OkStatus(); };
  EXPECT_THAT(flow.WriteFrom(&source), IsOk());
  EXPECT_EQ(source, "");
  EXPECT_EQ(flow.bytes_written(), 6);
  EXPECT_THAT(flow.WriteFrom(nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(WriteTest, AClaimToHaveAcceptedMoreThanThereWasIsInternal) {
  HookFlow flow;
  absl::Cord source("abc");
  flow.write = [](absl::Cord, size_t* accepted) {
    *accepted = 4;
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.WriteFrom(&source), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(source, "abc");
  EXPECT_EQ(flow.bytes_written(), 0);
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kInternal));
}

TEST(WriteTest, WritevByDefaultWritesTheElementsInTurnAndSkipsEmptyOnes) {
  HookFlow flow;
  std::vector<std::string> seen;
  flow.write = [&](absl::Cord buffer, size_t* accepted) -> absl::Status {
    if (seen.size() == 2) {
      *accepted = 1;
      return absl::DataLossError("x");
    }
    seen.emplace_back(buffer);
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.Writev({"ab", "", "cd", "ef", "gh"}), Not(IsOk()));
  EXPECT_THAT(seen, ElementsAre("ab", "cd"));
  EXPECT_EQ(flow.bytes_written(), 5);
}

TEST(WriteTest, OfMoreThanCanBeCountedIsInvalid) {
  HookFlow flow;
  // Nobody looks at these bytes.
  const absl::string_view huge("x", size_t{1} << 63);
  EXPECT_THAT(flow.Write(huge), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Writev({huge, huge}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Writev({huge, huge, "x"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(flow.bytes_written(), 0);
  EXPECT_THAT(flow.Write("x"), IsOk());
}

TEST(WriteTest, OutcomesAreStickyPerDirection) {
  HookFlow flow;
  flow.write = [](absl::Cord, size_t*) { return absl::DataLossError("x"); };
  EXPECT_THAT(flow.Write("a"), Not(IsOk()));
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
  HookFlow other;
  other.read = [](size_t) { return absl::DataLossError("x"); };
  EXPECT_THAT(other.Read(), Not(IsOk()));
  EXPECT_THAT(other.Write("a"), IsOk());
}

// --- Deadlines

TEST(DeadlineTest, ReachTheImplementationAlsoUnderACallButNotOnceFreed) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::DeadlineExceededError("");
  };
  flow.read_deadline = [&](absl::Time deadline) {
    EXPECT_EQ(deadline, absl::UnixEpoch());
    blocker.Leave();
  };
  std::thread reader([&] {
    EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  blocker.WaitUntilEntered();
  flow.SetReadDeadline(absl::UnixEpoch());
  reader.join();
  flow.SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(flow.log(), ElementsAre("read deadline", "write deadline"));
  EXPECT_THAT(flow.Close(), IsOk());
  flow.SetReadDeadline(absl::InfiniteFuture());
  flow.SetWriteDeadline(absl::InfiniteFuture());
  EXPECT_THAT(flow.log(), ElementsAre("read deadline", "write deadline", "end",
                                      "await remote end", "free"));
}

TEST(DeadlineTest, AnErrorThatLastsIsNeverDeadlineExceeded) {
  HookFlow flush;
  flush.end_write = [] { return absl::DeadlineExceededError("late"); };
  EXPECT_THAT(flush.Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("late")));
  EXPECT_THAT(flush.Write("x"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flush.Close(), StatusIs(absl::StatusCode::kAborted));
  HookFlow cleanup;
  cleanup.free = [] { return absl::DeadlineExceededError("late"); };
  EXPECT_THAT(cleanup.Close(), StatusIs(absl::StatusCode::kAborted));
  HookFlow remote;
  remote.await_remote_end = [](absl::Time) {
    return absl::DeadlineExceededError("the remote's reason");
  };
  EXPECT_THAT(remote.Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(remote.log(), ElementsAre("end", "await remote end", "free"));
}

// --- Threads

TEST(ThreadsTest, ASecondReaderIsRefusedAndDisturbsNothing) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("late");
  };
  std::thread first([&] { EXPECT_THAT(flow.Read(), IsOkAndHolds("late")); });
  blocker.WaitUntilEntered();
  const absl::Status second = flow.Read().status();
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("another Read is under way")));
  EXPECT_THAT(second, Not(IsClosedError()));
  EXPECT_THAT(flow.Write("the other direction"), IsOk());
  blocker.Leave();
  first.join();
  flow.read = [](size_t) { return absl::Cord("again"); };
  EXPECT_THAT(flow.Read(), IsOkAndHolds("again"));
}

TEST(ThreadsTest, ASecondWriterIsRefusedAndDisturbsNothing) {
  HookFlow flow;
  Blocker blocker;
  flow.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread first([&] { EXPECT_THAT(flow.Write("abc"), IsOk()); });
  blocker.WaitUntilEntered();
  const absl::Status second = flow.Write("x");
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(second, Not(IsClosedError()));
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
  blocker.Leave();
  first.join();
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(ThreadsTest, AnOrderedHandOffIsNeverMisreported) {
  constexpr int kTurns = 20000;
  HookFlow flow;
  std::atomic<int> turn{0};
  const auto run = [&](int parity) {
    for (int i = parity; i < kTurns; i += 2) {
      while (turn.load() != i) std::this_thread::yield();
      ASSERT_THAT(flow.Read(), IsOk());
      ASSERT_THAT(flow.Write("x"), IsOk());
      turn.store(i + 1);
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  EXPECT_EQ(flow.bytes_read(), 4 * kTurns);
  EXPECT_EQ(flow.bytes_written(), kTurns);
}

// --- Shutdown

TEST(ShutdownTest, WriteTellsTheImplementationOnceAndLeavesReadsAlone) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.log(), ElementsAre("end"));
  EXPECT_THAT(flow.Write("x"), IsClosedError());
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
}

TEST(ShutdownTest, WriteUnderAWriteOnlyMarksItAndTheWriteSendsTheEnd) {
  HookFlow flow;
  Blocker blocker;
  flow.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), IsOk()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow.log(), IsEmpty());
  EXPECT_THAT(flow.Write("x"), IsClosedError());
  EXPECT_THAT(flow.Write(""), IsClosedError());
  blocker.Leave();
  writer.join();
  EXPECT_THAT(flow.log(), ElementsAre("end"));
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(ShutdownTest, AWriteThatFailsAfterTheMarkNeverSendsACleanEnd) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kDataLoss, absl::StatusCode::kDeadlineExceeded}) {
    HookFlow flow;
    Blocker blocker;
    flow.write = [&](absl::Cord, size_t*) {
      blocker.Block();
      return absl::Status(code, "no");
    };
    std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), StatusIs(code)); });
    blocker.WaitUntilEntered();
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
    blocker.Leave();
    writer.join();
    EXPECT_THAT(flow.log(), ElementsAre("broken"));
    EXPECT_THAT(flow.Write("x"), Not(IsOk()));
    EXPECT_THAT(flow.Write("x"), Not(IsClosedError()));
    EXPECT_THAT(flow.Close(absl::Now() + kLong), Not(IsOk()));
  }
}

TEST(ShutdownTest, AFailedFlushIsTheErrorOfTheDirection) {
  HookFlow flow;
  flow.end_write = [] { return absl::DataLossError("disk"); };
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ShutdownTest, ReadIsEndOfFileFromThenOn) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow.log(), ElementsAre("shutdown read"));
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Write("x"), IsOk());
}

TEST(ShutdownTest, ReadWakesABlockedReadWithEndOfFile) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("too late");
  };
  flow.shutdown_read = [&] { blocker.Leave(); };
  std::thread reader([&] { EXPECT_THAT(flow.Read(), IsEof()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  EXPECT_EQ(flow.bytes_read(), 0);
}

TEST(ShutdownTest, ReadKeepsAnEarlierError) {
  HookFlow flow;
  flow.read = [](size_t) { return absl::DataLossError("x"); };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kRead),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ShutdownTest, ReadWriteEndsBoth) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Write("x"), IsClosedError());
}

TEST(ShutdownTest, AnUnknownModeIsInvalid) {
  HookFlow flow;
  EXPECT_THAT(flow.Shutdown(static_cast<ShutdownMode>(7)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Write("x"), IsOk());
}

// --- Close

TEST(CloseTest, SignalsThenWaitsForTheRemoteThenFrees) {
  HookFlow flow;
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_EQ(flow.log().size(), 3);
}

TEST(CloseTest, DoesNotWaitForARemoteThatHasEndedOrWasRefused) {
  HookFlow ended;
  ended.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(ended.Read(), IsEof());
  EXPECT_THAT(ended.Close(), IsOk());
  EXPECT_THAT(ended.log(), ElementsAre("end", "free"));
  HookFlow refused;
  EXPECT_THAT(refused.Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(refused.Close(), IsOk());
  EXPECT_THAT(refused.log(), ElementsAre("shutdown read", "end", "free"));
}

TEST(CloseTest, ReadAndWriteReturnClosedAfterwards) {
  for (const bool at_end : {false, true}) {
    HookFlow flow;
    if (at_end) {
      flow.read = [](size_t) { return absl::Cord(); };
      EXPECT_THAT(flow.Read(), IsEof());
    }
    EXPECT_THAT(flow.Close(), IsOk());
    EXPECT_THAT(flow.Read().status(), IsClosedError());
    EXPECT_THAT(flow.Write("x"), IsClosedError());
    EXPECT_THAT(flow.Write(""), IsClosedError());
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
  }
}

TEST(CloseTest, AnotherThreadMayReadWhileItWaits) {
  HookFlow flow;
  Blocker blocker;
  flow.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread closer([&] { EXPECT_THAT(flow.Close(), IsOk()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
  EXPECT_THAT(flow.Write("x"), IsClosedError());
  blocker.Leave();
  closer.join();
}

TEST(CloseTest, ABlockedWriteFinishesFirst) {
  HookFlow flow;
  Blocker blocker;
  flow.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), IsOk()); });
  blocker.WaitUntilEntered();
  std::atomic<bool> closed{false};
  std::thread closer([&] {
    EXPECT_THAT(flow.Close(), IsOk());
    closed = true;
  });
  absl::SleepFor(kShort);
  EXPECT_FALSE(closed);
  EXPECT_THAT(flow.log(), IsEmpty());
  blocker.Leave();
  closer.join();
  writer.join();
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, WaitsForAReadThatIsUnderWayAndThatReadKeepsItsData) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("in time");
  };
  std::thread reader(
      [&] { EXPECT_THAT(flow.Read(), IsOkAndHolds("in time")); });
  blocker.WaitUntilEntered();
  std::thread closer([&] { EXPECT_THAT(flow.Close(), IsOk()); });
  absl::SleepFor(kShort);
  EXPECT_THAT(flow.log(), Not(::testing::Contains("free")));
  blocker.Leave();
  reader.join();
  closer.join();
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, WhileItFreesAReadIsClosedAndNotEndOfFile) {
  HookFlow flow;
  flow.free = [&] {
    EXPECT_THAT(flow.Read().status(), IsClosedError());
    EXPECT_THAT(flow.Write("x"), IsClosedError());
    EXPECT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
    flow.Abort(absl::InternalError("ignored"));
    EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kFailedPrecondition));
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, ReportsAFailedWrite) {
  HookFlow flow;
  flow.write = [](absl::Cord, size_t*) { return absl::DataLossError("x"); };
  const absl::Status failed = flow.Write("x");
  EXPECT_EQ(flow.Close(), failed);
  EXPECT_EQ(flow.Close(), failed);
  EXPECT_EQ(flow.Write("x"), failed);
  EXPECT_THAT(flow.log(), ElementsAre("broken", "await remote end", "free"));
}

TEST(CloseTest, ReportsAnInboundErrorAndAnErrorOfFreeing) {
  HookFlow broken;
  broken.await_remote_end = [](absl::Time) { return absl::DataLossError("r"); };
  EXPECT_THAT(broken.Close(), StatusIs(absl::StatusCode::kDataLoss));
  HookFlow full;
  full.free = [] { return absl::ResourceExhaustedError("disk full"); };
  EXPECT_THAT(full.Close(), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("disk full")));
  EXPECT_THAT(full.Close(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(CloseTest, PastItsDeadlineItAbortsAndFreesAndIsLatched) {
  HookFlow flow;
  flow.await_remote_end = [](absl::Time deadline) {
    absl::SleepFor(deadline - absl::Now());
    return absl::DeadlineExceededError("");
  };
  EXPECT_THAT(flow.Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("the remote to end")));
  EXPECT_THAT(flow.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow.Read().status(), IsClosedError());
  EXPECT_THAT(flow.Write("x"), IsClosedError());
}

TEST(CloseTest, PastItsDeadlineUnderAWriteTheWriteFrees) {
  HookFlow flow;
  Blocker blocker;
  flow.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread writer([&] { EXPECT_THAT(flow.Write("abc"), IsClosedError()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("has waited for a write")));
  EXPECT_THAT(flow.log(), ElementsAre("abort ABORTED"));
  blocker.Leave();
  writer.join();
  EXPECT_EQ(flow.bytes_written(), 3);
  EXPECT_THAT(flow.log(), ElementsAre("abort ABORTED", "free"));
}

TEST(CloseTest, PastItsDeadlineUnderAReadTheReadFrees) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("late");
  };
  std::thread reader(
      [&] { EXPECT_THAT(flow.Read().status(), IsClosedError()); });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Close(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  blocker.Leave();
  reader.join();
  EXPECT_THAT(flow.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
}

TEST(CloseTest, JoinedByAnotherBothReturnTheSame) {
  HookFlow flow;
  Blocker blocker;
  flow.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::DataLossError("x");
  };
  std::vector<absl::Status> results(2);
  std::thread first([&] { results[0] = flow.Close(); });
  blocker.WaitUntilEntered();
  std::thread second([&] { results[1] = flow.Close(); });
  absl::SleepFor(kShort);
  blocker.Leave();
  first.join();
  second.join();
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(results[0], results[1]);
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, OfSeveralTheEarliestDeadlineCounts) {
  HookFlow flow;
  Blocker blocker;
  flow.await_remote_end = [&](absl::Time) {
    blocker.Block();
    return absl::OkStatus();
  };
  flow.abort = [&] { blocker.Leave(); };
  std::thread patient([&] {
    EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow.Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  patient.join();
  EXPECT_THAT(flow.log(),
              ElementsAre("end", "await remote end", "abort ABORTED", "free"));
}

TEST(CloseTest, JoinedDuringTheCleanUpItWaitsForThatPastItsDeadline) {
  HookFlow flow;
  Blocker blocker;
  flow.free = [&] {
    blocker.Block();
    return absl::DataLossError("not flushed");
  };
  std::vector<absl::Status> results(2);
  std::thread first([&] { results[0] = flow.Close(); });
  blocker.WaitUntilEntered();
  std::thread second([&] { results[1] = flow.Close(absl::InfinitePast()); });
  absl::SleepFor(kShort);
  blocker.Leave();
  first.join();
  second.join();
  EXPECT_THAT(results[0], StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(results[0], results[1]);
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(CloseTest, FromInsideAHookItAbortsInsteadOfWaitingForItself) {
  HookFlow flow;
  flow.read = [&](size_t) {
    EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kFailedPrecondition));
    return absl::Cord("discarded");
  };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("from inside")));
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(flow.log(), ElementsAre("abort FAILED_PRECONDITION", "free"));
}

// --- Abort

TEST(AbortTest, EveryLaterOperationReturnsTheReason) {
  HookFlow flow;
  const absl::Status reason = absl::PermissionDeniedError("intruder");
  flow.Abort(reason);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Write("x"), reason);
  EXPECT_EQ(flow.Write(""), reason);
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kWrite), reason);
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kRead), reason);
  EXPECT_EQ(flow.Close(), reason);
  EXPECT_EQ(flow.Close(), reason);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Write("x"), reason);
  EXPECT_THAT(flow.log(), ElementsAre("abort PERMISSION_DENIED", "free"));
}

TEST(AbortTest, AnOkOrDeadlineReasonBecomesAborted) {
  HookFlow ok;
  ok.Abort(absl::OkStatus());
  EXPECT_THAT(ok.Read(), StatusIs(absl::StatusCode::kAborted));
  HookFlow late;
  late.Abort(absl::DeadlineExceededError("too slow"));
  EXPECT_THAT(late.Read(), StatusIs(absl::StatusCode::kAborted, "too slow"));
}

TEST(AbortTest, TheFirstCounts) {
  HookFlow flow;
  flow.Abort(absl::AbortedError("first"));
  flow.Abort(absl::AbortedError("second"));
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kAborted, "first"));
  EXPECT_THAT(flow.log(), ElementsAre("abort ABORTED"));
}

TEST(AbortTest, ADirectionThatBrokeEarlierKeepsItsError) {
  HookFlow flow;
  flow.write = [](absl::Cord, size_t*) { return absl::DataLossError("x"); };
  const absl::Status broken = flow.Write("x");
  const absl::Status reason = absl::CancelledError("stop");
  flow.Abort(reason);
  EXPECT_EQ(flow.Write("x"), broken);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Close(), reason);
}

TEST(AbortTest, AfterShutdownAndEndOfFileEverythingIsTheReason) {
  HookFlow flow;
  flow.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Shutdown(ShutdownMode::kWrite), IsOk());
  const absl::Status reason = absl::CancelledError("stop");
  flow.Abort(reason);
  EXPECT_EQ(flow.Read().status(), reason);
  EXPECT_EQ(flow.Write("x"), reason);
}

TEST(AbortTest, WakesABlockedReadAndWriteAndClose) {
  HookFlow flow;
  Blocker read_blocker, write_blocker;
  flow.read = [&](size_t) {
    read_blocker.Block();
    return absl::Cord("discarded");
  };
  flow.write = [&](absl::Cord, size_t* accepted) {
    write_blocker.Block();
    *accepted = 1;
    return absl::UnavailableError("");
  };
  flow.abort = [&] {
    read_blocker.Leave();
    write_blocker.Leave();
  };
  const absl::Status reason = absl::CancelledError("stop");
  std::thread reader([&] { EXPECT_EQ(flow.Read().status(), reason); });
  std::thread writer([&] { EXPECT_EQ(flow.Write("xyz"), reason); });
  read_blocker.WaitUntilEntered();
  write_blocker.WaitUntilEntered();
  std::thread closer([&] { EXPECT_EQ(flow.Close(), reason); });
  absl::SleepFor(kShort);
  flow.Abort(reason);
  reader.join();
  writer.join();
  closer.join();
  EXPECT_EQ(flow.bytes_read(), 0);
  EXPECT_EQ(flow.bytes_written(), 1);
  EXPECT_THAT(flow.log(), ElementsAre("abort CANCELLED", "free"));
}

TEST(AbortTest, UnderACallTheLastCallToReturnFrees) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("discarded");
  };
  std::thread reader(
      [&] { EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kAborted)); });
  blocker.WaitUntilEntered();
  flow.Abort(absl::OkStatus());
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flow.log(), ElementsAre("abort ABORTED"));
  blocker.Leave();
  reader.join();
  EXPECT_THAT(flow.log(), ElementsAre("abort ABORTED", "free"));
}

TEST(AbortTest, AfterCloseItChangesNothing) {
  HookFlow flow;
  EXPECT_THAT(flow.Close(), IsOk());
  flow.Abort(absl::CancelledError("late"));
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(flow.Read().status(), IsClosedError());
  EXPECT_THAT(flow.log(), ElementsAre("end", "await remote end", "free"));
}

TEST(AbortTest, AWriteThatIsUnderWayReturnsTheReasonAndCountsWhatItTook) {
  HookFlow flow;
  const absl::Status reason = absl::CancelledError("stop");
  flow.write = [&](absl::Cord, size_t*) {
    flow.Abort(reason);
    return absl::OkStatus();
  };
  absl::Cord source("abc");
  EXPECT_EQ(flow.WriteFrom(&source), reason);
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(AbortTest, WhileTheEndIsSentIsTheFirstAndOnlyError) {
  HookFlow flow;
  const absl::Status reason = absl::CancelledError("stop");
  flow.end_write = [&] {
    flow.Abort(reason);
    return absl::DataLossError("second");
  };
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kWrite), reason);
  EXPECT_EQ(flow.Write("x"), reason);
  EXPECT_EQ(flow.Close(), reason);
}

// --- Destruction

TEST(DestructionTest, WithoutCloseAbortsAndFreesAndNeitherFlushesNorWaits) {
  std::vector<std::string> log;
  {
    HookFlow flow;
    flow.also_log = [&](std::string what) { log.push_back(std::move(what)); };
  }
  EXPECT_THAT(log, ElementsAre("abort ABORTED", "free"));
}

TEST(DestructionTest, AfterCloseDoesNothingMore) {
  std::vector<std::string> log;
  {
    HookFlow flow;
    flow.also_log = [&](std::string what) { log.push_back(std::move(what)); };
    EXPECT_THAT(flow.Close(), IsOk());
  }
  EXPECT_THAT(log, ElementsAre("end", "await remote end", "free"));
}

TEST(DestructionDeathTest, UnderACallEndsTheProgramWithAWord) {
  EXPECT_DEATH(
      {
        auto flow = std::make_unique<HookFlow>();
        HookFlow* raw = flow.get();
        raw->read = [&](size_t) {
          flow.reset();
          return absl::Cord();
        };
        raw->Read().IgnoreError();
      },
      "destroyed while a call is under way");
}

// --- DebugString

TEST(DebugStringTest, NamesKindAndStatesAndCounts) {
  HookFlow flow;
  ASSERT_THAT(flow.Read(), IsOk());
  EXPECT_EQ(flow.DebugString(),
            "hook flow [in: open, 4 bytes; out: open, 0 bytes]");
  ASSERT_THAT(flow.Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_EQ(flow.DebugString(),
            "hook flow [in: refused, 4 bytes; out: ended, 0 bytes]");
  flow.Abort(absl::OkStatus());
  EXPECT_EQ(flow.DebugString(),
            "hook flow [in: aborted, 4 bytes; out: aborted, 0 bytes]");
}

}  // namespace
}  // namespace flow
