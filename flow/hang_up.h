// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: hang_up.h
//
// HangUp() says a last word and ends a connection, whatever its remote still
// sends. Use it for a client that a server does not want, and after the last
// answer.
//
//   return flow::HangUp(*client, "421 too many connections\r\n", deadline);
//
// When not to use it: if the remote still has to be heard; Close() then waits
// for its end. On the thread of an engine, as it blocks (docs/started.md,
// Ending).
//
// Thread safety: a Read, a write and a Close of its flow.

#ifndef FLOW_HANG_UP_H_
#define FLOW_HANG_UP_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/outgoing.h"

namespace flow {

// HangUp()
//
// Refuses all that the remote still sends, so that this neither holds up the
// end nor resets the connection. Writes `last_word` after what a Channel has
// buffered, and closes. An empty word is no write, so it may come after
// Shutdown(kWrite) and FrameWriter::Finish(). Takes over the deadlines of
// `flow`.
//
// A TCP remote that reads nothing before it has sent everything gets the last
// word only if the buffers on the way hold it.
//
// Returns what Close() does. If the write failed, aborts the flow, so that a
// last word that was cut does not look whole, and returns that error. Either is
// kDeadlineExceeded if it took until `deadline`. Where nothing may wait, give
// absl::InfinitePast(): the last word goes if the flow takes it at once.
absl::Status HangUp(Flow& flow, Buffer last_word, absl::Time deadline);

}  // namespace flow

#endif  // FLOW_HANG_UP_H_
