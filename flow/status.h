// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: status.h
//
// The one error of this library that absl::StatusCode has no code for:
// *Closed*.
//
// A write is Closed when the stream takes no more and nothing is broken: this
// end has called Shutdown(kWrite) or Close(), the remote has refused the
// direction, or a bounded output is full. A caller often treats that
// differently from a failure, so the two must not be confused; hence a payload.
// Test with IsClosed(), never with the code. Part of the buffer may have been
// accepted (bytes_written() tells): Closed in the middle of a message is a lost
// message. See "Closed" in docs/semantics.md.
//
// These functions are thread-safe.

#ifndef FLOW_STATUS_H_
#define FLOW_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace flow {

// ClosedError()
//
// Returns the error Closed: code kFailedPrecondition, `what` as its message and
// a payload by which IsClosed() knows it. Say in `what` which stream it is and
// why it takes no more.
absl::Status ClosedError(absl::string_view what);

// IsClosed()
//
// Returns whether `status` is Closed, whatever was added to its message since.
// An Ok status is not, and neither is another kFailedPrecondition.
bool IsClosed(const absl::Status& status);

}  // namespace flow

#endif  // FLOW_STATUS_H_
