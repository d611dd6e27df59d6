// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/socket_address.h"
#include "flow/internal/socket_flow.h"
#include "flow/status.h"

namespace flow {
namespace {

using internal::FdError;
using internal::FdWaiter;
using internal::SocketAddress;
using internal::SocketName;

// A descriptor that is closed unless it is released.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() { Close(); }

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

absl::Status InContext(absl::string_view function, absl::string_view address,
                       const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(function, "(", address,
                                                  "): ", status.message()));
}

void SetNoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

absl::Status ConnectError(int error) {
  switch (error) {
    case ECONNREFUSED:
      return absl::UnavailableError("nobody listens there");
    case EADDRNOTAVAIL:  // no address or port of ours reaches it
      return absl::UnavailableError(FdError(error, "connect").message());
    case EAGAIN:
    case EINPROGRESS:
      return absl::DeadlineExceededError("no answer until the deadline");
    default:
      return FdError(error, "connect");
  }
}

// A connection that reaches itself: a port that nobody listens on was chosen
// for this end, too.
bool IsToItself(int fd) {
  SocketAddress local;
  SocketAddress peer;
  return ::getsockname(fd, local.get(), &local.size) == 0 &&
         ::getpeername(fd, peer.get(), &peer.size) == 0 &&
         local.ToString() == peer.ToString();
}

absl::StatusOr<OwnedFd> ConnectTcp(const SocketAddress& address,
                                   absl::Time deadline) {
  OwnedFd fd(::socket(address.storage.ss_family,
                      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return FdError(errno, "socket");
  SetNoDelay(fd.get());
  if (::connect(fd.get(), address.get(), address.size) != 0) {
    // EINTR: it goes on nevertheless (connect(2)).
    if (errno != EINPROGRESS && errno != EINTR) return ConnectError(errno);
    FdWaiter waiter;
    waiter.SetDeadline(deadline);
    const auto waited = waiter.Wait(fd.get(), POLLOUT);
    if (!waited.ok()) return waited.status();
    if (*waited == FdWaiter::Outcome::kLate) return ConnectError(EINPROGRESS);
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return ConnectError(error);
  }
  if (IsToItself(fd.get())) return ConnectError(ECONNREFUSED);
  return fd;
}

// Connecting to a Unix socket is done at once, unless too many wait there to be
// accepted. Then it must be a blocking call that waits: poll(2) does not tell.
absl::StatusOr<OwnedFd> ConnectUnix(const SocketAddress& address,
                                    absl::Time deadline) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return FdError(errno, "socket");
  struct timeval limit = {};
  while (true) {
    if (deadline != absl::InfiniteFuture()) {
      // Of 0 it would wait for ever.
      const absl::Duration left =
          std::max(deadline - absl::Now(), absl::Microseconds(1));
      limit = absl::ToTimeval(left);
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    if (::connect(fd.get(), address.get(), address.size) == 0) return fd;
    if (errno != EINTR) return ConnectError(errno);
  }
}

// The time by which one of `remaining` addresses must have answered.
absl::Time DeadlineOfOne(absl::Time deadline, size_t remaining) {
  if (remaining <= 1 || deadline == absl::InfiniteFuture()) return deadline;
  const absl::Time now = absl::Now();
  // As long as each would have, but not too short for a far one.
  const absl::Duration share = std::max(
      (deadline - now) / static_cast<int64_t>(remaining), absl::Seconds(2));
  return std::min(deadline, now + share);
}

absl::StatusOr<std::unique_ptr<Flow>> Connect(const SocketName& name,
                                              absl::Time deadline) {
  if (!name.is_unix && name.host.empty()) {
    return absl::InvalidArgumentError("the host is missing");
  }
  const absl::StatusOr<std::vector<SocketAddress>> addresses =
      internal::Resolve(name, /*to_listen=*/false, deadline);
  if (!addresses.ok()) return addresses.status();
  absl::Status why;
  for (size_t i = 0; i < addresses->size(); ++i) {
    const SocketAddress& address = (*addresses)[i];
    absl::StatusOr<OwnedFd> fd =
        address.is_unix()
            ? ConnectUnix(address, deadline)
            : ConnectTcp(address,
                         DeadlineOfOne(deadline, addresses->size() - i));
    if (fd.ok()) {
      std::string flow_name = internal::NameOfSocket(fd->get());
      return internal::MakeSocketFlow(fd->Release(), std::move(flow_name));
    }
    // One that had no answer in its part of the time is not `deadline`.
    const bool last = i + 1 == addresses->size();
    if (why.ok() || absl::IsDeadlineExceeded(why) ||
        (last && absl::IsDeadlineExceeded(fd.status()))) {
      why = fd.status();
    }
  }
  return why;
}

// --- Listening

class SocketListener final : public Listener {
 public:
  // `file` is that of the path of `address`, if it has one.
  SocketListener(OwnedFd fd, OwnedFd closed, SocketAddress address,
                 const struct stat& file)
      : address_(address),
        text_(address.ToString()),
        device_(file.st_dev),
        inode_(file.st_ino),
        closed_(std::move(closed)),
        fd_(std::move(fd)) {}

  ~SocketListener() override { Close(); }

  absl::StatusOr<std::unique_ptr<Flow>> Accept(absl::Time deadline) override {
    {
      absl::MutexLock lock(&mu_);
      if (is_closed_)
        return ClosedError(absl::StrCat(text_, ": not listening"));
      ++accepting_;
    }
    absl::StatusOr<std::unique_ptr<Flow>> flow = AcceptOne(deadline);
    absl::MutexLock lock(&mu_);
    --accepting_;
    return flow;
  }

  void Close() override {
    absl::MutexLock lock(&mu_);
    if (!is_closed_) {
      is_closed_ = true;
      // Readable from here on; nobody reads it.
      const uint64_t one = 1;
      [[maybe_unused]] const auto n = ::write(closed_.get(), &one, sizeof(one));
      RemoveFile();
    }
    const auto nobody_accepts = [this] {
      mu_.AssertReaderHeld();
      return accepting_ == 0;
    };
    mu_.Await(absl::Condition(&nobody_accepts));
    fd_.Close();
  }

  std::string address() const override { return text_; }

 private:
  absl::StatusOr<std::unique_ptr<Flow>> AcceptOne(absl::Time deadline) {
    while (true) {
      SocketAddress peer;
      const int fd = ::accept4(fd_.get(), peer.get(), &peer.size, SOCK_CLOEXEC);
      if (fd >= 0) {
        if (!address_.is_unix()) SetNoDelay(fd);
        return internal::MakeSocketFlow(fd, NameOf(peer));
      }
      const int error = errno;
      switch (error) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
          return InContext("Accept", text_,
                           absl::ResourceExhaustedError(
                               FdError(error, "accept4").message()));
        case EBADF:
        case EINVAL:
        case EFAULT:
        case ENOTSOCK:
          return InContext("Accept", text_, FdError(error, "accept4"));
        default:
          break;
      }
      // Nobody is there, or one that is gone again.
      switch (Wait(deadline)) {
        case FdWaiter::Outcome::kReady:
          break;
        case FdWaiter::Outcome::kStopped:
          return ClosedError(absl::StrCat(text_, ": not listening any more"));
        case FdWaiter::Outcome::kLate:
          return absl::DeadlineExceededError(absl::StrCat(
              "Accept(", text_, "): nobody came until the deadline"));
      }
    }
  }

  // Any number of threads may be in here.
  FdWaiter::Outcome Wait(absl::Time deadline) {
    while (true) {
      int timeout = -1;
      if (deadline != absl::InfiniteFuture()) {
        const absl::Duration left = deadline - absl::Now();
        if (left <= absl::ZeroDuration()) return FdWaiter::Outcome::kLate;
        timeout = static_cast<int>(absl::ToInt64Milliseconds(std::min(
            absl::Ceil(left, absl::Milliseconds(1)), absl::Hours(24))));
      }
      struct pollfd polled[] = {{closed_.get(), POLLIN, 0},
                                {fd_.get(), POLLIN, 0}};
      if (::poll(polled, 2, timeout) <= 0) continue;
      return polled[0].revents != 0 ? FdWaiter::Outcome::kStopped
                                    : FdWaiter::Outcome::kReady;
    }
  }

  // Who dials a Unix socket has no name.
  std::string NameOf(const SocketAddress& peer) const {
    std::string name = peer.ToString();
    if (name == "unix:") name = text_;
    name[name.find(':')] = ' ';
    return name;
  }

  void RemoveFile() {
    const std::string path = address_.path();
    struct stat now;
    if (path.empty() || ::lstat(path.c_str(), &now) != 0) return;
    if (now.st_dev == device_ && now.st_ino == inode_) ::unlink(path.c_str());
  }

  const SocketAddress address_;
  const std::string text_;
  const dev_t device_;
  const ino_t inode_;
  const OwnedFd closed_;  // readable once Close() was called

  absl::Mutex mu_;
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  int accepting_ ABSL_GUARDED_BY(mu_) = 0;
  OwnedFd fd_;  // closed when nobody is in AcceptOne() and nobody will be
};

absl::Status BindError(int error) {
  switch (error) {
    case EADDRINUSE:
      return absl::AlreadyExistsError("somebody else listens there");
    case EADDRNOTAVAIL:
      return absl::InvalidArgumentError(
          "the address is not one of this machine");
    default:
      return FdError(error, "bind");
  }
}

bool IsNoSocket(const SocketAddress& address) {
  struct stat info;
  return ::lstat(address.path().c_str(), &info) == 0 && !S_ISSOCK(info.st_mode);
}

// Whether the socket whose file is at `address` is one that nobody listens on
// any more.
bool IsLeftOver(const SocketAddress& address) {
  // A socket of another type is refused by whoever lives (EPROTOTYPE), who
  // does not notice.
  OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return fd.get() >= 0 &&
         ::connect(fd.get(), address.get(), address.size) != 0 &&
         errno == ECONNREFUSED;
}

absl::StatusOr<OwnedFd> Bind(const SocketAddress& address) {
  OwnedFd fd(::socket(address.storage.ss_family,
                      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return FdError(errno, "socket");
  if (address.is_unix()) {
    if (::bind(fd.get(), address.get(), address.size) == 0) return fd;
    const int error = errno;
    if (error == EADDRINUSE && IsNoSocket(address)) {
      return absl::AlreadyExistsError("the file is there, and is no socket");
    }
    if (error != EADDRINUSE || !IsLeftOver(address)) return BindError(error);
    ::unlink(address.path().c_str());
    if (::bind(fd.get(), address.get(), address.size) == 0) return fd;
    return BindError(errno);
  }
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.storage.ss_family == AF_INET6) {
    // On every address of this machine: also on those of IPv4.
    const int off = 0;
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (::bind(fd.get(), address.get(), address.size) == 0) return fd;
  return BindError(errno);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTo(const SocketName& name,
                                                   int backlog) {
  absl::StatusOr<std::vector<SocketAddress>> addresses =
      internal::Resolve(name, /*to_listen=*/true, absl::InfiniteFuture());
  if (!addresses.ok()) return addresses.status();
  if (!name.is_unix && name.host.empty()) {
    // IPv6 is for both, so it comes first, where there is IPv6.
    std::stable_sort(addresses->begin(), addresses->end(),
                     [](const SocketAddress& a, const SocketAddress& b) {
                       return a.storage.ss_family == AF_INET6 &&
                              b.storage.ss_family != AF_INET6;
                     });
  }
  absl::Status first_error;
  for (SocketAddress& address : *addresses) {
    absl::StatusOr<OwnedFd> fd = Bind(address);
    struct stat file = {};
    if (fd.ok() && !address.path().empty()) {
      ::lstat(address.path().c_str(), &file);
    }
    if (fd.ok() && ::listen(fd->get(), backlog) != 0) {
      fd = errno == EADDRINUSE ? BindError(errno) : FdError(errno, "listen");
    }
    if (!fd.ok()) {
      if (first_error.ok()) first_error = fd.status();
      continue;
    }
    OwnedFd closed(::eventfd(0, EFD_CLOEXEC));
    if (closed.get() < 0) return FdError(errno, "eventfd");
    if (!address.is_unix()) {
      // With the port that was chosen, if it was 0.
      ::getsockname(fd->get(), address.get(), &address.size);
    }
    return std::make_unique<SocketListener>(*std::move(fd), std::move(closed),
                                            address, file);
  }
  return first_error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Flow>> Dial(absl::string_view address,
                                           absl::Time deadline) {
  const absl::StatusOr<SocketName> name = internal::ParseSocketAddress(address);
  if (!name.ok()) return InContext("Dial", address, name.status());
  absl::StatusOr<std::unique_ptr<Flow>> flow = Connect(*name, deadline);
  if (!flow.ok()) return InContext("Dial", address, flow.status());
  return flow;
}

absl::StatusOr<std::unique_ptr<Listener>> Listen(absl::string_view address,
                                                 ListenOptions options) {
  const absl::StatusOr<SocketName> name = internal::ParseSocketAddress(address);
  if (!name.ok()) return InContext("Listen", address, name.status());
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      ListenTo(*name, options.backlog);
  if (!listener.ok()) return InContext("Listen", address, listener.status());
  return listener;
}

}  // namespace flow
