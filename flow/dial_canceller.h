// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: dial_canceller.h
//
// DialCanceller ends a waiting Dial() (socket.h) from another thread:
//
//   flow::DialCanceller canceller;
//   std::thread dialer(
//       [&] { flow = flow::Dial(address, deadline, {}, &canceller); });
//   ...
//   canceller.Cancel();
//   dialer.join();
//
// When not to use it: for a time limit, which is the deadline of Dial().
//
// Thread safety: everything may be called from any thread.

#ifndef FLOW_DIAL_CANCELLER_H_
#define FLOW_DIAL_CANCELLER_H_

#include <atomic>

namespace flow {

// DialCanceller
class DialCanceller {
 public:
  DialCanceller() = default;
  DialCanceller(const DialCanceller&) = delete;
  DialCanceller& operator=(const DialCanceller&) = delete;

  // DialCanceller::Cancel()
  //
  // Makes each Dial() that was given this return kCancelled soon (within 50 ms
  // on an idle machine), and one that is called later return it at once. A
  // Dial() that already has a connection returns that. A signal handler may
  // call this.
  void Cancel() { cancelled_.store(true); }

  bool cancelled() const { return cancelled_.load(); }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace flow

#endif  // FLOW_DIAL_CANCELLER_H_
