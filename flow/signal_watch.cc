// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/signal_watch.h"

#include <pthread.h>

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
#include "flow/internal/mutex_lock.h"
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
    ::sigemptyset(&blocked_);
  }

  ~ThreadedSignalWatch() override {
    if (!thread_.joinable()) return;
    {
      internal::MutexLock lock(mu_);
      ended_ = true;
      // Only while it is blocked there: it would end the process later.
      if (!came_) Wake();
    }
    thread_.join();
    Unblock();
  }

  absl::Status Start(std::initializer_list<int> signals) {
    for (const int signal : signals) {
      // One that is blocked would be delivered to sigwait() all the same.
      if (IsIgnored(signal)) continue;
      ::sigaddset(&signals_, signal);
      any_ = signal;
    }
    if (any_ == 0) return absl::OkStatus();  // There is nothing to wait for.
    sigset_t before;
    ABSL_CHECK_EQ(::pthread_sigmask(SIG_BLOCK, &signals_, &before), 0);
    for (const int signal : signals) {
      if (::sigismember(&signals_, signal) == 1 &&
          ::sigismember(&before, signal) == 0) {
        ::sigaddset(&blocked_, signal);
      }
    }
    absl::StatusOr<std::thread> thread =
        internal::StartThread([this] { Watch(); });
    if (!thread.ok()) {
      Unblock();
      return thread.status();
    }
    thread_ = *std::move(thread);
    return absl::OkStatus();
  }

 private:
  // Only what was blocked here: others may have changed the mask since.
  void Unblock() { ::pthread_sigmask(SIG_UNBLOCK, &blocked_, nullptr); }

  void Watch() {
    const std::optional<int> signal = AwaitSignal();
    if (!signal.has_value()) return;
    {
      internal::MutexLock lock(mu_);
      came_ = true;
      // The next one does what it does without us, whatever this thread and
      // others are waiting for. (The one that the destructor has sent is still
      // pending, and must not.)
      if (!ended_) ::pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr);
    }
    function_(*signal);
    // No other thread lets the signals through.
    internal::MutexLock lock(mu_);
    mu_.Await(absl::Condition(&ended_));
  }

  // With a value that tells it from a signal that this process gets meanwhile.
  void Wake() {
    sigval value;
    value.sival_ptr = this;
    ABSL_CHECK_EQ(::pthread_sigqueue(thread_.native_handle(), any_, value), 0);
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
      if (info.si_code == SI_QUEUE && info.si_value.sival_ptr == this) {
        return std::nullopt;
      }
      return signal;
    }
  }

  const std::function<void(int signal)> function_;
  sigset_t signals_;
  sigset_t blocked_;  // those that were not blocked before
  int any_ = 0;       // of them
  std::thread thread_;

  absl::Mutex mu_;
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
