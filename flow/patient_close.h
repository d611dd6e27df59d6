// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: patient_close.h
//
// PatientClose() closes a flow whose remote may be slow: it waits as long as
// bytes still arrive there, however long that takes in all.
//
//   absl::Status status = flow::PatientClose(*flow, absl::Seconds(30));
//
// When not to use it: to be done by a certain time; that is Flow::Close().
//
// Thread safety: that of Flow::Close(). If another thread reads, this drops
// what it has not come to when the remote ends, as Close() does; wait for that
// thread first.

#ifndef FLOW_PATIENT_CLOSE_H_
#define FLOW_PATIENT_CLOSE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow {

// PatientClose()
//
// Shuts the write direction down, and waits until all that was written has
// arrived (Flow::bytes_in_transit() is 0), then as Close() until the remote has
// ended. It gives up, as a Close() past its deadline, when no byte has arrived
// for `idle_timeout`. After the last byte, the remote has another
// `idle_timeout` to end. (Inbound data that nobody reads holds it back.) Where
// nothing can be told of what is on its way, it is a Close() with that
// deadline.
//
// Returns what Close() returns.
absl::Status PatientClose(Flow& flow, absl::Duration idle_timeout);

}  // namespace flow

#endif  // FLOW_PATIENT_CLOSE_H_
