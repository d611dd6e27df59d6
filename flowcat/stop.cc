// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/stop.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace flowcat {
namespace {

absl::string_view NameOf(int signal) {
  switch (signal) {
    case SIGHUP:
      return "SIGHUP";
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    default:
      return "a signal";
  }
}

bool IsIgnored(int signal) {
  struct sigaction action;
  return ::sigaction(signal, nullptr, &action) == 0 &&
         action.sa_handler == SIG_IGN;
}

int WaitForOne(const sigset_t& signals) {
  int signal = 0;
  ABSL_CHECK_EQ(::sigwait(&signals, &signal), 0);
  return signal;
}

}  // namespace

void Stop::Request(int signal) {
  absl::MutexLock lock(&mu_);
  if (Requested()) return;
  signal_ = signal;
  // With the lock held, so that a Callback's destructor waits.
  for (Callback* callback : std::exchange(callbacks_, {})) {
    callback->function_(Reason());
  }
}

int Stop::signal() const {
  absl::MutexLock lock(&mu_);
  return signal_;
}

absl::Status Stop::reason() const {
  absl::MutexLock lock(&mu_);
  return Reason();
}

absl::Status Stop::Reason() const {
  if (!Requested()) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat("ended by ", NameOf(signal_)));
}

bool Stop::Await(absl::Duration timeout) const {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(this, &Stop::Requested), timeout);
}

Stop::Callback::Callback(Stop& stop, Function function)
    : stop_(stop), function_(std::move(function)) {
  absl::MutexLock lock(&stop_.mu_);
  if (stop_.Requested()) {
    function_(stop_.Reason());
  } else {
    stop_.callbacks_.push_back(this);
  }
}

Stop::Callback::~Callback() {
  absl::MutexLock lock(&stop_.mu_);
  auto& all = stop_.callbacks_;
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

absl::Status NoThread(const std::system_error& error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no thread available (", error.what(), ")"));
}

absl::StatusOr<Stop*> StopOnSignals() {
  // Its thread may wait for a signal while the program ends.
  static Stop& stop = *new Stop();
  sigset_t signals;
  ::sigemptyset(&signals);
  for (int signal : {SIGHUP, SIGINT, SIGTERM}) {
    // A signal that is blocked would be delivered to sigwait() all the same.
    if (!IsIgnored(signal)) ::sigaddset(&signals, signal);
  }
  sigset_t before;
  ABSL_CHECK_EQ(::pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
  try {
    std::thread([signals] {
      const int first = WaitForOne(signals);
      // The next one does what it does without us, whatever this thread and
      // others are waiting for.
      ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
      stop.Request(first);
      while (true) ::pause();  // No other thread lets them through.
    }).detach();
  } catch (const std::system_error& error) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return NoThread(error);
  }
  return &stop;
}

}  // namespace flowcat
