// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/fault_points.h
//
// Runs a piece of a test once without faults, and then once for each place
// where its flows can fail and for each way to fail there.
//
//   ForEachFaultPoint([](FaultPlan& plan) {
//     Pipe pipe = MakePipe();
//     auto flow = plan.Wrap(std::move(pipe.left));
//     const absl::Status status = SendGreeting(*flow);
//     if (plan.fired()) {
//       EXPECT_THAT(status, StatusIs(plan.error().code()));
//     } else {
//       EXPECT_THAT(status, IsOk());
//       EXPECT_THAT(pipe.right->Read(), HoldsData("hello"));
//     }
//   });
//
// With threads: close, abort or destroy the wrapped flow before you join the
// thread at its other end, which may wait forever after a fault. Close() waits
// for that end, too, after an error that broke one direction: use a deadline,
// or Abort().
//
// When not to use it: for code whose operations differ from run to run. Those
// of each wrapped flow and direction should come in the same order; between
// flows and directions they need not, so threads are fine.
//
// Thread safety: ForEachFaultPoint() runs `body` on the calling thread. Any
// thread may call the functions of a FaultPlan, except Wrap().

#ifndef FLOW_TESTING_FAULT_POINTS_H_
#define FLOW_TESTING_FAULT_POINTS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/fault_flow.h"

namespace flow::testing {

// FaultMode
//
// The ways to fail, each with the operations that it applies to.
enum class FaultMode {
  // An operation fails and does nothing else. Any operation.
  kError,
  // A write hands half of its bytes over (rounded down), then fails. Writes of
  // 2 bytes or more.
  kErrorHalfway,
  // The connection breaks during the operation. Any operation.
  kAbort,
  // Like kError (reads) or kErrorHalfway (writes), with kDeadlineExceeded. It
  // does not stay: the next call goes on. Reads and writes, not the end.
  kDeadline,
};

// FaultPointOptions
struct FaultPointOptions {
  std::vector<FaultMode> modes = {FaultMode::kError, FaultMode::kErrorHalfway,
                                  FaultMode::kAbort, FaultMode::kDeadline};

  // Of kError and kErrorHalfway, and the reason of kAbort. Not Ok.
  absl::Status error = absl::UnavailableError("injected");

  // If there are more, that is a failure, and no more are visited.
  size_t max_points = 10000;

  // After how long a run that has not ended is named on standard error.
  absl::Duration hang_timeout = absl::Seconds(10);
};

// FaultPlan
//
// What is to go wrong in one run.
class FaultPlan {
 public:
  FaultPlan(const FaultPlan&) = delete;
  FaultPlan& operator=(const FaultPlan&) = delete;

  // FaultPlan::Wrap()
  //
  // Returns `inner` as a fault flow, with the fault of this run if it is for
  // this flow. The first one that a run wraps is flow 0. `max_read` and
  // `max_write` are those of FaultOptions.
  std::unique_ptr<Flow> Wrap(std::unique_ptr<Flow> inner,
                             size_t max_read = kNoLimit,
                             size_t max_write = kNoLimit);

  // FaultPlan::fired()
  //
  // Returns whether the fault has happened. If it has not when all is done, the
  // run must have come to the full result.
  bool fired() const;

  // FaultPlan::mode(), FaultPlan::place(), FaultPlan::flow(),
  // FaultPlan::error()
  //
  // Return what is to happen, where, to which flow, and with which status.
  // Precondition: this is not the run without a fault; fired() says so.
  FaultMode mode() const { return point().mode; }
  FaultPlace place() const { return point().place; }
  size_t flow() const { return point().flow; }
  const absl::Status& error() const { return point().error; }

  // FaultPlan::ToString()
  //
  // Returns the fault point for people, such as
  // `error halfway in write 3 of flow 0 (5 bytes)`, or `no fault`.
  std::string ToString() const;

 private:
  friend size_t ForEachFaultPoint(absl::FunctionRef<void(FaultPlan&)> body,
                                  const FaultPointOptions& options);

  struct Point {
    size_t flow;
    FaultPlace place;
    FaultMode mode;
    absl::Status error;
    bool is_end;
    size_t bytes;  // of the operation, in the run without a fault
  };

  // What has happened in this run, by flow. Outlives the plan if a flow does.
  struct Record {
    absl::Mutex mu;
    std::vector<std::vector<FaultOperation>> operations ABSL_GUARDED_BY(mu);
    bool fired ABSL_GUARDED_BY(mu) = false;
  };

  explicit FaultPlan(std::optional<Point> point);

  const Point& point() const;
  bool SawOperations() const;
  std::vector<Point> PointsAfter(const FaultPointOptions& options) const;

  const std::optional<Point> point_;
  const std::shared_ptr<Record> record_;
};

// ForEachFaultPoint()
//
// Runs `body` without a fault first, and if no failure was reported then, at
// each point: every operation of every wrapped flow in that run, in each mode
// that applies to it, in the order flow by flow, reads before writes. A failure
// names its fault point, as with SCOPED_TRACE(). After a fatal failure, or ten
// points with failures, no further points are visited.
//
// Returns how many runs had a fault that fired.
size_t ForEachFaultPoint(absl::FunctionRef<void(FaultPlan&)> body,
                         const FaultPointOptions& options = {});

}  // namespace flow::testing

#endif  // FLOW_TESTING_FAULT_POINTS_H_
