// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: canceller.h
//
// A Canceller ends from another thread whatever a program waits for: flows, a
// Dial() (socket.h), and anything that a function can wake.
//
//   flow::Canceller canceller;
//   auto watch = flow::WatchSignals([&](int) {  // signal_watch.h
//     canceller.Cancel(absl::CancelledError("interrupted"));
//   });
//   auto server = flow::Dial("tcp:example.com:80", deadline, {}, &canceller);
//   if (!server.ok()) return server.status();
//   flow::AtCancel abort(canceller, **server, *file);
//   return flow::Copy(**server, *file).status;
//
// A handler of a Server (server.h) is given one, which ends what the handler
// waits for when the server aborts its connection.
//
// When not to use it: for a time limit, which is a deadline; to stop a Server,
// which has Stop().
//
// Thread safety: everything may be called from any thread. A Canceller must
// outlive its AtCancels.

#ifndef FLOW_CANCELLER_H_
#define FLOW_CANCELLER_H_

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace flow {

class AtCancel;

// Canceller
class Canceller {
 public:
  Canceller() = default;
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  // Canceller::Cancel()
  //
  // Calls the function of each AtCancel, in the order in which they were made,
  // on this thread. Each Dial() and StartDial() that was given this returns
  // `reason` soon (within 50 ms on an idle machine), and one that is called
  // later does so at once. A Dial() that already has a connection returns that.
  //
  // Only the first call counts, and a later one waits until the functions have
  // returned. An Ok `reason` is taken as kCancelled, and kDeadlineExceeded,
  // after which one would try again, as kAborted. Not for signal handlers: use
  // WatchSignals().
  void Cancel(absl::Status reason = absl::OkStatus());

  bool cancelled() const { return cancelled_.load(); }

  // Returns the reason of the first Cancel(), or Ok if there was none.
  absl::Status reason() const;

 private:
  friend class AtCancel;

  std::atomic<bool> cancelled_{false};
  absl::Status reason_;  // written once, before `cancelled_`
  mutable absl::Mutex mu_;
  mutable std::vector<const AtCancel*> waiting_ ABSL_GUARDED_BY(mu_);
};

// AtCancel
//
// Calls `function` with the reason when `canceller` is cancelled, or in the
// constructor if it was before. The destructor waits for a call that is under
// way. `function` must not block, and must not make or destroy an AtCancel of
// the same canceller, or cancel it; nor may anybody who holds a lock that it
// takes. An exception that leaves it ends the program.
class AtCancel {
 public:
  using Function = std::function<void(const absl::Status& reason)>;

  AtCancel(const Canceller& canceller, Function function);
  // Aborts `flow` and `more`, which must outlive this, with the reason. (A
  // template, because this header is below flow.h.)
  template <typename AnyFlow, typename... Flows,
            typename = decltype(std::declval<AnyFlow&>().Abort(absl::Status()))>
  AtCancel(const Canceller& canceller, AnyFlow& flow, Flows&... more)
      : AtCancel(canceller, [&flow, &more...](const absl::Status& reason) {
          flow.Abort(reason);
          (more.Abort(reason), ...);
        }) {}
  AtCancel(const AtCancel&) = delete;
  AtCancel& operator=(const AtCancel&) = delete;
  ~AtCancel();

 private:
  friend class Canceller;

  void Call(const absl::Status& reason) const noexcept { function_(reason); }

  const Canceller& canceller_;
  const Function function_;
};

}  // namespace flow

#endif  // FLOW_CANCELLER_H_
