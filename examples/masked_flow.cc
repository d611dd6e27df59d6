// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/masked_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"

namespace flow::examples {
namespace {

class MaskedFlow final : public ForwardingFlow {
 public:
  MaskedFlow(std::unique_ptr<Flow> inner, char key)
      : ForwardingFlow(std::move(inner)), key_(key) {}

  // Each final class does this, while its hooks still exist.
  ~MaskedFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    if (!data.ok()) return data;
    return absl::Cord(Masked(*data));
  }

  // Every form of a write comes here.
  absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted) override {
    absl::Cord plain;
    data.AppendTo(&plain);
    // As borrowed bytes, which obey the capacity of the inner flow.
    const std::string masked = Masked(plain);
    return ForwardingFlow::DoForwardWrite(Outgoing(absl::string_view(masked)),
                                          accepted);
  }

  std::string DoDescribe() const override { return "masked flow"; }

  std::string Masked(const absl::Cord& data) const {
    std::string bytes(data);
    for (char& byte : bytes) byte ^= key_;
    return bytes;
  }

  const char key_;
};

}  // namespace

std::unique_ptr<Flow> MakeMaskedFlow(std::unique_ptr<Flow> inner, char key) {
  return std::make_unique<MaskedFlow>(std::move(inner), key);
}

}  // namespace flow::examples
