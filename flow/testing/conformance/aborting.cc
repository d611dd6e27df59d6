// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks of conformance.h on Abort(), destruction, and what races with
// them.

#include <string>
#include <thread>

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
using ::absl_testing::StatusIs;
using ::testing::AllOf;
using ::testing::Not;

absl::Status Reason() {
  absl::Status reason = absl::DataLossError("the reason");
  reason.SetPayload(kPayload, absl::Cord("and its payload"));
  return reason;
}

// --- This end

FLOW_CONFORMANCE_CHECK(AfterAbortEveryOperationReturnsTheReason, kNothing) {
  Ends ends(check);
  Flow& flow = ends.local();
  flow.Abort(Reason());
  flow.Abort(absl::InternalError("too late"));
  absl::Cord cord("x");
  EXPECT_EQ(flow.Read().status(), Reason());
  EXPECT_EQ(ReadAs(/*into=*/true, flow).status(), Reason());
  EXPECT_EQ(flow.Write("x"), Reason());
  EXPECT_EQ(flow.Write(cord), Reason());
  EXPECT_EQ(flow.Writev({"x", "y"}), Reason());
  EXPECT_EQ(flow.WriteFrom(&cord), Reason());
  EXPECT_EQ(cord, "x");
  EXPECT_EQ(flow.Write(""), Reason());
  EXPECT_EQ(flow.Writev(absl::Span<const absl::Cord>()), Reason());
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kWrite), Reason());
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kRead), Reason());
  EXPECT_EQ(flow.Close(), Reason());
  EXPECT_EQ(flow.Close(), Reason());
  EXPECT_EQ(flow.Read().status(), Reason());
  EXPECT_EQ(flow.Write("x"), Reason());
}

FLOW_CONFORMANCE_CHECK(AnAbortForAnOkOrDeadlineReasonIsAborted, kNothing) {
  for (const absl::Status& reason :
       {absl::OkStatus(), absl::DeadlineExceededError("late")}) {
    Ends ends(check);
    ends.local().Abort(reason);
    EXPECT_THAT(ends.local().Read(), StatusIs(absl::StatusCode::kAborted));
    EXPECT_THAT(ends.local().Write("x"), StatusIs(absl::StatusCode::kAborted));
    if (check.traits().carries_abort) {
      EXPECT_THAT(ends.remote().Read().status(),
                  check.Carries(absl::AbortedError("")));
    }
  }
}

FLOW_CONFORMANCE_CHECK(AbortWakesABlockedRead, kInterruption) {
  for (const bool into : {false, true}) {
    SCOPED_TRACE(into ? "ReadInto" : "Read");
    Ends ends(check);
    Task reader(ends, [&] { return ReadAs(into, ends.local()).status(); });
    ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
    ends.local().Abort(Reason());
    EXPECT_EQ(reader.Wait(), Reason());
  }
}

FLOW_CONFORMANCE_CHECK(AbortWakesABlockedWrite, kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  ASSERT_THAT(ReadBytes(ends.remote(), 1).outcome, IsOk());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  ends.local().Abort(Reason());
  EXPECT_EQ(writer.Wait(), Reason());
}

FLOW_CONFORMANCE_CHECK(AbortWakesABlockedClose, kAwait | kInterruption) {
  Ends ends(check);
  Task closer(ends, [&] { return ends.local().Close(); });
  ASSERT_FALSE(closer.DoneWithin(check.blocked_wait()));
  ends.local().Abort(Reason());
  EXPECT_EQ(closer.Wait(), Reason());
}

// --- The other end

FLOW_CONFORMANCE_CHECK(AnAbortedStreamNeverEndsInEndOfFile, kAbort) {
  const std::string sent = Bytes(1000);
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = ends.local().Write(sent);
    ends.local().Abort(Reason());
    return status;
  });
  // So that nothing is read before, if the transport can hold it.
  sender.DoneWithin(check.blocked_wait());
  const Received received = ReadToEnd(ends.remote());
  EXPECT_THAT(received.outcome, check.Carries(Reason()));
  EXPECT_TRUE(PrefixOf(sent, received));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ADestroyedStreamNeverEndsInEndOfFile, kAbort) {
  const std::string sent = Bytes(1000);
  Ends ends(check);
  Task sender(ends, [&] { return ends.local().Write(sent); });
  const Received first = ReadBytes(ends.remote(), sent.size() - 1);
  ASSERT_THAT(first.outcome, IsOk());
  Task reader(ends, [&] { return ReadToEnd(ends.remote()); });
  ASSERT_THAT(sender.Wait(), IsOk());
  ends.DestroyLocal();
  EXPECT_THAT(reader.Wait().outcome, check.Carries(absl::AbortedError("")));
}

