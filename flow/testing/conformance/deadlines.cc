// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks of conformance.h on deadlines.

#include <cstddef>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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
using ::testing::Not;

auto IsLate() { return StatusIs(absl::StatusCode::kDeadlineExceeded); }

// Writes from the front of `bytes`, which are more than the pair holds, until
// that would block; Accepted() says how many. Returns what made it stop.
absl::Status Fill(Flow& flow, absl::string_view bytes) {
  flow.SetWriteDeadline(absl::InfinitePast());
  return flow.Write(bytes);
}

size_t Accepted(const Flow& flow) {
  return static_cast<size_t>(flow.bytes_written());
}

// Ends the outbound direction of `flow`, whose write deadline is in the past.
// May wait for the remote to read if the transport does not end at once.
absl::Status End(const Check& check, Flow& flow) {
  if (!check.traits().ends_at_once) {
    flow.SetWriteDeadline(absl::InfiniteFuture());
  }
  return flow.Shutdown(ShutdownMode::kWrite);
}

// What to say of an end that was not sent without room for it.
absl::string_view NotAtOnce(const Check& check) {
  return check.traits().ends_at_once
             ? "If the end needs room, as a trailer does, clear "
               "traits.ends_at_once."
             : "";
}

// --- Reads

FLOW_CONFORMANCE_CHECK(APastReadDeadlineFailsOnlyReadsThatWouldBlock,
                       kInterruption) {
  Ends ends(check);
  ends.local().SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(ends.local().Read(), IsLate());
  EXPECT_THAT(ends.local().Read(1), IsLate());
  Task sender(ends, [&] { return ends.remote().Write("x"); });
  // Nothing says when it has come, so ask until it has.
  absl::StatusOr<absl::Cord> data = ends.local().Read();
  while (absl::IsDeadlineExceeded(data.status()) && !check.hung()) {
    std::this_thread::yield();
    data = ends.local().Read();
  }
  EXPECT_THAT(data, IsOkAndHolds("x"));
  EXPECT_THAT(sender.Wait(), IsOk());
  EXPECT_THAT(ends.local().Read(), IsLate());
  EXPECT_THAT(ends.remote().Shutdown(ShutdownMode::kWrite), IsOk());
  data = ends.local().Read();
  while (absl::IsDeadlineExceeded(data.status()) && !check.hung()) {
    std::this_thread::yield();
    data = ends.local().Read();
  }
  EXPECT_THAT(data, IsEof());
}

FLOW_CONFORMANCE_CHECK(ANewReadDeadlineAppliesToABlockedRead, kInterruption) {
  for (const absl::Duration from_now :
       {-absl::InfiniteDuration(), absl::Milliseconds(1)}) {
    for (const bool into : {false, true}) {
      SCOPED_TRACE(into ? "ReadInto" : "Read");
      Ends ends(check);
      Task reader(ends, [&] { return ReadAs(into, ends.local()); });
      ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
      ends.local().SetReadDeadline(absl::Now() + from_now);
      EXPECT_THAT(reader.Wait(), IsLate());
    }
  }
}

