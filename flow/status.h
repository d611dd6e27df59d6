// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: status.h
//
// How results show the ends of a stream: *Closed*, the one error of this
// library that absl::StatusCode has no code for, and end-of-file.
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

}  // namespace flow

#endif  // FLOW_STATUS_H_
