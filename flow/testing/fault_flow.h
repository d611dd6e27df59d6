// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/fault_flow.h
//
// Makes something go wrong in a flow, at a place of your choice: short reads,
// writes in pieces, an error, an abort or a delay at an operation or at a byte.
//
//   // Accepts 100 bytes, then fails.
//   std::unique_ptr<Flow> flow = MakeFaultFlow(
//       std::move(pipe.left),
//       {Fault::Error(WriteByte(100), absl::UnavailableError("reset"))});
//
// fault_points.h tests code at every place at once. scripted_flow.h says
// exactly what a flow is asked and what it answers.
//
// When not to use it: to simulate a network. Nothing here is random, and no
// byte is changed.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_TESTING_FAULT_FLOW_H_
#define FLOW_TESTING_FAULT_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow::testing {

// FaultPlace
//
// A place in the life of a flow, made by the functions below. Counts begin at
// 0, separately for reading and for writing.
//
//  * An operation is a Read(), or a write of any form, that reaches the
//    transport: it is not empty, and its direction is open. To send the end,
//    for Shutdown(kWrite) or Close(), is one operation of writing. A started
//    call (Flow::StartRead() and its kin) is one operation, however long it is
//    pending.
//  * A byte is the next one to be read, or to be accepted, after so many.
struct FaultPlace {
  enum class Side { kRead, kWrite };
  enum class Unit { kOperation, kByte };

  Side side;
  Unit unit;
  int64_t at;

  // FaultPlace::ToString()
  //
  // Returns it for people, such as `read 3` or `written byte 100`.
  std::string ToString() const;
};

inline FaultPlace ReadOperation(int64_t n) {
  return {FaultPlace::Side::kRead, FaultPlace::Unit::kOperation, n};
}
inline FaultPlace WriteOperation(int64_t n) {
  return {FaultPlace::Side::kWrite, FaultPlace::Unit::kOperation, n};
}
inline FaultPlace ReadByte(int64_t n) {
  return {FaultPlace::Side::kRead, FaultPlace::Unit::kByte, n};
}
inline FaultPlace WriteByte(int64_t n) {
  return {FaultPlace::Side::kWrite, FaultPlace::Unit::kByte, n};
}

// Fault
//
// What goes wrong, and where. Each happens once.
struct Fault {
  enum class Kind { kError, kAbort, kDelay };

  FaultPlace place;
  Kind kind;
  absl::Status status;      // of kError and kAbort
  size_t accepted = 0;      // of kError and kAbort at an operation
  absl::Duration duration;  // of kDelay

  // Fault::Error()
  //
  // The operation fails with `status`, with what Flow makes of that: the name
  // of the flow is added, kDeadlineExceeded does not stay, and any other error
  // breaks the direction.
  //
  // Before a write fails, it hands over what comes before the byte or, at an
  // operation, its first `accepted` bytes (at most all). A Read at a byte
  // returns what comes before, and the next one fails. If the end fails, the
  // remote sees that the direction is broken.
  //
  // After a write error the remote reads what was accepted, then an error, and
  // never a clean end. Reads of this end go on, and Close() waits for the
  // remote to end its direction, as ever. The remote learns of a read
  // error when this end is closed or destroyed: what it still writes then fails
  // with the same error.
  //
  // Precondition: `status` is not Ok.
  static Fault Error(FaultPlace place, absl::Status status,
                     size_t accepted = 0);

  // Fault::Abort()
  //
  // The connection breaks with `reason` during the operation, after as much as
  // with Error(). Both directions of this end then fail with `reason`, even in
  // a call that is blocked, and so does Close(). The remote reads what was
  // accepted, then `reason`. Ok and kDeadlineExceeded become kAborted.
  static Fault Abort(FaultPlace place, absl::Status reason,
                     size_t accepted = 0);

  // Fault::Delay()
  //
  // The operation waits before it begins; one that contains the byte, if
  // `place` is one. Deadlines and Abort() cut the wait short; Shutdown(kRead)
  // does so for a Read. If the write deadline passes before the end is sent,
  // the end is sent at once. A started call that is delayed is pending, and
  // holds up no engine.
  static Fault Delay(FaultPlace place, absl::Duration duration);
};

// FaultOperation
//
// An operation as an observer sees it when it is over.
struct FaultOperation {
  FaultPlace::Side side;
  int64_t number;    // as in FaultPlace
  bool is_end;       // sending the end, rather than a write
  size_t bytes;      // returned by the Read, or given to the write
  bool failed_here;  // by an Error() or Abort() of ours
};

// FaultOptions
struct FaultOptions {
  // The most that one Read returns. 0 counts as 1.
  size_t max_read = kNoLimit;

  // The most that is handed on at once. Larger writes are joined, if they are
  // lists, and handed on in pieces. 0 counts as 1.
  size_t max_write = kNoLimit;

  // In any order.
  std::vector<Fault> faults;

  // Called after each operation, by its thread. So two threads may call it at
  // the same time, a reader and a writer. That of a started call is the one
  // that starts it or one of the engine, before Done().
  std::function<void(const FaultOperation&)> observer;
};

// MakeFaultFlow()
//
// Puts the faults into `inner`, and returns it. Without faults nothing changes
// except its name. Calls can start if those of `inner` can.
//
// Precondition: `inner` is not null, and no call on it is under way. The counts
// of places begin here.
std::unique_ptr<Flow> MakeFaultFlow(std::unique_ptr<Flow> inner,
                                    FaultOptions options);
std::unique_ptr<Flow> MakeFaultFlow(std::unique_ptr<Flow> inner,
                                    std::vector<Fault> faults = {});

}  // namespace flow::testing

#endif  // FLOW_TESTING_FAULT_FLOW_H_
