// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "meter.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace {

class MeterTransport final : public flow::ForwardingTransport {
 public:
  MeterTransport(std::unique_ptr<flow::Transport> inner, Meter* meter)
      : ForwardingTransport(std::move(inner)), meter_(*meter) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) meter_.bytes_read += static_cast<int64_t>(data->size());
    return data;
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    const absl::StatusOr<size_t> size = inner().ReadInto(space);
    if (size.ok()) meter_.bytes_read += static_cast<int64_t>(*size);
    return size;
  }

  absl::Status Write(flow::Outgoing& data) override {
    absl::Status status = ForwardingTransport::Write(data);
    meter_.bytes_written +=
        static_cast<int64_t>(status.ok() ? data.size() : data.accepted());
    return status;
  }

 private:
  Meter& meter_;
};

}  // namespace

std::unique_ptr<flow::Flow> MeterFlow(std::unique_ptr<flow::Flow> flow,
                                      Meter* meter) {
  return flow::DecorateFlow(
      std::move(flow), [meter](std::unique_ptr<flow::Transport> inner) {
        return std::make_unique<MeterTransport>(std::move(inner), meter);
      });
}
