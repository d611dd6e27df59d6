// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: copy.h
//
// Copy() moves bytes from one flow to another, in one direction, until the
// source ends or either of them fails, and says in every case how far it came.
// ReadAll() makes one Cord of what a flow still has.
//
// When not to use it: to connect two flows both ways, as a relay does; that is
// proxy.h.
//
// Thread safety: Copy() is the one reader of `source` and the one writer of
// `sink` while it runs, and ReadAll() the one reader of its flow. To watch it
// from another thread, look at `sink.bytes_written()`, which grows write by
// write; to stop it, Abort() either flow.

#ifndef FLOW_COPY_H_
#define FLOW_COPY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow {

// CopyOptions
struct CopyOptions {
  // The most that one Read may return, in bytes. Bounds what is in memory, and
  // what is left over when the sink fails. 0 counts as 1.
  size_t max_read = size_t{256} << 10;

  // Where to stop although the source has not ended, in bytes. At 0 (or less)
  // there is nothing to do: neither flow is touched.
  int64_t max_bytes = std::numeric_limits<int64_t>::max();

  // Whether a source that ends before `max_bytes` is an error (kOutOfRange).
  // For what has a length, as a body whose header told it; set `max_bytes` to
  // that (without, it is kInvalidArgument).
  bool exactly = false;

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
  // accepted all of it. Otherwise the error of the side that failed; that of
  // the source is kOutOfRange if it has ended too early (`exactly`), and the
  // sink has accepted all that it had.
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

// ReadAll()
//
// Reads `flow` up to its end-of-file. If there are more than `limit` bytes,
// that is kResourceExhausted: a limit keeps a remote from filling your memory.
// What is held is at most about twice `limit`, in however small pieces the
// bytes come.
//
// The first form returns all of it, or the error; what was read before an error
// is gone. The second form appends it to `*all`, also before an error, so that
// a call after kDeadlineExceeded goes on:
//
//   absl::Cord answer;
//   absl::Status status = flow::ReadAll(*server, /*limit=*/1 << 20, &answer);
//   if (!status.ok()) LOG(ERROR) << status << " after " << answer.size();
//
// There, `limit` bounds `all->size()`, with what it held before. Beyond it one
// byte is read, to tell whether it is the end; that byte is kept, too, so
// `*all` has `limit` + 1 bytes after kResourceExhausted, and no byte of the
// flow is lost. (If it had more than `limit` bytes before, nothing is read.)
//
// Precondition: `all` is not null.
absl::StatusOr<absl::Cord> ReadAll(Flow& flow, size_t limit);
absl::Status ReadAll(Flow& flow, size_t limit, absl::Cord* all);

}  // namespace flow

#endif  // FLOW_COPY_H_
