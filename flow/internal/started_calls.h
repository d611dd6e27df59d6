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
#include "flow/internal/patience.h"
#include "flow/internal/relays.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"

namespace flow::internal {

// StartedCalls
class StartedCalls : public PendingCalls {
 public:
  StartedCalls(FlowCore& core, Engine& engine) : core_(core), engine_(engine) {}

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
  bool is_closing() const override { return closers_ != nullptr; }
  void TryToClose(bool is_known, bool is_for_first) override;
  void TryToAwaitRefusal() override;
  void Forget() override;

  // For a flow that is lent, from the first of these calls on.
  Relays& relays();

 private:
  class Reader final : public StartedCall {
   public:
    explicit Reader(StartedCalls& calls) : calls_(calls) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    Operation* End() override;
    Engine& engine() const override { return calls_.engine_; }
    absl::StatusOr<absl::Cord>& result() {
      return attempt_ == nullptr ? operation_->result : attempt_->read;
    }

    bool passes_ = false;
    StartedCalls& calls_;
    // One of them.
    ReadOperation* operation_ = nullptr;
    ReadAttempt* attempt_ = nullptr;
    size_t max_bytes_ = 0;
  };

  class Writer final : public StartedCall {
   public:
    explicit Writer(StartedCalls& calls) : calls_(calls) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    Operation* End() override;
    Engine& engine() const override { return calls_.engine_; }

    StartedCalls& calls_;
    WriteOperation* operation_ = nullptr;
    WriteAttempt* attempt_ = nullptr;  // null: as the transport writes
    size_t size_ = 0;
  };

  // There can be several of this and of the next one; one serves itself.
  class Refusal final : public StartedCall {
   public:
    Refusal(StartedCalls& calls, RefusalOperation& operation,
            MonotonicDeadline deadline)
        : calls_(calls), operation_(operation), deadline_(deadline) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override { return deadline_; }
    Operation* End() override;
    Engine& engine() const override { return calls_.engine_; }

    StartedCalls& calls_;
    RefusalOperation& operation_;
    const MonotonicDeadline deadline_;
    bool asks_ = false;
    std::unique_ptr<Refusal> next_;
  };

  class Closer final : public StartedCall {
   public:
    Closer(StartedCalls& calls, CloseOperation& operation,
           const CloseLimit& limit)
        : calls_(calls), operation_(operation), limit_(limit) {}
    bool Try(bool is_late) override;
    MonotonicDeadline Deadline() override;
    void LeaveBehind(int fd) override;
    Operation* End() override;
    Engine& engine() const override { return calls_.engine_; }

    StartedCalls& calls_;
    CloseOperation& operation_;
    const CloseLimit limit_;
    Patience patience_{limit_.idle_timeout, /*in_transit=*/0};
    FlowCore::Closing closing_;
    std::unique_ptr<Closer> next_;
  };

  // What most flows do without.
  struct Rare {
    absl::InlinedVector<int, 2> further_fds;  // besides `other_fd_`
    Relays relays;
  };

  bool StartReader(ReadOperation* operation, ReadAttempt* attempt,
                   size_t max_bytes);

  // Adds `call` to those of its kind that are pending, from `first` on, and
  // returns it.
  template <typename Call>
  Call& Add(std::unique_ptr<Call> call, std::unique_ptr<Call>& first);
  // Forgets `fd` before the transport closes it. With the lock of the core.
  void Remember(int fd);
  Rare& rare();
  // Calls `function` with each of them. With the lock of the core.
  template <typename Call, typename Function>
  static void ForEach(const std::unique_ptr<Call>& first, Function function);
  // Removes `call` from them, and returns it. With the lock of the core.
  template <typename Call>
  std::unique_ptr<Call> Remove(Call& call, std::unique_ptr<Call>& first);

  FlowCore& core_;
  Engine& engine_;
  Reader reader_{*this};
  Writer writer_{*this};

  // The first of those that are pending. Guarded by core_.mu().
  std::unique_ptr<Refusal> refusals_;
  std::unique_ptr<Closer> closers_;
  int other_fd_ = -1;           // that they have watched
  std::unique_ptr<Rare> rare_;  // from when it is needed on
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_STARTED_CALLS_H_
