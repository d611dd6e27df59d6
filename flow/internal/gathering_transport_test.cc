// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/gathering_transport.h"

#include <limits.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Le;

// Sends at most `most` bytes at a time, and `room` bytes in all.
class SendingTransport final : public GatheringTransport {
 public:
  SendingTransport(size_t most, size_t room) : most_(most), room_(room) {}

  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  std::string Describe() const override { return "sending transport"; }

  std::string sent;
  std::vector<size_t> pieces;   // of each call
  const char* stack = nullptr;  // where it was in the last one

 protected:
  absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) override {
    pieces.push_back(list.size());
    stack = static_cast<const char*>(__builtin_frame_address(0));
    const size_t left = std::min(most_, room_ - sent.size());
    if (left == 0) return absl::DataLossError("no room");
    size_t n = 0;
    for (const struct iovec& piece : list) {
      EXPECT_GT(piece.iov_len, 0);
      const size_t size = std::min(piece.iov_len, left - n);
      sent.append(static_cast<const char*>(piece.iov_base), size);
      n += size;
    }
    return n;
  }

 private:
  const size_t most_;
  const size_t room_;
};

const std::vector<absl::string_view> kViews = {"abc", "", "d", "efgh", ""};

TEST(GatheringTransportTest, WhatWasSentInPartGoesOnWhereItStopped) {
  for (size_t most = 1; most <= 9; ++most) {
    SendingTransport transport(most, 100);
    Outgoing data{absl::MakeConstSpan(kViews)};
    EXPECT_THAT(transport.Write(data), IsOk());
    EXPECT_EQ(transport.sent, "abcdefgh") << most;
    EXPECT_EQ(data.accepted(), 8) << most;
  }
}

TEST(GatheringTransportTest, AnErrorLeavesTheCountOfWhatWasSentBefore) {
  for (size_t room = 0; room < 8; ++room) {
    SendingTransport transport(2, room);
    Outgoing data{absl::MakeConstSpan(kViews)};
    EXPECT_THAT(transport.Write(data), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(data.accepted(), room);
  }
}

TEST(GatheringTransportTest, OneCallIsShownAllThatTheKernelTakes) {
  for (const size_t n : {1, 2, 15, 16, 17, 18, IOV_MAX - 1, IOV_MAX}) {
    const std::vector<absl::string_view> views(n, "x");
    SendingTransport transport(n, n);
    Outgoing data{absl::MakeConstSpan(views)};
    EXPECT_THAT(transport.Write(data), IsOk());
    EXPECT_THAT(transport.pieces, ElementsAre(n));
    EXPECT_EQ(data.accepted(), n);
  }
}

// Each thread of a server would have to have as much.
TEST(GatheringTransportTest, AShortListNeedsLittleOfTheStack) {
  SendingTransport transport(100, 100);
  Outgoing data{absl::MakeConstSpan(kViews)};
  EXPECT_THAT(transport.Write(data), IsOk());
  const char* const here = static_cast<const char*>(__builtin_frame_address(0));
  EXPECT_LT(here - transport.stack, 8 << 10);
}

TEST(GatheringTransportTest, NoListIsLongerThanTheKernelTakes) {
  const std::vector<absl::string_view> views(2 * IOV_MAX + 1, "x");
  SendingTransport transport(10 * IOV_MAX, 10 * IOV_MAX);
  Outgoing data{absl::MakeConstSpan(views)};
  EXPECT_THAT(transport.Write(data), IsOk());
  EXPECT_EQ(transport.sent, std::string(views.size(), 'x'));
  EXPECT_EQ(transport.pieces.size(), 3);
  EXPECT_THAT(transport.pieces, Each(Le(IOV_MAX)));
}

TEST(GatheringTransportTest, AfterAnErrorNoFurtherListIsSent) {
  const std::vector<absl::string_view> views(3 * IOV_MAX, "x");
  SendingTransport transport(10 * IOV_MAX, IOV_MAX + 5);
  Outgoing data{absl::MakeConstSpan(views)};
  EXPECT_THAT(transport.Write(data), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(data.accepted(), IOV_MAX + 5);
  // The second one was sent in part, and its rest met the error.
  EXPECT_EQ(transport.pieces.size(), 3);
}

}  // namespace
}  // namespace flow::internal
