// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/started_dial.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow/engine.h"
#include "flow/internal/connect.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/resolve.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"

namespace flow::internal {
namespace {

using Filter = absl::AnyInvocable<absl::Status(std::vector<KernelAddress>&)>;
using Finish = absl::AnyInvocable<void(absl::StatusOr<OwnedFd>)>;

// It owns itself, from Start() to End().
class StartedDial final : public StartedCall {
 public:
  StartedDial(Engine& engine, Operation* operation,
              const SocketAddress& address, const DialLimits& limits,
              const SocketOptions& options, Filter filter, Finish finish)
      : engine_(engine),
        operation_(operation),
        limits_(limits),
        options_(options),
        filter_(std::move(filter)),
        finish_(std::move(finish)),
        resolve_(address, this) {}

 private:
  bool Try(bool is_late) override {
    std::optional<absl::StatusOr<OwnedFd>> outcome = Step(is_late);
    if (!outcome.has_value()) return false;
    outcome_ = *std::move(outcome);
    return true;
  }

  MonotonicDeadline Deadline() override { return limits_.deadline; }
  Engine& engine() const override { return engine_; }

  Operation* End() override {
    // Before the set of the connector is closed. The flow gets a socket that no
    // engine has watched.
    Forget();
    const std::unique_ptr<StartedDial> self(this);
    finish_(std::move(outcome_));
    return operation_;
  }

  // Returns the outcome, or has said what to wait for.
  std::optional<absl::StatusOr<OwnedFd>> Step(bool is_late) {
    MonotonicDeadline next = limits_.NextLook();
    if (!connector_.has_value()) {
      if (absl::Status s = limits_.Cancelled(); !s.ok()) return s;
      auto addresses = resolve_.Take();
      if (!addresses.has_value()) {
        if (is_late) return NameIsLate();
        // Something is always to be waited for. So an engine that ends when
        // there is nothing (Asio's) goes on.
        After(std::min(next.left(), absl::Hours(1)));
        return std::nullopt;
      }
      if (!addresses->ok()) return addresses->status();
      if (absl::Status s = filter_(**addresses); !s.ok()) return s;
      connector_.emplace(**addresses, options_);
    }
    auto outcome = connector_->Step(limits_);
    if (outcome.has_value()) return outcome;
    const absl::StatusOr<int> watched = connector_->Watched();
    if (!watched.ok()) return watched.status();
    if (*watched >= 0) WhenReady(*watched, POLLIN);
    After(std::min(next, connector_->next_step()).left());
    return std::nullopt;
  }

  Engine& engine_;
  Operation* const operation_;
  const DialLimits limits_;
  const SocketOptions options_;
  Filter filter_;
  Finish finish_;
  StartedResolve resolve_;
  std::optional<Connector> connector_;  // once there are addresses
  absl::StatusOr<OwnedFd> outcome_;
};

}  // namespace

bool StartDialing(Engine& engine, Operation* operation,
                  const SocketAddress& address, const DialLimits& limits,
                  const SocketOptions& options, Filter filter, Finish finish) {
  auto dial =
      std::make_unique<StartedDial>(engine, operation, address, limits, options,
                                    std::move(filter), std::move(finish));
  return dial.release()->Start();
}

}  // namespace flow::internal
