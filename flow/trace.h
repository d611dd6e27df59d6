// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: trace.h
//
// A flow that tells what is done with it: each operation with its outcome, how
// many bytes passed, how long it took, and the first of these bytes.
//
//   flow::TraceOptions options;
//   options.max_data = 16;
//   peer = flow::TraceFlow(std::move(peer), flow::TraceTo(std::clog, "peer"),
//                          options);
//
// prints, say,
//
//   peer: write 6 bytes "GET /\n", 12us
//   peer: read 4096 bytes "HTTP/1.1 200 OK\r"..., 1.5ms
//   peer: end-of-file, 3us
//
// When not to use it: to keep what passes (tee.h).
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_TRACE_H_
#define FLOW_TRACE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow {

// TraceEvent
//
// One operation, when it is over. What Flow answers by itself is none: empty
// writes, and calls on a direction that is over.
struct TraceEvent {
  enum class Operation {
    kRead,
    kWrite,
    kShutdownRead,
    kShutdownWrite,
    kAbort,  // `status` is the reason
    kClose,  // or destruction; everything is freed
  };

  Operation operation;

  // How it ended. A call that Abort() cut short has the reason of that.
  absl::Status status;

  // Of a read or a write: how many bytes it asked for or had, and how many of
  // these passed. A read of 0 bytes that is Ok is end-of-file.
  size_t requested = 0;
  size_t size = 0;

  // The first of the bytes that passed, as they are; see `max_data`.
  std::string data;

  absl::Duration duration;

  // TraceEvent::What()
  //
  // Returns what was done, for people: `read 4096 bytes`, `write 0 of 3 bytes`,
  // `end-of-file`, `shutdown write`, `shutdown read`, `abort`, `close`.
  std::string What() const;

  // TraceEvent::ToString()
  //
  // Returns a line in printable ASCII: What(), the data, an error after a
  // colon, the time it took.
  std::string ToString() const;
};

// TraceOptions
struct TraceOptions {
  // How many bytes of each read and write an event has. They are copied.
  size_t max_data = 0;
};

// TraceFunction
//
// Takes an event, on the thread of the operation, of which several may run at
// once. It must not call the flow, and the flow waits for it. An event of a
// started call comes when that is over, before Done(), on the thread that
// starts it or on one of the engine.
using TraceFunction = std::function<void(const TraceEvent& event)>;

// TraceFlow()
//
// Returns a flow that does what `flow` does, under the same name, and tells
// `trace`. Calls can start if those of `flow` can.
std::unique_ptr<Flow> TraceFlow(std::unique_ptr<Flow> flow, TraceFunction trace,
                                TraceOptions options = {});

// TraceTo()
//
// Returns a function that writes each event to `out` as a line after `name: `.
// Lines of flows that share the function, or copies of it, do not mix. `out`
// must outlive them.
TraceFunction TraceTo(std::ostream& out, std::string name);

}  // namespace flow

#endif  // FLOW_TRACE_H_
