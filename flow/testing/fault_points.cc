// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/fault_points.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/testing/fault_flow.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using Side = FaultPlace::Side;

// More would say the same once more.
constexpr size_t kMaxFailingPoints = 10;

bool Applies(FaultMode mode, const FaultOperation& operation) {
  const bool writes = operation.side == Side::kWrite && !operation.is_end;
  switch (mode) {
    case FaultMode::kError:
    case FaultMode::kAbort:
      return true;
    case FaultMode::kErrorHalfway:
      return writes && operation.bytes >= 2;
    case FaultMode::kDeadline:
      return writes || operation.side == Side::kRead;
  }
  return false;
}

absl::string_view ModeName(FaultMode mode) {
  switch (mode) {
    case FaultMode::kError:
      return "error";
    case FaultMode::kErrorHalfway:
      return "error halfway";
    case FaultMode::kAbort:
      return "abort";
    case FaultMode::kDeadline:
      return "deadline";
  }
  return "unknown mode";
}

int FailuresSoFar() {
  const ::testing::TestInfo* const info =
      ::testing::UnitTest::GetInstance()->current_test_info();
  if (info == nullptr) return 0;
  int failures = 0;
  for (int i = 0; i < info->result()->total_part_count(); ++i) {
    if (info->result()->GetTestPartResult(i).failed()) ++failures;
  }
  return failures;
}

// Says which run it is that does not end. It cannot end it: what it waits for
// only the body knows.
class HangReport {
 public:
  HangReport(const FaultPlan& plan, absl::Duration timeout)
      : thread_([this, name = plan.ToString(), timeout] {
          if (over_.WaitForNotificationWithTimeout(timeout)) return;
          ABSL_LOG(ERROR) << "ForEachFaultPoint: for " << timeout
                          << " a run has not ended: " << name
                          << ". Does it wait for a thread whose flow nobody "
                             "closes, aborts or destroys?";
        }) {}
  ~HangReport() {
    over_.Notify();
    thread_.join();
  }

 private:
  absl::Notification over_;
  std::thread thread_;
};

}  // namespace

FaultPlan::FaultPlan(std::optional<Point> point)
    : point_(std::move(point)), record_(std::make_shared<Record>()) {}

std::unique_ptr<Flow> FaultPlan::Wrap(std::unique_ptr<Flow> inner,
                                      size_t max_read, size_t max_write) {
  FaultOptions options;
  options.max_read = max_read;
  options.max_write = max_write;
  size_t number;
  {
    flow::internal::MutexLock lock(record_->mu);
    number = record_->operations.size();
    record_->operations.emplace_back();
  }
  if (point_.has_value() && point_->flow == number) {
    const bool halfway = point_->mode == FaultMode::kErrorHalfway ||
                         point_->mode == FaultMode::kDeadline;
    const size_t accepted = halfway ? point_->bytes / 2 : 0;
    options.faults.push_back(
        point_->mode == FaultMode::kAbort
            ? Fault::Abort(point_->place, point_->error)
            : Fault::Error(point_->place, point_->error, accepted));
  }
  options.observer = [record = record_,
                      number](const FaultOperation& operation) {
    flow::internal::MutexLock lock(record->mu);
    record->operations[number].push_back(operation);
    if (operation.failed_here) record->fired = true;
  };
  return MakeFaultFlow(std::move(inner), std::move(options));
}

bool FaultPlan::fired() const {
  flow::internal::MutexLock lock(record_->mu);
  return record_->fired;
}

bool FaultPlan::SawOperations() const {
  flow::internal::MutexLock lock(record_->mu);
  for (const auto& operations : record_->operations) {
    if (!operations.empty()) return true;
  }
  return false;
}

const FaultPlan::Point& FaultPlan::point() const {
  ABSL_CHECK(point_.has_value()) << "asked for the fault of the run without "
                                    "one: look at fired() first";
  return *point_;
}

std::string FaultPlan::ToString() const {
  if (!point_.has_value()) return "no fault";
  const bool write = point_->place.side == Side::kWrite && !point_->is_end;
  return absl::StrCat(
      ModeName(point_->mode), " in ", point_->place.ToString(), " of flow ",
      point_->flow,
      point_->is_end ? " (the end)"
      : write        ? absl::StrCat(" (", point_->bytes,
                             point_->bytes == 1 ? " byte)" : " bytes)")
                     : "");
}

std::vector<FaultPlan::Point> FaultPlan::PointsAfter(
    const FaultPointOptions& options) const {
  std::vector<Point> points;
  flow::internal::MutexLock lock(record_->mu);
  for (size_t flow = 0; flow < record_->operations.size(); ++flow) {
    // Two threads may have mixed them.
    std::vector<FaultOperation> operations = record_->operations[flow];
    std::stable_sort(operations.begin(), operations.end(),
                     [](const FaultOperation& a, const FaultOperation& b) {
                       return a.side < b.side;
                     });
    for (const FaultOperation& operation : operations) {
      for (const FaultMode mode : options.modes) {
        if (!Applies(mode, operation)) continue;
        const FaultPlace place = {operation.side, FaultPlace::Unit::kOperation,
                                  operation.number};
        points.push_back({flow, place, mode,
                          mode == FaultMode::kDeadline
                              ? absl::DeadlineExceededError("injected")
                              : options.error,
                          operation.is_end, operation.bytes});
      }
    }
  }
  return points;
}

size_t ForEachFaultPoint(absl::FunctionRef<void(FaultPlan&)> body,
                         const FaultPointOptions& options) {
  const auto run = [&](FaultPlan& plan) {
    const ::testing::ScopedTrace trace(
        __FILE__, __LINE__, absl::StrCat("fault point: ", plan.ToString()));
    const int before = FailuresSoFar();
    const HangReport report(plan, options.hang_timeout);
    body(plan);
    return FailuresSoFar() == before;
  };
  FaultPlan without(std::nullopt);
  if (!run(without)) return 0;
  if (!without.SawOperations()) {
    ADD_FAILURE() << "no operation of a wrapped flow was seen: did the body "
                     "forget plan.Wrap()?";
    return 0;
  }

  const std::vector<FaultPlan::Point> points = without.PointsAfter(options);
  size_t fired = 0;
  size_t failing = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    if (i == options.max_points) {
      ADD_FAILURE() << "more than " << i << " fault points: " << points.size();
      break;
    }
    FaultPlan plan(points[i]);
    if (!run(plan)) ++failing;
    if (plan.fired()) ++fired;
    if (::testing::Test::HasFatalFailure()) break;
    if (failing == kMaxFailingPoints) {
      ADD_FAILURE() << "failures at " << failing << " of the first " << i + 1
                    << " fault points; the other " << points.size() - i - 1
                    << " are not visited";
      break;
    }
  }
  return fired;
}

}  // namespace flow::testing
