// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/kernel_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/socket_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::testing::HasSubstr;

// As the kernel returns it of a socket that was bound to the file `path`.
KernelAddress FileAddress(absl::string_view path) {
  KernelAddress address;
  auto& un = reinterpret_cast<struct sockaddr_un&>(address.storage);
  un.sun_family = AF_UNIX;
  path.copy(un.sun_path, sizeof(un.sun_path) - 1);
  address.size = static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) +
                                        path.size() + 1);
  return address;
}

TEST(KernelAddressTest, OfAFileIsReadBackAsThatFile) {
  for (const auto& [path, text] :
       {std::pair<const char*, const char*>("/run/socket", "unix:/run/socket"),
        {"socket", "unix:socket"},
        // Not an abstract name, and not a URL.
        {"@socket", "unix:./@socket"},
        {"//run/socket", "unix:/.//run/socket"}}) {
    EXPECT_EQ(FileAddress(path).ToString(), text);
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    ASSERT_THAT(address, IsOk());
    EXPECT_THAT(address->path(), HasSubstr(path));
    EXPECT_EQ(UnixAddress(address->path()).path(), address->path());
  }
}

TEST(KernelAddressTest, OfTcpHasItsPortAndTheInterfaceThatItNeeds) {
  KernelAddress address;
  auto& in = reinterpret_cast<struct sockaddr_in&>(address.storage);
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(0x7f000001);
  in.sin_port = htons(8080);
  EXPECT_EQ(address.ToString(), "tcp:127.0.0.1:8080");
  auto& in6 = reinterpret_cast<struct sockaddr_in6&>(address.storage);
  in6 = {};
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = in6addr_loopback;
  in6.sin6_port = htons(8080);
  EXPECT_EQ(address.ToString(), "tcp:[::1]:8080");
  in6.sin6_scope_id = 3;
  EXPECT_EQ(address.ToString(), "tcp:[::1%3]:8080");
}

TEST(KernelAddressTest, WithoutANameIsEmpty) {
  EXPECT_EQ(KernelAddress().ToString(), "");
  KernelAddress unnamed;
  unnamed.storage.ss_family = AF_UNIX;
  unnamed.size = sizeof(unnamed.storage.ss_family);
  EXPECT_EQ(unnamed.ToString(), "");
  EXPECT_EQ(NameOfConnection(7, KernelAddress(), KernelAddress()),
            "socket (fd 7)");
}

}  // namespace
}  // namespace flow::internal
