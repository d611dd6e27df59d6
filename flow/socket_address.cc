// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
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
#include "absl/strings/strip.h"
#include "flow/internal/escaped.h"
#include "flow/internal/ip_bits.h"

namespace flow {
namespace {

// Of the name of a host (RFC 1035, 2.3.4).
constexpr size_t kLongestHost = 255;

constexpr size_t kIpv4Bytes = 4;
constexpr size_t kIpv6Bytes = 16;

absl::Status NotAnAddress(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", internal::Escaped(text), "' is not an address: ", why));
}

bool IsNumber(absl::string_view text) {
  return !text.empty() && absl::c_all_of(text, absl::ascii_isdigit);
}

// Returns the one form of `port`, or nothing if it is neither a number of 16
// bits nor can be the name of a service. (getaddrinfo(3) takes all that
// strtoul(3) does, such as -1 and 65616, as 80.)
std::optional<std::string> NormalPort(absl::string_view port) {
  if (IsNumber(port)) {
    constexpr uint32_t kLargest = 65535;
    uint32_t number;
    if (!absl::SimpleAtoi(port, &number) || number > kLargest) {
      return std::nullopt;
    }
    return absl::StrCat(number);
  }
  const auto in_name = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("-_+.", c);
  };
  if (!absl::ascii_isalnum(static_cast<unsigned char>(port.front())) ||
      !absl::c_all_of(port, in_name)) {
    return std::nullopt;
  }
  return std::string(port);
}

// Returns the one form of `host`, what stands in brackets, or nothing if that
// is not an IPv6 address.
std::optional<std::string> NormalIpv6(absl::string_view host) {
  const size_t percent = host.find('%');
  const std::optional<absl::uint128> bits = internal::ParseIpBits(host);
  if (!bits.has_value() || !absl::StrContains(host, ':')) return std::nullopt;
  std::string text = internal::Ipv6Text(*bits);
  if (percent == absl::string_view::npos) return text;
  const absl::string_view zone = host.substr(percent + 1);
  if (zone.empty() || zone.find_first_of("[]%/") != absl::string_view::npos) {
    return std::nullopt;
  }
  return absl::StrCat(text, "%", zone);
}

// Returns the one form of `host`, which has no brackets. What getaddrinfo(3)
// takes for an IPv4 address must not look like a name to an access list.
std::string NormalNameOrIpv4(absl::string_view host) {
  std::string text(host);
  struct in_addr in;
  if (::inet_aton(text.c_str(), &in) == 0) return text;
  return internal::Ipv4Text(ntohl(in.s_addr));
}

// `url` is of the form SCHEME://REST. Says what to write instead.
absl::Status IsUrl(absl::string_view url) {
  const size_t slashes = url.find("//");
  absl::string_view rest = url.substr(slashes + 2);
  std::string address;
  if (absl::StartsWith(url, "unix:")) {
    address = absl::StrCat("unix:", rest);
  } else {
    rest = rest.substr(0, rest.find_first_of("/?#"));
    const bool has_port =
        absl::StrContains(rest, ':') && !absl::EndsWith(rest, "]");
    address = absl::StrCat("tcp:", rest.empty() ? "HOST" : rest,
                           has_port ? "" : ":PORT");
  }
  return NotAnAddress(
      url, absl::StrCat("it is a URL; write ", internal::Escaped(address)));
}

bool IsSpaceOrControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return absl::ascii_isspace(byte) || absl::ascii_iscntrl(byte);
}

}  // namespace

absl::StatusOr<SocketAddress> SocketAddress::Parse(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "tcp:")) {
    if (absl::StartsWith(rest, "//")) return IsUrl(text);
    return ParseTcp(text, rest);
  }
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (absl::StartsWith(rest, "//")) return IsUrl(text);
    return ParseUnix(text, rest);
  }
  if (absl::StrContains(text, "://")) return IsUrl(text);
  return NotAnAddress(text,
                      "it begins with neither tcp: nor unix:, as in "
                      "tcp:localhost:80 or unix:/run/socket");
}

absl::StatusOr<SocketAddress> SocketAddress::Tcp(absl::string_view host,
                                                 int port) {
  const bool is_ipv6 = absl::StrContains(host, ':');
  const std::string host_and_port =
      absl::StrCat(is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", ":", port);
  return ParseTcp(absl::StrCat("tcp:", host_and_port), host_and_port);
}

absl::StatusOr<SocketAddress> SocketAddress::Ip(absl::string_view bytes,
                                                int port) {
  if (bytes.size() != kIpv4Bytes && bytes.size() != kIpv6Bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an IP address has ", kIpv4Bytes, " or ", kIpv6Bytes,
                     " bytes, and not ", bytes.size()));
  }
  absl::uint128 bits = 0;
  for (const char byte : bytes) bits = bits << 8 | static_cast<uint8_t>(byte);
  return Tcp(bytes.size() == kIpv4Bytes ? internal::Ipv4Text(bits)
                                        : internal::Ipv6Text(bits),
             port);
}

