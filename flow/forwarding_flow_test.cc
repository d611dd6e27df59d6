// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A flow that only forwards is as good as the flow underneath; and what a
// derived class changes has no consequences but those that the header names.

#include "flow/forwarding_flow.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/matchers.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;

constexpr size_t kCapacity = 4096;

// Changes nothing.
class PlainFlow final : public ForwardingFlow {
 public:
  explicit PlainFlow(std::unique_ptr<Flow> inner)
      : ForwardingFlow(std::move(inner)) {}
  ~PlainFlow() override { Destroy(); }

 private:
  std::string DoDescribe() const override { return "plain flow"; }
};

// --- The contract

ConformanceOptions PlainFlows(size_t capacity) {
  ConformanceOptions options;
  options.name = absl::StrCat("capacity_", capacity);
  options.make_pair = [capacity] {
    Pipe pipe = MakePipe(capacity);
    return FlowPair{std::make_unique<PlainFlow>(std::move(pipe.left)),
                    std::make_unique<PlainFlow>(std::move(pipe.right))};
  };
  options.make_full = options.make_pair;
  options.more_than_full = 16 << 10;
  return options;
}

INSTANTIATE_TEST_SUITE_P(ForwardingFlow, FlowConformanceTest,
                         ::testing::Values(PlainFlows(0),
                                           PlainFlows(kCapacity)),
                         ConformanceName);

// --- Writes

// Borrowed bytes are accepted up to the capacity exactly, Cords whole.
TEST(ForwardingFlowTest, EveryFormOfAWriteKeepsItsForm) {
  const std::string large(kCapacity + 1, 'x');
  const absl::string_view view = large;
  const absl::Cord cord(large);
  const std::vector<absl::string_view> views = {"", view.substr(0, 1), "",
                                                view.substr(1)};
  const std::vector<absl::Cord> cords = {absl::Cord(), cord.Subcord(0, 1),
                                         cord.Subcord(1, kCapacity)};
  for (int form = 0; form < 4; ++form) {
    SCOPED_TRACE(form);
    Pipe pipe = MakePipe(kCapacity);
    PlainFlow flow(std::move(pipe.left));
    flow.SetWriteDeadline(absl::InfinitePast());
    const bool borrowed = form < 2;
    const absl::Status status = form == 0   ? flow.Write(view)
                                : form == 1 ? flow.Writev(views)
                                : form == 2 ? flow.Write(cord)
                                            : flow.Writev(cords);
    EXPECT_EQ(absl::IsDeadlineExceeded(status), borrowed) << status;
    const size_t accepted = borrowed ? kCapacity : large.size();
    EXPECT_EQ(flow.bytes_written(), accepted);
    EXPECT_THAT(pipe.right->Read(), HoldsData(large.substr(0, accepted)));
  }
}

TEST(ForwardingFlowTest, ARefusalOfTheRemoteLeavesReadsAlone) {
  Pipe pipe = MakePipe();
  PlainFlow flow(std::move(pipe.left));
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow.Write("x"), IsClosed());
  ASSERT_THAT(pipe.right->Write("still here"), IsOk());
  EXPECT_THAT(flow.Read(), HoldsData("still here"));
}

// --- Derived classes that change something

// Makes capitals on the way out, and fails at a letter that has none.
class CapitalFlow final : public ForwardingFlow {
 public:
  explicit CapitalFlow(std::unique_ptr<Flow> inner)
      : ForwardingFlow(std::move(inner)) {}
  ~CapitalFlow() override { Destroy(); }

 private:
  absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted) override {
    std::vector<absl::string_view> pieces;
    data.AppendTo(&pieces);
    std::string bytes;
    for (absl::string_view piece : pieces) absl::StrAppend(&bytes, piece);
    EXPECT_EQ(bytes.size(), data.size());
    for (char& byte : bytes) {
      if (byte < 'a' || byte > 'z') {
        return absl::InvalidArgumentError("not a small letter");
      }
      byte = static_cast<char>(byte - 'a' + 'A');
    }
    return ForwardingFlow::DoForwardWrite(Outgoing(bytes), accepted);
  }
  std::string DoDescribe() const override { return "capital flow"; }
};

TEST(ForwardingFlowTest, OneHookSeesEveryFormOfAWrite) {
  Pipe pipe = MakePipe();
  CapitalFlow flow(std::move(pipe.left));
  ASSERT_THAT(flow.Write("a"), IsOk());
  ASSERT_THAT(flow.Write(absl::Cord("b")), IsOk());
  ASSERT_THAT(flow.Writev({"c", "", "d"}), IsOk());
  ASSERT_THAT(flow.Writev({absl::Cord("e"), absl::Cord("f")}), IsOk());
  absl::Cord source("g");
  ASSERT_THAT(flow.WriteFrom(&source), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("ABCDEFG"));
}

TEST(ForwardingFlowTest, AWriteThatFailsHereIsNoCleanEndForTheRemote) {
  Pipe pipe = MakePipe();
  auto flow = std::make_unique<CapitalFlow>(std::move(pipe.left));
  ASSERT_THAT(flow->Write("a"), IsOk());
  EXPECT_THAT(flow->Write("1"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(pipe.right->Read(), HoldsData("A"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kInvalidArgument));
}

// Reads up to a full stop. What it does there, the test says.
class SentenceFlow final : public ForwardingFlow {
 public:
  SentenceFlow(std::unique_ptr<Flow> inner, absl::Status outcome)
      : ForwardingFlow(std::move(inner)), outcome_(std::move(outcome)) {}
  ~SentenceFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t) override {
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(1);
    if (!data.ok() || *data != ".") return data;
    if (!outcome_.ok()) return outcome_;
    inner().Shutdown(ShutdownMode::kRead).IgnoreError();
    return absl::Cord();
  }
  std::string DoDescribe() const override { return "sentence flow"; }

  const absl::Status outcome_;
};

TEST(ForwardingFlowTest, AReadThatFailsHereDoesNotMakeCloseWait) {
  Pipe pipe = MakePipe();
  SentenceFlow flow(std::move(pipe.left), absl::DataLossError("torn"));
  ASSERT_THAT(pipe.right->Write("."), IsOk());
  EXPECT_THAT(flow.Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow.Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.right->Write("more"), StatusIs(absl::StatusCode::kAborted));
}

TEST(ForwardingFlowTest, AnEndOfItsOwnIsARefusalForTheRemote) {
  Pipe pipe = MakePipe();
  SentenceFlow flow(std::move(pipe.left), absl::OkStatus());
  ASSERT_THAT(pipe.right->Write("a.b"), IsOk());
  EXPECT_THAT(flow.Read(), IsOkAndHolds("a"));
  EXPECT_THAT(flow.Read(), IsEof());
  EXPECT_THAT(flow.Close(), IsOk());
  EXPECT_THAT(pipe.right->Write("more"), IsClosed());
  EXPECT_THAT(pipe.right->Read(), IsEof());
}

}  // namespace
}  // namespace flow
