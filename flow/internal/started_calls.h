// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/started_calls.h
//
// The calls of one flow that can go on without a thread: a read, a write, those
// that await a refusal and those that close. To the rules (flow_core.h) each of
// them is a call that waits. Not for users of the library.
//
// Thread safety: as of Flow.

#ifndef FLOW_INTERNAL_STARTED_CALLS_H_
#define FLOW_INTERNAL_STARTED_CALLS_H_

#include <cstddef>
#include <memory>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/engine.h"
#include "flow/internal/attempts.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"

namespace flow::internal {

// StartedCalls
class StartedCalls final : public PendingCalls {
 public:
  StartedCalls(FlowCore& core, Engine& engine);

  // As Flow::StartRead() and its kin. They return true if the call is over.
  // Precondition: the transport can start calls.
  bool Read(ReadOperation& operation, size_t max_bytes);
  bool Read(ReadAttempt& attempt, size_t max_bytes);
  // `attempt` may be null.
  bool Write(WriteOperation& operation, WriteAttempt* attempt);
  bool AwaitRefusal(RefusalOperation& operation, MonotonicDeadline deadline);
  bool Close(CloseOperation& operation, const CloseLimit& limit);

  Engine& engine() const override { return engine_; }
  void TryAgain() override;
  bool is_closing() const override { return !closers_.empty(); }
  void TryToClose(bool is_known, bool is_for_first) override;
  void TryToAwaitRefusal() override;
  void Forget() override;

 private:
  template <typename Call>
  using Calls = absl::InlinedVector<std::unique_ptr<Call>, 1>;

  class Reader final : public StartedCall {
   public:
    Reader(FlowCore& core, Engine& engine) : StartedCall(engine), core_(core) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    Operation* End() override;

    FlowCore& core_;
    Operation* operation_ = nullptr;
    absl::StatusOr<absl::Cord>* result_ = nullptr;
    ReadAttempt* attempt_ = nullptr;  // null: as the transport reads
    size_t max_bytes_ = 0;
    bool passes_ = false;
  };

  class Writer final : public StartedCall {
   public:
    Writer(FlowCore& core, Engine& engine) : StartedCall(engine), core_(core) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    Operation* End() override;

    FlowCore& core_;
    WriteOperation* operation_ = nullptr;
    WriteAttempt* attempt_ = nullptr;  // null: as the transport writes
    size_t size_ = 0;
  };

  // There can be several of this and of the next one; one serves itself.
  class Refusal final : public StartedCall {
   public:
    Refusal(StartedCalls& calls, RefusalOperation& operation,
            MonotonicDeadline deadline)
        : StartedCall(calls.engine_),
          calls_(calls),
          operation_(operation),
          deadline_(deadline) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override { return deadline_; }
    Operation* End() override;

    StartedCalls& calls_;
    RefusalOperation& operation_;
    const MonotonicDeadline deadline_;
    bool asks_ = false;
  };

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

  bool Read(Operation& operation, absl::StatusOr<absl::Cord>& result,
            ReadAttempt* attempt, size_t max_bytes);

  FlowCore& core_;
  Engine& engine_;
  Reader reader_;
  Writer writer_;
  // Removes `call` from `calls`, where those of its kind are pending, and
  // returns it. With the lock of the core.
  template <typename Call>
  std::unique_ptr<Call> Remove(Call& call, Calls<Call>& calls);

  // Those that are pending. Guarded by core_.mu().
  Calls<Refusal> refusals_;
  Calls<Closer> closers_;
  int other_fd_ = -1;  // that one of them has watched
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_STARTED_CALLS_H_
