// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/ip_network.h"

#include <optional>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/escaped.h"
#include "flow/internal/ip_bits.h"
#include "flow/socket_address.h"

namespace flow {
namespace {

constexpr int kAllBits = 128;
constexpr int kBitsOfIpv4 = 32;

absl::Status NotANetwork(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", internal::Escaped(text), "' is not a network: ", why));
}

// Returns the bits that a prefix of this length decides.
absl::uint128 Mask(int prefix) {
  if (prefix == 0) return 0;
  return absl::Uint128Max() << (kAllBits - prefix);
}

}  // namespace

absl::StatusOr<IpNetwork> IpNetwork::Parse(absl::string_view text) {
  const absl::string_view number = text.substr(0, text.find('/'));
  if (absl::StrContains(number, '%')) {
    return NotANetwork(text, "it has a zone (%), and networks have none");
  }
  const std::optional<absl::uint128> bits = internal::ParseIpBits(number);
  if (!bits.has_value()) {
    return NotANetwork(text,
                       "it begins with no IP address in numbers, as in "
                       "10.0.0.0/8 or fd00::/8");
  }
  int prefix = kAllBits;
  if (number.size() < text.size()) {
    const absl::string_view length = text.substr(number.size() + 1);
    // ::ffff:10.0.0.0/104 is written as IPv6.
    const int most = absl::StrContains(number, ':') ? kAllBits : kBitsOfIpv4;
    if (!absl::c_all_of(length, absl::ascii_isdigit) ||
        !absl::SimpleAtoi(length, &prefix) || prefix > most) {
      return NotANetwork(
          text, absl::StrCat("the length of its prefix is 0 to ", most));
    }
    prefix += kAllBits - most;
  }
  const IpNetwork network(*bits & Mask(prefix), prefix);
  if (network.bits_ != *bits) {
    return NotANetwork(text,
                       absl::StrCat("it has bits beyond its prefix; write ",
                                    network.ToString()));
  }
  return network;
}

bool IpNetwork::Contains(const SocketAddress& address) const {
  const std::optional<absl::uint128> bits =
      internal::ParseIpBits(address.host());
  return bits.has_value() &&
         internal::IsIpv4(*bits) == internal::IsIpv4(bits_) &&
         (*bits & Mask(prefix_)) == bits_;
}

std::string IpNetwork::ToString() const {
  if (!internal::IsIpv4(bits_)) {
    return absl::StrCat(internal::Ipv6Text(bits_), "/", prefix_);
  }
  return absl::StrCat(internal::Ipv4Text(bits_), "/",
                      prefix_ - (kAllBits - kBitsOfIpv4));
}

}  // namespace flow
