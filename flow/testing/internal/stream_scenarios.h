// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/stream_scenarios.h
//
// What two ends do with each other, for tests in which something goes wrong on
// the way: no byte may be lost or mistaken for another, and what was cut must
// not look whole where the transport can tell. Each scenario returns the first
// error, and runs on one thread. Only for our own tests.
//
// Thread safety: each call by itself.

#ifndef FLOW_TESTING_INTERNAL_STREAM_SCENARIOS_H_
#define FLOW_TESTING_INTERNAL_STREAM_SCENARIOS_H_

#include <fcntl.h>
#include <limits.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/failing_system_calls.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow::testing {

// More than fits into the small buffers of these tests.
inline constexpr size_t kMuch = 10000;

// Makes a call wait, but not for long.
inline absl::Time Shortly() { return absl::Now() + absl::Milliseconds(1); }

// Whether the transport tells the reader of a stream that was cut.
enum class Cut { kIsTold, kLooksWhole };

// Makes descriptors, or anything else, by calls that do not fail.
template <typename Function>
auto Own(Function function) {
  const OwnSystemCalls own;
  return function();
}

// Returns Ok if `status` says that nothing came.
inline absl::Status Late(const absl::Status& status) {
  EXPECT_FALSE(status.ok()) << "something that nobody has sent";
  return absl::IsDeadlineExceeded(status) ? absl::OkStatus() : status;
}

inline absl::Status SendAll(Flow& from, Flow& to, size_t size,
                            PatternChecker& checker) {
  to.SetReadDeadline(Shortly());
  if (absl::Status s = Late(to.Read().status()); !s.ok()) return s;
  to.SetReadDeadline(Patience());
  absl::Cord rest = Pattern(0, size);
  from.SetWriteDeadline(Shortly());
  while (checker.offset() < static_cast<int64_t>(size)) {
    if (!rest.empty()) {
      const absl::Status sent = from.WriteFrom(&rest);
      if (!sent.ok() && !absl::IsDeadlineExceeded(sent)) return sent;
      from.SetWriteDeadline(absl::InfinitePast());
    }
    EXPECT_GE(from.bytes_in_transit(), 0);
    const absl::StatusOr<absl::Cord> data = to.Read();
    if (!data.ok()) return data.status();
    EXPECT_FALSE(data->empty()) << "an end that nobody has sent";
    if (data->empty()) return absl::OkStatus();
    EXPECT_TRUE(checker.Check(*data).ok()) << checker.Check(*data);
  }
  return from.Shutdown(ShutdownMode::kWrite);
}

// Sends `size` bytes, then the end. If something fails, `from` is destroyed as
// a program does that gives up.
inline absl::Status Stream(std::unique_ptr<Flow>& from, Flow& to, Cut cut,
                           size_t size = kMuch) {
  PatternChecker checker;
  const absl::Status sent = SendAll(*from, to, size, checker);
  if (!sent.ok()) from = nullptr;
  while (true) {
    const absl::StatusOr<absl::Cord> data = to.Read();
    if (!data.ok()) return sent.ok() ? data.status() : sent;
    if (data->empty()) break;
    EXPECT_TRUE(checker.Check(*data).ok()) << checker.Check(*data);
  }
  if (cut == Cut::kIsTold) {
    EXPECT_TRUE(sent.ok()) << "what was cut looks whole: " << sent;
  }
  return sent;
}

struct Flows {
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

inline absl::StatusOr<Flows> FlowsOf(const RawPair& raw) {
  absl::StatusOr<std::unique_ptr<Flow>> left = MakeFdFlow(raw.left);
  absl::StatusOr<std::unique_ptr<Flow>> right = MakeFdFlow(raw.right);
  if (!left.ok()) return left.status();
  if (!right.ok()) return right.status();
  return Flows{*std::move(left), *std::move(right)};
}

inline absl::Status CloseBoth(Flows& flows) {
  absl::Status status = flows.left->Close(Patience());
  status.Update(flows.right->Close(Patience()));
  return status;
}

// Everything in both directions, in good order.
inline absl::Status Converse(absl::StatusOr<Flows> flows, Cut cut) {
  if (!flows.ok()) return flows.status();
  absl::Status status = Late(flows->left->AwaitRefusal(Shortly()));
  if (status.ok()) status = Stream(flows->left, *flows->right, cut);
  if (status.ok()) status = Stream(flows->right, *flows->left, cut, 100);
  if (status.ok()) status = CloseBoth(*flows);
  return status;
}

// The reader wants no more.
inline absl::Status Refuse(absl::StatusOr<Flows> flows) {
  if (!flows.ok()) return flows.status();
  flows->left->SetWriteDeadline(absl::InfinitePast());
  absl::Status status = flows->left->Write("nobody reads this");
  if (!status.ok()) return status;
  flows->right->Shutdown(ShutdownMode::kRead).IgnoreError();
  status = flows->left->AwaitRefusal(absl::Now() + absl::Milliseconds(300));
  // If the kernel did not tell it.
  if (absl::IsDeadlineExceeded(status)) return absl::OkStatus();
  if (!IsClosed(status)) return status;
  status = flows->left->Write("nor this");
  if (!IsClosed(status)) return status;
  flows->left->Shutdown(ShutdownMode::kWrite).IgnoreError();
  flows->right->Shutdown(ShutdownMode::kWrite).IgnoreError();
  status = flows->right->Close(Patience());
  const absl::Status closed = flows->left->Close(Patience());
  return IsClosed(closed) ? status : closed;
}

// A sender that gives up in the middle, by an abort or by a decorator's error.
inline absl::Status GiveUp(absl::StatusOr<Flows> flows, bool aborts) {
  if (!flows.ok()) return flows.status();
  const absl::Status reason = absl::DataLossError("given up");
  auto from = MakeFaultFlow(
      std::move(flows->left),
      std::vector<Fault>{Fault::Error(WriteOperation(1), reason)});
  absl::Status status = from->Write("half");
  if (!status.ok()) return status;
  if (aborts) {
    from->Abort(reason);
  } else {
    from->Write("the rest").IgnoreError();
  }
  flows->right->SetReadDeadline(Patience());
  absl::StatusOr<absl::Cord> data = flows->right->Read();
  while (data.ok() && !data->empty()) data = flows->right->Read();
  EXPECT_FALSE(data.ok()) << "what was cut looks whole";
  return absl::IsUnavailable(data.status()) ? absl::OkStatus() : data.status();
}

// Bytes that go one way, from the right to the left end.
inline absl::Status SendOneWay(absl::StatusOr<Flows> flows) {
  if (!flows.ok()) return flows.status();
  absl::Status status = Late(flows->right->AwaitRefusal(Shortly()));
  if (status.ok()) {
    status = Stream(flows->right, *flows->left, Cut::kLooksWhole);
  }
  if (status.ok()) status = CloseBoth(*flows);
  return status;
}

inline RawPair SmallPipe() {
  const RawPair pipe = RawPipe();
  ABSL_PCHECK(::fcntl(pipe.right, F_SETPIPE_SZ, PIPE_BUF) > 0);
  return pipe;
}

inline RawPair SmallUnix() {
  const RawPair pair = RawUnix();
  ShrinkBuffers(pair.left);
  ShrinkBuffers(pair.right);
  return pair;
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_STREAM_SCENARIOS_H_
