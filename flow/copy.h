// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: copy.h
//
// Copy() moves bytes from one flow to another, or to several others, in one
// direction, until the source ends or one of them fails, and says in every case
// how far it came. StartCopy() does so without a thread. ReadAll() returns what
// a flow still has as one Cord.
//
// When not to use it: to connect two flows both ways, as a relay does; proxy.h
// does that.
//
// Thread safety: while it runs, Copy() is the one reader of `source` and the
// one writer of each sink, and ReadAll() is the one reader of its flow. To
// watch it from another thread, look at `sink.bytes_written()`, which grows
// write by write. To stop it, Abort() all flows, as AtCancel (canceller.h)
// does. Copy() notices that one flow was aborted, or that a sink is gone, only
// when it next calls that flow.

#ifndef FLOW_COPY_H_
#define FLOW_COPY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/operation.h"

namespace flow {

// CopyOptions
struct CopyOptions {
  // The most that one Read may return, in bytes. Bounds what is in memory, and
  // what is left over when the sink fails. 0 counts as 1. (From one file to
  // another neither has anything, and up to 4 MiB are moved at once.)
  size_t max_read = size_t{256} << 10;

  // Whether all bytes pass through memory of this process. By default they move
  // inside the kernel between files, pipes and sockets (docs/semantics.md,
  // "Copy"). Then what is on its way from a file is still the file: set this if
  // somebody may change the file in place, or cut it, before the bytes arrive.
  bool through_memory = false;

  // Where to stop even if the source has not ended, in bytes. At 0 (or less)
  // there is nothing to copy.
  int64_t max_bytes = std::numeric_limits<int64_t>::max();

  // Whether a source that ends before `max_bytes` is an error (kOutOfRange).
  // For data whose length is known, such as a body after a header:
  //
  //   flow::CopyOptions options;
  //   options.max_bytes = content_length;
  //   options.exactly = true;
  //   flow::CopyResult result = flow::Copy(*channel, *file, options);
  //
  // Without `max_bytes` this is kInvalidArgument.
  bool exactly = false;

  // Of several sinks: whether to go on with the others if one fails. By default
  // the copy stops there.
  bool outlives_sinks = false;

  // Called after each write that has accepted something, even if it failed,
  // with the number of bytes accepted.
  std::function<void(int64_t bytes)> on_write;

  // How long each Read of the source, and each write to a sink, may take. A
  // write is of what one Read has returned. If a timeout is infinite, your own
  // deadlines hold. Otherwise the copy sets the deadline before each call in
  // place of yours, and the flow has none afterwards.
  absl::Duration read_timeout = absl::InfiniteDuration();
  absl::Duration write_timeout = absl::InfiniteDuration();

  // Called when the deadline or the timeout of `late` has passed, which is the
  // source or a sink, after on_write() for what the late write has accepted.
  // Returns whether to go on where the copy was. A timeout then begins again;
  // if the deadline was yours, set a new one first. Without this function the
  // copy ends, and `failed` in the result says which side was late.
  std::function<bool(Flow& late)> on_deadline;

  // If set, Copy() ends each sink: by Close(), with a deadline that is this
  // much later, if the sink has accepted everything, and by Abort() with the
  // error if not, as soon as it fails. So no truncated copy looks whole, unless
  // you end the source yourself: stop a copy by Abort(), not Shutdown(kRead).
  // An error of Close() is that of the sink. Default: ends nothing. A source
  // that is no sink is left alone.
  std::optional<absl::Duration> close_timeout;
};

// CopyStatistics
struct CopyStatistics {
  int64_t bytes = 0;        // accepted by the sink
  int64_t reads = 0;        // Reads that returned data
  int64_t writes = 0;       // writes, including one that failed
  absl::Duration duration;  // without the closes of close_timeout

  // CopyStatistics::BytesPerSecond()
  //
  // Returns the rate, or 0 if too little time has passed for the clock.
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

  // Ok: the source has come to its end (or to `max_bytes`), and the sink has
  // accepted all of it. Otherwise this is the error of the side that failed. A
  // source that ended too early (see `exactly`) is kOutOfRange; the sink has
  // accepted all that it had.
  absl::Status status;
  Side failed = Side::kNone;

  // What was read and not accepted by the sink. Empty unless the sink failed.
  absl::Cord unwritten;

