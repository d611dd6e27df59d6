// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: status.h
//
// What a result tells besides its code: *Closed*, the one error of this library
// that absl::StatusCode has no code for, end-of-file, and the errno of a system
// call.
//
// A write is Closed when the stream takes no more and nothing is broken: this
// end has called Shutdown(kWrite) or Close(), the remote has refused the
// direction, or a bounded output is full. Callers often treat that differently
// from a failure, so the error has a payload. Test with IsClosed(), never with
// the code. Part of the buffer may have been accepted (see bytes_written()):
// Closed in the middle of a message is a lost message. See "Closed" in
// docs/semantics.md.
//
// These functions are thread-safe.

#ifndef FLOW_STATUS_H_
#define FLOW_STATUS_H_

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace flow {

// ClosedError()
//
// Returns the error Closed: the code kFailedPrecondition, the message `what`,
// and a payload by which IsClosed() recognizes it. Say in `what` which stream
// it is and why it takes no more.
absl::Status ClosedError(absl::string_view what);

// IsClosed()
//
// Returns whether `status` is Closed, whatever was added to its message since.
// An Ok status is not Closed, and neither is any other kFailedPrecondition.
bool IsClosed(const absl::Status& status);

// IsEof()
//
// Returns whether a Read has reached end-of-file: `data` is Ok and has no
// bytes.
//
//   absl::StatusOr<absl::Cord> data = flow.Read();
//   if (flow::IsEof(data)) break;
bool IsEof(const absl::StatusOr<absl::Cord>& data);

// ErrnoOf()
//
// Returns the errno of the system call whose failure `status` reports, whatever
// was added to its message since. Returns nothing if it reports something else,
// such as a deadline, a name that does not exist, or Closed.
//
//   absl::StatusOr<std::unique_ptr<Flow>> flow = Dial(address, deadline);
//   if (ErrnoOf(flow.status()) == ECONNREFUSED) ...
//
// This, and whether a status is Closed, is in payloads, which `<<` prints as
// well. For people there is
// ToString(absl::StatusToStringMode::kWithNoExtraData).
std::optional<int> ErrnoOf(const absl::Status& status);

// WithErrno()
//
// Returns `status` with a payload by which ErrnoOf() returns `error`, for
// system calls of your own. An Ok status has none.
absl::Status WithErrno(absl::Status status, int error);

// NotAtEnd()
//
// Returns what was read where the stream may not end: kOutOfRange if `result`
// is std::nullopt, which is end-of-file for ReadLine() and ReadUntil() of a
// Channel and for ReadBlock().
//
//   absl::StatusOr<std::string> line =
//       flow::NotAtEnd(channel.ReadLine(/*max_bytes=*/8192));
template <typename T>
absl::StatusOr<T> NotAtEnd(absl::StatusOr<std::optional<T>> result) {
  if (!result.ok()) return std::move(result).status();
  if (!result->has_value()) {
    return absl::OutOfRangeError("the stream has ended");
  }
  return **std::move(result);
}

}  // namespace flow

#endif  // FLOW_STATUS_H_
