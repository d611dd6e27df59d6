// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/prepend.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/compact.h"
#include "flow/internal/decorate_input.h"
#include "flow/transport.h"

namespace flow {
namespace {

class PrependTransport final : public ForwardingTransport {
 public:
  PrependTransport(std::unique_ptr<Transport> inner, absl::Cord bytes)
      : ForwardingTransport(std::move(inner)) {
    bytes_.Append(std::move(bytes));
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (bytes_.empty()) return ForwardingTransport::Read(max_bytes);
    return internal::Compact(bytes_.Take(std::min(max_bytes, bytes_.size())));
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    if (bytes_.empty()) return inner().ReadInto(space);
    return Transport::ReadInto(space);
  }

  bool CanStart() const override { return inner().CanStart(); }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    if (bytes_.empty()) return ForwardingTransport::TryRead(max_bytes, retry);
    return PrependTransport::Read(max_bytes);
  }

  void Abort(const absl::Status& reason) override {
    aborted_ = true;
    ForwardingTransport::Abort(reason);
  }

  absl::Status Free() override {
    // They have come from there, and nobody has had them.
    if (aborted_ && !bytes_.empty()) ForwardingTransport::LoseRead();
    bytes_.TakeAll();
    return ForwardingTransport::Free();
  }

 private:
  internal::ByteQueue bytes_;  // only a read and Free() touch it
  std::atomic<bool> aborted_{false};
};

}  // namespace

std::unique_ptr<Flow> PrependInput(absl::Cord bytes,
                                   std::unique_ptr<Flow> flow) {
  return internal::DecorateInput(std::move(flow),
                                 [&](std::unique_ptr<Transport> inner) {
                                   return std::make_unique<PrependTransport>(
                                       std::move(inner), std::move(bytes));
                                 });
}

}  // namespace flow
