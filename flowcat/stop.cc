// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/stop.h"

#include <csignal>
#include <memory>
#include <system_error>  // NOLINT(build/c++11)

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
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
  int none = 0;
  if (!signal_.compare_exchange_strong(none, signal)) return;
  canceller_.Cancel(
      absl::CancelledError(absl::StrCat("ended by ", NameOf(signal))));
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
