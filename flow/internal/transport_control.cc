// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/transport_control.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::internal {

// Returns the reason from each call that begins or ends after the control has
// aborted.
class TransportControl::ControlledTransport final : public ForwardingTransport {
 public:
  ControlledTransport(std::unique_ptr<Transport> inner,
                      std::shared_ptr<TransportControl> control)
      : ForwardingTransport(std::move(inner)), control_(std::move(control)) {
    MutexLock lock(control_->mu_);
    control_->transport_ = &this->inner();
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (aborted()) return control_->Reason();
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (!aborted()) return data;
    if (data.ok() && !data->empty()) ForwardingTransport::LoseRead();
    return control_->Reason();
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    if (aborted()) return control_->Reason();
    absl::StatusOr<size_t> size = inner().ReadInto(space);
    if (!aborted()) return size;
    if (size.ok() && *size != 0) ForwardingTransport::LoseRead();
    return control_->Reason();
  }

  absl::Status Write(Outgoing& data) override {
    if (aborted()) return control_->Reason();
    absl::Status status = ForwardingTransport::Write(data);
    return status.ok() ? status : ReasonOr(std::move(status));
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    control_->EndWrites();
    absl::Status status = ForwardingTransport::EndWrite(outcome, deadline);
    if (outcome.ok() && status.ok()) control_->SetEnded();
    return ReasonOr(std::move(status));
  }

  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    std::optional<absl::Status> status =
        ForwardingTransport::AwaitRefusal(deadline);
    // The Flow would wait for an end of its own, and not for an abort by us.
    if (!status.has_value()) status = control_->AwaitWritesOver(deadline);
    return ReasonOr(*std::move(status));
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    return ReasonOr(ForwardingTransport::AwaitRemoteEnd(deadline));
  }

  void Abort(const absl::Status& reason) override {
    control_->EndWrites();
    if (control_->BeginAbort()) ForwardingTransport::Abort(reason);
  }

  absl::Status Free() override {
    control_->Release();
    return ReasonOr(ForwardingTransport::Free());
  }

  void SetReadDeadline(absl::Time deadline) override {
    control_->SetReadDeadline(deadline);
  }

  // What it cannot do after an abort, Read() and Write() tell.
  KernelEnd* kernel_end() override {
    return aborted() ? nullptr : inner().kernel_end();
  }

 private:
  bool aborted() const { return control_->aborted(); }
  absl::Status ReasonOr(absl::Status status) const {
    return aborted() ? control_->Reason() : status;
  }

  const std::shared_ptr<TransportControl> control_;
};

void TransportControl::Interrupt() {
  MutexLock lock(mu_);
  is_interrupted_ = true;
  if (is_interruptible_) ApplyReadDeadline();
}

void TransportControl::SetInterruptible(bool is_interruptible) {
  MutexLock lock(mu_);
  is_interruptible_ = is_interruptible;
  if (is_interrupted_) ApplyReadDeadline();
}

bool TransportControl::interrupted() const {
  MutexLock lock(mu_);
  return is_interrupted_;
}

void TransportControl::SetReadDeadline(absl::Time deadline) {
  MutexLock lock(mu_);
  read_deadline_ = MonotonicDeadline(deadline);
  ApplyReadDeadline();
}

void TransportControl::ApplyReadDeadline() {
  if (transport_ == nullptr) return;
  transport_->SetReadDeadline(is_interruptible_ && is_interrupted_
                                  ? absl::InfinitePast()
                                  : read_deadline_.ToTime());
}

void TransportControl::Abort(const absl::Status& reason) {
  MutexLock lock(mu_);
  if (transport_ == nullptr || !BeginAbort()) return;
  reason_ = Lasting(reason);
  // Before a call returns because of the abort.
  aborted_.store(true, std::memory_order_release);
  is_cut_ = !has_ended_;
  EndWrites();
  transport_->Abort(reason_);
}

bool TransportControl::cut() const {
  MutexLock lock(mu_);
  return is_cut_;
}

void TransportControl::SetEnded() {
  MutexLock lock(mu_);
  has_ended_ = true;
}

absl::Status TransportControl::Reason() const {
  MutexLock lock(mu_);
  return reason_;
}

void TransportControl::EndWrites() {
  MutexLock lock(writes_mu_);
  writes_over_ = true;
}

absl::Status TransportControl::AwaitWritesOver(absl::Time deadline) const {
  MutexLock lock(writes_mu_);
  if (!AwaitUntil(writes_mu_, absl::Condition(&writes_over_),
                  MonotonicDeadline(deadline))) {
    return absl::DeadlineExceededError("no refusal before the deadline");
  }
  return absl::AbortedError("this end has ended its writes");
}

void TransportControl::Release() {
  MutexLock lock(mu_);
  transport_ = nullptr;
}

std::unique_ptr<Transport> Control(std::unique_ptr<Transport> transport,
                                   std::shared_ptr<TransportControl> control) {
  return std::make_unique<TransportControl::ControlledTransport>(
      std::move(transport), std::move(control));
}

}  // namespace flow::internal
