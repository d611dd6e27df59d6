// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A flow whose transport only forwards is as good as the one underneath, and a
// decorator overrides what it wants to change. decorate_flow_test.cc has what
// follows when it fails.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
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

constexpr size_t kCapacity = 4096;

// Puts a `T` on top of `flow`.
template <typename T>
std::unique_ptr<Flow> With(std::unique_ptr<Flow> flow) {
  return DecorateFlow(std::move(flow),
                      [](std::unique_ptr<Transport> underneath) {
                        return std::make_unique<T>(std::move(underneath));
                      });
}

// Changes nothing.
class PlainTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
};

// --- The contract

ConformanceOptions PlainFlows(size_t capacity) {
  ConformanceOptions options;
  options.name = absl::StrCat("capacity_", capacity);
  options.make_pair = [capacity] {
    Pipe pipe = MakePipe(capacity);
    return FlowPair{With<PlainTransport>(std::move(pipe.left)),
                    With<PlainTransport>(std::move(pipe.right))};
  };
  options.make_full = options.make_pair;
  options.more_than_full = 16 << 10;
  return options;
}

INSTANTIATE_TEST_SUITE_P(ForwardingTransport, FlowConformanceTest,
                         ::testing::Values(PlainFlows(0),
                                           PlainFlows(kCapacity)),
                         ConformanceName);

// --- Writes

// Borrowed bytes are accepted up to the capacity exactly, Cords whole.
TEST(ForwardingTransportTest, EveryFormOfAWriteKeepsItsForm) {
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
    auto flow = With<PlainTransport>(std::move(pipe.left));
    flow->SetWriteDeadline(absl::InfinitePast());
    const bool borrowed = form < 2;
    const absl::Status status = form == 0   ? flow->Write(view)
                                : form == 1 ? flow->Writev(views)
                                : form == 2 ? flow->Write(cord)
                                            : flow->Writev(cords);
    EXPECT_EQ(absl::IsDeadlineExceeded(status), borrowed) << status;
    const size_t accepted = borrowed ? kCapacity : large.size();
    EXPECT_EQ(flow->bytes_written(), accepted);
    EXPECT_THAT(pipe.right->Read(), HoldsData(large.substr(0, accepted)));
  }
}

TEST(ForwardingTransportTest, ARefusalOfTheRemoteLeavesReadsAlone) {
  Pipe pipe = MakePipe();
  auto flow = With<PlainTransport>(std::move(pipe.left));
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(flow->Write("x"), IsClosed());
  ASSERT_THAT(pipe.right->Write("still here"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("still here"));
}

// --- Claims of the transport underneath

// Reads and accepts one byte more than there may be, and fails each write.
class BoastfulTransport final : public Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return absl::Cord(std::string(max_bytes + 1, 'x'));
  }
  absl::Status Write(Outgoing& data) override {
    data.Accept(data.size() + 1);
    return absl::DeadlineExceededError("late");
  }
  std::string Describe() const override { return "boastful"; }
};

// Reads and writes less at once than the Flow asks for.
class PieceTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t) override {
    return ForwardingTransport::Read(1);
  }
  absl::Status Write(Outgoing& data) override {
    const absl::Cord first = data.TakeCord().Subcord(0, 1);
    Outgoing piece{Buffer(first)};
    absl::Status status = ForwardingTransport::Write(piece);
    data.Accept(piece.accepted());
    return status;
  }
};

TEST(ForwardingTransportTest, AClaimThatOnlyTheDecoratorCanCheckIsInternal) {
  auto flow =
      With<PieceTransport>(MakeFlow(std::make_unique<BoastfulTransport>()));
  EXPECT_THAT(flow->Read(100), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(flow->bytes_read(), 0);
  EXPECT_THAT(flow->Write("abc"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kInternal));
}

// --- Derived classes that change something

// Makes capitals of all letters, both ways.
class CapitalTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) *data = absl::AsciiStrToUpper(std::string(*data));
    return data;
  }

  absl::Status Write(Outgoing& data) override {
    std::string bytes;
    data.ForEachPiece([&](absl::string_view piece) { bytes.append(piece); });
    EXPECT_EQ(bytes.size(), data.size());
    absl::AsciiStrToUpper(&bytes);
    Outgoing capitals{Buffer(bytes)};
    absl::Status status = ForwardingTransport::Write(capitals);
    data.Accept(capitals.accepted());
    return status;
  }
};

TEST(ForwardingTransportTest, OneFunctionSeesEveryFormOfAWrite) {
  Pipe pipe = MakePipe();
  auto flow = With<CapitalTransport>(std::move(pipe.left));
  ASSERT_THAT(flow->Write("a"), IsOk());
  ASSERT_THAT(flow->Write(absl::Cord("b")), IsOk());
  ASSERT_THAT(flow->Writev({"c", "", absl::Cord("d")}), IsOk());
  ASSERT_THAT(
      flow->Writev(std::vector<absl::Cord>{absl::Cord("e"), absl::Cord("f")}),
      IsOk());
  absl::Cord source("g");
  ASSERT_THAT(flow->WriteFrom(&source), IsOk());
  EXPECT_EQ(source, "");
  EXPECT_THAT(pipe.right->Read(), HoldsData("ABCDEFG"));
}

TEST(ForwardingTransportTest, WhatItsOwnWriteAcceptedIsWhatIsCounted) {
  Pipe pipe = MakePipe(3);
  auto flow = With<CapitalTransport>(std::move(pipe.left));
  flow->SetWriteDeadline(absl::InfinitePast());
  absl::Cord source("abcde");
  EXPECT_TRUE(absl::IsDeadlineExceeded(flow->WriteFrom(&source)));
  EXPECT_EQ(flow->bytes_written(), 3);
  EXPECT_EQ(source, "de");
  EXPECT_THAT(pipe.right->Read(), HoldsData("ABC"));
}

TEST(ForwardingTransportTest, ReadIntoGoesThroughRead) {
  Pipe pipe = MakePipe();
  auto flow = With<CapitalTransport>(std::move(pipe.left));
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  char space[2];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(2));
  EXPECT_EQ(absl::string_view(space, 2), "AB");
  EXPECT_THAT(flow->Read(), IsOkAndHolds("C"));
}

}  // namespace
}  // namespace flow