// A deadline can also be taken back from a call that is blocked. On a machine
// so slow that it has passed by then, this finds nothing.
FLOW_CONFORMANCE_CHECK(AReadDeadlineThatIsTakenBackDoesNotPass, kInterruption) {
  Ends ends(check);
  const absl::Time deadline = absl::Now() + 3 * check.blocked_wait();
  ends.local().SetReadDeadline(deadline);
  Task reader(ends, [&] { return ends.local().Read(); });
  reader.DoneWithin(check.blocked_wait());
  ends.local().SetReadDeadline(absl::InfiniteFuture());
  const bool in_time = absl::Now() < deadline;
  const bool done = reader.DoneWithin(4 * check.blocked_wait());
  if (in_time) {
    ASSERT_FALSE(done);
  }
  if (done) return;
  Task writer(ends, [&] { return ends.remote().Write("x"); });
  EXPECT_THAT(reader.Wait(), HoldsData("x"));
  EXPECT_THAT(writer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(AWriteDeadlineThatIsTakenBackDoesNotPass,
                       kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  const absl::Time deadline = absl::Now() + 3 * check.blocked_wait();
  ends.local().SetWriteDeadline(deadline);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  writer.DoneWithin(check.blocked_wait());
  ends.local().SetWriteDeadline(absl::InfiniteFuture());
  const bool in_time = absl::Now() < deadline;
  const bool done = writer.DoneWithin(4 * check.blocked_wait());
  if (in_time) {
    ASSERT_FALSE(done);
  }
  if (done) return;
  EXPECT_TRUE(Same(ReadBytes(ends.remote(), sent.size()), sent));
  EXPECT_THAT(writer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(AFutureReadDeadlineIsWaitedFor, kInterruption) {
  Ends ends(check);
  const absl::Time deadline = absl::Now() + absl::Milliseconds(5);
  ends.local().SetReadDeadline(deadline);
  EXPECT_THAT(ends.local().Read(), IsLate());
  EXPECT_GE(absl::Now(), deadline);
  ends.local().SetReadDeadline(absl::Now() + absl::Hours(1));
  Task reader(ends, [&] { return ends.local().Read(); });
  ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
  Task sender(ends, [&] { return ends.remote().Write("x"); });
  EXPECT_THAT(reader.Wait(), IsOkAndHolds("x"));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(ReadsGoOnAfterADeadline, kInterruption) {
  Ends ends(check);
  for (const absl::string_view sent : {"abc", "d", "efghij"}) {
    ends.local().SetReadDeadline(absl::InfinitePast());
    EXPECT_THAT(ends.local().Read(), IsLate());
    EXPECT_THAT(ReadAs(/*into=*/true, ends.local()), IsLate());
    ends.local().SetReadDeadline(absl::InfiniteFuture());
    Task sender(ends, [&] { return ends.remote().Write(sent); });
    ASSERT_TRUE(Same(ReadBytes(ends.local(), sent.size()), sent));
    EXPECT_THAT(sender.Wait(), IsOk());
  }
}

FLOW_CONFORMANCE_CHECK(AReadDeadlineLeavesWritesAlone, kInterruption) {
  const std::string sent = Bytes(50000);
  Ends ends(check);
  ends.local().SetReadDeadline(absl::InfinitePast());
  Task sender(ends, [&] { return WriteAndEnd(ends.local(), sent); });
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(AReadDeadlineLeavesABlockedWriteAlone,
                       kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(sent)); });
  Received first = ReadBytes(ends.remote(), 1);  // so the write has begun
  ASSERT_THAT(first.outcome, IsOk());
  ends.local().SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(ends.local().Read(), IsLate());
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  Received rest = ReadBytes(ends.remote(), sent.size() - 1);
  rest.bytes.insert(0, first.bytes);
  ASSERT_TRUE(Same(rest, sent));
  EXPECT_THAT(writer.Wait(), IsOk());
}

// --- Writes

FLOW_CONFORMANCE_CHECK(APastWriteDeadlineFailsOnlyWritesThatWouldBlock,
                       kFull | kInterruption) {
  const std::string bytes = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  EXPECT_THAT(Fill(ends.local(), bytes), IsLate());
  EXPECT_THAT(ends.local().Write("x"), IsLate());
  EXPECT_THAT(ends.local().Writev({"x", "y"}), IsLate());
  EXPECT_THAT(ends.local().Write(""), IsOk());
  const size_t accepted = Accepted(ends.local());
  const std::string sent = bytes.substr(0, accepted) + Bytes(64, 2);
  Task reader(ends, [&] { return ReadToEnd(ends.remote()); });
  // Nothing says when there is room, so ask until there is.
  absl::Cord rest(absl::string_view(sent).substr(accepted));
  absl::Status status = ends.local().WriteFrom(&rest);
  while (absl::IsDeadlineExceeded(status) && !check.hung()) {
    std::this_thread::yield();
    status = ends.local().WriteFrom(&rest);
  }
  EXPECT_THAT(status, IsOk());
  EXPECT_THAT(End(check, ends.local()), IsOk()) << NotAtOnce(check);
  EXPECT_TRUE(Same(reader.Wait(), sent));
}

FLOW_CONFORMANCE_CHECK(ANewWriteDeadlineAppliesToABlockedWrite,
                       kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  for (const absl::Duration from_now :
       {-absl::InfiniteDuration(), absl::Milliseconds(1)}) {
    Ends ends(check, Ends::kFillsUp);
    Task writer(ends,
                [&] { return ends.local().Write(absl::string_view(sent)); });
    ASSERT_THAT(ReadBytes(ends.remote(), 1).outcome, IsOk());
    ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
    ends.local().SetWriteDeadline(absl::Now() + from_now);
    EXPECT_THAT(writer.Wait(), IsLate());
  }
}

FLOW_CONFORMANCE_CHECK(AFutureWriteDeadlineIsWaitedFor, kFull | kInterruption) {
  const std::string bytes = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  ASSERT_THAT(Fill(ends.local(), bytes), IsLate());
  // A kernel can find more room a moment later.
  size_t full = 0;
  do {
    full = Accepted(ends.local());
    ends.local().SetWriteDeadline(absl::Now() + check.blocked_wait());
    ASSERT_THAT(ends.local().Write(absl::string_view(bytes).substr(full)),
                IsLate());
  } while (Accepted(ends.local()) != full);
  const absl::Time deadline = absl::Now() + absl::Milliseconds(5);
  ends.local().SetWriteDeadline(deadline);
  EXPECT_THAT(ends.local().Write("x"), IsLate());
  EXPECT_GE(absl::Now(), deadline);
  ends.local().SetWriteDeadline(absl::Now() + absl::Hours(1));
  Task writer(ends, [&] { return ends.local().Write("x"); });
  ASSERT_FALSE(writer.DoneWithin(check.blocked_wait()));
  const std::string sent = bytes.substr(0, Accepted(ends.local())) + "x";
  ASSERT_TRUE(Same(ReadBytes(ends.remote(), sent.size()), sent));
  EXPECT_THAT(writer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(WritesGoOnAfterADeadline, kFull | kInterruption) {
  const std::string bytes = Bytes(check.more_than_full());
  const std::string more = Bytes(50000, 2);
  Ends ends(check, Ends::kFillsUp);
  ASSERT_THAT(Fill(ends.local(), bytes), IsLate());
  const std::string sent = bytes.substr(0, Accepted(ends.local())) + more;
  ends.local().SetWriteDeadline(absl::InfiniteFuture());
  Task writer(ends, [&] { return WriteAndEnd(ends.local(), more); });
  ASSERT_TRUE(Same(ReadToEnd(ends.remote()), sent));
  EXPECT_THAT(writer.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(AWriteDeadlineLeavesReadsAlone, kInterruption) {
  Ends ends(check);
  ends.local().SetWriteDeadline(absl::InfinitePast());
  Task reader(ends, [&] { return ends.local().Read(); });
  ASSERT_FALSE(reader.DoneWithin(check.blocked_wait()));
  ends.local().SetWriteDeadline(absl::Now());
  ASSERT_FALSE(reader.DoneWithin(absl::Milliseconds(1)));
  Task sender(ends, [&] { return ends.remote().Write("x"); });
  EXPECT_THAT(reader.Wait(), IsOkAndHolds("x"));
  EXPECT_THAT(sender.Wait(), IsOk());
}

FLOW_CONFORMANCE_CHECK(WhatALateWriteCountsIsWhatArrives,
                       kFull | kInterruption) {
  const std::string sent = Bytes(check.more_than_full());
  const absl::string_view all = sent;
  const absl::Cord shared(all.substr(10, 7000));
  for (const absl::string_view form :
       {"borrowed", "borrowed list", "mixture"}) {
    SCOPED_TRACE(form);
    Ends ends(check, Ends::kFillsUp);
    Task writer(ends, [&] {
      if (form == "borrowed") return ends.local().Write(all);
      if (form == "mixture") {
        return ends.local().Writev(
            {all.substr(0, 10), "", shared, all.substr(7010)});
      }
      return ends.local().Writev(
          {all.substr(0, 10), "", all.substr(10, 7000), all.substr(7010)});
    });
    Received first = ReadBytes(ends.remote(), 5000);
    ASSERT_THAT(first.outcome, IsOk());
    ends.local().SetWriteDeadline(absl::InfinitePast());
    ASSERT_THAT(writer.Wait(), IsLate());
    const size_t accepted = Accepted(ends.local());
    EXPECT_GE(accepted, 5000);
    EXPECT_LT(accepted, sent.size());
    Task ender(ends, [&] { return End(check, ends.local()); });
    if (check.traits().ends_at_once) {
      EXPECT_THAT(ender.Wait(), IsOk()) << NotAtOnce(check);
    }
    Received rest = ReadToEnd(ends.remote());
    EXPECT_THAT(ender.Wait(), IsOk());
    rest.bytes.insert(0, first.bytes);
    EXPECT_TRUE(Same(rest, all.substr(0, accepted)));
    EXPECT_EQ(ends.remote().bytes_read(), accepted);
  }
}

FLOW_CONFORMANCE_CHECK(WriteFromAfterADeadlineNeitherLosesNorRepeats,
                       kFull | kInterruption) {
  const std::string sent = Bytes(2 * check.more_than_full());
  constexpr size_t kMessage = 8192;
  Ends ends(check, Ends::kFillsUp);
  // Messages of several chunks until there is no more room, at first.
  ends.local().SetWriteDeadline(absl::InfinitePast());
  absl::Cord message;
  size_t begun = 0;
  int late = 0;
  const auto next_message = [&] {
    for (size_t i = 0; i < kMessage && begun < sent.size(); i += 2048) {
      message.Append(absl::Cord(absl::string_view(sent).substr(begun, 2048)));
      begun += 2048;
    }
  };
  absl::Status status;
  while (status.ok() && begun < sent.size()) {
    next_message();
    status = ends.local().WriteFrom(&message);
    EXPECT_EQ(ends.local().bytes_written(), begun - message.size());
  }
  ASSERT_THAT(status, IsLate());
  Task reader(ends, [&] { return ReadToEnd(ends.remote(), 3000); });
  while (!check.hung()) {
    if (message.empty()) next_message();
    if (message.empty()) break;
    status = ends.local().WriteFrom(&message);
    ASSERT_EQ(ends.local().bytes_written(), begun - message.size());
    if (status.ok()) continue;
    ASSERT_THAT(status, IsLate());
    // Some that do not wait at all, and some that wait a little.
    ends.local().SetWriteDeadline(++late % 2 == 0
                                      ? absl::InfinitePast()
                                      : absl::Now() + absl::Microseconds(200));
  }
  EXPECT_THAT(End(check, ends.local()), IsOk()) << NotAtOnce(check);
  EXPECT_TRUE(Same(reader.Wait(), sent));
}

// The writer does not call again when all was accepted, not even to end. Only
// what is late by a few bytes can be accepted and kept.
FLOW_CONFORMANCE_CHECK(WhatALateWriteOfAFewBytesCountsArrivesWithoutAnother,
                       kFull | kInterruption) {
  constexpr size_t kFew = 100;
  const std::string sent = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  ends.local().SetWriteDeadline(absl::InfinitePast());
  absl::Cord few;
  size_t begun = 0;
  absl::Status status;
  while (status.ok() && begun < sent.size()) {
    few = absl::Cord(absl::string_view(sent).substr(begun, kFew));
    begun += few.size();
    status = ends.local().WriteFrom(&few);
  }
  ASSERT_THAT(status, IsLate());
  ends.local().SetWriteDeadline(absl::InfiniteFuture());
  Task reader(ends, [&] { return ReadBytes(ends.remote(), begun); });
  while (!few.empty()) {
    ASSERT_THAT(ends.local().WriteFrom(&few), IsOk());
  }
  EXPECT_EQ(ends.local().bytes_written(), begun);
  EXPECT_TRUE(Same(reader.Wait(), absl::string_view(sent).substr(0, begun)));
}

// --- Ends

FLOW_CONFORMANCE_CHECK(ShutdownWaitsForRoomUpToTheWriteDeadline,
                       kFull | kInterruption) {
  const std::string bytes = Bytes(check.more_than_full());
  for (const bool blocked : {false, true}) {
    SCOPED_TRACE(blocked ? "a deadline while it waits" : "a past deadline");
    Ends ends(check, Ends::kFillsUp);
    ASSERT_THAT(Fill(ends.local(), bytes), IsLate());
    if (blocked) ends.local().SetWriteDeadline(absl::InfiniteFuture());
    Task ender(ends,
               [&] { return ends.local().Shutdown(ShutdownMode::kWrite); });
    if (blocked) {
      ender.DoneWithin(check.blocked_wait());
      ends.local().SetWriteDeadline(absl::InfinitePast());
    }
    const absl::Status ended = ender.Wait();
    if (check.traits().ends_at_once) {
      EXPECT_THAT(ended, IsOk()) << NotAtOnce(check);
    }
    const absl::string_view accepted =
        absl::string_view(bytes).substr(0, Accepted(ends.local()));
    if (ended.ok()) {
      EXPECT_TRUE(Same(ReadToEnd(ends.remote()), accepted));
    } else if (check.traits().carries_abort) {
      const Received received = ReadToEnd(ends.remote());
      EXPECT_THAT(received.outcome, Not(IsOk())) << "an end that failed";
      EXPECT_TRUE(PrefixOf(accepted, received));
    }
  }
}

FLOW_CONFORMANCE_CHECK(CloseWithoutRoomForTheEndReturnsAtItsDeadline,
                       kFull | kInterruption) {
  const std::string bytes = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  ASSERT_THAT(Fill(ends.local(), bytes), IsLate());
  ends.local().SetWriteDeadline(absl::InfiniteFuture());
  const absl::Status closed =
      ends.local().Close(absl::Now() + absl::Milliseconds(2));
  if (check.traits().awaits_remote_end || !closed.ok()) {
    EXPECT_THAT(closed, IsLate());
  }
  if (!check.traits().carries_abort) return;
  const absl::string_view accepted =
      absl::string_view(bytes).substr(0, Accepted(ends.local()));
  const Received received = ReadToEnd(ends.remote());
  // The end may have found room.
  EXPECT_TRUE(received.outcome.ok() ? Same(received, accepted)
                                    : PrefixOf(accepted, received));
}

}  // namespace
}  // namespace flow::testing::conformance
