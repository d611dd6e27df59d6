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

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
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

// HookCall
//
// One kind of call that may block, for a transport that starts it: a thread
// runs it, and tells the flow when it is over. So no engine waits for it.
//
// Thread safety: as of a kind of call of Transport.
template <typename Result>
class HookCall {
 public:
  HookCall() = default;
  HookCall(const HookCall&) = delete;
  HookCall& operator=(const HookCall&) = delete;
  ~HookCall() { Join(); }

  // What `call` returns, which begins if none is under way. If this `awaits`
  // it, the last try waits, as a function knows no deadline. Otherwise it goes
  // on, and is for the next caller.
  std::optional<Result> Try(Retry* retry, std::function<Result()> call,
                            bool awaits) {
    std::optional<Result> result;
    {
      flow::internal::MutexLock lock(mu_);
      if (!is_under_way_) {
        is_under_way_ = true;
        thread_ = std::thread([this, call = std::move(call)] {
          Result returned = call();
          flow::internal::MutexLock lock(mu_);
          result_ = std::move(returned);
          if (retry_ != nullptr) retry_->Now();
        });
      }
      retry_ = retry;
      if (retry == nullptr && awaits) {
        const auto is_over = [this] {
          mu_.AssertReaderHeld();
          return result_.has_value();
        };
        mu_.Await(absl::Condition(&is_over));
      }
      if (!result_.has_value()) return std::nullopt;
      result.swap(result_);
      is_under_way_ = false;
    }
    Join();
    return result;
  }

  // Waits until it is over, if one is under way.
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;  // of whoever tries
  absl::Mutex mu_;
  bool is_under_way_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<Result> result_ ABSL_GUARDED_BY(mu_);
  Retry* retry_ ABSL_GUARDED_BY(mu_) = nullptr;
};

// HookTransport
//
// Calls the functions, and keeps a log of those that are called rarely. It can
// start: a started call runs its function on a thread of its own. A deadline of
// a read or write is not noticed by the function, whether the call blocks or
// starts. Functions that take a deadline get none from a started call.
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
    ended_.Join();
    remote_ended_.Join();
    refused_.Join();
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

  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    return read_.Try(
        retry, [this, max_bytes] { return Read(max_bytes); }, /*awaits=*/true);
  }
  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    std::optional<Written> written = written_.Try(
        retry,
        [this, data = *rest] {
          Written written;
          written.status = write(data, &written.accepted);
          if (written.status.ok()) written.accepted = data.size();
          return written;
        },
        /*awaits=*/true);
    if (!written.has_value()) return std::nullopt;
    rest->RemovePrefix(std::min(written->accepted, rest->size()));
    return std::move(written->status);
  }
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override {
    return ended_.Try(
        retry,
        [this, outcome] { return EndWrite(outcome, absl::InfiniteFuture()); },
        /*awaits=*/!outcome.ok());
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    return remote_ended_.Try(
        retry, [this] { return AwaitRemoteEnd(absl::InfiniteFuture()); },
        /*awaits=*/false);
  }
  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    if (cannot_tell_) return std::nullopt;
    const auto refused = refused_.Try(
        retry, [this] { return AwaitRefusal(absl::InfiniteFuture()); },
        /*awaits=*/false);
    if (!refused.has_value()) return std::nullopt;
    cannot_tell_ = !refused->has_value();
    return *refused;
  }

 private:
  struct Written {
    absl::Status status;
    size_t accepted = 0;
  };

  void Log(std::string what) {
    also_log(what);
    flow::internal::MutexLock lock(log_mu_);
    log_.push_back(std::move(what));
  }

  mutable absl::Mutex log_mu_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(log_mu_);

  // Started calls, the last members: their threads use the others.
  bool cannot_tell_ = false;  // of refusals
  HookCall<absl::StatusOr<absl::Cord>> read_;
  HookCall<Written> written_;
  HookCall<absl::Status> ended_;
  HookCall<absl::Status> remote_ended_;
  HookCall<std::optional<absl::Status>> refused_;
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
// underneath sees it. For a started call they run once, at its first try. There
// they may not block, because an engine can be what tries.
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

    bool CanStart() const override { return inner().CanStart(); }
    std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                      Retry* retry) override {
      if (!std::exchange(reads_, true)) before_();
      auto data = ForwardingTransport::TryRead(max_bytes, retry);
      if (data.has_value() || retry == nullptr) reads_ = false;
      return data;
    }
    std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                         Retry* retry) override {
      if (!std::exchange(writes_, true)) before_();
      auto status = ForwardingTransport::TryWrite(rest, retry);
      if (status.has_value() || retry == nullptr) writes_ = false;
      return status;
    }
    std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                            Retry* retry) override {
      if (!std::exchange(ends_, true)) before_end_();
      auto status = ForwardingTransport::TryEndWrite(outcome, retry);
      if (status.has_value() || retry == nullptr) ends_ = false;
      return status;
    }

   private:
    const std::function<void()> before_;
    const std::function<void()> before_end_;
    // A started call of this kind is under way.
    bool reads_ = false;
    bool writes_ = false;
    bool ends_ = false;
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

    bool CanStart() const override { return inner().CanStart(); }
    std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                      Retry* retry) override {
      auto data = ForwardingTransport::TryRead(max_bytes, retry);
      if (data.has_value() || retry == nullptr) after_();
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
