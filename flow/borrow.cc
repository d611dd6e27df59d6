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
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/call_end.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/relays.h"
#include "flow/internal/size_of.h"
#include "flow/internal/started_calls.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::FlowAccess;
using internal::FlowCore;
using internal::MonotonicDeadline;
using internal::Relays;
using internal::SizeOf;
using internal::StartedCalls;
using internal::ThisThread;

// How often a wait for a refusal looks whether the borrower has ended.
constexpr absl::Duration kLooksAgain = absl::Milliseconds(50);

class BorrowTransport final : public Transport {
 public:
  explicit BorrowTransport(Flow& lender)
      : lender_(lender),
        core_(FlowAccess::Core(lender)),
        name_(core_.Name()),
        can_be_refused_(lender.can_be_refused()),
        relays_(
            core_.pending_calls() != nullptr && core_.transport().CanStart()
                ? &static_cast<StartedCalls&>(*core_.pending_calls()).relays()
                : nullptr) {
    core_.BeginLoan();
    keeps_ = relays_ != nullptr && core_.BeginToKeep();
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

  // --- Started calls. Each is one of the lender, from its first try to its
  // last, and has its gate.

  bool CanStart() const override { return relays_ != nullptr; }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    if (!read_.is_under_way) {
      if (!BeginRead()) return Refused();
      if (!core_.read_gate().Take(ThisThread())) {
        absl::StatusOr<absl::Cord> data = internal::ReadOfCordRefused(core_);
        EndRead(data);
        return data;
      }
      read_.is_under_way = true;
    }
    // From here on something that happens is told.
    Retry* const relay = read_.Through(*relays_, retry);
    const bool is_last = relay == nullptr || (reading_ & kRefused) != 0 ||
                         OwnerIsLate(reads_set_, /*reads=*/true, *retry);
    std::optional<absl::StatusOr<absl::Cord>> data;
    {
      internal::Gate::Visit inside(core_.read_gate(), ThisThread());
      data = core_.transport().TryRead(max_bytes, is_last ? nullptr : relay);
    }
    if (!data.has_value()) {
      if (!is_last) return std::nullopt;
      data = absl::DeadlineExceededError("no data before the deadline");
    }
    read_.End(*relays_);
    if (!data->ok() || !internal::EndRead(core_, (*data)->size(), max_bytes)) {
      internal::FinishReadOfCord(core_, *data, max_bytes, /*passes=*/false);
    }
    EndRead(*data);
    return data;
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    if (!write_.is_under_way) {
      if (!core_.write_gate().Take(ThisThread())) {
        return WithoutContext(internal::WriteRefused(core_));
      }
      size_ = rest->size();
      write_.is_under_way = true;
    }
    Retry* const relay = write_.Through(*relays_, retry);
    const bool is_last =
        relay == nullptr || OwnerIsLate(writes_set_, /*reads=*/false, *retry);
    std::optional<absl::Status> status;
    {
      internal::Gate::Visit inside(core_.write_gate(), ThisThread());
      status = core_.transport().TryWrite(rest, is_last ? nullptr : relay);
    }
    if (!status.has_value()) {
      if (!is_last) return std::nullopt;
      status = absl::DeadlineExceededError(
          "not all was accepted before the deadline");
    }
    write_.End(*relays_);
    if (status->ok() && rest->empty() && internal::EndWrite(core_, size_)) {
      return status;
    }
    if (status->ok() && !rest->empty()) {
      status = absl::InternalError("said Ok and left a part");
    }
    return WithoutContext(internal::FinishWrite(
        core_, size_, size_ - rest->size(), *std::move(status)));
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
    return absl::OkStatus();
  }

  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    if (!refusal_.is_under_way) {
      if (!core_.BeginAwaitRefusal()) return LenderTakesNoMore();
      refusal_.is_under_way = true;
    }
    std::optional<absl::Status> status =
        core_.TryAwaitRefusal(asks_, refusal_.Through(*relays_, retry));
    if (!status.has_value()) return std::nullopt;
    refusal_.End(*relays_);
    if (core_.write_gate().shut()) status = LenderTakesNoMore();
    core_.EndAwaitRefusal();
    return WithoutContext(*status);
  }

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
    writes_set_ = core_.deadlines_set(/*reads=*/false);
    core_.TellDeadline(/*reads=*/false, deadline);
  }

  absl::Status Free() override {
    if (read_deadline_told_) TellReadDeadline(std::nullopt);
    if (write_deadline_told_) core_.TellDeadline(/*reads=*/false, std::nullopt);
    absl::Status status = core_.AbortReason();
    if (keeps_) core_.EndToKeep();
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

  struct Started : Relays::Call {
    void End(Relays& relays) {
      is_under_way = false;
      Call::End(relays);
    }

    bool is_under_way = false;
  };

  template <typename Call>
  auto ReadBy(Call call) -> decltype(call()) {
    if (!BeginRead()) return Refused();
    auto data = call();
    EndRead(data);
    return data;
  }

  // Returns false if no read may begin.
  bool BeginRead() { return (reading_.fetch_or(kBusy) & kRefused) == 0; }
  // Not end-of-file, as the lender is not at its end.
  static absl::Status Refused() {
    return ClosedError("what was not read is refused");
  }
  // The lender's read has returned `data`.
  template <typename Data>
  void EndRead(absl::StatusOr<Data>& data) {
    const bool refused = (reading_.fetch_and(~kBusy) & kRefused) != 0;
    if (!data.ok()) {
      data = WithoutContext(data.status());
    } else if (refused && SizeOf(*data) != 0) {
      lender_.Abort(absl::AbortedError(absl::StrCat(
          Describe(), ": a Read took ", SizeOf(*data),
          " bytes while Shutdown(kRead) was called, and they are lost")));
    }
  }

  absl::Status LenderTakesNoMore() {
    internal::MutexLock lock(core_.mu());
    return WithoutContext(
        internal::WriteOutcome(core_, core_.state().WriteAnswer()));
  }

  // Whether a deadline has passed that the owner has set since the borrower set
  // its own. The owner had done so `before` times then. A Flow watches its own.
  bool OwnerIsLate(const std::atomic<uint32_t>& before, bool reads,
                   Retry& retry) const {
    const MonotonicDeadline now = core_.deadline(reads);
    if (now.is_never() || core_.deadlines_set(reads) == before) return false;
    retry.After(now.left());
    return now.has_passed();
  }

  // Nothing else wakes a read and loses nothing. The deadline is told again in
  // Free().
  void WakeRead() { TellReadDeadline(absl::InfinitePast()); }

  // What wakes a read must hold against the owner, who may set a deadline of
  // the lender at any time. A limit wakes a read in this way, too.
  void TellReadDeadline(std::optional<absl::Time> deadline) {
    read_deadline_told_ = true;
    reads_set_ = core_.deadlines_set(/*reads=*/true);
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

  // Of started calls.
  Relays* const relays_;  // those of the lender; null: none can start
  Started read_;
  Started write_;
  Started refusal_;
  size_t size_ = 0;    // of the write
  bool asks_ = false;  // for a refusal
  // How often the deadlines of the lender had been set when the borrower set
  // its own.
  std::atomic<uint32_t> reads_set_{core_.deadlines_set(/*reads=*/true)};
  std::atomic<uint32_t> writes_set_{core_.deadlines_set(/*reads=*/false)};
  // A call of the lender that is over may still be watched by the borrower's,
  // so an abort of the lender frees nothing during the loan.
  bool keeps_ = false;
};

}  // namespace

std::unique_ptr<Flow> BorrowFlow(Flow& lender) {
  FlowCore& core = FlowAccess::Core(lender);
  const internal::MonotonicDeadline read_deadline =
      core.deadline(/*reads=*/true);
  const internal::MonotonicDeadline write_deadline =
      core.deadline(/*reads=*/false);
  FlowCore::Parts parts;
  parts.transport = std::make_unique<BorrowTransport>(lender);
  parts.engine = lender.engine();
  std::unique_ptr<Flow> flow = FlowAccess::Make(std::move(parts));
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
