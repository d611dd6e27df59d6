// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/join.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/relays.h"
#include "flow/internal/size_of.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::FlowAccess;
using internal::FlowCore;
using internal::FlowState;
using internal::Relays;
using internal::SizeOf;

// In place of a transport that an abort has freed. The state of its flow lets
// nobody read or write.
class FreedTransport final : public Transport {
 public:
  explicit FreedTransport(std::string name) : name_(std::move(name)) {}
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing&) override {
    return absl::AbortedError("aborted before");
  }
  std::string Describe() const override { return name_; }
  bool CanStart() const override { return true; }  // which ends at once, too

 private:
  const std::string name_;
};

FlowCore::Parts TakeParts(Flow& flow) {
  FlowCore::Parts parts = FlowAccess::Core(flow).TakeParts();
  ABSL_CHECK(parts.state.aborted() || !parts.state.closed().has_value())
      << parts.transport->Describe() << ": joined or split after Close()";
  if (parts.state.freed()) {
    parts.transport =
        std::make_unique<FreedTransport>(parts.transport->Describe());
  }
  return parts;
}

// --- JoinFlow()

class JoinTransport final : public Transport {
 public:
  // `one_engine` says that the two were not bound to different ones.
  JoinTransport(std::unique_ptr<Transport> input,
                std::unique_ptr<Transport> output, bool one_engine)
      : input_(std::move(input)),
        output_(std::move(output)),
        can_start_(one_engine && input_->CanStart() && output_->CanStart()) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return input_->Read(max_bytes);
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return input_->ReadInto(space);
  }
  absl::Status Write(Outgoing& data) override { return output_->Write(data); }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    return output_->EndWrite(outcome, deadline);
  }
  void RefuseRead() override { input_->RefuseRead(); }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    absl::Status status = input_->AwaitRemoteEnd(deadline);
    // Reading `output_` was refused: this lets it discard what still comes.
    if (status.ok()) {
      status = output_->AwaitRemoteEnd(deadline);
      output_is_late_ = absl::IsDeadlineExceeded(status);
    }
    return status;
  }
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    return output_->AwaitRefusal(deadline);
  }
  bool CanBeRefused() const override { return output_->CanBeRefused(); }
  void Abort(const absl::Status& reason) override {
    aborted_ = true;
    input_->Abort(reason);
    output_->Abort(reason);
  }
  void LoseRead() override { input_->LoseRead(); }
  absl::Status Free() override {
    // The Flow does not do it if `input_` is lent.
    if (output_is_late_ && !aborted_) {
      output_->Abort(
          absl::AbortedError("the other end passed its deadline in Close()"));
    }
    absl::Status status = output_->Free();
    status.Update(input_->Free());
    return status;
  }
  void FreeInChild() override {
    output_->FreeInChild();
    input_->FreeInChild();
  }

  bool CanStart() const override { return can_start_; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    return input_->TryRead(max_bytes, retry);
  }
  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    return output_->TryWrite(rest, retry);
  }
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override {
    return output_->TryEndWrite(outcome, retry);
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    std::optional<absl::Status> status;
    if (!input_has_ended_) {
      status = input_->TryAwaitRemoteEnd(retry);
      if (!status.has_value() || !status->ok()) return status;
      input_has_ended_ = true;
    }
    status = output_->TryAwaitRemoteEnd(retry);
    output_is_late_ = !status.has_value() || absl::IsDeadlineExceeded(*status);
    return status;
  }
  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    return output_->TryAwaitRefusal(retry);
  }

  void SetReadDeadline(absl::Time deadline) override {
    input_->SetReadDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    output_->SetWriteDeadline(deadline);
  }
  bool IsLent() const override { return input_->IsLent(); }
  // Reading `output_` was refused, and has not ended.
  bool EndsEarly() const override { return true; }
  void RefuseLender() override { input_->RefuseLender(); }
  int64_t BytesInTransit() const override { return output_->BytesInTransit(); }
  std::string LocalAddress() const override { return input_->LocalAddress(); }
  std::string RemoteAddress() const override { return input_->RemoteAddress(); }
  absl::StatusOr<PeerCredentials> Peer() const override {
    return input_->Peer();
  }
  std::string Describe() const override {
    return absl::StrCat("input of ", input_->Describe(), ", output of ",
                        output_->Describe());
  }

 private:
  const std::unique_ptr<Transport> input_;
  const std::unique_ptr<Transport> output_;
  const bool can_start_;
  bool input_has_ended_ = false;  // in TryAwaitRemoteEnd()
  bool output_is_late_ = false;   // in the last AwaitRemoteEnd()
  std::atomic<bool> aborted_{false};
};

// --- SplitFlow()

// The transport that two halves share, and what each must know of the other.
class Whole {
 public:
  // `engine` is that of both halves. Null: they can only block.
  Whole(std::unique_ptr<Transport> transport, const absl::Status& abort_reason,
        Engine* engine)
      : transport_(std::move(transport)),
        engine_(engine),
        aborted_(!abort_reason.ok()),
        abort_reason_(abort_reason) {}

  Transport& transport() const { return *transport_; }

