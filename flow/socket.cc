// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/socket.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/dial_canceller.h"
#include "flow/flow.h"
#include "flow/internal/acceptor.h"
#include "flow/internal/connect.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/escaped.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/listening_socket.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/resolve.h"
#include "flow/internal/set_socket_options.h"
#include "flow/internal/socket_address.h"
#include "flow/internal/socket_transport.h"

namespace flow {
namespace {

using internal::Acceptor;
using internal::DialLimits;
using internal::ListeningSocket;
using internal::MonotonicDeadline;
using internal::OwnedFd;
using internal::SocketAddress;
using internal::SocketName;

absl::Status InContext(absl::string_view function, absl::string_view address,
                       const absl::Status& status) {
  absl::Status result(status.code(),
                      absl::StrCat(function, "(", internal::Escaped(address),
                                   "): ", status.message()));
  // Closed (status.h) is one.
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

std::unique_ptr<Flow> MakeSocketFlow(OwnedFd fd, const SocketAddress& remote) {
  std::string name = internal::NameOfConnection(fd.get(), remote);
  return MakeFlow(
      internal::MakeSocketTransport(fd.Release(), std::move(name), remote));
}

absl::StatusOr<std::unique_ptr<Flow>> Connect(absl::string_view address,
                                              const DialLimits& limits,
                                              const SocketOptions& options) {
  if (absl::Status valid = internal::CheckSocketOptions(options); !valid.ok()) {
    return valid;
  }
  const absl::StatusOr<SocketName> name = internal::ParseSocketAddress(address);
  if (!name.ok()) return name.status();
  if (!name->is_unix && name->host.empty()) {
    return absl::InvalidArgumentError(
        "the host is missing, as in tcp:localhost:80 (without one, or with *, "
        "an address is for Listen())");
  }
  const absl::StatusOr<std::vector<SocketAddress>> addresses =
      internal::Resolve(*name, /*to_listen=*/false, limits);
  if (!addresses.ok()) return addresses.status();
  absl::StatusOr<OwnedFd> fd =
      internal::ConnectToOneOf(*addresses, limits, options);
  if (!fd.ok()) return fd.status();
  const SocketAddress remote = internal::RemoteAddressOf(fd->get());
  return MakeSocketFlow(*std::move(fd), remote);
}

class SocketListener final : public Listener {
 public:
  // `address`: that of the first of `sockets`.
  SocketListener(std::vector<ListeningSocket> sockets, OwnedFd closed,
                 std::string address)
      : address_(std::move(address)),
        acceptor_(std::move(sockets), std::move(closed)) {}

  absl::StatusOr<std::unique_ptr<Flow>> Accept(absl::Time deadline) override {
    absl::StatusOr<Acceptor::Connection> connection =
        acceptor_.Accept(MonotonicDeadline(deadline));
    if (!connection.ok()) {
      return InContext("Accept", address_, connection.status());
    }
    return MakeSocketFlow(std::move(connection->fd), connection->peer);
  }

  void Close() override { acceptor_.Close(); }

  std::string address() const override { return address_; }

 private:
  const std::string address_;
  Acceptor acceptor_;
};

absl::StatusOr<std::unique_ptr<Listener>> ListenTo(
    absl::string_view address, const ListenOptions& options) {
  if (absl::Status valid = internal::CheckSocketOptions(options.accepted);
      !valid.ok()) {
    return valid;
  }
  const absl::StatusOr<SocketName> name = internal::ParseSocketAddress(address);
  if (!name.ok()) return name.status();
  absl::StatusOr<std::vector<SocketAddress>> addresses =
      internal::Resolve(*name, /*to_listen=*/true, MonotonicDeadline());
  if (!addresses.ok()) return addresses.status();
  if (!name->is_unix && name->host.empty()) {
    // Whoever dials the first one may have either kind of address.
    std::stable_partition(addresses->begin(), addresses->end(),
                          [](const SocketAddress& each) {
                            return each.storage.ss_family == AF_INET6;
                          });
  }
  // Before there is something to be undone.
  OwnedFd closed(::eventfd(0, EFD_CLOEXEC));
  if (closed.get() < 0) return internal::FdError(errno, "eventfd");
  absl::StatusOr<std::vector<ListeningSocket>> sockets =
      internal::ListenOnAll(*addresses, options.backlog, options.accepted);
  if (!sockets.ok()) return sockets.status();
  std::string text = sockets->front().address.ToString();
  return std::make_unique<SocketListener>(*std::move(sockets),
                                          std::move(closed), std::move(text));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Flow>> Dial(absl::string_view address,
                                           absl::Time deadline,
                                           const SocketOptions& options,
                                           const DialCanceller* canceller) {
  absl::StatusOr<std::unique_ptr<Flow>> flow = Connect(
      address, DialLimits(MonotonicDeadline(deadline), canceller), options);
  if (!flow.ok()) return InContext("Dial", address, flow.status());
  return flow;
}

absl::StatusOr<std::unique_ptr<Listener>> Listen(absl::string_view address,
                                                 ListenOptions options) {
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      ListenTo(address, options);
  if (!listener.ok()) return InContext("Listen", address, listener.status());
  return listener;
}

}  // namespace flow
