// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/acceptor.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/listening_socket.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/poll_until.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

absl::Status NotListening() { return ClosedError("not listening anymore"); }

// `passed_over`: the error of those who did.
absl::Status NobodyCame(int passed_over = 0) {
  constexpr absl::string_view kText = "no connection before the deadline";
  if (passed_over == 0) return absl::DeadlineExceededError(kText);
  return absl::DeadlineExceededError(
      absl::StrCat(kText, "; the last one to come was already gone: ",
                   FdError(passed_over, "accept4").message()));
}

// How long an Accept() without descriptors or memory looks for them, so that a
// caller that asks again and again does not keep a processor busy.
constexpr absl::Duration kShortageWait = absl::Milliseconds(100);
constexpr absl::Duration kShortageStep = absl::Milliseconds(10);

// What is passed over can come again and again, for example if a filter forbids
// the call (EPERM). After so many in a row, tries become less and less
// frequent.
constexpr int kPassedOverAtOnce = 16;
constexpr absl::Duration kPauseStep = absl::Milliseconds(1);
constexpr absl::Duration kLongestPause = absl::Milliseconds(100);

enum class Kind { kAccepted, kNobody, kPassedOver, kShortage, kOther };

Kind KindOf(int error) {
  if (error == 0) return Kind::kAccepted;
  if (WouldBlock(error)) return Kind::kNobody;
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Kind::kShortage;
    // These are errors of the connection, not of the listener ("Error handling"
    // in accept(2)).
    case ECONNABORTED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:
    case EPROTO:
    case ETIMEDOUT:
      return Kind::kPassedOver;
    default:
      return Kind::kOther;
  }
}

// Returns whether `fd` was reset before it was accepted and has nothing left to
// be read.
bool IsGone(int fd) {
  KernelAddress peer;
  char byte;
  return ::getpeername(fd, peer.get(), &peer.size) != 0 && errno == ENOTCONN &&
         ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

}  // namespace

Acceptor::Acceptor(std::vector<ListeningSocket> sockets, OwnedFd closed)
    : generation_(ForkGeneration()),
      closed_(std::move(closed)),
      sockets_(std::move(sockets)) {}

bool Acceptor::IsCopy() const { return generation_ != ForkGeneration(); }

absl::StatusOr<Acceptor::Connection> Acceptor::Accept(
    const MonotonicDeadline& deadline) {
  bool looks = false;
  // The lock may have been held when the process was forked.
  if (IsCopy()) {
    if (sockets_.empty()) return NotListening();
    return AcceptOne(deadline, looks);
  }
  {
    MutexLock lock(mu_);
    if (is_closed_) return NotListening();
    ++accepting_;
  }
  absl::StatusOr<Connection> connection = AcceptOne(deadline, looks);
  MutexLock lock(mu_);
  --accepting_;
  if (looks) somebody_looks_ = false;
  return connection;
}

void Acceptor::Close() {
  if (IsCopy()) {
    sockets_.clear();
    return;
  }
  MutexLock lock(mu_);
  if (!is_closed_) {
    is_closed_ = true;
    // Readable from here on, because nobody reads it.
    const uint64_t one = 1;
    while (::write(closed_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
  }
  const auto nobody_accepts = [this] {
    mu_.AssertReaderHeld();
    return accepting_ == 0;
  };
  mu_.Await(absl::Condition(&nobody_accepts));
  sockets_.clear();
}

absl::StatusOr<Acceptor::Connection> Acceptor::AcceptOne(
    const MonotonicDeadline& deadline, bool& looks) {
  int passed_over = 0;
  MonotonicDeadline shortage_ends;
  while (true) {
    Connection connection;
    const int error = TakeNext(connection);
    const Kind kind = KindOf(error);
    absl::Status status;
    switch (kind) {
      case Kind::kAccepted:
        if (!IsGone(connection.fd.get())) return connection;
        [[fallthrough]];
      case Kind::kPassedOver:
        if (++passed_over > kPassedOverAtOnce) {
          // A connection that is gone makes room for the next one: no pause.
          const absl::Duration pause =
              kind == Kind::kAccepted
                  ? absl::ZeroDuration()
                  : std::min(kPauseStep * (passed_over - kPassedOverAtOnce),
                             kLongestPause);
          status = Pause(std::min(deadline, MonotonicDeadline::In(pause)));
          if (status.ok() && deadline.has_passed()) return NobodyCame(error);
        }
        break;
      case Kind::kNobody:
      case Kind::kShortage:  // The kernel says so even if nobody is there.
        status = AwaitSomebody(deadline, looks);
        break;
      case Kind::kOther:
        return FdError(error, "accept4");
    }
    if (kind == Kind::kShortage && status.ok()) {
      status =
          FdErrorAs(absl::StatusCode::kResourceExhausted, error, "accept4");
    }
    if (absl::IsResourceExhausted(status)) {
      if (shortage_ends.is_never()) {
        shortage_ends = MonotonicDeadline::In(kShortageWait);
      }
      const MonotonicDeadline until = std::min(deadline, shortage_ends);
      if (until.has_passed()) return status;
      status = Pause(std::min(until, MonotonicDeadline::In(kShortageStep)));
    } else {
      shortage_ends = MonotonicDeadline();
    }
    if (!status.ok()) return status;
  }
}

int Acceptor::TakeNext(Connection& connection) {
  const size_t first = next_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < sockets_.size(); ++i) {
    const OwnedFd& fd = sockets_[(first + i) % sockets_.size()].fd;
    connection.peer.size = sizeof(connection.peer.storage);
    connection.fd = OwnedFd(::accept4(fd.get(), connection.peer.get(),
                                      &connection.peer.size, SOCK_CLOEXEC));
    if (connection.fd.get() >= 0) return 0;
    if (!WouldBlock(errno)) return errno;
  }
  return EAGAIN;
}

absl::Status Acceptor::AwaitSomebody(const MonotonicDeadline& deadline,
                                     bool& looks) {
  const bool is_copy = IsCopy();
  if (!is_copy && !looks) {
    MutexLock lock(mu_);
    if (!AwaitUntil(mu_, absl::Condition(this, &Acceptor::MayLook), deadline)) {
      return NobodyCame();
    }
    if (is_closed_) return NotListening();
    somebody_looks_ = true;
    looks = true;
  }
  std::vector<struct pollfd> polled;
  for (const ListeningSocket& socket : sockets_) {
    polled.push_back({socket.fd.get(), POLLIN, 0});
  }
  if (!is_copy) polled.push_back({closed_.get(), POLLIN, 0});
  const absl::StatusOr<bool> ready =
      PollUntil(absl::MakeSpan(polled), deadline);
  if (!ready.ok()) return ready.status();
  if (!*ready) return NobodyCame();
  if (!is_copy && polled.back().revents != 0) return NotListening();
  return absl::OkStatus();
}

absl::Status Acceptor::Pause(const MonotonicDeadline& until) {
  if (IsCopy()) {
    absl::SleepFor(until.left());
    return absl::OkStatus();
  }
  MutexLock lock(mu_);
  const bool closed = AwaitUntil(mu_, absl::Condition(&is_closed_), until);
  return closed ? NotListening() : absl::OkStatus();
}

}  // namespace flow::internal
