// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copy() or StartCopy() with a fault at every operation of both flows: wherever
// it ends, no byte is lost, repeated or out of order, and the result says how
// it was.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/run_copy.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultPlan;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::IsEof;
using ::flow::testing::Pattern;
using ::flow::testing::RunCopy;
using ::flow::testing::SameData;
using Side = CopyResult::Side;

constexpr size_t kSize = 300;

// What can be read from `flow` without waiting. `*end` is what follows:
// kDeadlineExceeded if nothing does yet, and Ok if it is end-of-file.
absl::Cord Available(Flow& flow, absl::Status* end) {
  flow.SetReadDeadline(absl::InfinitePast());
  absl::Cord all;
  while (true) {
    absl::StatusOr<absl::Cord> data = flow.Read();
    if (!data.ok() || data->empty()) {
      *end = data.status();
      return all;
    }
    all.Append(*std::move(data));
  }
}

// A source that holds the pattern and then ends, a sink, and what is behind.
struct Ends {
  Ends(FaultPlan& plan, size_t max_read, size_t max_write) {
    Pipe from = MakePipe(kNoLimit), to = MakePipe(kNoLimit);
    EXPECT_THAT(from.right->Write(Pattern(0, kSize)), IsOk());
    EXPECT_THAT(from.right->Shutdown(ShutdownMode::kWrite), IsOk());
    behind_source = std::move(from.right);
    source = plan.Wrap(std::move(from.left), max_read);
    sink = plan.Wrap(std::move(to.left), kNoLimit, max_write);
    behind_sink = std::move(to.right);
  }

  std::unique_ptr<Flow> behind_source, source, sink, behind_sink;
};

// Holds the result of a first Copy(), in Reads of `read_size`, to the bytes.
void CheckResult(const FaultPlan& plan, const CopyResult& result, Ends& ends,
                 size_t read_size) {
  const auto read = static_cast<size_t>(ends.source->bytes_read());
  const auto written = static_cast<size_t>(ends.sink->bytes_written());
  const auto reads = static_cast<int64_t>((read + read_size - 1) / read_size);
  EXPECT_EQ(result.statistics.bytes, static_cast<int64_t>(written));
  EXPECT_EQ(result.statistics.reads, reads);
  EXPECT_EQ(result.statistics.writes, reads);
  EXPECT_TRUE(SameData(result.unwritten, Pattern(written, read - written)));
  if (!plan.fired()) {
    EXPECT_THAT(result.status, IsOk());
    EXPECT_EQ(result.failed, Side::kNone);
    EXPECT_EQ(written, kSize);
    return;
  }
  EXPECT_THAT(result.status, StatusIs(plan.error().code()));
  EXPECT_EQ(result.failed, plan.flow() == 0 ? Side::kSource : Side::kSink);
  if (plan.flow() == 0) {
    EXPECT_EQ(read, written);
  }
}

void CopyAtEveryFaultPoint(size_t max_read, size_t max_write, size_t points) {
  CopyOptions options;
  options.max_read = 64;
  const size_t read_size = std::min(options.max_read, max_read);
  const auto body = [&](FaultPlan& plan) {
    Ends ends(plan, max_read, max_write);
    const CopyResult result = RunCopy(*ends.source, *ends.sink, options);
    CheckResult(plan, result, ends, read_size);

    // Accepted, unwritten and unread: together they are what there was.
    absl::Status end;
    absl::Cord all = Available(*ends.behind_sink, &end);
    EXPECT_EQ(all.size(), ends.sink->bytes_written());
    all.Append(result.unwritten);
    EXPECT_TRUE(SameData(all, Pattern(0, ends.source->bytes_read())));
    if (!plan.fired() || plan.flow() != 0 ||
        plan.mode() == FaultMode::kDeadline) {
      all.Append(Available(*ends.source, &end));
      EXPECT_THAT(end, IsOk()) << "the source has ended in good order";
      EXPECT_TRUE(SameData(all, Pattern(0, kSize)));
    } else if (plan.mode() != FaultMode::kAbort) {
      // The source can be read no more, and what it had is still there.
      EXPECT_EQ(all.size() + ends.behind_source->bytes_in_transit(), kSize);
    }

    // As copy.h says: no truncated copy looks whole.
    if (result.status.ok()) {
      if (absl::Status s = ends.sink->Shutdown(ShutdownMode::kWrite); s.ok()) {
        EXPECT_THAT(ends.behind_sink->Read(), IsEof());
      } else {
        EXPECT_TRUE(plan.fired());
        EXPECT_FALSE(ends.behind_sink->Read().ok());
      }
    } else {
      ends.sink->Abort(result.status);
      EXPECT_FALSE(ends.behind_sink->Read().ok());
    }
  };
  EXPECT_EQ(ForEachFaultPoint(body), points);
}

TEST(CopyFaultTest, NoByteIsLostRepeatedOrMoved) {
  // 5 Reads with data and one without, in 3 modes; 5 writes in 4; the end in 2.
  CopyAtEveryFaultPoint(kNoLimit, kNoLimit, 6 * 3 + 5 * 4 + 2);
}

TEST(CopyFaultTest, NoByteIsLostRepeatedOrMovedInShortReadsAndPieces) {
  // 43 Reads of 7 bytes, the last of 6.
  CopyAtEveryFaultPoint(7, 3, 44 * 3 + 43 * 4 + 2);
}

TEST(CopyFaultTest, ADeadlineAnywhereLosesNothingIfTheCopyIsResumed) {
  ::flow::testing::FaultPointOptions fault_options;
  fault_options.modes = {FaultMode::kDeadline};
  CopyOptions options;
  options.max_read = 64;
  const size_t points = ForEachFaultPoint(
      [&](FaultPlan& plan) {
        Ends ends(plan, kNoLimit, kNoLimit);
        CopyResult result = RunCopy(*ends.source, *ends.sink, options);
        if (plan.fired()) {
          EXPECT_THAT(result.status,
                      StatusIs(absl::StatusCode::kDeadlineExceeded));
          EXPECT_THAT(ends.sink->WriteFrom(&result.unwritten), IsOk());
          result = RunCopy(*ends.source, *ends.sink, options);
        }
        EXPECT_THAT(result.status, IsOk());
        absl::Status end;
        EXPECT_TRUE(
            SameData(Available(*ends.behind_sink, &end), Pattern(0, kSize)));
      },
      fault_options);
  EXPECT_EQ(points, 6 + 5);
}

}  // namespace
}  // namespace flow
