// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/stop.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <system_error>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "flow/signal_watch.h"

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
  // A signal may come while the program ends.
  static Stop& stop = *new Stop();
  absl::StatusOr<std::unique_ptr<flow::SignalWatch>> watch = flow::WatchSignals(
      [](int signal) { stop.Request(signal); }, {SIGHUP, SIGINT, SIGTERM});
  if (!watch.ok()) return watch.status();
  watch->release();
  return &stop;
}

}  // namespace flowcat
