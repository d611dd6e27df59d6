// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/numeric_dial.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>  // NOLINT(build/c++11)
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "examples/stop.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"

namespace flowcat {
namespace {

using Clock = std::chrono::steady_clock;

// As flow::Dial() has it: what is written is sent, and a peer that has vanished
// is noticed after two minutes.
void SetOptions(int fd) {
  const struct {
    int level;
    int option;
    int value;
  } kOptions[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                  {SOL_SOCKET, SO_KEEPALIVE, 1},
                  {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                  {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                  {IPPROTO_TCP, TCP_KEEPCNT, 4}};
  for (const auto& [level, option, value] : kOptions) {
    ::setsockopt(fd, level, option, &value, sizeof(value));
  }
}

// Whether a connection reaches itself: a port that nobody listens on was chosen
// for this end, too.
bool IsToItself(int fd) {
  struct sockaddr_storage local = {};
  struct sockaddr_storage peer = {};
  socklen_t local_size = sizeof(local);
  socklen_t peer_size = sizeof(peer);
  return ::getsockname(fd, reinterpret_cast<struct sockaddr*>(&local),
                       &local_size) == 0 &&
         ::getpeername(fd, reinterpret_cast<struct sockaddr*>(&peer),
                       &peer_size) == 0 &&
         local_size == peer_size && std::memcmp(&local, &peer, local_size) == 0;
}

absl::Status ConnectError(int error) {
  if (error == ECONNREFUSED) {
    return absl::UnavailableError("nobody listens there");
  }
  return absl::ErrnoToStatus(error, "connect");
}

// Waits for the outcome of a connect(2) that is under way.
absl::Status AwaitConnection(int fd, absl::Duration timeout, Stop& stop) {
  const Clock::time_point start = Clock::now();
  // Wakes poll(2): a socket that is connecting does so no more.
  Stop::Callback give_up(
      stop, [fd](const absl::Status&) { ::shutdown(fd, SHUT_RDWR); });
  while (true) {
    const absl::Duration left =
        std::clamp(timeout - absl::FromChrono(Clock::now() - start),
                   absl::ZeroDuration(), absl::Hours(24));
    struct pollfd connected = {fd, POLLOUT, 0};
    const int ready = ::poll(&connected, 1,
                             static_cast<int>(absl::ToInt64Milliseconds(
                                 absl::Ceil(left, absl::Milliseconds(1)))));
    if (const absl::Status stopped = stop.reason(); !stopped.ok()) {
      return stopped;
    }
    if (ready < 0 && errno != EINTR) return ConnectError(errno);
    if (ready > 0) break;
    if (left == absl::ZeroDuration()) {
      return absl::DeadlineExceededError("no answer until the deadline");
    }
  }
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? absl::OkStatus() : ConnectError(error);
}

}  // namespace

std::optional<NumericAddress> ParseNumericAddress(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "tcp:")) return std::nullopt;
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  constexpr int kLargestPort = 65535;
  int number;
  if (port.empty() || !absl::c_all_of(port, absl::ascii_isdigit) ||
      !absl::SimpleAtoi(port, &number) || number > kLargestPort) {
    return std::nullopt;
  }
  const bool in_brackets =
      absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  // Either of the first two is every address of this machine to getaddrinfo(3).
  if (host.empty() || host == "*" || absl::StrContains(host, '\0') ||
      absl::StrContains(host, ':') != in_brackets) {
    return std::nullopt;
  }
  struct addrinfo hints = {};
  hints.ai_family = in_brackets ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  struct addrinfo* found = nullptr;
  if (::getaddrinfo(std::string(host).c_str(), std::string(port).c_str(),
                    &hints, &found) != 0) {
    return std::nullopt;
  }
  NumericAddress address;
  address.size = found->ai_addrlen;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return address;
}

absl::StatusOr<std::unique_ptr<flow::Flow>> DialNumeric(
    const NumericAddress& address, absl::Duration timeout, Stop& stop) {
  const int fd = ::socket(address.storage.ss_family,
                          SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "socket");
  absl::Cleanup close = [fd] { ::close(fd); };
  SetOptions(fd);
  const auto* const to =
      reinterpret_cast<const struct sockaddr*>(&address.storage);
  if (::connect(fd, to, address.size) != 0) {
    // EINTR: it goes on nevertheless (connect(2)).
    if (errno != EINPROGRESS && errno != EINTR) return ConnectError(errno);
    const absl::Status status = AwaitConnection(fd, timeout, stop);
    if (!status.ok()) return status;
  }
  if (IsToItself(fd)) return ConnectError(ECONNREFUSED);
  std::move(close).Cancel();
  return flow::MakeFdFlow(fd);
}

}  // namespace flowcat
