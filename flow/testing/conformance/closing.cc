// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks of conformance.h on ends: Shutdown(), Close(), and what is left
// afterwards.

#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/testing/conformance.h"
#include "flow/testing/conformance/check.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing::conformance {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::AllOf;
using ::testing::Not;

void ExpectWritesAreClosed(Flow& flow) {
  absl::Cord cord("x");
  absl::Cord empty;
  EXPECT_THAT(flow.Write("x"), IsClosed());
  EXPECT_THAT(flow.Write(cord), IsClosed());
  EXPECT_THAT(flow.Write(std::string("x")), IsClosed());
  EXPECT_THAT(flow.Writev({"x", "y"}), IsClosed());
  EXPECT_THAT(flow.Writev({cord, cord}), IsClosed());
  EXPECT_THAT(flow.WriteFrom(&cord), IsClosed());
  EXPECT_EQ(cord, "x");
  EXPECT_THAT(flow.Write(""), IsClosed());
  EXPECT_THAT(flow.Write(empty), IsClosed());
  EXPECT_THAT(flow.Writev(absl::Span<const absl::string_view>()), IsClosed());
  EXPECT_THAT(flow.WriteFrom(&empty), IsClosed());
}

// Returns when a Close() or Shutdown(kWrite) has begun on another thread. An
// empty write disturbs nothing.
void WaitUntilEnding(const Check& check, Flow& flow) {
  while (flow.Write("").ok() && !check.hung()) {
    absl::SleepFor(absl::Microseconds(100));
  }
}

// --- Shutdown(kWrite)

FLOW_CONFORMANCE_CHECK(EndOfFileStays, kNothing) {
  Ends ends(check);
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), "x"); });
  ASSERT_THAT(ends.remote().Read(), IsOkAndHolds("x"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(ends.remote().Read(1), IsEof());
    EXPECT_THAT(ends.remote().Read(), IsEof());
    EXPECT_THAT(ReadAs(/*into=*/true, ends.remote()), IsEof());
  }
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(TheEndWakesABlockedRead, kNothing) {
  for (const bool into : {false, true}) {
    SCOPED_TRACE(into ? "ReadInto" : "Read");
    Ends ends(check);
    Task reader(ends, [&] { return ReadAs(into, ends.remote()); });
    ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
    EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(reader.Wait(), IsEof());
  }
}

FLOW_CONFORMANCE_CHECK(HalfCloseLeavesTheReverseDirectionToItsOwnEnd,
                       kNothing) {
  const std::string question = Bytes(1000);
  const std::string answer = Bytes(100000, 2);
  Ends ends(check);
  Task asker(ends, [&] { return WriteAndEnd(ends.local(), question); });
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), question));
  ASSERT_THAT(asker.Wait(), IsOk());
  Task answerer(ends, [&] { return WriteAndEnd(ends.remote(), answer); });
  ASSERT_TRUE(Same(ReadToEnd(ends.local()), answer));
  EXPECT_THAT(answerer.Wait(), IsOk());
  EXPECT_THAT(ends.remote().Read(), IsEof());
  EXPECT_THAT(ends.local().Close(), IsOk());
  EXPECT_THAT(ends.remote().Close(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ARepeatedShutdownIsOk, kNothing) {
  Ends ends(check);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kReadWrite), IsOk());
  }
  EXPECT_THAT(ends.remote().Read(), IsEof());
  EXPECT_THAT(ends.remote().Shutdown(ShutdownMode::kReadWrite), IsOk());
}

FLOW_CONFORMANCE_CHECK(WritesAfterShutdownAreClosed, kNothing) {
  Ends ends(check);
  ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
  ExpectWritesAreClosed(ends.local());
  EXPECT_EQ(ends.local().bytes_written(), 0);
  EXPECT_THAT(ends.remote().Read(), IsEof());
}

FLOW_CONFORMANCE_CHECK(ShutdownDuringABlockedWriteSendsTheEndAfterIt, kFull) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ends.local().Write(""), IsClosed());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  Received rest = ReadToEnd(ends.remote());
  rest.bytes.insert(0, first.bytes);
  ASSERT_TRUE(Same(rest, sent));
  EXPECT_THAT(writer.Wait(), IsOk());
  ExpectWritesAreClosed(ends.local());
}

