// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The example of transport.h, and the defaults of a transport.

#include "flow/transport.h"

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;

// As in transport.h.

// Reads from a string, and throws away what is written.
class StringTransport final : public flow::Transport {
 public:
  explicit StringTransport(absl::string_view text) : rest_(text) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::Cord data(rest_.substr(0, max_bytes));
    rest_.remove_prefix(data.size());
    return data;  // an empty one is end-of-file
  }
  absl::Status Write(flow::Outgoing&) override {
    return absl::OkStatus();  // all of it
  }
  std::string Describe() const override { return "string"; }

 private:
  absl::string_view rest_;
};

std::unique_ptr<flow::Flow> FromText() {
  std::unique_ptr<flow::Flow> flow =
      flow::MakeFlow(std::make_unique<StringTransport>("text"));
  return flow;
}

TEST(TransportTest, TwoFunctionsAndANameAreAFlow) {
  const auto flow = FromText();
  EXPECT_THAT(flow->Read(3), HoldsData("tex"));
  EXPECT_THAT(flow->Read(), HoldsData("t"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("thrown away"), IsOk());
  EXPECT_THAT(flow->Writev({"so ", absl::Cord("is this")}), IsOk());
  EXPECT_EQ(flow->bytes_read(), 4);
  EXPECT_EQ(flow->bytes_written(), 21);
  EXPECT_EQ(flow->DebugString(),
            "string [in: ended, 4 bytes; out: open, 21 bytes]");
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(flow->Read(), IsClosed());
  EXPECT_THAT(flow->Write("x"), IsClosed());
}

TEST(TransportTest, ReadIntoCopiesWhatReadReturns) {
  const auto flow = FromText();
  char space[3] = {};
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(3));
  EXPECT_EQ(absl::string_view(space, 3), "tex");
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(1));
  EXPECT_EQ(absl::string_view(space, 3), "tex");
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(0));
}

// Breaks its promise.
class EagerTransport final : public flow::Transport {
 public:
  absl::StatusOr<absl::Cord> Read(size_t) override {
    return absl::Cord("too much");
  }
  absl::Status Write(flow::Outgoing& data) override {
    data.Accept(data.size() + 1);
    return absl::DataLossError("torn");
  }
  std::string Describe() const override { return "eager"; }
};

TEST(TransportTest, MoreThanWasAskedForIsInternalAndNotSeen) {
  {
    const auto flow = flow::MakeFlow(std::make_unique<EagerTransport>());
    EXPECT_THAT(flow->Read(1), StatusIs(absl::StatusCode::kInternal));
    EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kInternal));
    EXPECT_EQ(flow->bytes_read(), 0);
  }
  const auto flow = flow::MakeFlow(std::make_unique<EagerTransport>());
  char space[2] = {};
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space, 1)),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(space[1], 0);
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(flow->bytes_written(), 0);
}

TEST(TransportTest, WithoutARemoteNothingIsWaitedFor) {
  EXPECT_THAT(FromText()->Close(absl::InfinitePast()), IsOk());
  EXPECT_THAT(FromText()->PatientClose(absl::ZeroDuration()), IsOk());
}

TEST(TransportTest, HasNoAddressesAndNoPeer) {
  const auto flow = FromText();
  EXPECT_EQ(flow->local_address(), "");
  EXPECT_EQ(flow->remote_address(), "");
  EXPECT_EQ(flow->bytes_in_transit(), 0);
  EXPECT_THAT(flow->peer(), StatusIs(absl::StatusCode::kUnimplemented));
  ASSERT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(flow->peer(), IsClosed());
}

TEST(TransportDeathTest, AFlowOnNoTransportEndsTheProgram) {
  EXPECT_DEATH(flow::MakeFlow(nullptr), "no transport");
}

}  // namespace
