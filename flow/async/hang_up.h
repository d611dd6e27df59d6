// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/hang_up.h
//
// A hang-up to await in a coroutine of any type: StartHangUp() (hang_up.h),
// whose Done() resumes it. Needs C++20.
//
//   co_await flow::async::HangUp(*client, absl::Cord("421 busy\r\n"),
//   deadline);
//
// To destroy a coroutine while it waits ends the program with a message.
//
// Thread safety: as of StartHangUp().

#ifndef FLOW_ASYNC_HANG_UP_H_
#define FLOW_ASYNC_HANG_UP_H_

#include <coroutine>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/async/operations.h"
#include "flow/flow.h"
#include "flow/hang_up.h"

namespace flow::async {

// HangUpAwaitable
class [[nodiscard]] HangUpAwaitable final
    : public internal::Awaitable<HangUpOperation> {
 public:
  HangUpAwaitable(Flow& flow, absl::Cord last_word, absl::Time deadline)
      : flow_(flow), last_word_(std::move(last_word)), deadline_(deadline) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting, [this] {
      return StartHangUp(this, flow_, std::move(last_word_), deadline_);
    });
  }
  absl::Status await_resume() { return std::move(status); }

 private:
  Flow& flow_;
  absl::Cord last_word_;
  const absl::Time deadline_;
};

// HangUp()
//
// What flow::HangUp() does, for a coroutine. Await its result at once. The flow
// must live until the call is over.
inline HangUpAwaitable HangUp(Flow& flow, absl::Cord last_word,
                              absl::Time deadline) {
  return HangUpAwaitable(flow, std::move(last_word), deadline);
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_HANG_UP_H_
