// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/masked_flow.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::examples {
namespace {

class MaskedTransport final : public ForwardingTransport {
 public:
  MaskedTransport(std::unique_ptr<Transport> inner, char key)
      : ForwardingTransport(std::move(inner)), key_(key) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) *data = Masked(std::string(*data));
    return data;
  }

  absl::Status Write(Outgoing& data) override {
    std::string plain;
    data.ForEachPiece([&](absl::string_view piece) { plain.append(piece); });
    // Borrowed bytes, so that the capacity underneath is obeyed.
    const std::string bytes = Masked(std::move(plain));
    Outgoing masked{Buffer(bytes)};
    absl::Status status = ForwardingTransport::Write(masked);
    data.Accept(masked.accepted());
    return status;
  }

  // Started calls, on any transport that can start.
  bool CanStart() const override { return inner().CanStart(); }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    auto data = ForwardingTransport::TryRead(max_bytes, retry);
    if (data.has_value() && data->ok()) **data = Masked(std::string(**data));
    return data;
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    // All tries of a write hand on the same Cord.
    if (masked_.empty()) masked_ = Masked(std::string(*rest));
    const size_t size = masked_.size();
    auto status = ForwardingTransport::TryWrite(&masked_, retry);
    rest->RemovePrefix(size - std::min(size, masked_.size()));
    // This was the last try.
    if (status.has_value() || retry == nullptr) masked_.Clear();
    return status;
  }

  std::string Describe() const override {
    return absl::StrCat("masked flow on ", ForwardingTransport::Describe());
  }

 private:
  std::string Masked(std::string bytes) const {
    for (char& byte : bytes) byte ^= key_;
    return bytes;
  }

  const char key_;
  absl::Cord masked_;  // what is left of a started write
};

}  // namespace

std::unique_ptr<Flow> MakeMaskedFlow(std::unique_ptr<Flow> flow, char key) {
  return DecorateFlow(
      std::move(flow), [key](std::unique_ptr<Transport> underneath) {
        return std::make_unique<MaskedTransport>(std::move(underneath), key);
      });
}

}  // namespace flow::examples
