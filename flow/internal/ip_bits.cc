// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/ip_bits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/strings/string_view.h"

namespace flow::internal {
namespace {

constexpr absl::uint128 kIpv4Mapped = absl::uint128(0xffff) << 32;

}  // namespace

std::optional<absl::uint128> ParseIpBits(absl::string_view text) {
  std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  struct in_addr in;
  if (::inet_pton(AF_INET, terminated.c_str(), &in) == 1) {
    return kIpv4Mapped | ntohl(in.s_addr);
  }
  terminated.resize(std::min(terminated.size(), terminated.find('%')));
  struct in6_addr in6;
  if (::inet_pton(AF_INET6, terminated.c_str(), &in6) != 1) return std::nullopt;
  absl::uint128 bits = 0;
  for (const uint8_t byte : in6.s6_addr) bits = bits << 8 | byte;
  return bits;
}

bool IsIpv4(absl::uint128 bits) { return (bits >> 32) == (kIpv4Mapped >> 32); }

std::string Ipv4Text(absl::uint128 bits) {
  struct in_addr in;
  in.s_addr = htonl(static_cast<uint32_t>(absl::Uint128Low64(bits)));
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &in, text, sizeof(text));
  return text;
}

std::string Ipv6Text(absl::uint128 bits) {
  struct in6_addr in6;
  for (int i = 15; i >= 0; --i, bits >>= 8) {
    in6.s6_addr[i] = static_cast<uint8_t>(absl::Uint128Low64(bits));
  }
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET6, &in6, text, sizeof(text));
  return text;
}

}  // namespace flow::internal
