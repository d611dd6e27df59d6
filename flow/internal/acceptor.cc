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
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/engine.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/listening_socket.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/poll_until.h"
#include "flow/internal/started_call.h"
#include "flow/operation.h"
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

// An accept that was started. It owns itself, by way of `started_`.
class Acceptor::Started final : public StartedCall {
 public:
  Started(Acceptor& acceptor, Engine& engine, const MonotonicDeadline& deadline,
          Operation* operation, Finish finish)
      : engine_(engine),
        acceptor_(acceptor),
        deadline_(deadline),
        operation_(operation),
        finish_(std::move(finish)) {}

 private:
  bool Try(bool is_late) override;
  MonotonicDeadline Deadline() override { return deadline_; }
  Engine& engine() const override { return engine_; }
  Operation* End() override;

  // Waits for what `progress_` says. Not Ok: it cannot.
  absl::Status Await();

  Engine& engine_;
  Acceptor& acceptor_;
  const MonotonicDeadline deadline_;
  Operation* const operation_;
  Finish finish_;
  Progress progress_;
};

Acceptor::Acceptor(std::vector<ListeningSocket> sockets, OwnedFd closed)
    : generation_(ForkGeneration()),
      closed_(std::move(closed)),
      sockets_(std::move(sockets)) {}

Acceptor::~Acceptor() {
  Close();
  if (IsCopy()) return;
  MutexLock lock(mu_);
  ABSL_CHECK(started_.empty()) << "a Listener is destroyed while a started "
                                  "accept is pending: Close() it, "
                                  "and wait for each Done()";
}

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
    for (const std::unique_ptr<Started>& started : started_) started->Now();
  }
  const auto nobody_accepts = [this] {
    mu_.AssertReaderHeld();
    return accepting_ == 0;
  };
  mu_.Await(absl::Condition(&nobody_accepts));
  sockets_.clear();
  // Otherwise the last one does it.
  if (started_.empty()) set_.Close();
}

absl::StatusOr<Acceptor::Connection> Acceptor::AcceptOne(
    const MonotonicDeadline& deadline, bool& looks) {
  Progress progress;
  while (true) {
    auto outcome = Look(deadline, progress);
    if (outcome.has_value()) return *std::move(outcome);
    absl::Status status = progress.pause_ends.is_never()
                              ? AwaitSomebody(deadline, looks)
                              : Pause(std::min(deadline, progress.pause_ends));
    if (absl::IsResourceExhausted(status)) {
      status = Lacks(std::move(status), deadline, progress);
      if (status.ok()) status = Pause(std::min(deadline, progress.pause_ends));
    }
    if (!status.ok()) return status;
  }
}

std::optional<absl::StatusOr<Acceptor::Connection>> Acceptor::Look(
    const MonotonicDeadline& deadline, Progress& progress) {
  while (true) {
    Connection connection;
    const int error = TakeNext(connection);
    const Kind kind = KindOf(error);
    progress.pause_ends = MonotonicDeadline();
    switch (kind) {
      case Kind::kAccepted:
        if (!IsGone(connection.fd.get())) return connection;
        [[fallthrough]];
      case Kind::kPassedOver:
        progress.shortage_ends = MonotonicDeadline();
        if (++progress.passed_over > kPassedOverAtOnce) {
          if (deadline.has_passed()) return NobodyCame(error);
          // A connection that is gone makes room for the next one: no pause.
          const absl::Duration pause =
              kind == Kind::kAccepted
                  ? absl::ZeroDuration()
                  : std::min(
                        kPauseStep * (progress.passed_over - kPassedOverAtOnce),
                        kLongestPause);
          progress.pause_ends = MonotonicDeadline::In(pause);
          return std::nullopt;
        }
        break;
      case Kind::kNobody:
        progress.shortage_ends = MonotonicDeadline();
        return std::nullopt;
      case Kind::kShortage: {
        // The kernel says so even if nobody is there.
        bool closed = false;
        const absl::StatusOr<bool> somebody =
            PollSockets(MonotonicDeadline(absl::InfinitePast()), closed);
        if (somebody.ok() && !*somebody) {
          progress.shortage_ends = MonotonicDeadline();
          return std::nullopt;
        }
        const absl::Status status = Lacks(
            somebody.ok() ? FdErrorAs(absl::StatusCode::kResourceExhausted,
                                      error, "accept4")
                          : somebody.status(),
            deadline, progress);
        if (!status.ok()) return status;
        return std::nullopt;
      }
      case Kind::kOther:
        return FdError(error, "accept4");
    }
  }
}

