// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace flow::internal {
namespace {

using Addresses = absl::StatusOr<std::vector<SocketAddress>>;

absl::Status NotAnAddress(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not an address: ", why));
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

absl::StatusOr<SocketName> ParseTcp(absl::string_view text,
                                    absl::string_view rest) {
  SocketName name;
  const size_t colon = rest.rfind(':');
  absl::string_view host;
  if (colon != absl::string_view::npos) host = rest.substr(0, colon);
  absl::string_view port = rest.substr(colon + 1);  // npos + 1 is 0
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]") || !absl::StrContains(host, ':') ||
        host.find_first_of("[]") != absl::string_view::npos) {
      return NotAnAddress(text, "brackets hold an IPv6 address, as in [::1]");
    }
  } else if (host.find_first_of(":[]") != absl::string_view::npos ||
             absl::EndsWith(port, "]")) {
    return NotAnAddress(
        text, "an IPv6 address wants brackets, and a port, as in tcp:[::1]:80");
  }
  if (port.empty()) return NotAnAddress(text, "the port is missing");
  if (colon == 0) return NotAnAddress(text, "the host is missing");
  if (absl::StrContains(text, '\0')) {
    return NotAnAddress(text, "it has a byte of 0");
  }
  if (!IsPort(port)) return NotAnAddress(text, "the port is none");
  name.host = std::string(host);
  name.port = std::string(port);
  return name;
}

absl::StatusOr<SocketName> ParseUnix(absl::string_view text,
                                     absl::string_view path) {
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

SocketAddress UnixAddress(const std::string& path) {
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

absl::Status LookupError(int error, int system_error) {
  const char* const text = ::gai_strerror(error);
  switch (error) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
      return absl::NotFoundError(text);
    case EAI_SERVICE:
      return absl::InvalidArgumentError("the port is not known");
    case EAI_SYSTEM:
      return absl::UnavailableError(
          absl::ErrnoToStatus(system_error, "getaddrinfo").message());
    default:
      return absl::UnavailableError(text);
  }
}

Addresses LookUp(const SocketName& name, bool to_listen, int flags) {
  struct addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | (to_listen ? AI_PASSIVE : 0);
  struct addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(name.host.empty() ? nullptr : name.host.c_str(),
                    name.port.c_str(), &hints, &found);
  if (error != 0) return LookupError(error, errno);
  std::vector<SocketAddress> addresses;
  for (const struct addrinfo* a = found; a != nullptr; a = a->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    address.size = a->ai_addrlen;
    addresses.push_back(address);
  }
  ::freeaddrinfo(found);
  return addresses;
}

// What a thread that looks a name up shares with the one that waits for it. It
// may go on after that has given up: nothing can interrupt getaddrinfo(3).
struct Lookup {
  absl::Mutex mu;
  std::optional<Addresses> result ABSL_GUARDED_BY(mu);
};

Addresses LookUpUntil(const SocketName& name, bool to_listen,
                      absl::Time deadline) {
  const auto lookup = std::make_shared<Lookup>();
  try {
    std::thread([lookup, name, to_listen] {
      Addresses result = LookUp(name, to_listen, 0);
      absl::MutexLock lock(&lookup->mu);
      lookup->result = std::move(result);
    }).detach();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no thread to look the name up: ", error.what()));
  }
  absl::MutexLock lock(&lookup->mu);
  const auto done = [&lookup] {
    lookup->mu.AssertReaderHeld();
    return lookup->result.has_value();
  };
  if (!lookup->mu.AwaitWithDeadline(absl::Condition(&done), deadline)) {
    return absl::DeadlineExceededError(
        "the name was not found until the deadline");
  }
  return *std::move(lookup->result);
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
  return absl::StrCat("unix:", path());
}

absl::StatusOr<SocketName> ParseSocketAddress(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "tcp:")) return ParseTcp(text, rest);
  if (absl::ConsumePrefix(&rest, "unix:")) return ParseUnix(text, rest);
  return NotAnAddress(text, "it begins with neither tcp: nor unix:");
}

absl::StatusOr<std::vector<SocketAddress>> Resolve(const SocketName& name,
                                                   bool to_listen,
                                                   absl::Time deadline) {
  if (name.is_unix) return std::vector<SocketAddress>{UnixAddress(name.path)};
  // Numbers need no server, and no thread.
  Addresses addresses = LookUp(name, to_listen, AI_NUMERICHOST);
  if (absl::IsNotFound(addresses.status())) {
    addresses = LookUpUntil(name, to_listen, deadline);
  }
  return addresses;
}

std::string NameOfSocket(int fd) {
  SocketAddress address;
  std::string text;
  if (::getpeername(fd, address.get(), &address.size) == 0) {
    text = address.ToString();
  }
  if (text == "unix:") {
    // Who dials has no name; it is called by the one that it has dialed.
    address.size = sizeof(address.storage);
    if (::getsockname(fd, address.get(), &address.size) == 0) {
      text = address.ToString();
    }
  }
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon + 1 == text.size()) {
    return absl::StrCat(text.substr(0, colon), text.empty() ? "" : " ",
                        "socket (fd ", fd, ")");
  }
  text[colon] = ' ';
  return text;
}

}  // namespace flow::internal
