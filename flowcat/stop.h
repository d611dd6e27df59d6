// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: stop.h
//
// How a signal ends whatever flowcat waits for, which is more than a server.
//
//   Stop& stop = **StopOnSignals();
//   flow::AtCancel abort(stop.canceller(), flow);
//   ... flow.Read() ...
//
// Nothing is done in a signal handler: a thread of its own waits for signals.
//
// Thread safety: everything may be called from any thread.

#ifndef FLOWCAT_STOP_H_
#define FLOWCAT_STOP_H_

#include <atomic>
#include <functional>
#include <memory>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "flow/canceller.h"
#include "flowcat/mutex_lock.h"

namespace flowcat {

// Stop
class Stop {
 public:
  Stop() = default;
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  // Stop::Request()
  //
  // Cancels canceller() because of `signal`, with kCancelled and words such as
  // `ended by SIGTERM`. Only the first request counts.
  void Request(int signal);

  // Returns the signal of the request; 0 if there was none.
  int signal() const { return signal_.load(); }

  const flow::Canceller& canceller() const { return canceller_; }

  // The reason of canceller().
  absl::Status reason() const { return canceller_.reason(); }

 private:
  std::atomic<int> signal_{0};
  flow::Canceller canceller_;
};

// StopOnSignals()
//
// From here on, the first SIGINT, SIGTERM or SIGHUP is a request to the result.
// The second one ends the process at once, as it would have without this, even
// while a callback of the first one blocks. Signals that are ignored stay
// ignored. The result is never destroyed.
//
// kResourceExhausted: no thread could be started; nothing has changed.
//
// Precondition: called once, before any other thread is started.
absl::StatusOr<Stop*> StopOnSignals();

// NoThread()
//
// Returns kResourceExhausted, in words for the user, for what the constructor
// of std::thread throws.
absl::Status NoThread(const std::system_error& error);

// UnlessStopped()
//
// Returns what `function` returns, or the reason of a request that comes first.
// Then `function` goes on alone on its thread, and its result is dropped. For
// what cannot be interrupted, such as opening a FIFO.
//
// kResourceExhausted: no thread could be started for it.
template <typename T>
absl::StatusOr<T> UnlessStopped(Stop& stop,
                                std::function<absl::StatusOr<T>()> function) {
  struct Shared {
    void Finish(absl::StatusOr<T> outcome) {
      MutexLock lock(mu);
      if (!done) result = std::move(outcome);
      done = true;
    }

    absl::Mutex mu;
    bool done = false;
    absl::StatusOr<T> result;
  };
  auto shared = std::make_shared<Shared>();
  try {
    std::thread([shared, function = std::move(function)] {
      shared->Finish(function());
    }).detach();
  } catch (const std::system_error& error) {
    return NoThread(error);
  }
  flow::AtCancel give_up(
      stop.canceller(),
      [shared](const absl::Status& reason) { shared->Finish(reason); });
  MutexLock lock(shared->mu);
  shared->mu.Await(absl::Condition(&shared->done));
  return std::move(shared->result);
}

}  // namespace flowcat

#endif  // FLOWCAT_STOP_H_
