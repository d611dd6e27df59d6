// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/borrow.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/size_of.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::FlowAccess;
using internal::FlowCore;
using internal::MonotonicDeadline;
using internal::SizeOf;

// How often a wait for a refusal looks whether the borrower has ended.
constexpr absl::Duration kLooksAgain = absl::Milliseconds(50);

class BorrowTransport final : public Transport {
 public:
  explicit BorrowTransport(Flow& lender)
      : lender_(lender),
        core_(FlowAccess::Core(lender)),
        name_(core_.Name()),
        can_be_refused_(lender.can_be_refused()) {
    core_.BeginLoan();
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return ReadBy([&] { return lender_.Read(max_bytes); });
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return ReadBy([&] { return lender_.ReadInto(space); });
  }
  absl::Status Write(Outgoing& data) override {
    return WithoutContext(FlowAccess::Write(lender_, data));
  }

  // The lender goes on, but not after a write that was cut.
  absl::Status EndWrite(const absl::Status& outcome, absl::Time) override {
    writes_ended_ = true;
    if (!outcome.ok()) FlowAccess::BreakWrite(lender_, outcome);
    return absl::OkStatus();
  }

  // Nothing wakes a call of the lender when the borrower alone has ended.
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    const MonotonicDeadline until(deadline);
    while (!writes_ended_) {
      const auto look = std::min(until, MonotonicDeadline::In(kLooksAgain));
      const absl::Status status = lender_.AwaitRefusal(look.ToTime());
      if (!absl::IsDeadlineExceeded(status) || until.has_passed()) {
        return WithoutContext(status);
      }
    }
    return absl::AbortedError("the borrower has ended its writes");
  }
  bool CanBeRefused() const override { return can_be_refused_; }

  void RefuseRead() override {
    if ((reading_.fetch_or(kRefused) & kBusy) != 0) WakeRead();
  }
  void Abort(const absl::Status& reason) override { lender_.Abort(reason); }
  void LoseRead() override { core_.LoseRead(); }
  bool IsLent() const override { return true; }
  void RefuseLender() override {
    lender_.Shutdown(ShutdownMode::kRead).IgnoreError();
  }

  void SetReadDeadline(absl::Time deadline) override {
    TellReadDeadline(deadline);
    if ((reading_ & kRefused) != 0) WakeRead();
  }
  void SetWriteDeadline(absl::Time deadline) override {
    write_deadline_told_ = true;
    core_.TellDeadline(/*reads=*/false, deadline);
  }

  absl::Status Free() override {
    if (read_deadline_told_) TellReadDeadline(std::nullopt);
    if (write_deadline_told_) core_.TellDeadline(/*reads=*/false, std::nullopt);
    absl::Status status = core_.AbortReason();
    core_.EndLoan();
    return status;
  }

  int64_t BytesInTransit() const override { return lender_.bytes_in_transit(); }
  std::string LocalAddress() const override { return lender_.local_address(); }
  std::string RemoteAddress() const override {
    return lender_.remote_address();
  }
  absl::StatusOr<PeerCredentials> Peer() const override {
    absl::StatusOr<PeerCredentials> peer = lender_.peer();
    if (!peer.ok()) return WithoutContext(peer.status());
    return peer;
  }

  // The lender may be gone when a borrower that was closed is asked.
  std::string Describe() const override {
    return absl::StrCat("borrowed ", name_);
  }

 private:
  static constexpr int kBusy = 1;     // a read is under way
  static constexpr int kRefused = 2;  // and none may begin

  template <typename Call>
  auto ReadBy(Call call) -> decltype(call()) {
    // Not end-of-file, as the lender is not at its end.
    if ((reading_.fetch_or(kBusy) & kRefused) != 0) {
      return ClosedError("what was not read is refused");
    }
    auto data = call();
    const bool refused = (reading_.fetch_and(~kBusy) & kRefused) != 0;
    if (!data.ok()) return WithoutContext(data.status());
    if (refused && SizeOf(*data) != 0) {
      lender_.Abort(absl::AbortedError(absl::StrCat(
          Describe(), ": a Read took ", SizeOf(*data),
          " bytes while Shutdown(kRead) was called, and they are lost")));
    }
    return data;
  }

  // Nothing else wakes a read and loses nothing. The deadline is told again in
  // Free().
  void WakeRead() { TellReadDeadline(absl::InfinitePast()); }

  // What wakes a read must hold against the owner, who may set a deadline of
  // the lender at any time. A limit wakes a read in this way, too.
  void TellReadDeadline(std::optional<absl::Time> deadline) {
    read_deadline_told_ = true;
    core_.HoldReads(deadline == absl::InfinitePast());
    core_.TellDeadline(/*reads=*/true, deadline);
  }

  absl::Status WithoutContext(const absl::Status& status) const {
    return internal::WithoutContext(name_, status);
  }

  Flow& lender_;
  FlowCore& core_;
  const std::string name_;
  const bool can_be_refused_;
  std::atomic<int> reading_{0};
  std::atomic<bool> writes_ended_{false};
  std::atomic<bool> read_deadline_told_{false};
  std::atomic<bool> write_deadline_told_{false};
};

}  // namespace

std::unique_ptr<Flow> BorrowFlow(Flow& lender) {
  FlowCore& core = FlowAccess::Core(lender);
  const internal::MonotonicDeadline read_deadline =
      core.deadline(/*reads=*/true);
  const internal::MonotonicDeadline write_deadline =
      core.deadline(/*reads=*/false);
  std::unique_ptr<Flow> flow =
      MakeFlow(std::make_unique<BorrowTransport>(lender));
  // So that a transport on top is told, too.
  if (!read_deadline.is_never()) {
    flow->SetReadDeadline(read_deadline.ToTime());
    core.HoldReads(false);  // which the owner may extend
  }
  if (!write_deadline.is_never()) {
    flow->SetWriteDeadline(write_deadline.ToTime());
  }
  return flow;
}

}  // namespace flow
