// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/started_calls.h
//
// The calls of one flow that can go on without a thread: a read, a write and a
// close. To the rules (flow_core.h) each of them is a call that waits. Not for
// users of the library.
//
// Thread safety: as of Flow.

#ifndef FLOW_INTERNAL_STARTED_CALLS_H_
#define FLOW_INTERNAL_STARTED_CALLS_H_

#include <cstddef>
#include <memory>

#include "absl/container/inlined_vector.h"
#include "flow/engine.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"

namespace flow::internal {

// StartedCalls
class StartedCalls final : public PendingCalls {
 public:
  StartedCalls(FlowCore& core, Engine& engine);

  Engine& engine() { return engine_; }

  // As Flow::StartRead() and its kin. They return true if the call is over.
  // Precondition: the transport can start calls.
  bool Read(ReadOperation& operation, size_t max_bytes);
  bool Write(WriteOperation& operation);
  bool Close(CloseOperation& operation, const CloseLimit& limit);

  void TryAgain() override;
  bool is_closing() const override { return !closers_.empty(); }
  void TryToClose(bool is_known, bool is_for_first) override;
  void Forget() override;

 private:
  class Reader final : public StartedCall {
   public:
    Reader(FlowCore& core, Engine& engine) : StartedCall(engine), core_(core) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    Operation* End() override;

    FlowCore& core_;
    ReadOperation* operation_ = nullptr;
    size_t max_bytes_ = 0;
  };

  class Writer final : public StartedCall {
   public:
    Writer(FlowCore& core, Engine& engine) : StartedCall(engine), core_(core) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    Operation* End() override;

    FlowCore& core_;
    WriteOperation* operation_ = nullptr;
    size_t size_ = 0;
  };

  // There can be several; one serves itself.
  class Closer final : public StartedCall {
   public:
    Closer(StartedCalls& calls, CloseOperation& operation,
           MonotonicDeadline deadline)
        : StartedCall(calls.engine_),
          calls_(calls),
          operation_(operation),
          deadline_(deadline) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override { return deadline_; }
    Operation* End() override;

    StartedCalls& calls_;
    CloseOperation& operation_;
    const MonotonicDeadline deadline_;
    FlowCore::Closing closing_;
  };

  FlowCore& core_;
  Engine& engine_;
  Reader reader_;
  Writer writer_;
  // Those that are pending. Guarded by core_.mu().
  absl::InlinedVector<std::unique_ptr<Closer>, 1> closers_;
  int closer_fd_ = -1;  // that one of them has watched
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_STARTED_CALLS_H_
