// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/kept_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "flow/internal/kernel_address.h"
#include "flow/testing/allocation_counter.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

KernelAddress V4() {
  KernelAddress address;
  auto& in = reinterpret_cast<struct sockaddr_in&>(address.storage);
  in.sin_family = AF_INET;
  in.sin_port = htons(8080);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

KernelAddress V6() {
  KernelAddress address;
  auto& in6 = reinterpret_cast<struct sockaddr_in6&>(address.storage);
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(8080);
  in6.sin6_scope_id = 3;
  in6.sin6_addr = in6addr_loopback;
  return address;
}

KernelAddress UnnamedUnix() {
  KernelAddress address;
  address.storage.ss_family = AF_UNIX;
  address.size = sizeof(address.storage.ss_family);
  return address;
}

TEST(KeptAddressTest, IsTheSameAddress) {
  const KernelAddress kAddresses[] = {V4(),
                                      V6(),
                                      UnixAddress("/a/path"),
                                      UnixAddress("@name"),
                                      UnnamedUnix(),
                                      KernelAddress()};
  for (const KernelAddress& address : kAddresses) {
    const KeptAddress kept(address);
    EXPECT_EQ(kept.Get().ToString(), address.ToString());
    EXPECT_EQ(kept.Get().is_unix(), address.is_unix());
    EXPECT_EQ(kept.Get().path(), address.path());
  }
}

TEST(KeptAddressTest, OfAnIpConnectionNeedsNoBlock) {
  const KernelAddress addresses[] = {V4(), V6()};
  const testing::AllocationCounter counter;
  for (const KernelAddress& address : addresses) {
    const KeptAddress kept(address);
    EXPECT_EQ(kept.Get().size, address.storage.ss_family == AF_INET
                                   ? sizeof(struct sockaddr_in)
                                   : sizeof(struct sockaddr_in6));
  }
  EXPECT_EQ(counter.blocks(), 0);
  EXPECT_LE(sizeof(KeptAddress), 24u);
}

}  // namespace
}  // namespace flow::internal
