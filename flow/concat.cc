// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/concat.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/size_of.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

// Flows that are closed already ignore a deadline, a refusal and an abort, so
// these go to all of them. No flow is destroyed before the transport is.
class ConcatTransport final : public Transport {
 public:
  explicit ConcatTransport(std::vector<std::unique_ptr<Flow>> inputs)
      : name_(absl::StrCat(inputs.size(),
                           inputs.size() == 1 ? " input" : " inputs",
                           " in turn")),
        inputs_(std::move(inputs)) {
    for (const std::unique_ptr<Flow>& input : inputs_) {
      ABSL_CHECK(input != nullptr) << "an input that is null";
    }
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return ReadBy<absl::Cord>(
        [&](Flow& input) { return input.Read(max_bytes); });
  }
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    return ReadBy<size_t>([&](Flow& input) { return input.ReadInto(space); });
  }
  absl::Status Write(Outgoing&) override {
    return ClosedError("inputs in turn take no writes");
  }

  void RefuseRead() override {
    refused_ = true;
    for (const std::unique_ptr<Flow>& input : inputs_) {
      input->Shutdown(ShutdownMode::kRead).IgnoreError();  // Close() returns it
    }
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    RefuseRead();
    absl::Status status;
    for (const std::unique_ptr<Flow>& input : inputs_) {
      status.Update(input->Close(deadline));
    }
    return status;
  }

  // A transport on top may have left inputs that are not closed.
  bool EndsEarly() const override { return true; }

  void Abort(const absl::Status& reason) override {
    for (const std::unique_ptr<Flow>& input : inputs_) input->Abort(reason);
  }
  void LoseRead() override {
    if (current_ == inputs_.size()) return;
    internal::FlowAccess::Core(*inputs_[current_]).LoseRead();
  }

  void SetReadDeadline(absl::Time deadline) override {
    for (const std::unique_ptr<Flow>& input : inputs_) {
      input->SetReadDeadline(deadline);
    }
  }

  std::string Describe() const override { return name_; }

  absl::Status Free() override {
    inputs_.clear();
    return absl::OkStatus();
  }

 private:
  template <typename Data, typename ReadOne>
  absl::StatusOr<Data> ReadBy(ReadOne read) {
    while (current_ < inputs_.size()) {
      Flow& input = *inputs_[current_];
      absl::StatusOr<Data> data = read(input);
      if (!data.ok() || internal::SizeOf(*data) != 0) return data;
      // It may be the refusal that has ended the input.
      if (refused_) return ClosedError("what was not read is refused");
      absl::Status status = input.Close();
      if (!status.ok()) return status;
      ++current_;
    }
    return Data();
  }

  const std::string name_;
  std::vector<std::unique_ptr<Flow>> inputs_;
  size_t current_ = 0;  // only a read and what follows it touch it
  std::atomic<bool> refused_{false};
};

}  // namespace

std::unique_ptr<Flow> ConcatInputs(std::vector<std::unique_ptr<Flow>> inputs) {
  return MakeFlow(std::make_unique<ConcatTransport>(std::move(inputs)));
}

}  // namespace flow
