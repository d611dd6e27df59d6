// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/ip_bits.h
//
// IP addresses of both kinds as numbers. Not for users of the library.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOW_INTERNAL_IP_BITS_H_
#define FLOW_INTERNAL_IP_BITS_H_

#include <optional>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

// ParseIpBits()
//
// Returns what the text of an IPv4 address (`127.0.0.1`) or of an IPv6 address
// (`::1`) means, or nothing if it is neither. The zone of an IPv6 address, as
// in `fe80::1%eth0`, is left out. An IPv4 address has the number of the IPv6
// address that it is mapped to, ::ffff:127.0.0.1 (RFC 4291, 2.5.5.2).
std::optional<absl::uint128> ParseIpBits(absl::string_view text);

// IsIpv4()
//
// Returns whether `bits` are an IPv4 address.
bool IsIpv4(absl::uint128 bits);

// Ipv4Text(), Ipv6Text()
//
// Return the usual text of `bits`.
std::string Ipv4Text(absl::uint128 bits);
std::string Ipv6Text(absl::uint128 bits);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_IP_BITS_H_