FLOW_CONFORMANCE_CHECK(AcceptedBytesPrecedeTheReason, kAbort | kAcceptedKept) {
  const std::string sent = Bytes(1000);
  for (const bool destroy : {false, true}) {
    Ends ends(check);
    Task sender(ends, [&] {
      absl::Status status = ends.local().Write(sent);
      if (!destroy) ends.local().Abort(Reason());
      return status;
    });
    const bool held = sender.DoneWithin(check.blocked_wait());
    if (destroy && held) ends.DestroyLocal();
    Received received = ReadBytes(ends.remote(), sent.size());
    ASSERT_TRUE(Same(received, sent));
    ASSERT_THAT(sender.Wait(), IsOk());
    if (destroy && !held) ends.DestroyLocal();
    received = ReadToEnd(ends.remote());
    EXPECT_EQ(received.bytes, "");
    EXPECT_THAT(received.outcome,
                check.Carries(destroy ? absl::AbortedError("") : Reason()));
  }
}

FLOW_CONFORMANCE_CHECK(WhatAnAbortedWriteCountsIsWhatArrives,
                       kFull | kInterruption | kAbort | kAcceptedKept) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  ends.local().Abort(Reason());
  EXPECT_EQ(writer.Wait(), Reason());
  Received rest = ReadToEnd(ends.remote());
  EXPECT_THAT(rest.outcome, check.Carries(Reason()));
  rest.bytes.insert(0, first.bytes);
  EXPECT_TRUE(PrefixOf(sent, rest));
  EXPECT_EQ(ends.local().bytes_written(), rest.bytes.size());
}

FLOW_CONFORMANCE_CHECK(ErrorsStay, kAbort) {
  Ends ends(check);
  ends.local().Abort(Reason());
  const absl::Status error = ends.remote().Read().status();
  EXPECT_THAT(error, check.Carries(Reason()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ends.remote().Read().status(), error);
    EXPECT_EQ(ends.remote().Read(1).status(), error);
    EXPECT_EQ(ReadAs(/*into=*/true, ends.remote()).status(), error);
  }
  EXPECT_EQ(ends.remote().Shutdown(ShutdownMode::kRead), error);
  EXPECT_EQ(ends.remote().Read().status(), error);
  EXPECT_THAT(ends.remote().Close(), Not(IsOk()));
}

FLOW_CONFORMANCE_CHECK(AnAbortEndsTheWritesOfTheRemote, kAbort) {
  Ends ends(check);
  ends.local().Abort(Reason());
  absl::Status error = ends.remote().Write("x");
  if (check.traits().carries_abort_reason) {
    EXPECT_THAT(error, check.Carries(Reason()));
  }
  // A transport without the reason may learn about it after some writes.
  while (error.ok() && !check.hung()) error = ends.remote().Write("x");
  EXPECT_EQ(ends.remote().Write("x"), error);
  EXPECT_EQ(ends.remote().Write(""), error);
}

FLOW_CONFORMANCE_CHECK(AnAbortWakesABlockedReadOfTheRemote, kAbort) {
  for (const bool destroy : {false, true}) {
    Ends ends(check);
    Task reader(ends, [&] { return ends.remote().Read().status(); });
    ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
    if (destroy) {
      ends.DestroyLocal();
    } else {
      ends.local().Abort(Reason());
    }
    EXPECT_THAT(reader.Wait(),
                check.Carries(destroy ? absl::AbortedError("") : Reason()));
  }
}

FLOW_CONFORMANCE_CHECK(AnAbortWakesABlockedWriteOfTheRemote, kFull | kAbort) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.remote().Write(absl::string_view(sent)); });
  ASSERT_THAT(ReadBytes(ends.local(), 1).outcome, IsOk());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  ends.local().Abort(Reason());
  EXPECT_THAT(writer.Wait(), check.Carries(Reason()));
}

FLOW_CONFORMANCE_CHECK(AnAbortWakesABlockedCloseOfTheRemote, kAbort | kAwait) {
  Ends ends(check);
  Task closer(ends, [&] { return ends.remote().Close(); });
  EXPECT_THAT(ends.local().Read(), IsEof());  // so it has begun
  ASSERT_FALSE(closer.DoneWithin(check.blocked_wait()));
  ends.local().Abort(Reason());
  EXPECT_THAT(closer.Wait(), check.Carries(Reason()));
}

FLOW_CONFORMANCE_CHECK(ADestructionWakesABlockedWriteOfTheRemote,
                       kFull | kAbort) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.remote().Write(absl::string_view(sent)); });
  ASSERT_THAT(ReadBytes(ends.local(), 1).outcome, IsOk());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  ends.DestroyLocal();
  EXPECT_THAT(writer.Wait(),
              AllOf(check.Carries(absl::AbortedError("")), Not(IsClosed())));
}

FLOW_CONFORMANCE_CHECK(ADestructionWakesABlockedCloseOfTheRemote,
                       kAbort | kAwait) {
  Ends ends(check);
  Task closer(ends, [&] { return ends.remote().Close(); });
  EXPECT_THAT(ends.local().Read(), IsEof());  // so it has begun
  ASSERT_FALSE(closer.DoneWithin(check.blocked_wait()));
  ends.DestroyLocal();
  EXPECT_THAT(closer.Wait(), check.Carries(absl::AbortedError("")));
}