FLOW_CONFORMANCE_CHECK(AWriteThatFailsAfterShutdownIsNotEndedByIt,
                       kFull | kInterruption | kAbort) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
  ends.local().SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(writer.Wait(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  Received rest = ReadToEnd(ends.remote());
  EXPECT_THAT(rest.outcome, check.Carries(absl::AbortedError("")))
      << "the end of the stream in mid-message";
  rest.bytes.insert(0, first.bytes);
  EXPECT_TRUE(PrefixOf(sent, rest));
  EXPECT_THAT(ends.local().Write("x"), AllOf(Not(IsOk()), Not(IsClosed())));
  if (!check.traits().carries_abort_reason) return;
  // The other direction is not concerned.
  Task answer(ends, [&] { return WriteAndEnd(ends.remote(), "answer"); });
  EXPECT_TRUE(Same(ReadToEnd(ends.local()), "answer"));
  EXPECT_THAT(answer.Wait(), IsOk());
}

// --- Shutdown(kRead)

FLOW_CONFORMANCE_CHECK(ShutdownReadWakesABlockedReadWithEndOfFile,
                       kInterruption) {
  for (const bool into : {false, true}) {
    SCOPED_TRACE(into ? "ReadInto" : "Read");
    Ends ends(check);
    Task reader(ends, [&] { return ReadAs(into, ends.local()); });
    ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
    EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
    EXPECT_THAT(reader.Wait(), IsEof());
    EXPECT_THAT(ends.local().Read(), IsEof());
  }
}

FLOW_CONFORMANCE_CHECK(ShutdownReadDiscardsWhatWasNotRead, kNothing) {
  Ends ends(check);
  Task sender(ends, [&] { return ends.remote().Write("abc"); });
  ASSERT_THAT(ends.local().Read(1), IsOkAndHolds("a"));
  EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(ends.local().Read(), IsEof());
  EXPECT_THAT(ends.local().Read(), IsEof());
  EXPECT_EQ(ends.local().bytes_read(), 1);
}

FLOW_CONFORMANCE_CHECK(ShutdownReadLeavesTheOtherDirectionFlowing, kNothing) {
  const std::string sent = Bytes(50000);
  Ends ends(check);
  ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), sent); });
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ShutdownReadClosesTheWritesOfTheRemote, kRefusal) {
  Ends ends(check);
  ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(ends.remote().Write("x"), IsClosed());
  EXPECT_THAT(ends.remote().Write(absl::Cord("x")), IsClosed());
  EXPECT_EQ(ends.remote().bytes_written(), 0);
}

FLOW_CONFORMANCE_CHECK(ShutdownReadWakesABlockedWriteOfTheRemote,
                       kFull | kRefusal) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.remote().Write(absl::string_view(sent)); });
  ASSERT_THAT(ReadBytes(ends.local(), 1).outcome, IsOk());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  EXPECT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(writer.Wait(), IsClosed());
}

FLOW_CONFORMANCE_CHECK(CloseDoesNotWaitForARemoteThatIsRefused, kRefusal) {
  Ends ends(check);
  ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(ends.local().Close(), IsOk());
  EXPECT_THAT(ends.remote().Read(), IsEof());
}

// --- AwaitRefusal()

FLOW_CONFORMANCE_CHECK(ShutdownReadEndsAwaitRefusalOfTheRemote,
                       kRefusal | kRefusalTold) {
  Ends ends(check);
  Task waiter(ends, [&] { return ends.remote().AwaitRefusal(); });
  ASSERT_FALSE(waiter.DoneWithin(check.blocked_wait()));
  ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(waiter.Wait(), IsClosed());
}

FLOW_CONFORMANCE_CHECK(AwaitRefusalObeysItsDeadlineAndChangesNothing,
                       kNothing) {
  const auto is_late = StatusIs(absl::StatusCode::kDeadlineExceeded);
  Ends ends(check);
  EXPECT_THAT(ends.local().AwaitRefusal(absl::InfinitePast()), is_late);
  ASSERT_THAT(ends.remote().Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(ends.local().Read(), IsEof());
  // To have ended is not to refuse.
  EXPECT_THAT(ends.local().AwaitRefusal(absl::Now() + absl::Milliseconds(2)),
              is_late);
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), "x"); });
  EXPECT_TRUE(Same(ReadToEnd(ends.remote()), "x"));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(AwaitRefusalEndsWithTheWritesOfThisEnd, kNothing) {
  for (const bool aborts : {false, true}) {
    Ends ends(check);
    Task waiter(ends, [&] { return ends.local().AwaitRefusal(); });
    ASSERT_FALSE(waiter.DoneWithin(check.blocked_wait()));
    if (aborts) {
      ends.local().Abort(absl::DataLossError("stop"));
      EXPECT_THAT(waiter.Wait(), StatusIs(absl::StatusCode::kDataLoss));
    } else {
      ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kWrite), IsOk());
      EXPECT_THAT(waiter.Wait(), IsClosed());
    }
  }
}

