// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/hook_flow.h
//
// A flow whose transport calls functions of the test, for the tests of Flow.
// For tests of what uses a flow, scripted_flow.h and fault_flow.h say more when
// something is wrong.
//
// Thread safety: set the functions before threads start.

#ifndef FLOW_TESTING_INTERNAL_HOOK_FLOW_H_
#define FLOW_TESTING_INTERNAL_HOOK_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::testing {

// HookTransport
//
// Calls the functions, and keeps a log of those that are called rarely.
class HookTransport final : public Transport {
 public:
  std::vector<std::string> log() const {
    flow::internal::MutexLock lock(log_mu_);
    return log_;
  }

  std::function<absl::StatusOr<absl::Cord>(size_t)> read = [](size_t) {
    return absl::Cord("data");
  };
  std::function<absl::Status(absl::Cord, size_t*)> write =
      [](absl::Cord, size_t*) { return absl::OkStatus(); };
  std::function<absl::Status(absl::Time)> end_write = [](absl::Time) {
    return absl::OkStatus();
  };
  std::function<void()> refuse_read = [] {};
  std::function<absl::Status(absl::Time)> await_remote_end = [](absl::Time) {
    return absl::OkStatus();
  };
  std::function<std::optional<absl::Status>(absl::Time)> await_refusal =
      [](absl::Time) { return std::nullopt; };
  bool can_be_refused = false;
  std::function<void()> abort = [] {};
  std::function<absl::Status()> free = [] { return absl::OkStatus(); };
  std::function<void(absl::Time)> read_deadline = [](absl::Time) {};
  std::function<int64_t()> in_transit = [] { return 0; };
  // Outlives the flow, unlike log().
  std::function<void(std::string)> also_log = [](const std::string&) {};

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return read(max_bytes);
  }
  absl::Status Write(Outgoing& data) override {
    size_t accepted = 0;
    absl::Status status = write(data.TakeCord(), &accepted);
    data.Accept(accepted);
    return status;
  }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    Log(outcome.ok() ? "end" : "broken");
    return end_write(deadline);
  }
  void RefuseRead() override {
    Log("refuse read");
    refuse_read();
  }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    Log("await remote end");
    return await_remote_end(deadline);
  }
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    return await_refusal(deadline);
  }
  bool CanBeRefused() const override { return can_be_refused; }
  void Abort(const absl::Status& reason) override {
    Log("abort " + absl::StatusCodeToString(reason.code()));
    abort();
  }
  void LoseRead() override { Log("lose read"); }
  absl::Status Free() override {
    Log("free");
    return free();
  }
  void SetReadDeadline(absl::Time deadline) override {
    Log("read deadline");
    read_deadline(deadline);
  }
  void SetWriteDeadline(absl::Time) override { Log("write deadline"); }
  int64_t BytesInTransit() const override { return in_transit(); }
  std::string Describe() const override { return "hook flow"; }

 private:
  void Log(std::string what) {
    also_log(what);
    flow::internal::MutexLock lock(log_mu_);
    log_.push_back(std::move(what));
  }

  mutable absl::Mutex log_mu_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(log_mu_);
};

// HookFlow
//
// A flow on a HookTransport.
class HookFlow final : public Flow {
 public:
  HookFlow() : HookFlow(std::make_unique<HookTransport>()) {}

  // What a kind of flow may call.
  using Flow::ReadWith;
  using Flow::WriteWith;

  // Its transport.
  HookTransport& hooks;

 private:
  explicit HookFlow(std::unique_ptr<HookTransport> transport)
      : HookFlow(*transport, std::move(transport)) {}
  HookFlow(HookTransport& unowned, std::unique_ptr<HookTransport>&& transport)
      : Flow({std::move(transport)}), hooks(unowned) {}
};

// BeforeCalls()
//
// Returns `flow`, with a transport on top that calls `before` in each read and
// write, and `before_end` in EndWrite(), before it hands the call on. What they
// do happens after the Flow has let the call begin, and before the transport
// underneath sees it.
inline std::unique_ptr<Flow> BeforeCalls(
    std::unique_ptr<Flow> flow, std::function<void()> before,
    std::function<void()> before_end = [] {}) {
  class BeforeTransport final : public ForwardingTransport {
   public:
    BeforeTransport(std::unique_ptr<Transport> inner,
                    std::function<void()> before,
                    std::function<void()> before_end)
        : ForwardingTransport(std::move(inner)),
          before_(std::move(before)),
          before_end_(std::move(before_end)) {}

    absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
      before_();
      return ForwardingTransport::Read(max_bytes);
    }
    absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
      before_();
      return inner().ReadInto(space);
    }
    absl::Status Write(Outgoing& data) override {
      before_();
      return ForwardingTransport::Write(data);
    }
    absl::Status EndWrite(const absl::Status& outcome,
                          absl::Time deadline) override {
      before_end_();
      return ForwardingTransport::EndWrite(outcome, deadline);
    }

   private:
    const std::function<void()> before_;
    const std::function<void()> before_end_;
  };
  return DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> inner) {
    return std::make_unique<BeforeTransport>(
        std::move(inner), std::move(before), std::move(before_end));
  });
}

// AfterReads()
//
// Returns `flow`, with a transport on top that calls `after` when a read has
// come back, and before the Flow knows.
inline std::unique_ptr<Flow> AfterReads(std::unique_ptr<Flow> flow,
                                        std::function<void()> after) {
  class AfterTransport final : public ForwardingTransport {
   public:
    AfterTransport(std::unique_ptr<Transport> inner,
                   std::function<void()> after)
        : ForwardingTransport(std::move(inner)), after_(std::move(after)) {}

    absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
      absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
      after_();
      return data;
    }

   private:
    const std::function<void()> after_;
  };
  return DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> inner) {
    return std::make_unique<AfterTransport>(std::move(inner), std::move(after));
  });
}

// Blocker
//
// Block(), called from a hook, says that it was entered and returns when told
// to.
class Blocker {
 public:
  void Block() {
    entered_.Notify();
    leave_.WaitForNotification();
  }
  void WaitUntilEntered() { entered_.WaitForNotification(); }
  void Leave() { leave_.Notify(); }

 private:
  absl::Notification entered_;
  absl::Notification leave_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_HOOK_FLOW_H_