FLOW_CONFORMANCE_CHECK(ADirectionThatHasEndedOutlivesAnAbort,
                       kAbort | kAcceptedKept) {
  const std::string sent = Bytes(1000);
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = WriteAndEnd(ends.local(), sent);
    ends.local().Abort(Reason());
    return status;
  });
  sender.DoneWithin(check.blocked_wait());
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
  EXPECT_THAT(ends.remote().Write("x"), Not(IsOk()));
  EXPECT_THAT(ends.remote().Read(), IsEof());
}

FLOW_CONFORMANCE_CHECK(AReaderThatIsDestroyedTooEarlySpoilsClose,
                       kAbort | kAwait) {
  const std::string sent = Bytes(1000);
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = ends.local().Write(sent);
    if (!status.ok()) return status;
    return ends.local().Close();
  });
  ASSERT_THAT(ReadBytes(ends.remote(), 1).outcome, IsOk());
  ends.DestroyRemote();
  EXPECT_THAT(sender.Wait(), Not(IsOk()));
}

// Both ends have shut their writes down in good order, and this one has read
// end-of-file. Only Close() can still tell that its data was lost.
FLOW_CONFORMANCE_CHECK(DataThatADestroyedReaderLeftSpoilsClose,
                       kAbort | kAwait | kLostDataReported) {
  const std::string sent = Bytes(1000);
  Ends ends(check);
  Task sender(ends, [&] {
    absl::Status status = ends.local().Write(sent);
    if (!status.ok()) return status;
    return ends.local().Shutdown(ShutdownMode::kWrite);
  });
  // At a rendezvous it is not, and fails.
  sender.DoneWithin(check.blocked_wait());
  EXPECT_THAT(ends.remote().Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(ends.local().Read(), IsEof());
  ends.DestroyRemote();
  sender.Wait().IgnoreError();
  EXPECT_THAT(ends.local().Close(), Not(IsOk()));
}

// --- Races
//
// A call that was about to begin may begin after an Abort() or Shutdown(), so
// these must leave a mark (see Transport in transport.h). Only luck shows that
// one is missing; the more often, the better.

constexpr int kRaces = 100;
constexpr absl::Duration kRacingTime = absl::Seconds(2);

// Lets the call get farther from one time to the next.
void Linger(int i) {
  for (int n = i % 8; n > 0; --n) std::this_thread::yield();
}

FLOW_CONFORMANCE_CHECK(ReadsThatRaceWithAbortReturn, kInterruption) {
  const absl::Time until = absl::Now() + kRacingTime;
  for (int i = 0; i < kRaces && absl::Now() < until; ++i) {
    Ends ends(check);
    Task reader(ends, [&] { return ends.local().Read().status(); });
    reader.WaitUntilStarted();
    Linger(i);
    ends.local().Abort(Reason());
    ASSERT_EQ(reader.Wait(), Reason());
  }
}

FLOW_CONFORMANCE_CHECK(ReadsThatRaceWithShutdownReadReturn, kInterruption) {
  const absl::Time until = absl::Now() + kRacingTime;
  for (int i = 0; i < kRaces && absl::Now() < until; ++i) {
    Ends ends(check);
    Task reader(ends, [&] { return ends.local().Read(); });
    reader.WaitUntilStarted();
    Linger(i);
    ASSERT_THAT(ends.local().Shutdown(ShutdownMode::kRead), IsOk());
    ASSERT_THAT(reader.Wait(), IsEof());
  }
}

FLOW_CONFORMANCE_CHECK(ReadsThatRaceWithANewDeadlineReturn, kInterruption) {
  const absl::Time until = absl::Now() + kRacingTime;
  for (int i = 0; i < kRaces && absl::Now() < until; ++i) {
    Ends ends(check);
    Task reader(ends, [&] { return ends.local().Read().status(); });
    reader.WaitUntilStarted();
    Linger(i);
    ends.local().SetReadDeadline(absl::InfinitePast());
    ASSERT_THAT(reader.Wait(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
}

FLOW_CONFORMANCE_CHECK(WritesThatRaceWithAbortReturn, kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  const absl::Time until = absl::Now() + kRacingTime;
  for (int i = 0; i < kRaces && absl::Now() < until; ++i) {
    Ends ends(check, Ends::kFillsUp);
    Task writer(ends,
                [&] { return ends.local().Write(absl::string_view(sent)); });
    writer.WaitUntilStarted();
    Linger(i);
    ends.local().Abort(Reason());
    ASSERT_EQ(writer.Wait(), Reason());
  }
}

FLOW_CONFORMANCE_CHECK(ClosesThatRaceWithAbortReturn, kAwait | kInterruption) {
  const absl::Time until = absl::Now() + kRacingTime;
  for (int i = 0; i < kRaces && absl::Now() < until; ++i) {
    Ends ends(check);
    Task closer(ends, [&] { return ends.local().Close(); });
    closer.WaitUntilStarted();
    Linger(i);
    ends.local().Abort(Reason());
    ASSERT_EQ(closer.Wait(), Reason());
  }
}

}  // namespace
}  // namespace flow::testing::conformance