// --- Close()

FLOW_CONFORMANCE_CHECK(WhatWasSentBeforeCloseArrivesWhole, kNothing) {
  const std::string sent = Bytes(1000);
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = ends.local().Write(sent);
    if (!status.ok()) return status;
    return ends.local().Close();
  });
  // So that nothing is read before, if the transport can hold it.
  sender.DoneWithin(check.blocked_wait());
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(ends.remote().Close(), IsOk());
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(NoCloseReturnsBeforeTheRemoteHasEndedItsDirection,
                       kAwait) {
  for (const bool by_close : {false, true}) {
    Ends ends(check);
    Task closer(ends, [&] { return ends.local().Close(); });
    EXPECT_THAT(ends.remote().Read(), IsEof());
    ASSERT_FALSE(closer.DoneWithin(check.blocked_wait()));
    EXPECT_THAT(by_close ? ends.remote().Close()
                         : ends.remote().Shutdown(ShutdownMode::kWrite),
                IsOk());
    EXPECT_THAT(closer.Wait(), IsOk());
  }
}

FLOW_CONFORMANCE_CHECK(CloseReturnsAtOnceIfTheRemoteHasEndedItsDirection,
                       kNothing) {
  Ends ends(check);
  ASSERT_THAT(ends.remote().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ends.local().Close(), IsOk());
  EXPECT_THAT(ends.remote().Read(), IsEof());
  EXPECT_THAT(ends.remote().Close(), IsOk());
}

FLOW_CONFORMANCE_CHECK(DataThatIsLeftUnreadDoesNotSpoilClose, kNothing) {
  Ends ends(check);
  Task sender(ends, [&] { return WriteAndEnd(ends.remote(), "x"); });
  if (!sender.DoneWithin(check.blocked_wait())) {
    // The transport holds nothing, it seems: then nothing can be left unread.
    ASSERT_THAT(ends.local().Read(), IsOkAndHolds("x"));
  }
  ASSERT_THAT(sender.Wait(), IsOk());
  EXPECT_THAT(ends.local().Close(), IsOk());
  EXPECT_THAT(ends.remote().Read(), IsEof());
  EXPECT_THAT(ends.remote().Close(), IsOk());
}

FLOW_CONFORMANCE_CHECK(BothEndsMayCloseAtTheSameTime, kNothing) {
  for (int i = 0; i < 20; ++i) {
    Ends ends(check);
    Task closer(ends, [&] { return ends.local().Close(); });
    ASSERT_THAT(ends.remote().Close(), IsOk());
    ASSERT_THAT(closer.Wait(), IsOk());
  }
}

FLOW_CONFORMANCE_CHECK(AfterCloseReadsAndWritesAreClosed, kNothing) {
  Ends ends(check);
  Task closer(ends, [&] { return ends.remote().Close(); });
  ASSERT_THAT(ends.local().Close(), IsOk());
  ASSERT_THAT(closer.Wait(), IsOk());
  for (Flow* flow : {&ends.local(), &ends.remote()}) {
    ExpectWritesAreClosed(*flow);
    EXPECT_THAT(flow->Read(), IsClosed());
    EXPECT_THAT(flow->Read(1), IsClosed());
    EXPECT_THAT(ReadAs(/*into=*/true, *flow), IsClosed());
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kReadWrite), IsOk());
  }
}

