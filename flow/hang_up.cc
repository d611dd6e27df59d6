// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/hang_up.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/outgoing.h"

namespace flow {
namespace {

void Begin(Flow& flow, absl::Time deadline) {
  flow.SetWriteDeadline(deadline);
  // First, as the remote may read nothing before it has written all. If it
  // fails, so does Close().
  flow.Shutdown(ShutdownMode::kRead).IgnoreError();
}

}  // namespace

absl::Status HangUp(Flow& flow, Buffer last_word, absl::Time deadline) {
  Begin(flow, deadline);
  if (last_word.size() > 0) {
    if (absl::Status s = flow.Write(last_word); !s.ok()) {
      flow.Abort(s);
      return s;
    }
  }
  return flow.Close(deadline);
}

// --- Started

bool StartHangUp(HangUpOperation* operation, Flow& flow, absl::Cord last_word,
                 absl::Time deadline) {
  operation->status = internal::FlowAccess::CanStart(flow, "StartHangUp");
  if (!operation->status.ok()) return true;
  operation->flow_ = &flow;
  operation->deadline_ = deadline;
  Begin(flow, deadline);
  if (last_word.empty()) return operation->StartClose();
  operation->write_.rest = std::move(last_word);
  return flow.StartWrite(&operation->write_) && operation->EndWrite();
}

bool HangUpOperation::EndWrite() {
  write_.rest.Clear();
  if (write_.status.ok()) return StartClose();
  status = std::move(write_.status);
  flow_->Abort(status);
  return true;
}

bool HangUpOperation::StartClose() {
  return flow_->StartClose(&close_, deadline_) && EndClose();
}

bool HangUpOperation::EndClose() {
  status = std::move(close_.status);
  return true;
}

}  // namespace flow
