// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/conformance/broken_flow.h
//
// Flows that break the contract in one way each, for the test of the suite of
// conformance.h: decorators of a correct flow, with a defect planted in a hook.
//
// Only for that test.

#ifndef FLOW_TESTING_CONFORMANCE_BROKEN_FLOW_H_
#define FLOW_TESTING_CONFORMANCE_BROKEN_FLOW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"

namespace flow::testing::conformance {

// Hooks of another flow that nothing public does alone. A class may take the
// address of a protected member that it inherits, and calls through it are
// virtual.
class HooksOf : public Flow {
 public:
  static absl::Status EndWrite(Flow& flow, const absl::Status& outcome) {
    return (flow.*&HooksOf::DoEndWrite)(outcome);
  }
  static absl::Status AwaitRemoteEnd(Flow& flow, absl::Time deadline) {
    return (flow.*&HooksOf::DoAwaitRemoteEnd)(deadline);
  }
};

// Forwards every call, and has no defect.
class FlawlessFlow : public Flow {
 public:
  explicit FlawlessFlow(std::unique_ptr<Flow> inner)
      : inner_(std::move(inner)) {}

 protected:
  Flow& inner() { return *inner_; }

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    return inner().Read(max_bytes);
  }
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    return Count(accepted, [&] { return inner().Write(std::move(buffer)); });
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    return Count(accepted, [&] { return inner().Write(buffer); });
  }
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    return Count(accepted, [&] { return inner().Writev(buffers); });
  }
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    return Count(accepted, [&] { return inner().Writev(buffers); });
  }
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok()) return inner().Shutdown(ShutdownMode::kWrite);
    return HooksOf::EndWrite(inner(), outcome);
  }
  void DoShutdownRead() override {
    inner().Shutdown(ShutdownMode::kRead).IgnoreError();
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    return HooksOf::AwaitRemoteEnd(inner(), deadline);
  }
  void DoAbort(const absl::Status& reason) override { inner().Abort(reason); }
  absl::Status DoFree() override {
    // The base has waited for the remote already.
    return inner().Close(absl::InfinitePast());
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    inner().SetWriteDeadline(deadline);
  }
  std::string DoDescribe() const override { return "flawless flow"; }

 private:
  template <typename Write>
  absl::Status Count(size_t* accepted, Write write) {
    const int64_t before = inner().bytes_written();
    absl::Status status = write();
    *accepted += inner().bytes_written() - before;
    return status;
  }

  const std::unique_ptr<Flow> inner_;
};

// The final class that every kind of flow needs.
template <typename Base>
class Final final : public Base {
 public:
  using Base::Base;
  ~Final() override { this->Destroy(); }
};

using Plant = std::function<std::unique_ptr<Flow>(std::unique_ptr<Flow>)>;

// Knows which calls are under way.
class WatchingFlow : public FlawlessFlow {
  using FlawlessFlow::FlawlessFlow;

 protected:
  std::atomic<bool> reading_{false};
  std::atomic<bool> writing_{false};
  std::atomic<bool> awaiting_{false};

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    reading_ = true;
    absl::StatusOr<absl::Cord> data = FlawlessFlow::DoRead(max_bytes);
    reading_ = false;
    return data;
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    writing_ = true;
    absl::Status status = FlawlessFlow::DoWriteBorrowed(buffer, accepted);
    writing_ = false;
    return status;
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    awaiting_ = true;
    absl::Status status = FlawlessFlow::DoAwaitRemoteEnd(deadline);
    awaiting_ = false;
    return status;
  }
};

// A kind of broken flow, and which checks must notice.
//
//   Defect::Of<LosesAByte>("LosesAByte").Fails({"CarriesAMebibyte"})
struct Defect {
  template <typename Defective>
  static Defect Of(std::string name) {
    Defect defect;
    defect.name = std::move(name);
    defect.plant = [](std::unique_ptr<Flow> inner) {
      return std::make_unique<Final<Defective>>(std::move(inner));
    };
    return defect;
  }

  // The checks that fail by an assertion, and those that hang; no others. The
  // first one is meant for the defect.
  Defect Fails(std::vector<std::string> checks) && {
    fail = std::move(checks);
    return std::move(*this);
  }
  Defect Hangs(std::vector<std::string> checks) && {
    hang = std::move(checks);
    return std::move(*this);
  }
  // Those that fail or hang sometimes, as threads have it.
  Defect MayFail(std::vector<std::string> checks) && {
    may_fail = std::move(checks);
    return std::move(*this);
  }

  friend void PrintTo(const Defect& defect, std::ostream* out) {
    *out << defect.name;
  }

  std::string name;
  // Makes a correct flow a broken one.
  Plant plant;
  std::vector<std::string> fail;
  std::vector<std::string> hang;
  std::vector<std::string> may_fail;
};

// By what they break.
std::vector<Defect> DefectsOfData();
std::vector<Defect> DefectsOfEnds();
std::vector<Defect> DefectsOfAborts();
std::vector<Defect> DefectsOfDeadlines();

}  // namespace flow::testing::conformance

#endif  // FLOW_TESTING_CONFORMANCE_BROKEN_FLOW_H_
