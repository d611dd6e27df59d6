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
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/acceptor.h"
#include "flow/internal/call_error.h"
#include "flow/internal/connect.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/escaped.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/listening_socket.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/resolve.h"
#include "flow/internal/set_socket_options.h"
#include "flow/internal/socket_transport.h"
#include "flow/internal/started_dial.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"

namespace flow {
namespace {

using internal::Acceptor;
using internal::CallError;
using internal::DialLimits;
using internal::KernelAddress;
using internal::ListeningSocket;
using internal::MonotonicDeadline;
using internal::OwnedFd;

bool IsEveryAddress(const SocketAddress& address) {
  return address.host() == "*";
}

// `engine`: null, or that of its started calls.
std::unique_ptr<Flow> MakeSocketFlow(OwnedFd fd, const KernelAddress& remote,
                                     Engine* engine) {
  return internal::MakeSocketFlow(fd.Release(), /*name=*/"", remote, engine);
}

// Leaves out what `options` forbid to dial.
absl::Status KeepAllowed(const DialOptions& options,
                         std::vector<KernelAddress>& addresses) {
  if (options.may_dial == nullptr) return absl::OkStatus();
  std::vector<std::string> forbidden;
  const auto is_forbidden = [&](const KernelAddress& each) {
    const std::string text = each.ToString();
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    if (address.ok() && options.may_dial(*address)) return false;
    forbidden.push_back(internal::Escaped(text));
    return true;
  };
  addresses.erase(
      std::remove_if(addresses.begin(), addresses.end(), is_forbidden),
      addresses.end());
  if (!addresses.empty()) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("may_dial forbids ", absl::StrJoin(forbidden, " and ")));
}

absl::Status CheckDial(const SocketAddress& address,
                       const DialOptions& options) {
  if (absl::Status valid = internal::CheckSocketOptions(options); !valid.ok()) {
    return valid;
  }
  if (IsEveryAddress(address)) {
    return absl::InvalidArgumentError(
        "the host is missing, as in tcp:localhost:80 (without one, or with *, "
        "an address is for Listen())");
  }
  return absl::OkStatus();
}

absl::StatusOr<OwnedFd> Connect(const SocketAddress& address,
                                const DialLimits& limits,
                                const DialOptions& options) {
  if (absl::Status s = CheckDial(address, options); !s.ok()) return s;
  absl::StatusOr<std::vector<KernelAddress>> addresses =
      internal::Resolve(address, /*to_listen=*/false, limits);
  if (!addresses.ok()) return addresses.status();
  if (absl::Status s = KeepAllowed(options, *addresses); !s.ok()) return s;
  return internal::ConnectToOneOf(*addresses, limits, options);
}

// What Dial() returns if it has got `fd`.
absl::StatusOr<std::unique_ptr<Flow>> DialedFlow(const std::string& address,
                                                 absl::StatusOr<OwnedFd> fd,
                                                 Engine* engine) {
  if (!fd.ok()) return CallError("Dial", address, fd.status());
  const KernelAddress remote = internal::RemoteAddressOf(fd->get());
  return MakeSocketFlow(*std::move(fd), remote, engine);
}

class SocketListener final : public Listener {
 public:
  // `closed`: see Acceptor.
  SocketListener(std::vector<ListeningSocket> sockets, OwnedFd closed,
                 const SocketOptions& accepted)
      : address_(sockets.front().address.ToString()),
        accepted_(accepted),
        acceptor_(std::move(sockets), std::move(closed)) {}

  absl::StatusOr<std::unique_ptr<Flow>> Accept(absl::Time deadline) override {
    return FlowOf(acceptor_.Accept(MonotonicDeadline(deadline)),
                  /*engine=*/nullptr);
  }

  bool StartAccept(AcceptOperation* operation, Engine& engine,
                   absl::Time deadline) override {
    return acceptor_.Start(
        engine, MonotonicDeadline(deadline), operation,
        [this, operation,
         &engine](absl::StatusOr<Acceptor::Connection> connection) {
          operation->flow = FlowOf(std::move(connection), &engine);
        });
  }

  void Close() override { acceptor_.Close(); }

  std::string address() const override { return address_; }

 private:
  absl::StatusOr<std::unique_ptr<Flow>> FlowOf(
      absl::StatusOr<Acceptor::Connection> connection, Engine* engine) const {
    if (!connection.ok()) {
      return CallError("Accept", address_, connection.status());
    }
    if (connection->peer.is_unix()) {
      internal::SetBufferSizes(connection->fd.get(), accepted_);
    }
    return MakeSocketFlow(std::move(connection->fd), connection->peer, engine);
  }

