// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/hang_up.h"

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/outgoing.h"

namespace flow {

absl::Status HangUp(Flow& flow, Buffer last_word, absl::Time deadline) {
  flow.SetWriteDeadline(deadline);
  // First, as the remote may read nothing before it has written all. If it
  // fails, so does Close().
  flow.Shutdown(ShutdownMode::kRead).IgnoreError();
  if (last_word.size() > 0) {
    if (absl::Status s = flow.Write(last_word); !s.ok()) {
      flow.Abort(s);
      return s;
    }
  }
  return flow.Close(deadline);
}

}  // namespace flow
