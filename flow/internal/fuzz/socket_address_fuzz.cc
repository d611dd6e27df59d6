// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Addresses of sockets and networks: any text is one or is refused, and the
// text of it means the same; a Unix socket's comes back as it was after it was
// made the kernel's; any bytes that the kernel might have written are made text
// without reading beyond them, and that text is an address. What people are to
// read is printable.
//
// The input is the text of an address or of a network or, after a byte of 0,
// what is in a sockaddr. Names are not looked up.

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/escaped.h"
#include "flow/internal/kept_address.h"
#include "flow/internal/kernel_address.h"
#include "flow/ip_network.h"
#include "flow/socket_address.h"

namespace flow::internal {
namespace {

bool IsPrintable(absl::string_view text) {
  return absl::c_all_of(text, absl::ascii_isprint);
}

void CheckRefusal(const absl::Status& status) {
  ABSL_CHECK(absl::IsInvalidArgument(status)) << status;
  ABSL_CHECK(IsPrintable(status.message())) << status;
}

void CheckAddress(absl::string_view text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  if (!address.ok()) {
    CheckRefusal(address.status());
    return;
  }
  const absl::StatusOr<SocketAddress> again =
      SocketAddress::Parse(address->ToString());
  ABSL_CHECK_OK(again.status());
  ABSL_CHECK(*again == *address) << address->ToString();
  if (address->kind() == SocketAddress::Kind::kTcp) {
    ABSL_CHECK(address->path().empty());
    ABSL_CHECK(!address->port().empty());
    ABSL_CHECK(!absl::StrContains(address->port(), ':'));
    const bool brackets = absl::StrContains(text, "[");
    ABSL_CHECK_EQ(absl::StrContains(address->host(), ':'), brackets) << text;
    if (const std::optional<uint16_t> port = address->port_number()) {
      ABSL_CHECK(*SocketAddress::Tcp(address->host(), *port) == *address);
    }
    if (const std::string bytes = address->ip_bytes(); !bytes.empty()) {
      ABSL_CHECK_EQ(bytes.size(), brackets ? 16u : 4u) << text;
      const absl::StatusOr<SocketAddress> same = SocketAddress::Ip(bytes, 80);
      ABSL_CHECK_OK(same.status());
      const std::string& host = address->host();
      ABSL_CHECK_EQ(same->host(), host.substr(0, host.find('%')));
    }
    return;
  }
  ABSL_CHECK_EQ(address->ToString(), text);
  const KernelAddress kernel = UnixAddress(address->path());
  ABSL_CHECK_EQ(kernel.ToString(), text);
  const bool has_file = address->path()[0] != '@';
  ABSL_CHECK_EQ(kernel.path(), has_file ? address->path() : "");
}

void CheckNetwork(absl::string_view text) {
  const absl::StatusOr<IpNetwork> network = IpNetwork::Parse(text);
  if (!network.ok()) {
    CheckRefusal(network.status());
    return;
  }
  const std::string normal = network->ToString();
  const absl::StatusOr<IpNetwork> again = IpNetwork::Parse(normal);
  ABSL_CHECK_OK(again.status());
  ABSL_CHECK(*again == *network) << normal;
  // Its first address is in it.
  const absl::StatusOr<SocketAddress> first =
      SocketAddress::Tcp(normal.substr(0, normal.find('/')), 80);
  ABSL_CHECK_OK(first.status());
  ABSL_CHECK(network->Contains(*first)) << normal;
}

void CheckBytes(absl::string_view bytes) {
  KernelAddress address;
  address.size = static_cast<socklen_t>(
      std::min(bytes.size(), sizeof(struct sockaddr_un)));
  std::memcpy(&address.storage, bytes.data(), address.size);
  ABSL_CHECK_LE(address.path().size(), sizeof(sockaddr_un::sun_path));
  const std::string text = address.ToString();
  // Only a file of which the text is longer than the path can be too long.
  const size_t longest = sizeof("unix:") + sizeof(sockaddr_un::sun_path) - 2;
  ABSL_CHECK(text.empty() || text.size() > longest ||
             SocketAddress::Parse(text).ok())
      << Escaped(text);
  const KernelAddress none;
  ABSL_CHECK(IsPrintable(NameOfConnection(/*fd=*/-1, none, address)));
  ABSL_CHECK(IsPrintable(NameOfConnection(/*fd=*/-1, address, none)));
  ABSL_CHECK_EQ(KeptAddress(address).Get().ToString(), text);
}

}  // namespace
}  // namespace flow::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] == 0) {
    flow::internal::CheckBytes(input.substr(1));
  } else {
    flow::internal::CheckAddress(input);
    flow::internal::CheckNetwork(input);
  }
  return 0;
}
