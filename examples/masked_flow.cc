// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/masked_flow.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow::examples {
namespace {

class MaskedFlow final : public Flow {
 public:
  MaskedFlow(std::unique_ptr<Flow> inner, char key)
      : inner_(std::move(inner)), key_(key) {}

  // Each final class does this, while its hooks still exist.
  ~MaskedFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = inner_->Read(max_bytes);
    if (!data.ok()) return data;
    return absl::Cord(Masked(*data));
  }

  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    // As borrowed bytes, which obey the capacity of the inner flow. What that
    // counts is right also when it fails half-way.
    const int64_t before = inner_->bytes_written();
    const std::string bytes = Masked(buffer);
    absl::Status status = inner_->Write(absl::string_view(bytes));
    *accepted = static_cast<size_t>(inner_->bytes_written() - before);
    return status;
  }

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok()) return inner_->Shutdown(ShutdownMode::kWrite);
    // A stream that broke must not look as if it had ended.
    inner_->Abort(outcome);
    return absl::OkStatus();
  }

  void DoShutdownRead() override {
    inner_->Shutdown(ShutdownMode::kRead).IgnoreError();
  }

  // The inner flow is closed here already, as only here there is a deadline.
  // DoFree() gets the same result at once.
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    return inner_->Close(deadline);
  }

  void DoAbort(const absl::Status& reason) override { inner_->Abort(reason); }

  absl::Status DoFree() override { return inner_->Close(); }

  void DoSetReadDeadline(absl::Time deadline) override {
    inner_->SetReadDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    inner_->SetWriteDeadline(deadline);
  }

  std::string DoDescribe() const override { return "masked flow"; }

  std::string Masked(const absl::Cord& data) const {
    std::string bytes(data);
    for (char& byte : bytes) byte ^= key_;
    return bytes;
  }

  const std::unique_ptr<Flow> inner_;
  const char key_;
};

}  // namespace

std::unique_ptr<Flow> MakeMaskedFlow(std::unique_ptr<Flow> inner, char key) {
  return std::make_unique<MaskedFlow>(std::move(inner), key);
}

}  // namespace flow::examples