  const std::string address_;
  const SocketOptions accepted_;
  Acceptor acceptor_;
};

// Leaves out addresses of IPv4.
absl::Status KeepIpv6(std::vector<KernelAddress>& addresses) {
  addresses.erase(std::remove_if(addresses.begin(), addresses.end(),
                                 [](const KernelAddress& each) {
                                   return each.storage.ss_family == AF_INET;
                                 }),
                  addresses.end());
  if (!addresses.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "ipv6_only is set, and there is no IPv6 address");
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTo(
    const SocketAddress& address, const ListenOptions& options) {
  if (absl::Status valid = internal::CheckListenOptions(options); !valid.ok()) {
    return valid;
  }
  const bool has_file = !address.path().empty() && address.path()[0] != '@';
  if (!has_file &&
      (options.file_mode.has_value() || options.file_owner.has_value() ||
       options.file_group.has_value())) {
    return absl::InvalidArgumentError(
        "file_mode, file_owner and file_group are for a Unix socket's file, "
        "and this address has none");
  }
  absl::StatusOr<std::vector<KernelAddress>> addresses =
      internal::Resolve(address, /*to_listen=*/true, MonotonicDeadline());
  if (!addresses.ok()) return addresses.status();
  if (options.ipv6_only) {
    if (absl::Status s = KeepIpv6(*addresses); !s.ok()) return s;
  }
  if (IsEveryAddress(address)) {
    // Whoever dials the first one may have either kind of address.
    std::stable_partition(addresses->begin(), addresses->end(),
                          [](const KernelAddress& each) {
                            return each.storage.ss_family == AF_INET6;
                          });
  }
  // Before there is something to be undone.
  OwnedFd closed(::eventfd(0, EFD_CLOEXEC));
  if (closed.get() < 0) return internal::FdError(errno, "eventfd");
  absl::StatusOr<std::vector<ListeningSocket>> sockets =
      internal::ListenOnAll(*addresses, options);
  if (!sockets.ok()) return sockets.status();
  return std::make_unique<SocketListener>(*std::move(sockets),
                                          std::move(closed), options.accepted);
}

absl::StatusOr<std::unique_ptr<Listener>> Adopt(int fd,
                                                const SocketOptions& accepted) {
  // First, so that `fd` is closed whatever fails.
  absl::StatusOr<ListeningSocket> socket =
      internal::AdoptListeningSocket(fd, accepted);
  if (!socket.ok()) return socket.status();
  OwnedFd closed(::eventfd(0, EFD_CLOEXEC));
  if (closed.get() < 0) return internal::FdError(errno, "eventfd");
  std::vector<ListeningSocket> sockets;
  sockets.push_back(*std::move(socket));
  return std::make_unique<SocketListener>(std::move(sockets), std::move(closed),
                                          accepted);
}

}  // namespace

bool Listener::StartAccept(AcceptOperation* operation, Engine&, absl::Time) {
  operation->flow =
      CallError("Accept", address(),
                absl::UnimplementedError("this listener can only block"));
  return true;
}

absl::StatusOr<std::unique_ptr<Flow>> Dial(absl::string_view address,
                                           absl::Time deadline,
                                           const DialOptions& options,
                                           const Canceller* canceller) {
  const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
  if (!parsed.ok()) return CallError("Dial", address, parsed.status());
  return Dial(*parsed, deadline, options, canceller);
}

absl::StatusOr<std::unique_ptr<Flow>> Dial(const SocketAddress& address,
                                           absl::Time deadline,
                                           const DialOptions& options,
                                           const Canceller* canceller) {
  return DialedFlow(
      address.ToString(),
      Connect(address, DialLimits(MonotonicDeadline(deadline), canceller),
              options),
      /*engine=*/nullptr);
}

bool StartDial(DialOperation* operation, Engine& engine,
               absl::string_view address, absl::Time deadline,
               const DialOptions& options, const Canceller* canceller) {
  const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
  if (!parsed.ok()) {
    operation->flow = CallError("Dial", address, parsed.status());
    return true;
  }
  return StartDial(operation, engine, *parsed, deadline, options, canceller);
}

bool StartDial(DialOperation* operation, Engine& engine,
               const SocketAddress& address, absl::Time deadline,
               const DialOptions& options, const Canceller* canceller) {
  if (absl::Status s = CheckDial(address, options); !s.ok()) {
    operation->flow = CallError("Dial", address.ToString(), s);
    return true;
  }
  return internal::StartDialing(
      engine, operation, address,
      DialLimits(MonotonicDeadline(deadline), canceller), options,
      [options](std::vector<KernelAddress>& addresses) {
        return KeepAllowed(options, addresses);
      },
      [operation, &engine,
       text = address.ToString()](absl::StatusOr<OwnedFd> fd) {
        operation->flow = DialedFlow(text, std::move(fd), &engine);
      });
}

absl::StatusOr<std::unique_ptr<Listener>> Listen(absl::string_view address,
                                                 const ListenOptions& options) {
  const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
  if (!parsed.ok()) return CallError("Listen", address, parsed.status());
  return Listen(*parsed, options);
}

absl::StatusOr<std::unique_ptr<Listener>> Listen(const SocketAddress& address,
                                                 const ListenOptions& options) {
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      ListenTo(address, options);
  if (!listener.ok()) {
    return CallError("Listen", address.ToString(), listener.status());
  }
  return listener;
}

absl::StatusOr<std::unique_ptr<Listener>> ListenOnFd(
    int fd, const SocketOptions& accepted) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Adopt(fd, accepted);
  if (!listener.ok()) {
    return CallError("ListenOnFd", absl::StrCat(fd), listener.status());
  }
  return listener;
}

}  // namespace flow
