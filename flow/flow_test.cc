// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What Flow keeps for every transport, on one that calls functions of the test:
// reads, writes, deadlines and threads of docs/semantics.md, rule by rule.
// flow_close_test.cc and flow_abort_test.cc have the rest.

#include "flow/flow.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <utility>
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
  flow.hooks.read = [&](size_t max_bytes) {
    seen = max_bytes;
    return absl::Cord("x");
  };
  ASSERT_THAT(flow.Read(7), IsOk());
  EXPECT_EQ(seen, 7);
  ASSERT_THAT(flow.Read(), IsOk());
  EXPECT_EQ(seen, kNoLimit);
}

TEST(ReadTest, IntoMemoryOfTheCallerIsARead) {
  HookFlow flow;
  size_t seen = 0;
  flow.hooks.read = [&](size_t max_bytes) {
    seen = max_bytes;
    return absl::Cord("abc");
  };
  std::string space = "......";
  EXPECT_THAT(flow.ReadInto(absl::MakeSpan(space)), IsOkAndHolds(3));
  EXPECT_EQ(seen, 6);
  EXPECT_EQ(space, "abc...");
  EXPECT_EQ(flow.bytes_read(), 3);
  EXPECT_THAT(flow.ReadInto(absl::Span<char>()),
              StatusIs(absl::StatusCode::kInvalidArgument));
  flow.hooks.read = [](size_t) { return absl::DeadlineExceededError("late"); };
  EXPECT_THAT(flow.ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow.hooks.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(flow.ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
  EXPECT_THAT(flow.Read(), IsEof());
}

TEST(ReadTest, IntoMemoryOfTheCallerNeverWritesBeyondIt) {
  HookFlow flow;
  flow.hooks.read = [](size_t) { return absl::Cord("too much"); };
  std::string space = "......";
  EXPECT_THAT(
      flow.ReadInto(absl::MakeSpan(space).first(3)),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("at most 3 bytes")));
  EXPECT_EQ(space.substr(3), "...");
  EXPECT_EQ(flow.bytes_read(), 0);
  EXPECT_THAT(flow.ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(ReadTest, OfZeroBytesIsInvalidAndNotSticky) {
  HookFlow flow;
  EXPECT_THAT(flow.Read(0), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
}

TEST(ReadTest, EndOfFileIsSticky) {
  HookFlow flow;
  flow.hooks.read = [](size_t) { return absl::Cord(); };
  EXPECT_THAT(flow.Read(), IsEof());
  flow.hooks.read = [](size_t) { return absl::Cord("data after end-of-file"); };
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_EQ(flow.bytes_read(), 0);
}

TEST(ReadTest, AnErrorIsStickyAndSaysWhatWasTriedOnWhat) {
  HookFlow flow;
  ASSERT_THAT(flow.Read(), IsOk());
  flow.hooks.read = [](size_t) { return absl::DataLossError("bad sector"); };
  const absl::StatusOr<absl::Cord> first = flow.Read();
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("Read at byte 4: bad sector")));
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss,
                              HasSubstr("hook flow [in: open")));
  flow.hooks.read = [](size_t) { return absl::Cord("data after an error"); };
  EXPECT_EQ(flow.Read().status(), first.status());
}

TEST(ReadTest, DeadlineExceededIsNeverSticky) {
  HookFlow flow;
  flow.hooks.read = [](size_t) { return absl::DeadlineExceededError("late"); };
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow.hooks.read = [](size_t) { return absl::Cord("x"); };
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
  flow.hooks.read = [](size_t) { return ClosedError("cut"); };
  EXPECT_THAT(flow.Read().status(), IsClosed());
}

// --- Write

TEST(WriteTest, CountsWhatWasAcceptedAlsoByAWriteThatFailed) {
  HookFlow flow;
  ASSERT_THAT(flow.Write("hello"), IsOk());
  flow.hooks.write = [](absl::Cord, size_t* accepted) {
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
  flow.hooks.write = [](absl::Cord, size_t*) {
    return absl::DataLossError("x");
  };
  const absl::Status first = flow.Write("a");
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kDataLoss));
  flow.hooks.write = [](absl::Cord, size_t*) { return absl::OkStatus(); };
  EXPECT_EQ(flow.Write("b"), first);
  EXPECT_EQ(flow.Write(""), first);
  EXPECT_EQ(flow.bytes_written(), 0);
}

