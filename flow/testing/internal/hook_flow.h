// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/hook_flow.h
//
// A flow whose hooks are functions of the test, for the tests of the base. For
// tests of what uses a flow, scripted_flow.h and fault_flow.h say more when
// something is wrong.
//
// Thread safety: set the functions before threads start.

#ifndef FLOW_TESTING_INTERNAL_HOOK_FLOW_H_
#define FLOW_TESTING_INTERNAL_HOOK_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <functional>
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
#include "flow/flow.h"

namespace flow::testing {

// HookFlow
//
// Calls the functions, and keeps a log of the hooks that are called rarely.
class HookFlow final : public Flow {
 public:
  ~HookFlow() override { Destroy(); }

  // What an implementation may call.
  using Flow::CloseDeadline;
  using Flow::ReadWith;
  using Flow::WriteWith;

  std::vector<std::string> log() const {
    absl::MutexLock lock(&log_mu_);
    return log_;
  }

  std::function<absl::StatusOr<absl::Cord>(size_t)> read = [](size_t) {
    return absl::Cord("data");
  };
  std::function<absl::Status(absl::Cord, size_t*)> write =
      [](absl::Cord, size_t*) { return absl::OkStatus(); };
  std::function<absl::Status()> end_write = [] { return absl::OkStatus(); };
  std::function<void()> shutdown_read = [] {};
  std::function<absl::Status(absl::Time)> await_remote_end = [](absl::Time) {
    return absl::OkStatus();
  };
  std::function<void()> abort = [] {};
  std::function<absl::Status()> free = [] { return absl::OkStatus(); };
  std::function<void(absl::Time)> read_deadline = [](absl::Time) {};
  std::function<int64_t()> in_transit = [] { return 0; };
  // Outlives the flow, unlike log().
  std::function<void(std::string)> also_log = [](const std::string&) {};

 private:
  void Log(std::string what) {
    also_log(what);
    absl::MutexLock lock(&log_mu_);
    log_.push_back(std::move(what));
  }

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    return read(max_bytes);
  }
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    return write(std::move(buffer), accepted);
  }
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    Log(outcome.ok() ? "end" : "broken");
    return end_write();
  }
  void DoShutdownRead() override {
    Log("shutdown read");
    shutdown_read();
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    Log("await remote end");
    return await_remote_end(deadline);
  }
  void DoAbort(const absl::Status& reason) override {
    Log("abort " + absl::StatusCodeToString(reason.code()));
    abort();
  }
  absl::Status DoFree() override {
    Log("free");
    return free();
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    Log("read deadline");
    read_deadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time) override { Log("write deadline"); }
  int64_t DoBytesInTransit() const override { return in_transit(); }
  std::string DoDescribe() const override { return "hook flow"; }

  mutable absl::Mutex log_mu_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(log_mu_);
};

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
