// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/decorate_input.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/mutex_lock.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

// Remembers how reading has ended, which the transport underneath does not.
class EndedTransport final : public ForwardingTransport {
 public:
  // `end` is Ok for end-of-file.
  EndedTransport(std::unique_ptr<Transport> inner, absl::Status end)
      : ForwardingTransport(std::move(inner)), end_(std::move(end)) {}

  absl::StatusOr<absl::Cord> Read(size_t) override {
    if (!end_.ok()) return end_;
    return absl::Cord();
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char>) override {
    if (!end_.ok()) return end_;
    return size_t{0};
  }
  void RefuseRead() override {}

  bool CanStart() const override { return inner().CanStart(); }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry*) override {
    return EndedTransport::Read(max_bytes);
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    if (!end_.ok() || !EndsEarly()) return end_;
    return ForwardingTransport::TryAwaitRemoteEnd(retry);
  }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    if (!end_.ok() || !EndsEarly()) return end_;
    return ForwardingTransport::AwaitRemoteEnd(deadline);
  }

 private:
  const absl::Status end_;
};

}  // namespace

std::unique_ptr<Flow> DecorateInput(std::unique_ptr<Flow> flow,
                                    TransportDecorator decorate) {
  ABSL_CHECK(flow != nullptr) << "no flow to decorate";
  FlowCore& core = FlowAccess::Core(*flow);
  bool reopens = false;
  absl::Status end;
  {
    MutexLock lock(core.mu());
    const FlowState& state = core.state();
    reopens = !state.aborted() && !state.closed().has_value() &&
              (state.in() == FlowState::Direction::kEnded ||
               state.in() == FlowState::Direction::kBroken);
    end = WithoutContext(core.Name(), state.in_error());
  }
  if (reopens) {
    FlowCore::Parts parts = core.TakeParts();
    parts.state.ReopenRead();
    parts.transport = std::make_unique<EndedTransport>(
        std::move(parts.transport), std::move(end));
    flow = FlowAccess::Make(std::move(parts));
  }
  return DecorateFlow(std::move(flow), decorate);
}

}  // namespace flow::internal
