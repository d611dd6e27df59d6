// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/set_socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

absl::Status CheckAtLeast(absl::string_view name, int value, int least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; it must be at least ", least));
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
  absl::Status status =
      CheckAtLeast("send_buffer", options.send_buffer.value_or(1), 1);
  status.Update(
      CheckAtLeast("receive_buffer", options.receive_buffer.value_or(1), 1));
  return status;
}

absl::Status CheckListenOptions(const ListenOptions& options) {
  absl::Status status = CheckSocketOptions(options.accepted);
  status.Update(CheckAtLeast("backlog", options.backlog, 0));
  constexpr mode_t kAll = 0777;
  if (options.file_mode.value_or(0) > kAll) {
    status.Update(absl::InvalidArgumentError(absl::StrFormat(
        "file_mode is %#o; it must be 0 to %#o", *options.file_mode, kAll)));
  }
  // To chown(2), -1 means that it stays as it is.
  if (options.file_owner == static_cast<uid_t>(-1)) {
    status.Update(absl::InvalidArgumentError("file_owner is -1"));
  }
  if (options.file_group == static_cast<gid_t>(-1)) {
    status.Update(absl::InvalidArgumentError("file_group is -1"));
  }
  return status;
}

void SetTcpOptions(int fd, const SocketOptions& options) {
  Set(fd, IPPROTO_TCP, TCP_NODELAY, options.no_delay ? 1 : 0);
  // Now, before any urgent data come. A flow sets it as well, but later.
  Set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  SetBufferSizes(fd, options);
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, options.keep_alive ? 1 : 0);
  if (!options.keep_alive) return;
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, WholeSeconds(options.keep_alive_idle));
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL,
      WholeSeconds(options.keep_alive_interval));
  Set(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keep_alive_count);
}

void SetBufferSizes(int fd, const SocketOptions& options) {
  if (options.send_buffer.has_value()) {
    Set(fd, SOL_SOCKET, SO_SNDBUF, *options.send_buffer);
  }
  if (options.receive_buffer.has_value()) {
    Set(fd, SOL_SOCKET, SO_RCVBUF, *options.receive_buffer);
  }
}

}  // namespace flow::internal