TEST(WriteTest, DeadlineExceededIsNeverSticky) {
  HookFlow flow;
  flow.hooks.write = [](absl::Cord, size_t* accepted) {
    *accepted = 1;
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.Write("abc"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  flow.hooks.write = [](absl::Cord, size_t*) { return absl::OkStatus(); };
  EXPECT_THAT(flow.Write("bc"), IsOk());
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(WriteTest, EmptyWritesDoNotReachTheTransport) {
  HookFlow flow;
  flow.hooks.write = [](absl::Cord, size_t*) -> absl::Status {
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
  flow.hooks.write = [](absl::Cord, size_t* accepted) {
    *accepted = 2;
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.WriteFrom(&source),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(source, "cdef");
  flow.hooks.write = [](absl::Cord, size_t*) { return absl::OkStatus(); };
  EXPECT_THAT(flow.WriteFrom(&source), IsOk());
  EXPECT_EQ(source, "");
  EXPECT_EQ(flow.bytes_written(), 6);
  EXPECT_THAT(flow.WriteFrom(nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(WriteTest, AClaimToHaveAcceptedMoreThanThereWasIsInternal) {
  HookFlow flow;
  absl::Cord source("abc");
  flow.hooks.write = [](absl::Cord, size_t* accepted) {
    *accepted = 4;
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flow.WriteFrom(&source), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(source, "abc");
  EXPECT_EQ(flow.bytes_written(), 0);
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kInternal));
}

TEST(WriteTest, ASuccessThatHasAcceptedAPartIsInternal) {
  HookFlow flow;
  flow.hooks.write = [](absl::Cord, size_t* accepted) {
    *accepted = 2;
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.Write("four"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("2 of 4 bytes")));
  EXPECT_EQ(flow.bytes_written(), 2);
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kInternal));
}

TEST(WriteTest, WritevIsOneWriteOfTheConcatenation) {
  HookFlow flow;
  std::vector<std::string> seen;
  flow.hooks.write = [&](absl::Cord buffer, size_t* accepted) -> absl::Status {
    seen.emplace_back(buffer);
    *accepted = 5;
    return absl::DataLossError("x");
  };
  EXPECT_THAT(flow.Writev({"ab", "", absl::Cord("cd"), std::string("ef")}),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("Write of 6 bytes at byte 0, 5 of them")));
  EXPECT_THAT(seen, ElementsAre("abcdef"));
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
  flow.hooks.write = [](absl::Cord, size_t*) {
    return absl::DataLossError("x");
  };
  EXPECT_THAT(flow.Write("a"), Not(IsOk()));
  EXPECT_THAT(flow.Read(), IsOkAndHolds("data"));
  HookFlow other;
  other.hooks.read = [](size_t) { return absl::DataLossError("x"); };
  EXPECT_THAT(other.Read(), Not(IsOk()));
  EXPECT_THAT(other.Write("a"), IsOk());
}

// --- Deadlines

TEST(DeadlineTest, ReachTheTransportAlsoUnderACallButNotOnceFreed) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.read = [&](size_t) {
    blocker.Block();
    return absl::DeadlineExceededError("");
  };
  flow.hooks.read_deadline = [&](absl::Time deadline) {
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
  EXPECT_THAT(flow.hooks.log(), ElementsAre("read deadline", "write deadline"));
  EXPECT_THAT(flow.Close(), IsOk());
  flow.SetReadDeadline(absl::InfiniteFuture());
  flow.SetWriteDeadline(absl::InfiniteFuture());
  EXPECT_THAT(flow.hooks.log(), ElementsAre("read deadline", "write deadline",
                                            "end", "await remote end", "free"));
}

TEST(DeadlineTest, AnErrorThatLastsIsNeverDeadlineExceeded) {
  HookFlow flush;
  flush.hooks.end_write = [](absl::Time) {
    return absl::DeadlineExceededError("late");
  };
  EXPECT_THAT(flush.Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("late")));
  EXPECT_THAT(flush.Write("x"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(flush.Close(), StatusIs(absl::StatusCode::kAborted));
  HookFlow cleanup;
  cleanup.hooks.free = [] { return absl::DeadlineExceededError("late"); };
  EXPECT_THAT(cleanup.Close(), StatusIs(absl::StatusCode::kAborted));
  HookFlow remote;
  remote.hooks.await_remote_end = [](absl::Time) {
    return absl::DeadlineExceededError("the remote's reason");
  };
  EXPECT_THAT(remote.Close(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(remote.hooks.log(),
              ElementsAre("end", "await remote end", "free"));
}

// --- Threads

TEST(ThreadsTest, ASecondReaderIsRefusedAndDisturbsNothing) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("late");
  };
  std::thread first([&] { EXPECT_THAT(flow.Read(), IsOkAndHolds("late")); });
  blocker.WaitUntilEntered();
  const absl::Status second = flow.Read().status();
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("another Read is under way")));
  EXPECT_THAT(flow.Write("the other direction"), IsOk());
  blocker.Leave();
  first.join();
  flow.hooks.read = [](size_t) { return absl::Cord("again"); };
  EXPECT_THAT(flow.Read(), IsOkAndHolds("again"));
}

TEST(ThreadsTest, ASecondWriterIsRefusedAndDisturbsNothing) {
  HookFlow flow;
  Blocker blocker;
  flow.hooks.write = [&](absl::Cord, size_t*) {
    blocker.Block();
    return absl::OkStatus();
  };
  std::thread first([&] { EXPECT_THAT(flow.Write("abc"), IsOk()); });
  blocker.WaitUntilEntered();
  const absl::Status second = flow.Write("x");
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kInvalidArgument));
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
absl::Cord TellsWhenFreed(std::function<void()> freed) {
  static const char kByte = 'x';
  return absl::MakeCordFromExternal(absl::string_view(&kByte, 1),
                                    [freed = std::move(freed)] { freed(); });
}

TEST(FreeingTest, AReadThatComesTooLateIsFreedWithoutALock) {
  HookFlow flow;
  bool freed = false;
  flow.hooks.read = [&](size_t) {
    flow.Shutdown(ShutdownMode::kRead).IgnoreError();
    return TellsWhenFreed([&] {
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
  flow.hooks.read = [&](size_t) {
    absl::Cord data = TellsWhenFreed([&] {
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
  flow.hooks.write = [&](absl::Cord, size_t*) {
    flow.Abort(absl::UnknownError("first"));
    absl::Status error = absl::DataLossError("late");
    error.SetPayload("payload", TellsWhenFreed([&] {
                       flow.DebugString();
                       freed = true;
                     }));
    return error;
  };
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kUnknown));
  EXPECT_TRUE(freed);
}

TEST(FreeingTest, AnErrorOfAReadThatComesTooLateIsFreedWithoutALock) {
  HookFlow flow;
  bool freed = false;
  flow.hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    flow.Abort(absl::UnknownError("first"));
    absl::Status error = absl::DataLossError("late");
    error.SetPayload("payload", TellsWhenFreed([&] {
                       flow.DebugString();
                       freed = true;
                     }));
    return error;
  };
  // Read() would keep a copy of the error for longer.
  char space[1];
  EXPECT_THAT(flow.ReadInto(absl::MakeSpan(space)),
              StatusIs(absl::StatusCode::kUnknown));
  EXPECT_TRUE(freed);
}

TEST(FreeingTest, AnErrorWithATooLargeClaimIsFreedWithoutALock) {
  HookFlow flow;
  bool freed = false;
  flow.hooks.write = [&](absl::Cord, size_t* accepted) {
    *accepted = 2;
    absl::Status error = absl::DataLossError("wrong");
    error.SetPayload("payload", TellsWhenFreed([&] {
                       flow.DebugString();
                       freed = true;
                     }));
    return error;
  };
  EXPECT_THAT(flow.Write("x"), StatusIs(absl::StatusCode::kInternal));
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
  flow.hooks.read = [&](size_t) {
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

TEST(FlowTest, OkAfterAPartWasAcceptedIsInternal) {
  HookFlow flow;
  flow.hooks.write = [](const absl::Cord&, size_t* accepted) {
    *accepted = 1;
    return absl::OkStatus();
  };
  EXPECT_THAT(flow.Write("data"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("1 of 4 bytes")));
  EXPECT_EQ(flow.bytes_written(), 1);
  EXPECT_THAT(flow.Write("more"), StatusIs(absl::StatusCode::kInternal));
}

}  // namespace
}  // namespace flow
