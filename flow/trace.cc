// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/trace.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/escaped.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::MonotonicNow;
using Operation = TraceEvent::Operation;

std::string Bytes(size_t size) {
  return absl::StrCat(size, size == 1 ? " byte" : " bytes");
}

// The first bytes of `bytes`, which is a Cord or an Outgoing.
std::string Prefix(const absl::Cord& bytes, size_t size) {
  return std::string(bytes.Subcord(0, size));
}
std::string Prefix(const Outgoing& bytes, size_t size) {
  std::string prefix;
  bytes.ForEachPieceWhile([&](absl::string_view piece) {
    prefix.append(piece.substr(0, size - prefix.size()));
    return prefix.size() < size;
  });
  return prefix;
}

class TraceTransport final : public ForwardingTransport {
 public:
  TraceTransport(std::unique_ptr<Transport> inner, TraceFunction trace,
                 TraceOptions options)
      : ForwardingTransport(std::move(inner)),
        trace_(std::move(trace)),
        options_(options) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    TraceEvent event = Begin(Operation::kRead, max_bytes);
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    absl::Status outcome = Outcome(data.status());
    if (outcome.ok()) {
      event.size = data->size();
      event.data = Prefix(*data, options_.max_data);
    }
    Tell(std::move(event), std::move(outcome));
    return data;
  }

  absl::Status Write(Outgoing& data) override {
    TraceEvent event = Begin(Operation::kWrite, data.size());
    // The transport underneath may take the bytes away.
    if (options_.max_data > 0) event.data = Prefix(data, options_.max_data);
    absl::Status status = ForwardingTransport::Write(data);
    event.size = status.ok() ? data.size() : data.accepted();
    event.data.resize(std::min(event.data.size(), event.size));
    Tell(std::move(event), status.ok() ? status : Outcome(status));
    return status;
  }

  bool CanStart() const override { return inner().CanStart(); }

  // An event begins with the first try of a started call.
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    if (!read_.has_value()) read_ = Begin(Operation::kRead, max_bytes);
    std::optional<absl::StatusOr<absl::Cord>> data =
        ForwardingTransport::TryRead(max_bytes, retry);
    if (!data.has_value() && retry != nullptr) return std::nullopt;
    TraceEvent event = *std::exchange(read_, std::nullopt);
    absl::Status outcome = Outcome(data.has_value() ? data->status() : Late());
    if (outcome.ok()) {
      event.size = (*data)->size();
      event.data = Prefix(**data, options_.max_data);
    }
    Tell(std::move(event), std::move(outcome));
    return data;
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    if (!write_.has_value()) {
      write_ = Begin(Operation::kWrite, rest->size());
      write_->data = Prefix(*rest, options_.max_data);
    }
    std::optional<absl::Status> status =
        ForwardingTransport::TryWrite(rest, retry);
    if (!status.has_value() && retry != nullptr) return std::nullopt;
    TraceEvent event = *std::exchange(write_, std::nullopt);
    event.size = event.requested - std::min(event.requested, rest->size());
    event.data.resize(std::min(event.data.size(), event.size));
    const absl::Status outcome = status.has_value() ? *status : Late();
    Tell(std::move(event), outcome.ok() ? outcome : Outcome(outcome));
    return status;
  }

  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override {
    if (!end_.has_value()) end_ = Begin(Operation::kShutdownWrite);
    std::optional<absl::Status> status =
        ForwardingTransport::TryEndWrite(outcome, retry);
    if (!status.has_value() && retry != nullptr) return std::nullopt;
    TraceEvent event = *std::exchange(end_, std::nullopt);
    if (outcome.ok() && status.has_value() &&
        !absl::IsDeadlineExceeded(*status)) {
      Tell(std::move(event), *status);
    }
    return status;
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    TraceEvent event = Begin(Operation::kShutdownWrite);
    absl::Status status = ForwardingTransport::EndWrite(outcome, deadline);
    // What broke the direction was said before, and what is late goes on or
    // is aborted.
    if (outcome.ok() && !absl::IsDeadlineExceeded(status)) {
      Tell(std::move(event), status);
    }
    return status;
  }

  void RefuseRead() override {
    TraceEvent event = Begin(Operation::kShutdownRead);
    ForwardingTransport::RefuseRead();
    Tell(std::move(event), absl::OkStatus());
  }

  void Abort(const absl::Status& reason) override {
    {
      internal::MutexLock lock(mu_);
      abort_reason_ = reason;
    }
    // First, as it is the cause of what it ends.
    Tell(Begin(Operation::kAbort), reason);
    ForwardingTransport::Abort(reason);
  }

  absl::Status Free() override {
    TraceEvent event = Begin(Operation::kClose);
    absl::Status status = ForwardingTransport::Free();
    Tell(std::move(event), status);
    return status;
  }

 private:
  static TraceEvent Begin(Operation operation, size_t requested = 0) {
    TraceEvent event;
    event.operation = operation;
    event.requested = requested;
    event.duration = -MonotonicNow();
    return event;
  }

  void Tell(TraceEvent event, absl::Status status) const {
    event.duration += MonotonicNow();
    event.status = std::move(status);
    trace_(event);
  }

  static absl::Status Late() {
    return absl::DeadlineExceededError("not before the deadline");
  }

  // What a call returns in the end: after an abort, the reason, whatever the
  // transport underneath says.
  absl::Status Outcome(const absl::Status& status) {
    internal::MutexLock lock(mu_);
    return abort_reason_.ok() ? status : abort_reason_;
  }

  const TraceFunction trace_;
  const TraceOptions options_;
  // Those of started calls that are under way.
  std::optional<TraceEvent> read_;
  std::optional<TraceEvent> write_;
  std::optional<TraceEvent> end_;
  absl::Mutex mu_;
  absl::Status abort_reason_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::string TraceEvent::What() const {
  switch (operation) {
    case Operation::kRead:
      if (!status.ok()) return "read";
      return size == 0 ? "end-of-file" : absl::StrCat("read ", Bytes(size));
    case Operation::kWrite:
      if (status.ok()) return absl::StrCat("write ", Bytes(size));
      return absl::StrCat("write ", size, " of ", Bytes(requested));
    case Operation::kShutdownRead:
      return "shutdown read";
    case Operation::kShutdownWrite:
      return "shutdown write";
    case Operation::kAbort:
      return "abort";
    case Operation::kClose:
      break;
  }
  return "close";
}

std::string TraceEvent::ToString() const {
  std::string line = What();
  if (!data.empty()) {
    absl::StrAppend(&line, " \"", internal::Escaped(data), "\"",
                    data.size() < size ? "..." : "");
  }
  if (!status.ok()) {
    absl::StrAppend(&line, ": ", internal::Escaped(status.ToString()));
  }
  absl::StrAppend(
      &line, ", ",
      absl::FormatDuration(absl::Trunc(duration, absl::Microseconds(1))));
  return line;
}

std::unique_ptr<Flow> TraceFlow(std::unique_ptr<Flow> flow, TraceFunction trace,
                                TraceOptions options) {
  return DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> inner) {
    return std::make_unique<TraceTransport>(std::move(inner), std::move(trace),
                                            options);
  });
}

TraceFunction TraceTo(std::ostream& out, std::string name) {
  return [&out, name = internal::Escaped(name),
          mu = std::make_shared<absl::Mutex>()](const TraceEvent& event) {
    const std::string line = absl::StrCat(name, ": ", event.ToString(), "\n");
    internal::MutexLock lock(*mu);
    out << line << std::flush;
  };
}

}  // namespace flow
