// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/forwarding_flow.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow {
namespace {

using internal::MonotonicDeadline;

// Calls `use` with each buffer of the variant of an Outgoing.
template <typename Buffers, typename Use>
void ForEachBuffer(const Buffers& buffers, Use use) {
  std::visit(
      [&use](const auto& form) {
        using Form = std::decay_t<decltype(form)>;
        if constexpr (std::is_same_v<Form, const absl::Cord*>) {
          use(*form);
        } else if constexpr (std::is_same_v<Form, absl::string_view>) {
          use(form);
        } else {
          for (const auto& buffer : form) use(buffer);
        }
      },
      buffers);
}

}  // namespace

size_t ForwardingFlow::Outgoing::size() const {
  size_t size = 0;
  ForEachBuffer(buffers_, [&](const auto& buffer) { size += buffer.size(); });
  return size;
}

void ForwardingFlow::Outgoing::AppendTo(absl::Cord* cord) const {
  ForEachBuffer(buffers_, [&](const auto& buffer) { cord->Append(buffer); });
}

void ForwardingFlow::Outgoing::AppendTo(
    std::vector<absl::string_view>* views) const {
  ForEachBuffer(buffers_, [&](const auto& buffer) {
    using Buffer = std::decay_t<decltype(buffer)>;
    if constexpr (std::is_same_v<Buffer, absl::Cord>) {
      views->insert(views->end(), buffer.chunk_begin(), buffer.chunk_end());
    } else {
      views->push_back(buffer);
    }
  });
}

absl::Status ForwardingFlow::Outgoing::WriteTo(Flow& flow) const {
  return std::visit(
      [&flow](const auto& form) {
        using Form = std::decay_t<decltype(form)>;
        if constexpr (std::is_same_v<Form, const absl::Cord*>) {
          return flow.Write(*form);
        } else if constexpr (std::is_same_v<Form, absl::string_view>) {
          return flow.Write(form);
        } else {
          return flow.Writev(form);
        }
      },
      buffers_);
}

ForwardingFlow::ForwardingFlow(std::unique_ptr<Flow> inner)
    : inner_(std::move(inner)) {
  ABSL_CHECK(inner_ != nullptr) << "a flow on top of no flow";
}

absl::StatusOr<absl::Cord> ForwardingFlow::DoRead(size_t max_bytes) {
  return inner_->Read(max_bytes);
}

absl::Status ForwardingFlow::DoForwardWrite(const Outgoing& data,
                                            size_t* accepted) {
  // What the inner flow counts is right also when it fails half-way.
  const int64_t before = inner_->bytes_written();
  absl::Status status = data.WriteTo(*inner_);
  *accepted = static_cast<size_t>(inner_->bytes_written() - before);
  if (!status.ok() && !absl::IsDeadlineExceeded(status)) inner_broke_ = true;
  return status;
}

absl::Status ForwardingFlow::DoWrite(absl::Cord buffer, size_t* accepted) {
  return DoForwardWrite(Outgoing(buffer), accepted);
}

absl::Status ForwardingFlow::DoWriteBorrowed(absl::string_view buffer,
                                             size_t* accepted) {
  return DoForwardWrite(Outgoing(buffer), accepted);
}

absl::Status ForwardingFlow::DoWritev(absl::Span<const absl::Cord> buffers,
                                      size_t* accepted) {
  return DoForwardWrite(Outgoing(buffers), accepted);
}

absl::Status ForwardingFlow::DoWritevBorrowed(
    absl::Span<const absl::string_view> buffers, size_t* accepted) {
  return DoForwardWrite(Outgoing(buffers), accepted);
}

absl::Status ForwardingFlow::DoEndWrite(const absl::Status& outcome) {
  if (outcome.ok()) {
    LimitEndByClose();
    absl::Status ended = inner_->Shutdown(ShutdownMode::kWrite);
    // A flush underneath that a deadline has cut short.
    if (absl::IsAborted(ended) && EndIsLate()) {
      ended = absl::DeadlineExceededError(ended.message());
    }
    return ended;
  }
  // The inner flow knows of its own errors (one of them, Closed, breaks nothing
  // else). Others it must be told, and only Abort() can do that without sending
  // a clean end.
  if (!inner_broke_) inner_->Abort(outcome);
  return absl::OkStatus();
}

void ForwardingFlow::DoShutdownRead() {
  inner_->Shutdown(ShutdownMode::kRead).IgnoreError();  // It says so itself.
}

// Of the public functions only Close() waits for the remote. It also frees,
// which comes to the same: nothing but freeing follows here, too.
absl::Status ForwardingFlow::DoAwaitRemoteEnd(absl::Time deadline) {
  return inner_->Close(deadline);
}

absl::Status ForwardingFlow::DoAwaitRemoteEndPatiently(
    absl::Duration idle_timeout) {
  return inner_->PatientClose(idle_timeout);
}

void ForwardingFlow::DoAbort(const absl::Status& reason) {
  inner_->Abort(reason);
}

// Nothing is left to wait for: the inbound direction of the inner flow is over,
// or else the derived class has broken it on its own, which cannot be told from
// here. So that this does not wait for the remote then, the inner flow is given
// no time.
absl::Status ForwardingFlow::DoFree() {
  return inner_->Close(absl::InfinitePast());
}

void ForwardingFlow::DoSetReadDeadline(absl::Time deadline) {
  inner_->SetReadDeadline(deadline);
}

void ForwardingFlow::DoSetWriteDeadline(absl::Time deadline) {
  absl::MutexLock lock(&deadline_mu_);
  write_deadline_ = MonotonicDeadline(deadline);
  SetInnerWriteDeadline();
}

int64_t ForwardingFlow::DoBytesInTransit() const {
  return inner_->bytes_in_transit();
}

bool ForwardingFlow::EndIsLate() {
  absl::MutexLock lock(&deadline_mu_);
  return end_deadline_.has_passed();
}

void ForwardingFlow::LimitEndByClose() {
  const MonotonicDeadline deadline =
      std::min(MonotonicDeadline(CloseDeadline()),
               MonotonicDeadline::In(CloseIdleTimeout()));
  absl::MutexLock lock(&deadline_mu_);
  end_deadline_ = deadline;
  if (end_deadline_ < write_deadline_) SetInnerWriteDeadline();
}

void ForwardingFlow::SetInnerWriteDeadline() {
  inner_->SetWriteDeadline(std::min(write_deadline_, end_deadline_).ToTime());
}

}  // namespace flow
