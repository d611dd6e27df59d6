// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: ip_network.h
//
// IpNetwork is a range of IP addresses, such as 10.0.0.0/8: what an access list
// is made of.
//
//   const IpNetwork ours = IpNetwork::Parse("10.0.0.0/8").value();
//   const absl::StatusOr<SocketAddress> remote =
//       SocketAddress::Parse((*flow)->remote_address());
//   if (!remote.ok() || !ours.Contains(*remote)) return;  // not one of ours
//
//   // Whom not to dial, whatever name is asked for.
//   DialOptions options;  // socket_options.h
//   options.may_dial = [&](const SocketAddress& address) {
//     return !ours.Contains(address) && !address.is_loopback();
//   };
//
// When not to use it: on the address that Dial() is given. That may be a name,
// which is in no network, and can mean any address. DialOptions::may_dial is
// asked about the addresses that the name turns out to have.
//
// Thread safety: that of a value.

#ifndef FLOW_IP_NETWORK_H_
#define FLOW_IP_NETWORK_H_

#include <string>
#include <utility>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/socket_address.h"

namespace flow {

// IpNetwork
//
// An IPv6 address that an IPv4 address is mapped to (::ffff:10.0.0.1) counts as
// that one, as does a network of such addresses: a socket that serves both
// kinds says so. 0.0.0.0/0 is all of IPv4, and ::/0 is all of IPv6.
class IpNetwork {
 public:
  // IpNetwork::Parse()
  //
  // Returns the network that `text` says: `10.0.0.0/8`, `fd00::/8`, or an
  // address that stands for itself alone. kInvalidArgument says what is wrong
  // with it. Bits beyond the prefix (10.0.0.1/8) are likely a slip, and a zone
  // (fe80::%eth0/10) would not be looked at, so neither is taken.
  static absl::StatusOr<IpNetwork> Parse(absl::string_view text);

  // IpNetwork::Contains()
  //
  // Returns whether `address` is a numeric IP address in this network, whatever
  // its port and its zone. A name and a Unix socket are in no network.
  bool Contains(const SocketAddress& address) const;

  // IpNetwork::ToString()
  //
  // Returns the text of it, always with the length of the prefix.
  std::string ToString() const;

  friend bool operator==(const IpNetwork& a, const IpNetwork& b) {
    return a.bits_ == b.bits_ && a.prefix_ == b.prefix_;
  }
  friend bool operator!=(const IpNetwork& a, const IpNetwork& b) {
    return !(a == b);
  }
  template <typename H>
  friend H AbslHashValue(H state, const IpNetwork& network) {
    return H::combine(std::move(state), network.bits_, network.prefix_);
  }

 private:
  IpNetwork(absl::uint128 bits, int prefix) : bits_(bits), prefix_(prefix) {}

  // As of IPv6; internal/ip_bits.h says how an IPv4 address becomes one.
  absl::uint128 bits_;
  int prefix_;
};

}  // namespace flow

#endif  // FLOW_IP_NETWORK_H_