absl::StatusOr<SocketAddress> SocketAddress::Unix(absl::string_view path) {
  // The text of it must not look like a URL.
  while (absl::StartsWith(path, "//")) path.remove_prefix(1);
  return ParseUnix(absl::StrCat("unix:", path), path);
}

absl::StatusOr<SocketAddress> SocketAddress::ParseTcp(
    absl::string_view text, absl::string_view host_and_port) {
  if (absl::c_any_of(host_and_port, IsSpaceOrControl)) {
    return NotAnAddress(text, "it has a space or a control character");
  }
  const size_t colon = host_and_port.rfind(':');
  if (absl::EndsWith(host_and_port, "]") ||
      (colon == absl::string_view::npos && !IsNumber(host_and_port))) {
    return NotAnAddress(text, "the port is missing, as in tcp:localhost:80");
  }
  absl::string_view host = "*";
  absl::string_view port = host_and_port;
  if (colon != absl::string_view::npos) {
    host = host_and_port.substr(0, colon);
    port = host_and_port.substr(colon + 1);
  }
  SocketAddress address(Kind::kTcp);
  if (absl::ConsumePrefix(&host, "[")) {
    std::optional<std::string> ipv6;
    if (absl::ConsumeSuffix(&host, "]")) ipv6 = NormalIpv6(host);
    if (!ipv6.has_value()) {
      return NotAnAddress(text,
                          "brackets hold an IPv6 address, as in tcp:[::1]:80");
    }
    address.host_ = *ipv6;
  } else if (host.find_first_of(":[]%") != absl::string_view::npos) {
    return NotAnAddress(
        text, "an IPv6 address wants brackets, and a port, as in tcp:[::1]:80");
  } else {
    address.host_ = NormalNameOrIpv4(host);
  }
  if (port.empty()) {
    return NotAnAddress(text, "the port is missing, as in tcp:localhost:80");
  }
  if (host.empty()) {
    return NotAnAddress(text, "the host is missing, as in tcp:localhost:80");
  }
  if (host.size() > kLongestHost) {
    return NotAnAddress(
        text, absl::StrCat("a host has at most ", kLongestHost, " bytes"));
  }
  const std::optional<std::string> normal_port = NormalPort(port);
  if (!normal_port.has_value()) {
    return NotAnAddress(text,
                        "a port is a number from 0 to 65535, or "
                        "the name of a service, as in tcp:localhost:80");
  }
  address.port_ = *normal_port;
  return address;
}

absl::StatusOr<SocketAddress> SocketAddress::ParseUnix(absl::string_view text,
                                                       absl::string_view path) {
  // A path ends with a byte of 0, and an abstract name begins with one.
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  absl::string_view name = path;
  const bool is_abstract = absl::ConsumePrefix(&name, "@");
  if (name.empty()) return NotAnAddress(text, "the path is missing");
  if (name.size() > kLongest) {
    return NotAnAddress(
        text, absl::StrCat("the path or name of a Unix socket has at most ",
                           kLongest, " bytes"));
  }
  if (!is_abstract && absl::StrContains(name, '\0')) {
    return NotAnAddress(text, "the path has a byte of 0");
  }
  SocketAddress address(Kind::kUnix);
  address.path_ = std::string(path);
  return address;
}

std::optional<uint16_t> SocketAddress::port_number() const {
  uint32_t number;  // 16 bits, as the parser has seen
  if (!absl::SimpleAtoi(port_, &number)) return std::nullopt;
  return static_cast<uint16_t>(number);
}

std::string SocketAddress::ip_bytes() const {
  std::optional<absl::uint128> bits = internal::ParseIpBits(host_);
  if (!bits.has_value()) return "";
  const bool is_ipv6 = absl::StrContains(host_, ':');
  std::string bytes(is_ipv6 ? kIpv6Bytes : kIpv4Bytes, '\0');
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte, *bits >>= 8) {
    *byte = static_cast<char>(absl::Uint128Low64(*bits));
  }
  return bytes;
}

bool SocketAddress::is_loopback() const {
  const std::optional<absl::uint128> bits = internal::ParseIpBits(host_);
  if (!bits.has_value()) return false;
  if (!internal::IsIpv4(*bits)) return *bits == 1;
  return static_cast<uint8_t>(absl::Uint128Low64(*bits) >> 24) == 127;
}

std::string SocketAddress::ToString() const {
  if (kind_ == Kind::kUnix) return absl::StrCat("unix:", path_);
  const bool is_ipv6 = absl::StrContains(host_, ':');
  return absl::StrCat("tcp:", is_ipv6 ? "[" : "", host_, is_ipv6 ? "]" : "",
                      ":", port_);
}

}  // namespace flow