FLOW_CONFORMANCE_CHECK(CloseFinishesABlockedWriteFirst, kFull) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  Task closer(ends, [&] { return ends.local().Close(); });
  WaitUntilEnding(check, ends.local());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  Received rest = ReadToEnd(ends.remote());
  rest.bytes.insert(0, first.bytes);
  ASSERT_TRUE(Same(rest, sent));
  EXPECT_THAT(writer.Wait(), IsOk());
  EXPECT_THAT(ends.remote().Close(), IsOk());
  EXPECT_THAT(closer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ReadsGoOnWhileCloseWaits, kAwait) {
  const std::string sent = Bytes(50000);
  Ends ends(check);
  Task closer(ends, [&] { return ends.local().Close(); });
  WaitUntilEnding(check, ends.local());
  Task sender(ends, [&] { return ends.remote().Write(sent); });
  ASSERT_TRUE(Same(ReadBytes(ends.local(), sent.size()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
  ASSERT_FALSE(closer.DoneWithin(absl::ZeroDuration()));
  EXPECT_THAT(ends.remote().Close(), IsOk());
  EXPECT_THAT(closer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ClosesJoinAndReturnTheSame, kAwait) {
  Ends ends(check);
  Task one(ends, [&] { return ends.local().Close(); });
  Task other(ends, [&] { return ends.local().Close(); });
  EXPECT_THAT(ends.remote().Read(), IsEof());
  ASSERT_FALSE(one.DoneWithin(check.blocked_wait()));
  ASSERT_FALSE(other.DoneWithin(absl::ZeroDuration()));
  EXPECT_THAT(ends.remote().Close(), IsOk());
  EXPECT_THAT(one.Wait(), IsOk());
  EXPECT_THAT(other.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(TheEarliestDeadlineOfSeveralClosesCounts,
                       kAwait | kInterruption) {
  Ends ends(check);
  Task patient(ends, [&] { return ends.local().Close(); });
  WaitUntilEnding(check, ends.local());
  const absl::Status hasty =
      ends.local().Close(absl::Now() + absl::Milliseconds(1));
  EXPECT_THAT(hasty, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(patient.Wait(), hasty);
}

FLOW_CONFORMANCE_CHECK(CloseBeforeItsDeadlineIsOk, kInterruption) {
  Ends ends(check);
  const absl::Time deadline = absl::Now() + absl::Hours(1);
  Task closer(ends, [&] { return ends.local().Close(deadline); });
  if (check.traits().awaits_remote_end) {
    ASSERT_FALSE(closer.DoneWithin(check.blocked_wait()));
  }
  EXPECT_THAT(ends.remote().Close(deadline), IsOk());
  EXPECT_THAT(closer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(CloseBeyondItsDeadlineAborts, kAwait | kInterruption) {
  for (const absl::Duration from_now :
       {-absl::InfiniteDuration(), absl::Milliseconds(2)}) {
    Ends ends(check);
    const absl::Status closed = ends.local().Close(absl::Now() + from_now);
    EXPECT_THAT(closed, StatusIs(absl::StatusCode::kDeadlineExceeded));
    EXPECT_EQ(ends.local().Close(), closed);
    EXPECT_THAT(ends.local().Read(), IsClosed());
    ExpectWritesAreClosed(ends.local());
    // The direction of the remote had not ended yet, so it is aborted.
    if (check.traits().carries_abort && check.traits().carries_abort_reason) {
      EXPECT_THAT(ends.remote().Write("x"),
                  check.Carries(absl::AbortedError("")));
    }
    if (check.traits().carries_abort) {
      EXPECT_THAT(ends.remote().Close(), Not(IsOk()));
    }
  }
}

FLOW_CONFORMANCE_CHECK(CloseBeyondItsDeadlineAbortsABlockedWrite,
                       kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  const absl::Status closed = ends.local().Close(absl::InfinitePast());
  EXPECT_THAT(closed, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(writer.Wait(), Not(IsOk()));
  EXPECT_EQ(ends.local().Close(), closed);
  if (check.traits().carries_abort) {
    Received rest = ReadToEnd(ends.remote());
    EXPECT_THAT(rest.outcome, check.Carries(absl::AbortedError("")));
    rest.bytes.insert(0, first.bytes);
    EXPECT_TRUE(PrefixOf(sent, rest));
  }
}

FLOW_CONFORMANCE_CHECK(TheResultOfCloseStays, kNothing) {
  Ends ends(check);
  Task closer(ends, [&] { return ends.remote().Close(); });
  ASSERT_THAT(ends.local().Close(), IsOk());
  ASSERT_THAT(closer.Wait(), IsOk());
  ends.local().Abort(absl::DataLossError("too late"));
  EXPECT_THAT(ends.local().Close(), IsOk());
  EXPECT_THAT(ends.local().Close(absl::InfinitePast()), IsOk());
  EXPECT_THAT(ends.local().Read(), IsClosed());
  ExpectWritesAreClosed(ends.local());
}

}  // namespace
}  // namespace flow::testing::conformance
