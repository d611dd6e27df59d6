// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "flow/internal/escaped.h"

namespace flow::internal {
namespace {

absl::Status NotAnAddress(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", Escaped(text), "' is not an address: ", why));
}

// Whether `port` is a number of 16 bits, or can be the name of a service.
// getaddrinfo(3) takes all that strtoul(3) does, such as -1 and 65616 (as 80).
bool IsPort(absl::string_view port) {
  if (!absl::c_all_of(port, absl::ascii_isdigit)) {
    const auto in_name = [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
             absl::StrContains("-_+.", c);
    };
    return absl::ascii_isalnum(static_cast<unsigned char>(port.front())) &&
           absl::c_all_of(port, in_name);
  }
  constexpr uint32_t kLargest = 65535;
  uint32_t number;
  return absl::SimpleAtoi(port, &number) && number <= kLargest;
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
  return NotAnAddress(url,
                      absl::StrCat("it is a URL; write ", Escaped(address)));
}

bool IsSpaceOrControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return absl::ascii_isspace(byte) || absl::ascii_iscntrl(byte);
}

absl::StatusOr<SocketName> ParseTcp(absl::string_view text,
                                    absl::string_view rest) {
  if (absl::StartsWith(rest, "//")) return IsUrl(text);
  SocketName name;
  const size_t colon = rest.rfind(':');
  absl::string_view host;
  if (colon != absl::string_view::npos) host = rest.substr(0, colon);
  absl::string_view port = rest.substr(colon + 1);  // npos + 1 is 0
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]") || !absl::StrContains(host, ':') ||
        host.find_first_of("[]") != absl::string_view::npos) {
      return NotAnAddress(text,
                          "brackets hold an IPv6 address, as in tcp:[::1]:80");
    }
  } else if (host.find_first_of(":[]") != absl::string_view::npos ||
             absl::EndsWith(port, "]")) {
    return NotAnAddress(
        text, "an IPv6 address wants brackets, and a port, as in tcp:[::1]:80");
  }
  if (port.empty()) {
    return NotAnAddress(text, "the port is missing, as in tcp:localhost:80");
  }
  if (colon == 0) {
    return NotAnAddress(text, "the host is missing, as in tcp:localhost:80");
  }
  if (absl::c_any_of(host, IsSpaceOrControl)) {
    return NotAnAddress(text, "a host has no spaces or control characters");
  }
  if (!IsPort(port)) {
    return NotAnAddress(text,
                        "a port is a number from 0 to 65535, or "
                        "the name of a service, as in tcp:localhost:80");
  }
  if (host != "*") name.host = std::string(host);
  name.port = std::string(port);
  return name;
}

absl::StatusOr<SocketName> ParseUnix(absl::string_view text,
                                     absl::string_view path) {
  if (absl::StartsWith(path, "//")) return IsUrl(text);
  // A path ends with a byte of 0; an abstract name begins with one.
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path == "@") {
    return NotAnAddress(text, "the path is missing");
  }
  if (path.size() > kLongest) {
    return NotAnAddress(text, absl::StrCat("the path of a socket has at most ",
                                           kLongest, " bytes"));
  }
  if (absl::StrContains(path, '\0')) {
    return NotAnAddress(text, "it has a byte of 0");
  }
  SocketName name;
  name.is_unix = true;
  name.path = std::string(path);
  return name;
}

}  // namespace

std::string SocketAddress::path() const {
  const auto& un = reinterpret_cast<const struct sockaddr_un&>(storage);
  const size_t begin = offsetof(struct sockaddr_un, sun_path);
  if (!is_unix() || size <= begin || un.sun_path[0] == '\0') return "";
  return std::string(un.sun_path, ::strnlen(un.sun_path, size - begin));
}

std::string SocketAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "?";
  if (storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const struct sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
    return absl::StrCat("tcp:", text, ":", ntohs(in.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const struct sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
    // The interface, of an address that means something on that alone.
    const std::string scope =
        in6.sin6_scope_id == 0 ? "" : absl::StrCat("%", in6.sin6_scope_id);
    return absl::StrCat("tcp:[", text, scope, "]:", ntohs(in6.sin6_port));
  }
  const auto& un = reinterpret_cast<const struct sockaddr_un&>(storage);
  const size_t begin = offsetof(struct sockaddr_un, sun_path);
  if (is_unix() && size > begin + 1 && un.sun_path[0] == '\0') {
    return absl::StrCat("unix:@",
                        absl::string_view(un.sun_path + 1, size - begin - 1));
  }
  const std::string file = path();
  if (file.empty()) return "";
  // Otherwise it would be taken for an abstract name, or for a URL.
  const absl::string_view prefix = file[0] == '@'                 ? "./"
                                   : absl::StartsWith(file, "//") ? "/."
                                                                  : "";
  return absl::StrCat("unix:", prefix, file);
}

absl::StatusOr<SocketName> ParseSocketAddress(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "tcp:")) return ParseTcp(text, rest);
  if (absl::ConsumePrefix(&rest, "unix:")) return ParseUnix(text, rest);
  if (absl::StrContains(text, "://")) return IsUrl(text);
  return NotAnAddress(text,
                      "it begins with neither tcp: nor unix:, as in "
                      "tcp:localhost:80 or unix:/run/socket");
}

SocketAddress UnixAddress(absl::string_view path) {
  SocketAddress address;
  struct sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  path.copy(un.sun_path, sizeof(un.sun_path));
  size_t size = offsetof(struct sockaddr_un, sun_path) + path.size();
  if (path[0] == '@') {
    un.sun_path[0] = '\0';
  } else {
    ++size;
  }
  std::memcpy(&address.storage, &un, sizeof(un));
  address.size = static_cast<socklen_t>(size);
  return address;
}

SocketAddress LocalAddressOf(int fd) {
  SocketAddress address;
  if (::getsockname(fd, address.get(), &address.size) != 0) return {};
  return address;
}

SocketAddress RemoteAddressOf(int fd) {
  SocketAddress address;
  if (::getpeername(fd, address.get(), &address.size) != 0) return {};
  return address;
}

std::string NameOfConnection(int fd, const SocketAddress& remote) {
  std::string text = remote.ToString();
  if (text.empty() && remote.is_unix()) text = LocalAddressOf(fd).ToString();
  if (text.empty()) {
    return absl::StrCat(remote.is_unix() ? "unix " : "", "socket (fd ", fd,
                        ")");
  }
  std::string name = Escaped(text);
  name[name.find(':')] = ' ';
  return name;
}

}  // namespace flow::internal