  // Right even if the copy failed.
  CopyStatistics statistics;
};

// Copy()
//
// Reads from `source` and writes to `sink` until end-of-file. They may be one
// flow, which then sends back what comes, and so may the source and one of
// several sinks. By default it ends nothing. This copy ends its sink:
//
//   flow::CopyOptions options;
//   options.close_timeout = absl::Seconds(10);
//   flow::CopyResult result = flow::Copy(*source, *sink, options);
//   if (!result.status.ok()) LOG(ERROR) << result.status;
//
// Data is moved, not copied: the sink is given the Cords that the source
// returned, or the bytes move inside the kernel (see `through_memory`). If a
// deadline or a timeout of either flow passes, the copy ends with
// kDeadlineExceeded, unless `on_deadline` says to go on. To resume it, write
// `unwritten` first.
//
//   // Neither side may hold it up for longer than ten seconds at a time.
//   options.read_timeout = options.write_timeout = absl::Seconds(10);
CopyResult Copy(Flow& source, Flow& sink, const CopyOptions& options = {});

// CopyOperation
//
// What whoever starts a copy keeps until it is over.
struct CopyOperation : Operation {
  CopyResult result;

 protected:
  ~CopyOperation() = default;
};

// StartCopy()
//
// Like Copy(), but it does not wait (docs/started.md). Returns true if the copy
// is over, and `*operation` has its result. Otherwise returns false, and
// `operation->Done()` runs later, once, on the engine of one of the flows.
//
// While it is pending, it is the one reader of `source` and the one writer of
// `sink`, by started calls. The flows must live until Done(), and both need an
// engine (else kFailedPrecondition, and nothing is read or ended). To stop it,
// Abort() both. Differences to Copy():
//
//  * `on_write` and `on_deadline` run on the thread that starts it or on an
//    engine, one at a time. They must not destroy the flows.
//  * A source that always has something leaves their turn to the other calls of
//    its engine again and again.
[[nodiscard]] bool StartCopy(CopyOperation* operation, Flow& source, Flow& sink,
                             const CopyOptions& options = {});

// Copy() to several sinks
//
// Gives each of `sinks` every byte of `source`. There is a result for each
// sink, in the same order.
//
//   options.close_timeout = absl::Seconds(10);
//   const flow::MultiCopyResult result =
//       flow::Copy(*source, {mirror.get(), file.get()}, options);
//
//  * Data is shared by the sinks, not copied.
//  * The sinks are written to in turn on the calling thread, so the slowest one
//    sets the pace. `write_timeout` bounds how long each may hold up the others
//    at a time.
//  * If a sink fails, `outlives_sinks` says whether the others go on.
//  * `on_write` and `on_deadline` are called for each sink.
//  * With `close_timeout` all sinks are half-closed before the first one is
//    closed, by one deadline. One that is slow to half-close holds up the rest.
//
// If there are no sinks, that is kInvalidArgument, and nothing is read.
struct MultiCopyResult {
  // Ok: the result of every sink is. Otherwise the error of the source, or else
  // of the first sink that failed.
  absl::Status status;

  // Each is what a Copy() to this sink alone would have returned: Ok means that
  // this sink has everything. A sink that the copy has left because another one
  // had failed has the error of that other one, with `failed` kNone.
  //
  // `unwritten` is the rest of the last piece that was read for this sink. In a
  // copy that goes on, all that was read later is missing as well.
  std::vector<CopyResult> sinks;
};
MultiCopyResult Copy(Flow& source, absl::Span<Flow* const> sinks,
                     const CopyOptions& options = {});

// ReadAll()
//
// Reads `flow` up to its end-of-file. More than `limit` bytes are
// kResourceExhausted: the limit keeps a remote from filling your memory. About
// twice `limit` is the most memory that is held, in however small pieces the
// bytes come.
//
// The first form returns all of it, or the error; what was read before an error
// is lost. The second form appends what was read to `*all`, even before an
// error, so that a call after kDeadlineExceeded goes on:
//
//   absl::Cord answer;
//   absl::Status status = flow::ReadAll(*server, /*limit=*/1 << 20, &answer);
//   if (!status.ok()) LOG(ERROR) << status << " after " << answer.size();
//
// In the second form `limit` bounds `all->size()`, including what it held
// before. One byte beyond it is read, to see whether the stream ends there.
// That byte is kept, so `*all` has `limit` + 1 bytes after kResourceExhausted,
// and no byte of the flow is lost. If `*all` held more than `limit` bytes
// before, nothing is read.
//
// Precondition: `all` is not null.
absl::StatusOr<absl::Cord> ReadAll(Flow& flow, size_t limit);
absl::Status ReadAll(Flow& flow, size_t limit, absl::Cord* all);

}  // namespace flow

#endif  // FLOW_COPY_H_