  bool CanStart() const { return engine_ != nullptr && transport_->CanStart(); }
  // By these the started calls of both halves hear of the transport.
  Relays& relays() { return relays_; }

  void Abort(const absl::Status& reason) {
    {
      internal::MutexLock lock(mu_);
      if (!abort_reason_.ok()) return;
      abort_reason_ = reason;
    }
    // Before it wakes a call of the other half, which looks at it.
    aborted_ = true;
    transport_->Abort(reason);
    relays_.TellAll();
  }
  absl::Status AbortReason() const {
    if (!aborted_) return absl::OkStatus();
    internal::MutexLock lock(mu_);
    return abort_reason_;
  }

  // Also for a Close() of the other half, which may await the remote.
  void RefuseRead() {
    transport_->RefuseRead();
    relays_.TellAll();
  }

  // Waits until the writer ends, or either half aborts.
  absl::Status AwaitEndOfWrites(absl::Time deadline) const {
    const auto is_over = [this] {
      mu_.AssertReaderHeld();
      return writes_end_ || !abort_reason_.ok();
    };
    internal::MutexLock lock(mu_);
    if (internal::AwaitUntil(mu_, absl::Condition(&is_over),
                             internal::MonotonicDeadline(deadline))) {
      return absl::AbortedError("this end has ended its writes");
    }
    return absl::DeadlineExceededError("it is not known whether it is refused");
  }
  void EndWrites() {
    internal::MutexLock lock(mu_);
    writes_end_ = true;
  }

  // Notes that a half closes while the inbound direction is not over. Returns
  // whether both do, so that this one waits for the end of the remote.
  bool IsLastToClose(bool reads) {
    internal::MutexLock lock(mu_);
    (reads ? reader_closes_ : writer_closes_) = true;
    return reader_closes_ && writer_closes_;
  }

  // The second half frees.
  absl::Status Free() {
    absl::Status status;
    if (freed_halves_.fetch_add(1) == 1) {
      // Now neither has a call that watches.
      if (engine_ != nullptr) relays_.Forget(*engine_);
      status = transport_->Free();
    }
    absl::Status reason = AbortReason();
    return reason.ok() ? status : reason;
  }
  void FreeInChild() {
    if (freed_halves_.fetch_add(1) == 1) transport_->FreeInChild();
  }

 private:
  const std::unique_ptr<Transport> transport_;
  Engine* const engine_;
  Relays relays_;
  std::atomic<bool> aborted_;
  std::atomic<int> freed_halves_{0};
  mutable absl::Mutex mu_;
  absl::Status abort_reason_ ABSL_GUARDED_BY(mu_);
  bool writes_end_ ABSL_GUARDED_BY(mu_) = false;
  bool reader_closes_ ABSL_GUARDED_BY(mu_) = false;
  bool writer_closes_ ABSL_GUARDED_BY(mu_) = false;
};

