// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/listening_socket.h"

#include <string>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/resolve.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::OpenDescriptors;

KernelAddress Address(absl::string_view text) {
  const absl::StatusOr<SocketAddress> name = SocketAddress::Parse(text);
  ABSL_CHECK_OK(name.status());
  const absl::StatusOr<std::vector<KernelAddress>> addresses =
      Resolve(*name, /*to_listen=*/true, MonotonicDeadline());
  ABSL_CHECK_OK(addresses.status());
  return addresses->front();
}

absl::StatusOr<std::vector<ListeningSocket>> ListenOnAll(
    const std::vector<KernelAddress>& addresses) {
  return internal::ListenOnAll(addresses, ListenOptions());
}

std::string PortOf(const ListeningSocket& socket) {
  const std::string text = socket.address.ToString();
  return text.substr(text.rfind(':') + 1);
}

TEST(ListenOnAllTest, IsOnOnePort) {
  for (int round = 0; round < 20; ++round) {
    const absl::StatusOr<std::vector<ListeningSocket>> sockets =
        ListenOnAll({Address("tcp:127.0.0.1:0"), Address("tcp:127.0.0.2:0"),
                     Address("tcp:[::1]:0")});
    ASSERT_THAT(sockets, IsOk());
    ASSERT_GE(sockets->size(), 2) << "IPv4 at least";
    EXPECT_NE(PortOf(sockets->front()), "0");
    for (const ListeningSocket& socket : *sockets) {
      EXPECT_EQ(PortOf(socket), PortOf(sockets->front()));
    }
    EXPECT_TRUE(
        absl::StartsWith((*sockets)[1].address.ToString(), "tcp:127.0.0.2:"));
  }
}

TEST(ListenOnAllTest, AnyAddressOfBothKindsIsTwo) {
  EXPECT_THAT(ListenOnAll({Address("tcp:[::]:0"), Address("tcp:0.0.0.0:0")}),
              IsOk());
}

TEST(ListenOnAllTest, WithoutOneOfThemThereIsNone) {
  const absl::StatusOr<std::vector<ListeningSocket>> taken =
      ListenOnAll({Address("tcp:127.0.0.2:0")});
  ASSERT_THAT(taken, IsOk());
  const std::string port = PortOf(taken->front());
  const size_t before = OpenDescriptors();
  EXPECT_THAT(ListenOnAll({Address(absl::StrCat("tcp:127.0.0.1:", port)),
                           Address(absl::StrCat("tcp:127.0.0.2:", port))}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ListenOnAllTest, WhatThisMachineDoesNotHaveIsLeftOut) {
  // RFC 5737: for documentation, so no machine has it.
  const KernelAddress elsewhere = Address("tcp:192.0.2.1:0");
  KernelAddress unknown = elsewhere;
  unknown.storage.ss_family = 9999;
  const absl::StatusOr<std::vector<ListeningSocket>> sockets =
      ListenOnAll({elsewhere, unknown, Address("tcp:127.0.0.1:0")});
  ASSERT_THAT(sockets, IsOk());
  EXPECT_EQ(sockets->size(), 1);
  EXPECT_THAT(ListenOnAll({elsewhere, unknown}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace flow::internal
