// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: signal_watch.h
//
// Turns the signal that asks a program to stop into a function call, such as
// that of Server::Stop():
//
//   int main() {
//     flow::Server server(Serve);
//     auto watch = flow::WatchSignals([&](int) {
//       server.Stop(absl::Now() + absl::Seconds(10));
//     });
//     if (!watch.ok()) return 1;
//     ...
//     server.Run(*listener);
//   }
//
// The function runs on a thread that waits for signals, and not in a signal
// handler. So it may take locks and call anything.
//
// When not to use it: for SIGCHLD and other signals that come again and again,
// or in a library, as signals belong to the program.
//
// Thread safety: that of a function. The one who made the result destroys it.

#ifndef FLOW_SIGNAL_WATCH_H_
#define FLOW_SIGNAL_WATCH_H_

#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>

#include "absl/status/statusor.h"

namespace flow {

// SignalWatch
//
// Destroying it ends the watch, after a call that is under way. The signals
// then do what they did before.
class SignalWatch {
 public:
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  virtual ~SignalWatch() = default;

 protected:
  SignalWatch() = default;
};

// WatchSignals()
//
// Calls `function` once, with the number of the first of `signals` that comes.
// The second one ends the process at once, as it would have without this, even
// while `function` blocks. Signals that are ignored stay ignored.
//
// kResourceExhausted: no thread could be started; nothing has changed.
//
// Precondition: no other thread was started before, as the signals are to be
// blocked in all of them. Destroy the result on the thread that called this.
absl::StatusOr<std::unique_ptr<SignalWatch>> WatchSignals(
    std::function<void(int signal)> function,
    std::initializer_list<int> signals = {SIGINT, SIGTERM});

}  // namespace flow

#endif  // FLOW_SIGNAL_WATCH_H_
