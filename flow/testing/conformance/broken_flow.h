// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/conformance/broken_flow.h
//
// Flows that break the contract in one way each, for the test of the suite of
// conformance.h: a transport with a defect on top of a correct one.
//
// Only for that test.

#ifndef FLOW_TESTING_CONFORMANCE_BROKEN_FLOW_H_
#define FLOW_TESTING_CONFORMANCE_BROKEN_FLOW_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::testing::conformance {

// The base of those that write otherwise than they were told.
class DefectiveTransport : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;

 protected:
  // Whether this is a write of one buffer, borrowed or not.
  static bool IsBorrowed(const Outgoing& data) {
    return data.count() == 1 && data.is_borrowed();
  }
  static bool IsShared(const Outgoing& data) {
    return data.count() == 1 && !data.is_borrowed();
  }

  // Writes `piece`, and counts what was accepted of it as accepted of `data`.
  absl::Status WritePiece(Buffer piece, Outgoing& data) {
    Outgoing out(piece);
    absl::Status status = inner().Write(out);
    data.Accept(status.ok() ? out.size() : out.accepted());
    return status;
  }
};

// Knows which calls are under way, and how much was written.
class WatchingTransport : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    reading_ = true;
    absl::StatusOr<absl::Cord> data = inner().Read(max_bytes);
    reading_ = false;
    return data;
  }
  absl::Status Write(Outgoing& data) override {
    writing_ = true;
    absl::Status status = inner().Write(data);
    writing_ = false;
    written_ += status.ok() ? data.size() : data.accepted();
    return status;
  }
  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    awaiting_ = true;
    absl::Status status = inner().AwaitRemoteEnd(deadline);
    awaiting_ = false;
    return status;
  }

 protected:
  std::atomic<bool> reading_{false};
  std::atomic<bool> writing_{false};
  std::atomic<bool> awaiting_{false};
  std::atomic<size_t> written_{0};
};

// Makes a correct flow a broken one.
using Plant = std::function<std::unique_ptr<Flow>(std::unique_ptr<Flow>)>;

// A kind of broken flow, and which checks must notice.
//
//   Defect::Of<LosesAByte>("LosesAByte").Fails({"CarriesAMebibyte"})
struct Defect {
  template <typename Defective>
  static Defect Of(std::string name) {
    return By(std::move(name), [](std::unique_ptr<Flow> flow) {
      return DecorateFlow(
          std::move(flow), [](std::unique_ptr<Transport> inner) {
            return std::make_unique<Defective>(std::move(inner));
          });
    });
  }
  static Defect By(std::string name, Plant plant) {
    Defect defect;
    defect.name = std::move(name);
    defect.plant = std::move(plant);
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
