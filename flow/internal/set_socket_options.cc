// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/set_socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/socket_options.h"

namespace flow::internal {
namespace {

// What the kernel takes (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPCNT).
constexpr absl::Duration kLongest = absl::Seconds(32767);
constexpr int kMost = 127;

absl::Status CheckDuration(absl::string_view name, absl::Duration value) {
  if (value >= absl::Seconds(1) && value <= kLongest) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " is ", absl::FormatDuration(value), "; it must be 1 s to ",
      absl::ToInt64Seconds(kLongest), " s"));
}

int WholeSeconds(absl::Duration value) {
  return static_cast<int>(
      absl::ToInt64Seconds(absl::Ceil(value, absl::Seconds(1))));
}

void Set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

}  // namespace

absl::Status CheckSocketOptions(const SocketOptions& options) {
  if (absl::Status status =
          CheckDuration("keep_alive_idle", options.keep_alive_idle);
      !status.ok()) {
    return status;
  }
  if (absl::Status status =
          CheckDuration("keep_alive_interval", options.keep_alive_interval);
      !status.ok()) {
    return status;
  }
  if (options.keep_alive_count < 1 || options.keep_alive_count > kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_alive_count is ", options.keep_alive_count,
                     "; it must be 1 to ", kMost));
  }
  return absl::OkStatus();
}

void SetTcpOptions(int fd, const SocketOptions& options) {
  Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // Now, before any urgent data come. A flow sets it as well, but later.
  Set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  if (!options.keep_alive) return;
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, WholeSeconds(options.keep_alive_idle));
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL,
      WholeSeconds(options.keep_alive_interval));
  Set(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keep_alive_count);
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace flow::internal
