// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: copy.h
//
// Copy() moves bytes from one flow to another, in one direction, until the
// source ends or either of them fails, and says in every case how far it came.
//
// When not to use it: to connect two flows both ways, as a relay does; that is
// proxy.h. To get a flow as one Cord: ReadAll() in cord_flow.h.
//
// Thread safety: Copy() is the one reader of `source` and the one writer of
// `sink` while it runs. To watch it from another thread, look at
// `sink.bytes_written()`, which grows write by write; to stop it, Abort()
// either flow.

#ifndef FLOW_COPY_H_
#define FLOW_COPY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow {

// CopyOptions
struct CopyOptions {
  // The most that one Read may return, in bytes. Bounds what is in memory, and
  // what is left over when the sink fails. 0 counts as 1.
  size_t max_read = size_t{256} << 10;

  // Where to stop although the source has not ended, in bytes.
  int64_t max_bytes = std::numeric_limits<int64_t>::max();

  // Called after each write that has accepted something, also if it failed,
  // with how many bytes that were.
  std::function<void(int64_t bytes)> on_write;

  // Called when the deadline of either flow has passed, after on_write() for
  // what the late write has accepted. Returns whether to go on, where the copy
  // was; set a new deadline before. Without it the copy ends.
  std::function<bool()> on_deadline;
};

// CopyStatistics
struct CopyStatistics {
  int64_t bytes = 0;        // accepted by the sink
  int64_t reads = 0;        // Reads that returned data
  int64_t writes = 0;       // writes, also one that failed
  absl::Duration duration;  // of Copy() itself, not of a Close() after it

  // CopyStatistics::BytesPerSecond()
  //
  // Returns the rate; 0 if no time has passed that a clock could see.
  double BytesPerSecond() const;

  // CopyStatistics::ToString()
  //
  // Returns one line for people, such as
  // `65536 bytes in 1.25ms (50.0 MiB/s), 16 reads, 16 writes`.
  std::string ToString() const;
};

// CopyResult
struct CopyResult {
  enum class Side { kNone, kSource, kSink };

  // Ok: the source has come to its end (or to `max_bytes`) and the sink has
  // accepted all of it. Otherwise the error of the side that failed.
  absl::Status status;
  Side failed = Side::kNone;

  // What was read and not accepted by the sink: nothing, unless that failed.
  absl::Cord unwritten;

  // Counted also when it failed.
  CopyStatistics statistics;
};

// Copy()
//
// Reads from `source` and writes to `sink` until end-of-file. Shuts neither
// down and closes neither; what follows is the caller's decision:
//
//   flow::CopyResult result = flow::Copy(*source, *sink);
//   if (result.status.ok()) {
//     result.status = sink->Close(absl::Now() + absl::Seconds(10));
//   } else {
//     sink->Abort(result.status);  // so that no truncated copy looks whole
//   }
//
// Data is moved, not copied: the sink is given the Cords that the source
// returned. A deadline of either flow that passes ends the copy with
// kDeadlineExceeded, unless `on_deadline` wants it to go on; it can be resumed
// after writing `unwritten`.
CopyResult Copy(Flow& source, Flow& sink, const CopyOptions& options = {});

}  // namespace flow

#endif  // FLOW_COPY_H_