absl::Status Acceptor::Lacks(absl::Status status,
                             const MonotonicDeadline& deadline,
                             Progress& progress) {
  if (progress.shortage_ends.is_never()) {
    progress.shortage_ends = MonotonicDeadline::In(kShortageWait);
  }
  const MonotonicDeadline until = std::min(deadline, progress.shortage_ends);
  if (until.has_passed()) return status;
  progress.pause_ends = std::min(until, MonotonicDeadline::In(kShortageStep));
  return absl::OkStatus();
}

int Acceptor::TakeNext(Connection& connection) {
  const size_t first = next_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < sockets_.size(); ++i) {
    const OwnedFd& fd = sockets_[(first + i) % sockets_.size()].fd;
    connection.peer.size = sizeof(connection.peer.storage);
    connection.fd =
        OwnedFd(::accept4(fd.get(), connection.peer.get(),
                          &connection.peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
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
  bool closed = false;
  const absl::StatusOr<bool> ready = PollSockets(deadline, closed);
  if (!ready.ok()) return ready.status();
  if (closed) return NotListening();
  return *ready ? absl::OkStatus() : NobodyCame();
}

absl::StatusOr<bool> Acceptor::PollSockets(const MonotonicDeadline& deadline,
                                           bool& closed) {
  const bool is_copy = IsCopy();
  std::vector<struct pollfd> polled;
  for (const ListeningSocket& socket : sockets_) {
    polled.push_back({socket.fd.get(), POLLIN, 0});
  }
  if (!is_copy) polled.push_back({closed_.get(), POLLIN, 0});
  absl::StatusOr<bool> ready = PollUntil(absl::MakeSpan(polled), deadline);
  closed = !is_copy && ready.ok() && polled.back().revents != 0;
  return ready;
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

// --- Started

bool Acceptor::Start(Engine& engine, const MonotonicDeadline& deadline,
                     Operation* operation, Finish finish) {
  if (IsCopy()) {
    finish(absl::FailedPreconditionError(
        "after fork(2) an accept cannot be started"));
    return true;
  }
  auto added = std::make_unique<Started>(*this, engine, deadline, operation,
                                         std::move(finish));
  Started& started = *added;
  {
    MutexLock lock(mu_);
    started_.push_back(std::move(added));
  }
  return started.Start();
}

bool Acceptor::Started::Try(bool is_late) {
  std::optional<absl::StatusOr<Connection>> outcome;
  bool is_closed = false;
  {
    MutexLock lock(acceptor_.mu_);
    is_closed = acceptor_.is_closed_;
    if (!is_closed) ++acceptor_.accepting_;
  }
  if (is_closed) {
    outcome = NotListening();
  } else {
    outcome = acceptor_.Look(deadline_, progress_);
    // While the sockets are open.
    const absl::Status waits =
        outcome.has_value() || is_late ? absl::OkStatus() : Await();
    if (!waits.ok()) outcome = waits;
    MutexLock lock(acceptor_.mu_);
    --acceptor_.accepting_;
  }
  if (!outcome.has_value() && is_late) outcome = NobodyCame();
  if (!outcome.has_value()) return false;
  finish_(*std::move(outcome));
  return true;
}

absl::Status Acceptor::Started::Await() {
  if (progress_.pause_ends.is_never()) {
    MutexLock lock(acceptor_.mu_);
    // Otherwise the one before says when it is the turn of this. Meanwhile it
    // waits for something, so an engine that ends when there is nothing
    // (Asio's) goes on.
    if (acceptor_.started_.front().get() != this) {
      After(absl::Hours(1));
      return absl::OkStatus();
    }
    absl::Status status;
    if (acceptor_.set_.fd() < 0) {
      for (const ListeningSocket& socket : acceptor_.sockets_) {
        status.Update(acceptor_.set_.Add(socket.fd.get(), POLLIN));
      }
    }
    if (status.ok()) {
      WhenReady(acceptor_.set_.fd(), POLLIN);
      return status;
    }
    acceptor_.set_.Close();
    status = Lacks(std::move(status), deadline_, progress_);
    if (!status.ok()) return status;
  }
  After(progress_.pause_ends.left());
  return absl::OkStatus();
}

Operation* Acceptor::Started::End() {
  Operation* const operation = operation_;
  // Before the next one watches the set.
  Forget();
  std::unique_ptr<Started> self;  // freed without the lock
  MutexLock lock(acceptor_.mu_);
  auto& started = acceptor_.started_;
  const auto found = absl::c_find_if(
      started, [this](const auto& each) { return each.get() == this; });
  self = std::move(*found);
  started.erase(found);
  if (!started.empty()) {
    started.front()->Now();
  } else if (acceptor_.is_closed_) {
    acceptor_.set_.Close();
  }
  return operation;
}

}  // namespace flow::internal