// An abort of the other half overrides what a call returns, as an abort of its
// own flow would.
class HalfTransport final : public Transport {
 public:
  HalfTransport(std::shared_ptr<Whole> whole, bool reads)
      : whole_(std::move(whole)), reads_(reads) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return Checked(inner().Read(max_bytes));
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return Checked(inner().ReadInto(space));
  }
  absl::Status Write(Outgoing& data) override {
    absl::Status status = inner().Write(data);
    absl::Status reason = whole_->AbortReason();
    if (reason.ok()) return status;
    if (status.ok()) data.Accept(data.size() - data.accepted());
    return reason;
  }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    whole_->EndWrites();
    return Checked(inner().EndWrite(outcome, deadline));
  }
  void RefuseRead() override { whole_->RefuseRead(); }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    if (!whole_->IsLastToClose(reads_)) return absl::OkStatus();
    return Checked(inner().AwaitRemoteEnd(deadline));
  }
  // Only the writer's flow asks: the writes of the reader's are over.
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    std::optional<absl::Status> status = inner().AwaitRefusal(deadline);
    // The Flow would wait for what this half does, and not for the other one.
    if (!status.has_value()) status = whole_->AwaitEndOfWrites(deadline);
    return Checked(*std::move(status));
  }
  bool CanBeRefused() const override {
    return !reads_ && inner().CanBeRefused();
  }
  void Abort(const absl::Status& reason) override { whole_->Abort(reason); }
  void LoseRead() override { inner().LoseRead(); }
  absl::Status Free() override { return whole_->Free(); }
  void FreeInChild() override { whole_->FreeInChild(); }

  bool CanStart() const override { return whole_->CanStart(); }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    return Try<absl::StatusOr<absl::Cord>>(read_, retry, [&](Retry* relay) {
      return inner().TryRead(max_bytes, relay);
    });
  }
  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    return Try<absl::Status>(write_, retry, [&](Retry* relay) {
      return inner().TryWrite(rest, relay);
    });
  }
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override {
    whole_->EndWrites();
    return Try<absl::Status>(close_, retry, [&](Retry* relay) {
      return inner().TryEndWrite(outcome, relay);
    });
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    if (!whole_->IsLastToClose(reads_)) return absl::OkStatus();
    return Try<absl::Status>(close_, retry, [&](Retry* relay) {
      return inner().TryAwaitRemoteEnd(relay);
    });
  }
  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    return Try<absl::Status>(
        refusal_, retry, [&](Retry* relay) -> std::optional<absl::Status> {
          // From here on an abort is told. A transport that cannot tell of a
          // refusal does not end this.
          absl::Status reason = whole_->AbortReason();
          std::optional<absl::Status> status =
              inner().TryAwaitRefusal(reason.ok() ? relay : nullptr);
          if (!reason.ok()) status = std::move(reason);
          return status;
        });
  }

  void SetReadDeadline(absl::Time deadline) override {
    if (reads_) inner().SetReadDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    if (!reads_) inner().SetWriteDeadline(deadline);
  }
  bool IsLent() const override { return inner().IsLent(); }
  bool EndsEarly() const override { return inner().EndsEarly(); }
  void RefuseLender() override { inner().RefuseLender(); }
  int64_t BytesInTransit() const override {
    return reads_ ? 0 : inner().BytesInTransit();
  }
  std::string LocalAddress() const override { return inner().LocalAddress(); }
  std::string RemoteAddress() const override { return inner().RemoteAddress(); }
  absl::StatusOr<PeerCredentials> Peer() const override {
    return inner().Peer();
  }
  std::string Describe() const override {
    return absl::StrCat(reads_ ? "reader of " : "writer of ",
                        inner().Describe());
  }

 private:
  Transport& inner() const { return whole_->transport(); }

  // Tries `call`, which hears of the transport through a relay.
  template <typename Result, typename Function>
  std::optional<Result> Try(Relays::Call& call, Retry* retry,
                            Function function) {
    std::optional<Result> result =
        function(call.Through(whole_->relays(), retry));
    if (result.has_value() || retry == nullptr) call.End(whole_->relays());
    if (result.has_value()) result = Checked(*std::move(result));
    return result;
  }

  absl::Status Checked(absl::Status status) {
    absl::Status reason = whole_->AbortReason();
    return reason.ok() ? status : reason;
  }
  template <typename Data>
  absl::StatusOr<Data> Checked(absl::StatusOr<Data> data) {
    absl::Status reason = whole_->AbortReason();
    if (reason.ok()) return data;
    if (data.ok() && SizeOf(*data) != 0) inner().LoseRead();
    return reason;
  }

  const std::shared_ptr<Whole> whole_;
  const bool reads_;

  // Started calls. A close waits for one thing after the other.
  Relays::Call read_;
  Relays::Call write_;
  Relays::Call refusal_;
  Relays::Call close_;
};

}  // namespace

std::unique_ptr<Flow> JoinFlow(std::unique_ptr<Flow> input,
                               std::unique_ptr<Flow> output) {
  ABSL_CHECK(input != nullptr && output != nullptr) << "no flow to join";
  input->Shutdown(ShutdownMode::kWrite).IgnoreError();
  output->Shutdown(ShutdownMode::kRead).IgnoreError();
  const absl::Status in_reason = FlowAccess::Core(*input).AbortReason();
  const absl::Status out_reason = FlowAccess::Core(*output).AbortReason();
  if (!in_reason.ok()) output->Abort(in_reason);
  if (!out_reason.ok()) input->Abort(out_reason);

  FlowCore::Parts in = TakeParts(*input);
  FlowCore::Parts out = TakeParts(*output);
  FlowCore::Parts joined;
  joined.state = FlowState::Joined(in.state, out.state);
  joined.read_deadline = in.read_deadline;
  joined.write_deadline = out.write_deadline;
  joined.fork_generation = in.fork_generation;
  joined.engine = in.engine != nullptr ? in.engine : out.engine;
  joined.transport = std::make_unique<JoinTransport>(
      std::move(in.transport), std::move(out.transport),
      out.engine == nullptr || out.engine == joined.engine);
  return FlowAccess::Make(std::move(joined));
}

SplitHalves SplitFlow(std::unique_ptr<Flow> flow) {
  ABSL_CHECK(flow != nullptr) << "no flow to split";
  FlowCore::Parts parts = TakeParts(*flow);
  auto whole = std::make_shared<Whole>(
      std::move(parts.transport), parts.state.abort_reason(), parts.engine);
  FlowCore::Parts reader;
  reader.state = FlowState::Joined(parts.state, FlowState::OfNothing());
  reader.read_deadline = parts.read_deadline;
  reader.fork_generation = parts.fork_generation;
  reader.engine = parts.engine;
  reader.transport = std::make_unique<HalfTransport>(whole, /*reads=*/true);
  FlowCore::Parts writer;
  writer.state = FlowState::Joined(FlowState::OfNothing(), parts.state);
  writer.write_deadline = parts.write_deadline;
  writer.fork_generation = parts.fork_generation;
  writer.engine = parts.engine;
  writer.transport = std::make_unique<HalfTransport>(std::move(whole),
                                                     /*reads=*/false);
  return {FlowAccess::Make(std::move(reader)),
          FlowAccess::Make(std::move(writer))};
}

}  // namespace flow
