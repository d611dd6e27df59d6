// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The delays of a fault flow, and what cuts them short.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;

constexpr absl::Duration kWatchdog = absl::Seconds(20);
constexpr absl::Duration kShort = absl::Milliseconds(20);
// A wait that only an interruption ends, in a test that passes.
constexpr absl::Duration kForever = absl::Hours(1);

// A fault flow and the remote end of the pipe in it.
struct Faulty {
  explicit Faulty(std::vector<Fault> faults) {
    Pipe pipe = MakePipe(kNoLimit);
    flow = MaybeStarts(MakeFaultFlow(std::move(pipe.left), std::move(faults)));
    remote = std::move(pipe.right);
    // What never comes is a failure and not a hang.
    remote->SetReadDeadline(absl::Now() + kWatchdog);
  }
  std::unique_ptr<Flow> flow, remote;
};

TEST(FaultDelayTest, ADelayIsOverInTime) {
  Faulty f({Fault::Delay(ReadOperation(0), kShort),
            Fault::Delay(WriteByte(1), kShort)});
  const absl::Time start = absl::Now();
  EXPECT_THAT(f.remote->Write("x"), IsOk());
  EXPECT_THAT(f.flow->Read(), HoldsData("x"));
  EXPECT_GE(absl::Now() - start, kShort);
  EXPECT_THAT(f.flow->Write("ab"), IsOk());
  EXPECT_GE(absl::Now() - start, 2 * kShort);
  EXPECT_THAT(f.remote->Read(), HoldsData("ab"));
}

TEST(FaultDelayTest, ADeadlineCutsADelayShortAlsoOneThatIsSetMeanwhile) {
  Faulty f({Fault::Delay(ReadOperation(0), kForever),
            Fault::Delay(WriteOperation(0), kForever)});
  f.flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(f.flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  std::thread writer([&] {
    EXPECT_THAT(f.flow->Write("x"),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  absl::SleepFor(kShort);
  f.flow->SetWriteDeadline(absl::InfinitePast());
  writer.join();
  EXPECT_THAT(f.flow->Write("x"), IsOk()) << "it delays once";
}

TEST(FaultDelayTest, AbortAndShutdownReadCutADelayShort) {
  Faulty f({Fault::Delay(ReadOperation(0), kForever),
            Fault::Delay(WriteOperation(0), kForever)});
  std::thread reader([&] { EXPECT_THAT(f.flow->Read(), IsEof()); });
  std::thread writer([&] {
    EXPECT_THAT(f.flow->Write("x"), StatusIs(absl::StatusCode::kCancelled));
  });
  absl::SleepFor(kShort);
  EXPECT_THAT(f.flow->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  f.flow->Abort(absl::CancelledError("stop"));
  writer.join();
  EXPECT_EQ(f.flow->bytes_written(), 0);
}

TEST(FaultDelayTest, TheDeadlineOfCloseCutsTheDelayOfTheEndShort) {
  Faulty f({Fault::Delay(WriteOperation(0), kForever)});
  EXPECT_THAT(f.flow->Close(absl::Now() + kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kAborted));
}

// PatientClose() asks again and again whether the end was sent.
TEST(FaultDelayTest, TheDelayOfTheEndGoesOnFromOneTryToTheNext) {
  auto inner = std::make_unique<HookFlow>();
  // Some arrive until the end is sent; then all have.
  std::atomic<int64_t> in_transit = 1000000;
  inner->hooks.in_transit = [&] {
    return in_transit == 0 ? 0 : in_transit -= 1;
  };
  std::vector<absl::Time> ends;
  inner->hooks.end_write = [&](absl::Time) {
    in_transit = 0;
    ends.push_back(absl::Now());
    return absl::OkStatus();
  };
  const absl::Time start = absl::Now();
  auto flow = MaybeStarts(MakeFaultFlow(
      std::move(inner), {Fault::Delay(WriteOperation(0), 10 * kShort)}));
  EXPECT_THAT(flow->PatientClose(kShort), IsOk());
  ASSERT_EQ(ends.size(), 1);
  EXPECT_GE(ends[0] - start, 10 * kShort);
}

TEST(FaultDelayTest, TheEndIsSentIfTheWriteDeadlineCutsItsDelayShort) {
  Faulty f({Fault::Delay(WriteOperation(0), kForever)});
  f.flow->SetWriteDeadline(absl::InfinitePast());
  EXPECT_THAT(f.flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(f.remote->Read(), IsEof());
}

TEST(FaultDelayTest, AnAbortByAReadBreaksTheEndThatIsDelayed) {
  Faulty f({Fault::Delay(WriteOperation(0), kForever),
            Fault::Abort(ReadOperation(0), absl::CancelledError("stop"))});
  std::thread ender([&] {
    EXPECT_THAT(f.flow->Shutdown(ShutdownMode::kWrite),
                StatusIs(absl::StatusCode::kCancelled));
  });
  absl::SleepFor(kShort);
  EXPECT_THAT(f.flow->Read(), StatusIs(absl::StatusCode::kCancelled));
  ender.join();
  EXPECT_THAT(f.remote->Read(), StatusIs(absl::StatusCode::kCancelled));
}

// At each place a delay that belongs there, with one before and one behind.
TEST(FaultDelayTest, ADelayHoldsTheOperationOfItsPlaceAndNoOther) {
  for (const bool by_byte : {false, true}) {
    // Of operations of four bytes each: the second one.
    const FaultPlace read = by_byte ? ReadByte(6) : ReadOperation(1);
    const FaultPlace write = by_byte ? WriteByte(6) : WriteOperation(1);
    Faulty f({Fault::Delay(read, kForever), Fault::Delay(write, kForever)});
    // What is not delayed needs no time.
    f.flow->SetReadDeadline(absl::InfinitePast());
    f.flow->SetWriteDeadline(absl::InfinitePast());
    ASSERT_THAT(f.remote->Write("aaaabbbbcccc"), IsOk());
    EXPECT_THAT(f.flow->Read(4), HoldsData("aaaa"));
    EXPECT_THAT(f.flow->Write("aaaa"), IsOk());
    const auto is_late = StatusIs(absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(f.flow->Read(4), is_late);
    EXPECT_THAT(f.flow->Write("bbbb"), is_late);
    EXPECT_THAT(f.flow->Read(4), HoldsData("bbbb")) << "it delays once";
    EXPECT_THAT(f.flow->Write("bbbb"), IsOk()) << "it delays once";
  }
}

// Of a byte that was passed before the fault could be, nothing comes.
TEST(FaultDelayTest, AFaultBehindADelayHappensAtItsOwnPlace) {
  Faulty f({Fault::Delay(WriteByte(9), kForever),
            Fault::Error(WriteByte(2), absl::UnavailableError("reset"))});
  EXPECT_THAT(f.flow->Write("abcd"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(f.remote->Read(), HoldsData("ab"));
}

}  // namespace
}  // namespace flow::testing
