// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/connect.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/poll_until.h"
#include "flow/internal/set_socket_options.h"
#include "flow/socket_options.h"

namespace flow::internal {
namespace {

absl::Status ConnectError(int error) {
  switch (error) {
    case ECONNREFUSED:
      return FdErrorAs(absl::StatusCode::kUnavailable, error,
                       "nobody listens there: connect");
    case EADDRNOTAVAIL:  // no address or port of ours reaches it
    case EAFNOSUPPORT:
      return FdErrorAs(absl::StatusCode::kUnavailable, error, "connect");
    default:
      return FdError(error, "connect");
  }
}

absl::Status NoAnswer() {
  return absl::DeadlineExceededError("no answer before the deadline");
}

// Returns whether the connection reaches itself: the kernel chose a port for
// this end that nobody listened on, and it was the one to be dialed.
bool IsToItself(int fd) {
  KernelAddress local;
  KernelAddress peer;
  return ::getsockname(fd, local.get(), &local.size) == 0 &&
         ::getpeername(fd, peer.get(), &peer.size) == 0 &&
         local.ToString() == peer.ToString();
}

// Returns the error of `fd`, which has its answer; 0 means that it is
// connected.
int ErrorOf(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error == 0 && IsToItself(fd) ? ECONNREFUSED : error;
}

// A Unix socket connects at once, unless too many wait there to be accepted.
// Then only a blocking call can wait: poll(2) does not tell.
absl::StatusOr<OwnedFd> ConnectUnix(const KernelAddress& address,
                                    const DialLimits& limits,
                                    const SocketOptions& options) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return FdError(errno, "socket");
  SetBufferSizes(fd.get(), options);
  while (true) {
    if (absl::Status s = limits.Cancelled(); !s.ok()) return s;
    const MonotonicDeadline until = limits.NextLook();
    if (!until.is_never()) {
      // 0 would mean no limit.
      const struct timeval limit =
          absl::ToTimeval(std::max(until.left(), absl::Microseconds(1)));
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    if (::connect(fd.get(), address.get(), address.size) == 0) return fd;
    if (WouldBlock(errno)) {
      if (limits.deadline.has_passed()) return NoAnswer();
    } else if (errno != EINTR) {
      return ConnectError(errno);
    }
  }
}

std::vector<KernelAddress> FamiliesInTurns(
    absl::Span<const KernelAddress> addresses) {
  std::vector<KernelAddress> first;
  std::vector<KernelAddress> others;
  for (const KernelAddress& address : addresses) {
    const bool is_first =
        address.storage.ss_family == addresses.front().storage.ss_family;
    (is_first ? first : others).push_back(address);
  }
  std::vector<KernelAddress> turns;
  for (size_t i = 0; i < std::max(first.size(), others.size()); ++i) {
    if (i < first.size()) turns.push_back(first[i]);
    if (i < others.size()) turns.push_back(others[i]);
  }
  return turns;
}

// How often a Unix socket is tried that has no room: poll(2) does not tell.
constexpr absl::Duration kRoomStep = absl::Milliseconds(10);

}  // namespace

Connector::Connector(absl::Span<const KernelAddress> addresses,
                     const SocketOptions& options)
    : options_(options),
      turns_(FamiliesInTurns(addresses)),
      next_step_(absl::InfinitePast()) {}

std::optional<absl::StatusOr<OwnedFd>> Connector::Step(
    const DialLimits& limits) {
  if (turns_.front().is_unix()) return StepUnix(limits);
  while (true) {
    const absl::StatusOr<bool> answered = Look();
    if (!answered.ok()) return answered.status();
    if (connected_.get() >= 0) return std::move(connected_);
    if (absl::Status s = limits.Cancelled(); !s.ok()) return s;
    if (!*answered && !next_step_.has_passed()) break;
    while (next_ < turns_.size() && !Start(turns_[next_++])) {
    }
    if (connected_.get() >= 0) return std::move(connected_);
    if (waiting_.empty()) return error_;
    next_step_ = next_ == turns_.size() ? MonotonicDeadline()
                                        : MonotonicDeadline::In(kTriedAlone);
  }
  if (!limits.deadline.has_passed()) return std::nullopt;
  if (error_.ok()) return NoAnswer();
  return absl::DeadlineExceededError(absl::StrCat(
      NoAnswer().message(), "; of another address: ", error_.message()));
}

std::optional<absl::StatusOr<OwnedFd>> Connector::StepUnix(
    const DialLimits& limits) {
  if (absl::Status s = limits.Cancelled(); !s.ok()) return s;
  if (connected_.get() < 0) {
    connected_ = OwnedFd(
        ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (connected_.get() < 0) return FdError(errno, "socket");
    SetBufferSizes(connected_.get(), options_);
  }
  const KernelAddress& address = turns_.front();
  int result;
  do {
    result = ::connect(connected_.get(), address.get(), address.size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return std::move(connected_);
  if (!WouldBlock(errno)) return ConnectError(errno);
  if (limits.deadline.has_passed()) return NoAnswer();
  next_step_ = MonotonicDeadline::In(kRoomStep);
  return std::nullopt;
}

bool Connector::Start(const KernelAddress& address) {
  OwnedFd fd(::socket(address.storage.ss_family,
                      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) {
    const int error = errno;
    const bool lacks_family = error == EAFNOSUPPORT;
    Fail(lacks_family ? ConnectError(error) : FdError(error, "socket"),
         lacks_family);
    return false;
  }
  SetTcpOptions(fd.get(), options_);
  if (::connect(fd.get(), address.get(), address.size) == 0) {
    Finish(std::move(fd));
    return connected_.get() >= 0;
  }
  // After EINTR it goes on nevertheless (connect(2)).
  if (errno != EINPROGRESS && errno != EINTR) {
    FailToConnect(errno);
    return false;
  }
  waiting_.push_back({std::move(fd)});
  return true;
}

std::vector<struct pollfd> Connector::Polled() const {
  std::vector<struct pollfd> polled;
  for (const Attempt& attempt : waiting_) {
    polled.push_back({attempt.fd.get(), POLLOUT, 0});
  }
  return polled;
}

absl::Status Connector::Wait(const MonotonicDeadline& deadline) {
  std::vector<struct pollfd> polled = Polled();
  return PollUntil(absl::MakeSpan(polled), deadline).status();
}

absl::StatusOr<bool> Connector::Look() {
  if (waiting_.empty()) return false;
  std::vector<struct pollfd> polled = Polled();
  absl::StatusOr<bool> ready = PollUntil(
      absl::MakeSpan(polled), MonotonicDeadline(absl::InfinitePast()));
  if (!ready.ok() || !*ready) return ready;
  std::vector<Attempt> all = std::move(waiting_);
  waiting_.clear();
  for (size_t i = 0; i < all.size() && connected_.get() < 0; ++i) {
    if (polled[i].revents == 0) {
      waiting_.push_back(std::move(all[i]));
    } else {
      if (all[i].is_in_set) set_.Remove(all[i].fd.get());
      Finish(std::move(all[i].fd));
    }
  }
  return ready;
}

absl::StatusOr<int> Connector::Watched() {
  if (waiting_.empty()) return -1;
  for (Attempt& attempt : waiting_) {
    if (attempt.is_in_set) continue;
    absl::Status status = set_.Add(attempt.fd.get(), POLLOUT);
    if (!status.ok()) return status;
    attempt.is_in_set = true;
  }
  return set_.fd();
}

void Connector::Finish(OwnedFd fd) {
  if (const int error = ErrorOf(fd.get()); error != 0) {
    FailToConnect(error);
  } else {
    connected_ = std::move(fd);
  }
}

void Connector::FailToConnect(int error) {
  // This machine has no such addresses, or no route to there.
  const bool says_little =
      error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == ENETUNREACH;
  Fail(ConnectError(error), says_little);
}

void Connector::Fail(absl::Status error, bool says_little) {
  const int weight = absl::IsResourceExhausted(error) ? 3 : says_little ? 1 : 2;
  if (weight <= weight_of_error_) return;
  weight_of_error_ = weight;
  error_ = std::move(error);
}

absl::StatusOr<OwnedFd> ConnectToOneOf(
    absl::Span<const KernelAddress> addresses, const DialLimits& limits,
    const SocketOptions& options) {
  if (addresses.front().is_unix()) {
    return ConnectUnix(addresses.front(), limits, options);
  }
  Connector connector(addresses, options);
  while (true) {
    auto outcome = connector.Step(limits);
    if (outcome.has_value()) return *std::move(outcome);
    const absl::Status waited =
        connector.Wait(std::min(limits.NextLook(), connector.next_step()));
    if (!waited.ok()) return waited;
  }
}

}  // namespace flow::internal
