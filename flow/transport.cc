// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/transport.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"

namespace flow {

absl::StatusOr<size_t> Transport::ReadInto(absl::Span<char> space) {
  const absl::StatusOr<absl::Cord> data = Read(space.size());
  if (!data.ok()) return data.status();
  // More than there is space for is for the Flow to complain about.
  size_t copied = 0;
  for (absl::string_view piece : data->Chunks()) {
    piece = piece.substr(0, space.size() - copied);
    if (piece.empty()) break;
    std::memcpy(space.data() + copied, piece.data(), piece.size());
    copied += piece.size();
  }
  return data->size();
}

absl::Status Transport::EndWrite(const absl::Status&, absl::Time) {
  return absl::OkStatus();
}

absl::Status Transport::AwaitRemoteEnd(absl::Time) { return absl::OkStatus(); }

std::optional<absl::Status> Transport::AwaitRefusal(absl::Time) {
  return std::nullopt;
}

void Transport::Abort(const absl::Status&) {}

absl::Status Transport::Free() { return absl::OkStatus(); }

absl::StatusOr<PeerCredentials> Transport::Peer() const {
  return absl::UnimplementedError("only a Unix socket tells who its peer is");
}

namespace {

absl::Status CannotStart() {
  return absl::UnimplementedError("this transport cannot start a call");
}

}  // namespace

std::optional<absl::StatusOr<absl::Cord>> Transport::TryRead(size_t, Retry*) {
  return CannotStart();
}

std::optional<absl::Status> Transport::TryWrite(absl::Cord*, Retry*) {
  return CannotStart();
}

std::optional<absl::Status> Transport::TryEndWrite(const absl::Status& outcome,
                                                   Retry*) {
  return EndWrite(outcome, absl::InfiniteFuture());
}

std::optional<absl::Status> Transport::TryAwaitRemoteEnd(Retry*) {
  return CannotStart();
}

std::optional<absl::Status> Transport::TryAwaitRefusal(Retry*) {
  return std::nullopt;
}

ForwardingTransport::ForwardingTransport(std::unique_ptr<Transport> inner)
    : inner_(std::move(inner)) {
  ABSL_CHECK(inner_ != nullptr) << "a transport on top of none";
}

namespace {

absl::Status ReadTooMuch(size_t max_bytes, size_t size) {
  return absl::InternalError(
      absl::StrCat("a read of at most ", max_bytes, " bytes was given ", size));
}

}  // namespace

absl::StatusOr<absl::Cord> ForwardingTransport::Read(size_t max_bytes) {
  absl::StatusOr<absl::Cord> data = inner_->Read(max_bytes);
  if (data.ok() && data->size() > max_bytes) {
    return ReadTooMuch(max_bytes, data->size());
  }
  return data;
}

absl::Status ForwardingTransport::Write(Outgoing& data) {
  absl::Status status = inner_->Write(data);
  if (!status.ok() && data.accepted() > data.size()) {
    return absl::InternalError(
        absl::StrCat("more accepted (", data.accepted(), ") than there was"));
  }
  return status;
}

std::string ForwardingTransport::Describe() const { return inner_->Describe(); }

absl::Status ForwardingTransport::EndWrite(const absl::Status& outcome,
                                           absl::Time deadline) {
  return inner_->EndWrite(outcome, deadline);
}

void ForwardingTransport::RefuseRead() { inner_->RefuseRead(); }

absl::Status ForwardingTransport::AwaitRemoteEnd(absl::Time deadline) {
  return inner_->AwaitRemoteEnd(deadline);
}

std::optional<absl::Status> ForwardingTransport::AwaitRefusal(
    absl::Time deadline) {
  return inner_->AwaitRefusal(deadline);
}

bool ForwardingTransport::CanBeRefused() const {
  return inner_->CanBeRefused();
}

void ForwardingTransport::Abort(const absl::Status& reason) {
  inner_->Abort(reason);
}

void ForwardingTransport::LoseRead() { inner_->LoseRead(); }

absl::Status ForwardingTransport::Free() { return inner_->Free(); }

void ForwardingTransport::FreeInChild() { inner_->FreeInChild(); }

std::optional<absl::StatusOr<absl::Cord>> ForwardingTransport::TryRead(
    size_t max_bytes, Retry* retry) {
  auto data = inner_->TryRead(max_bytes, retry);
  if (data.has_value() && data->ok() && (*data)->size() > max_bytes) {
    return ReadTooMuch(max_bytes, (*data)->size());
  }
  return data;
}

std::optional<absl::Status> ForwardingTransport::TryWrite(absl::Cord* rest,
                                                          Retry* retry) {
  const size_t size = rest->size();
  std::optional<absl::Status> status = inner_->TryWrite(rest, retry);
  if (rest->size() > size) {
    return absl::InternalError("a write was left with more than there was");
  }
  if (status.has_value() && status->ok() && !rest->empty()) {
    return absl::InternalError(absl::StrCat("said Ok and left ", rest->size(),
                                            " of ", size, " bytes"));
  }
  return status;
}

std::optional<absl::Status> ForwardingTransport::TryEndWrite(
    const absl::Status& outcome, Retry* retry) {
  return inner_->TryEndWrite(outcome, retry);
}

std::optional<absl::Status> ForwardingTransport::TryAwaitRemoteEnd(
    Retry* retry) {
  return inner_->TryAwaitRemoteEnd(retry);
}

std::optional<absl::Status> ForwardingTransport::TryAwaitRefusal(Retry* retry) {
  return inner_->TryAwaitRefusal(retry);
}

void ForwardingTransport::SetReadDeadline(absl::Time deadline) {
  inner_->SetReadDeadline(deadline);
}

void ForwardingTransport::SetWriteDeadline(absl::Time deadline) {
  inner_->SetWriteDeadline(deadline);
}

bool ForwardingTransport::IsLent() const { return inner_->IsLent(); }

bool ForwardingTransport::EndsEarly() const { return inner_->EndsEarly(); }

void ForwardingTransport::RefuseLender() { inner_->RefuseLender(); }

int64_t ForwardingTransport::BytesInTransit() const {
  return inner_->BytesInTransit();
}

std::string ForwardingTransport::LocalAddress() const {
  return inner_->LocalAddress();
}

std::string ForwardingTransport::RemoteAddress() const {
  return inner_->RemoteAddress();
}

absl::StatusOr<PeerCredentials> ForwardingTransport::Peer() const {
  return inner_->Peer();
}

}  // namespace flow
