// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/signal_watch.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/start_thread.h"

namespace flow {
namespace {

bool IsIgnored(int signal) {
  struct sigaction action;
  return ::sigaction(signal, nullptr, &action) == 0 &&
         action.sa_handler == SIG_IGN;
}

class ThreadedSignalWatch final : public SignalWatch {
 public:
  explicit ThreadedSignalWatch(std::function<void(int signal)> function)
      : function_(std::move(function)) {
    ::sigemptyset(&signals_);
  }

  ~ThreadedSignalWatch() override {
    if (!thread_.joinable()) return;
    {
      absl::MutexLock lock(&mu_);
      ended_ = true;
      // Only while it is blocked there: it would end the process later.
      if (!came_) ::pthread_kill(thread_.native_handle(), any_);
    }
    thread_.join();
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  absl::Status Start(std::initializer_list<int> signals) {
    for (const int signal : signals) {
      // One that is blocked would be delivered to sigwait() all the same.
      if (IsIgnored(signal)) continue;
      ::sigaddset(&signals_, signal);
      any_ = signal;
    }
    if (any_ == 0) return absl::OkStatus();  // There is nothing to wait for.
    ABSL_CHECK_EQ(::pthread_sigmask(SIG_BLOCK, &signals_, &before_), 0);
    absl::StatusOr<std::thread> thread =
        internal::StartThread([this] { Watch(); });
    if (!thread.ok()) {
      ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
      return thread.status();
    }
    thread_ = *std::move(thread);
    return absl::OkStatus();
  }

 private:
  void Watch() {
    const std::optional<int> signal = AwaitSignal();
    if (!signal.has_value()) return;
    {
      absl::MutexLock lock(&mu_);
      came_ = true;
      // The next one does what it does without us, whatever this thread and
      // others are waiting for. (The one that the destructor has sent is still
      // pending, and must not.)
      if (!ended_) ::pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
    }
    function_(*signal);
    // No other thread lets the signals through.
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&ended_));
  }

  // Returns nullopt if the destructor wakes it.
  std::optional<int> AwaitSignal() const {
    while (true) {
      siginfo_t info;
      const int signal = ::sigwaitinfo(&signals_, &info);
      if (signal < 0) {
        ABSL_CHECK_EQ(errno, EINTR);
        continue;
      }
      absl::MutexLock lock(&mu_);
      if (ended_ && info.si_pid == ::getpid()) return std::nullopt;
      return signal;
    }
  }

  const std::function<void(int signal)> function_;
  sigset_t signals_;
  sigset_t before_;
  int any_ = 0;  // of them
  std::thread thread_;

  mutable absl::Mutex mu_;
  bool came_ ABSL_GUARDED_BY(mu_) = false;   // a signal
  bool ended_ ABSL_GUARDED_BY(mu_) = false;  // the watch
};

}  // namespace

absl::StatusOr<std::unique_ptr<SignalWatch>> WatchSignals(
    std::function<void(int signal)> function,
    std::initializer_list<int> signals) {
  auto watch = std::make_unique<ThreadedSignalWatch>(std::move(function));
  if (absl::Status status = watch->Start(signals); !status.ok()) return status;
  return watch;
}

}  // namespace flow
