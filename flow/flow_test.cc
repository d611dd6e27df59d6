// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the base keeps for every kind of flow, on one whose hooks the test
// writes: reads, writes, deadlines and threads of docs/semantics.md, rule by
// rule. flow_close_test.cc and flow_abort_test.cc have the rest.

#include "flow/flow.h"

#include <atomic>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/status.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Blocker;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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
  EXPECT_THAT(flow.Read().status(), IsClosed());
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
  EXPECT_THAT(write_each(), ::testing::Each(IsClosed()));
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
  EXPECT_THAT(second, Not(IsClosed()));
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
  EXPECT_THAT(second, Not(IsClosed()));
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

// --- Freeing

// A buffer that calls `freed` when it is freed, as a user's can.
absl::Cord Buffer(std::function<void()> freed) {
  static const char kByte = 'x';
  return absl::MakeCordFromExternal(absl::string_view(&kByte, 1),
                                    [freed = std::move(freed)] { freed(); });
}

TEST(FreeingTest, AReadThatComesTooLateIsFreedWithoutALock) {
  HookFlow flow;
  bool freed = false;
  flow.read = [&](size_t) {
    flow.Shutdown(ShutdownMode::kRead).IgnoreError();
    return Buffer([&] {
      flow.DebugString();
      freed = true;
    });
  };
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_TRUE(freed);
}

TEST(FreeingTest, AReadThatIsTooLargeIsFreedWithoutALock) {
  HookFlow flow;
  bool freed = false;
  flow.read = [&](size_t) {
    absl::Cord data = Buffer([&] {
      flow.DebugString();
      freed = true;
    });
    data.Append(std::string(1000, 'x'));
    return data;
  };
  EXPECT_THAT(flow.Read(1), StatusIs(absl::StatusCode::kInternal));
  EXPECT_TRUE(freed);
}

TEST(FreeingTest, AnErrorThatComesTooLateIsFreedWithoutALock) {
  HookFlow flow;
  bool freed = false;
  flow.write = [&](absl::Cord, size_t*) {
    flow.Abort(absl::UnknownError("first"));
    absl::Status error = absl::DataLossError("late");
    error.SetPayload("payload", Buffer([&] {
                       flow.DebugString();
                       freed = true;
                     }));
    return error;
  };
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_TRUE(freed);
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

TEST(DebugStringTest, NamesCallsUnderWay) {
  HookFlow flow;
  Blocker blocker;
  flow.read = [&](size_t) {
    blocker.Block();
    return absl::Cord();
  };
  std::thread reader([&] { flow.Read().IgnoreError(); });
  blocker.WaitUntilEntered();
  EXPECT_EQ(flow.DebugString(),
            "hook flow [in: open, 0 bytes; out: open, 0 bytes], in Read()");
  blocker.Leave();
  reader.join();
}

}  // namespace
}  // namespace flow
