// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: hang_up.h
//
// HangUp() says a last word and ends a connection, whatever its remote still
// sends. Use it for a client that a server does not want, and after the last
// answer. StartHangUp() does so without a thread.
//
//   return flow::HangUp(*client, "421 too many connections\r\n", deadline);
//
// When not to use it: if the remote still has to be heard; Close() then waits
// for its end.
//
// Thread safety: a Read, a write and a Close of its flow.

#ifndef FLOW_HANG_UP_H_
#define FLOW_HANG_UP_H_

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/operation.h"
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

// HangUpOperation
//
// What whoever starts a hang-up keeps until it is over. operation.h says more.
class HangUpOperation : public Operation {
 public:
  // What HangUp() would have returned.
  absl::Status status;

 protected:
  HangUpOperation() = default;
  HangUpOperation(const HangUpOperation&) = delete;
  HangUpOperation& operator=(const HangUpOperation&) = delete;
  ~HangUpOperation() = default;

 private:
  friend bool StartHangUp(HangUpOperation* operation, Flow& flow,
                          absl::Cord last_word, absl::Time deadline);

  // Each goes on with the hang-up, and tells its owner if it is over.
  template <typename Base, bool (HangUpOperation::*kNext)()>
  struct Step final : Base {
    explicit Step(HangUpOperation& hang_up) : hang_up(hang_up) {}
    void Done() override {
      if ((hang_up.*kNext)()) hang_up.Done();
    }
    HangUpOperation& hang_up;
  };

  // They return whether all is over. If not, this may be gone.
  bool EndWrite();
  bool StartClose();
  bool EndClose();

  Flow* flow_ = nullptr;
  absl::Time deadline_;
  Step<WriteOperation, &HangUpOperation::EndWrite> write_{*this};
  Step<CloseOperation, &HangUpOperation::EndClose> close_{*this};
};

// StartHangUp()
//
// Like HangUp(), but it does not wait (docs/started.md). Returns true if the
// hang-up is over, and `*operation` has its result. Otherwise returns false,
// and `operation->Done()` runs later, once, on the engine of the flow. It is a
// write and then a close that are pending, so a read that is pending ends
// before it. The flow must live until Done(). If it cannot start
// (docs/started.md), nothing is refused, written or closed.
[[nodiscard]] bool StartHangUp(HangUpOperation* operation, Flow& flow,
                               absl::Cord last_word, absl::Time deadline);

}  // namespace flow

#endif  // FLOW_HANG_UP_H_
