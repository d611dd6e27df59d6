// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does is said where it matters; it was tried on Linux 6.18.

#include "flow/internal/socket_flow.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/close_fd.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gathering_flow.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

// poll(2) does not tell a writer that waits on a full Unix socket that the peer
// refuses: it looks only for room (unix_poll() in the kernel). Our own peers
// make room when they refuse; for others, a writer tries again after this.
constexpr absl::Duration kWriterLooksAgain = absl::Seconds(1);

// TCP tells nobody when the peer has acknowledged all, so Close() looks again
// after this.
constexpr absl::Duration kCloserLooksAgain = absl::Milliseconds(10);

// How long a peer that has been sent everything may go on sending what nobody
// reads, until it is told. It may be about to end by itself.
constexpr absl::Duration kRefusalGrace = absl::Milliseconds(200);

// So much is not queued anywhere: who has sent it is still sending.
constexpr size_t kNotQueued = size_t{64} << 20;

// What Close() discards at a time, of a peer that has not taken all.
constexpr size_t kDiscardedAtOnce = size_t{1} << 20;

bool IsTcp(int fd) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         (domain == AF_INET || domain == AF_INET6);
}

class SocketFlow final : public GatheringFlow {
 public:
  SocketFlow(int fd, std::string name)
      : fd_(fd), is_tcp_(IsTcp(fd)), name_(std::move(name)) {
    // Urgent data are data. Otherwise recv(2) passes over them, and what has
    // lost a byte looks whole.
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
  }

  ~SocketFlow() override { Destroy(); }

 private:
  // --- Reading

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    while (!reader_.stopped()) {
      const std::optional<absl::Span<char>> space =
          fill_buffer_.Space(max_bytes);
      if (!space.has_value()) return FillBuffer::NoMemory();
      const absl::StatusOr<ssize_t> n =
          Receive(space->data(), space->size(), 0);
      if (n.ok() && *n > 0) return fill_buffer_.Take(static_cast<size_t>(*n));
      fill_buffer_.Drop();
      if (!n.ok()) return n.status();
      if (*n == 0) return AtEnd();
      const auto waited = reader_.Wait(fd_, POLLIN);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError("nothing came until the deadline");
      }
    }
    // Refused, or aborted, and then the base does not look at this.
    return absl::Cord();
  }

  // As recv(2) that does not wait, -1 if nothing is there.
  absl::StatusOr<ssize_t> Receive(char* space, size_t size, int flags) {
    absl::MutexLock receiving(&receive_mu_);
    while (true) {
      const ssize_t n = ::recv(fd_, space, size, MSG_DONTWAIT | flags);
      if (n >= 0) return n;
      const int error = errno;
      if (error == EINTR) continue;
      if (WouldBlock(error)) return n;
      absl::MutexLock lock(&error_mu_);
      return KeepError(error, "recv");
    }
  }

  // The kernel reports a reset once, to whoever asks first, and an end to all
  // who ask later. A writer may just have been told.
  absl::StatusOr<absl::Cord> AtEnd() {
    absl::MutexLock lock(&error_mu_);
    if (!error_.ok()) return error_;
    return absl::Cord();
  }

  // --- Writing

  absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) override {
    struct msghdr message = {};
    message.msg_iov = const_cast<struct iovec*>(list.data());
    message.msg_iovlen = list.size();
    while (!writer_.stopped()) {
      bool refused = false;
      {
        absl::MutexLock lock(&error_mu_);
        const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) return static_cast<size_t>(n);
        const int error = errno;
        if (n < 0 && error == EINTR) continue;
        if (n < 0 && error != EPIPE && !WouldBlock(error)) {
          return KeepError(error, "sendmsg");
        }
        refused = n < 0 && error == EPIPE;
      }
      if (refused) return TakesNoMore();
      const auto waited = writer_.Wait(
          fd_, POLLOUT, is_tcp_ ? absl::InfiniteDuration() : kWriterLooksAgain);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError(
            "the peer took no more until the deadline");
      }
    }
    return absl::AbortedError("aborted");
  }

  // EPIPE says that the stream takes no more. That is an error if there was one
  // before; else the peer has closed in good order, or refuses.
  absl::Status TakesNoMore() {
    // A reader may have been told of the error, and be about to keep it.
    absl::MutexLock receiving(&receive_mu_);
    absl::MutexLock lock(&error_mu_);
    if (absl::Status status = PendingError("sendmsg"); !status.ok()) {
      return status;
    }
    return ClosedError("sendmsg: the peer takes no more");
  }

  // --- Ends

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok()) {
      absl::MutexLock lock(&error_mu_);
      if (aborted_.load()) return absl::OkStatus();
      if (::shutdown(fd_, SHUT_WR) == 0) {
        ended_ = true;
        return absl::OkStatus();
      }
      const int error = errno;
      if (absl::Status status = PendingError("shutdown"); !status.ok()) {
        return status;
      }
      // Both directions had ended already.
      if (error == ENOTCONN) return absl::OkStatus();
      return FdError(error, "shutdown");
    }
    // A peer that is Closed has nothing to be told. For the rest, TCP can reset
    // the connection, and a Unix socket can say nothing.
    if (is_tcp_ && !IsClosed(outcome)) {
      absl::MutexLock lock(&error_mu_);
      // What has come before a reset by the peer is still there to be read, and
      // disconnecting would discard it.
      if (IsOver()) return absl::OkStatus();
      if (error_.ok()) error_ = outcome;
      Reset();
    }
    return absl::OkStatus();
  }

  void DoShutdownRead() override {
    reader_.Stop();
    closer_.Stop();
    // TCP can tell the peer nothing, and after SHUT_RD its end is not to be
    // told from ours.
    if (is_tcp_) return;
    ::shutdown(fd_, SHUT_RD);
    // Nothing more comes. What is there goes, which also wakes the peer.
    Discard();
  }

  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    const MonotonicDeadline until(deadline);
    if (!reader_.stopped()) {
      closer_.SetDeadline(until);
      const auto waited = closer_.Wait(fd_, POLLRDHUP);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) return NotEnded();
      // Of an error, a reader is told if there is one, who knows whether it
      // came before the end; and DoFree() otherwise.
      if (*waited == FdWaiter::Outcome::kReady) return absl::OkStatus();
    }
    // Refused, or aborted.
    if (!is_tcp_ || aborted_.load()) return absl::OkStatus();
    return AwaitEndOfRefused(until);
  }

  // Discards what comes until the peer has ended. One that has been sent all of
  // our own, and goes on sending, is not waited for: close(2) then tells it by
  // a reset. That takes nothing from it. Its kernel has acknowledged our data
  // and their end, and Linux leaves to a reader what came before a reset; other
  // systems may not, so it has had a while to read.
  //
  // As long as it has not taken all, it can be waited for without a limit, and
  // send as long. So that costs little, what comes is discarded bit by bit.
  absl::Status AwaitEndOfRefused(MonotonicDeadline until) {
    lingerer_.SetDeadline(until);
    while (true) {
      // POLLRDHUP is the peer's end. One that is behind data for which there is
      // no room has not come yet; of these, nobody reads but this.
      const auto waited = lingerer_.Wait(
          fd_, POLLIN | POLLRDHUP,
          grace_.has_value() ? absl::InfiniteDuration() : kCloserLooksAgain);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) return NotEnded();
      if (*waited == FdWaiter::Outcome::kStopped) return absl::OkStatus();
      const size_t limit = grace_.has_value() ? kNotQueued : kDiscardedAtOnce;
      if (Discard(limit)) return absl::OkStatus();
      if (grace_.has_value()) {
        if (grace_->has_passed())
          return absl::OkStatus();  // and it still sends
      } else if (Unacknowledged() == 0) {
        grace_ = MonotonicDeadline::In(kRefusalGrace);
      } else {
        absl::SleepFor(std::min(kCloserLooksAgain, until.left()));
      }
      // A peer that never stops sending is always ready.
      if (until.has_passed()) return NotEnded();
    }
  }

  static absl::Status NotEnded() {
    return absl::DeadlineExceededError("the remote has not ended");
  }

  void DoAbort(const absl::Status&) override {
    {
      absl::MutexLock lock(&error_mu_);
      aborted_.store(true);
      // What had ended in good order drains, whatever happens then. A reset
      // would destroy what the peer has not acknowledged; that is left to the
      // kernel, which resets when the peer sends something that nobody will
      // read. (The end alone may be on its way: it comes before the reset.)
      if (is_tcp_ && (!ended_ || (Unacknowledged() <= 1 && Unsent() == 0))) {
        Reset();
      } else if (is_tcp_) {
        ::shutdown(fd_, SHUT_RD);
      }
    }
    reader_.Stop();
    writer_.Stop();
    closer_.Stop();
    lingerer_.Stop();
    if (is_tcp_) return;
    // If there is something that was not read, close(2) gives the peer an
    // error. Otherwise all it can get is an end, so let it have that now.
    int unread = 0;
    if (::ioctl(fd_, FIONREAD, &unread) == 0 && unread > 0) return;
    ::shutdown(fd_, SHUT_RDWR);
  }

  absl::Status DoFree() override {
    // close(2) with something unread resets the connection, and the peer would
    // lose what it has not been sent yet. A Unix socket that was aborted tells
    // its peer by that.
    if (is_tcp_ || !aborted_.load()) Discard();
    absl::Status status;
    if (!aborted_.load()) {
      absl::MutexLock lock(&error_mu_);
      status = PendingError("close");
    }
    status.Update(CloseFd(fd_));
    return status;
  }

  void DoFreeInChild() override { CloseFd(fd_).IgnoreError(); }

  int64_t DoBytesInTransit() const override {
    // Of a connection that was reset, the kernel tells nonsense.
    return is_tcp_ && IsOver() ? 0 : Unacknowledged();
  }

  void DoSetReadDeadline(absl::Time deadline) override {
    reader_.SetDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    writer_.SetDeadline(deadline);
  }

  std::string DoDescribe() const override { return name_; }

  // --- The socket

  // Drops what has come. Returns whether that was all, and the peer has ended
  // or there is an error, which is kept. It stops after `limit`, by default so
  // much that the peer must still be sending.
  bool Discard(size_t limit = kNotQueued) {
    for (size_t discarded = 0; discarded < limit;) {
      // Of TCP, the bytes are not even copied.
      char bytes[4096];
      const absl::StatusOr<ssize_t> n = is_tcp_
                                            ? Receive(nullptr, limit, MSG_TRUNC)
                                            : Receive(bytes, sizeof(bytes), 0);
      if (!n.ok() || *n == 0) return true;
      if (*n < 0) return false;
      discarded += static_cast<size_t>(*n);
    }
    return false;
  }

  // Returns how much the peer has not acknowledged (TCP, and its end counts as
  // a byte) or read (Unix sockets, and it is the memory that counts).
  int Unacknowledged() const {
    int bytes = 0;
    return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
  }

  // Returns how much of that was not sent yet, as the peer has no room.
  int Unsent() const {
    int bytes = 0;
    return ::ioctl(fd_, SIOCOUTQNSD, &bytes) == 0 ? bytes : 0;
  }

  // Whether the peer cannot be told anything any more: a TCP connection that
  // was reset, or has ended both ways, has no peer.
  bool IsOver() const {
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return ::getpeername(fd_, reinterpret_cast<struct sockaddr*>(&peer),
                         &size) != 0;
  }

  // Ends the connection such that the peer gets an error.
  void Reset() ABSL_EXCLUSIVE_LOCKS_REQUIRED(error_mu_) {
    // By close(2), should connect(2) not do it.
    const struct linger at_once = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    // On TCP that means to disconnect, by a reset. (The descriptor cannot be
    // closed while other calls use it.) Not by the C library's function, which
    // to ThreadSanitizer makes a new descriptor and so races with a Read.
    struct sockaddr nobody = {};
    nobody.sa_family = AF_UNSPEC;
    ::syscall(SYS_connect, fd_, &nobody, sizeof(nobody));
  }

  // Returns the error that the connection has had, or Ok. `tried`: meanwhile.
  absl::Status PendingError(absl::string_view tried)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(error_mu_) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
    if (error == EPIPE) {
      if (error_after_end_.ok()) error_after_end_ = FdError(error, tried);
    } else if (error != 0) {
      KeepError(error, tried).IgnoreError();
    }
    return error_.ok() ? error_after_end_ : error_;
  }

  absl::Status KeepError(int error, absl::string_view tried)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(error_mu_) {
    if (error_.ok()) error_ = FdError(error, tried);
    return error_;
  }

  const int fd_;
  const bool is_tcp_;
  const std::string name_;

  FillBuffer fill_buffer_;
  FdWaiter reader_;
  FdWaiter writer_;
  FdWaiter closer_;
  FdWaiter lingerer_;  // the closer of a direction that was refused
  // Of a peer that was sent all. Only the closer uses it.
  std::optional<MonotonicDeadline> grace_;

  // Held by calls that may be told of the connection's error, until they have
  // kept it, as nobody is told twice: by those that receive, so that they do
  // not hold those that send up, and by all others.
  absl::Mutex receive_mu_ ABSL_ACQUIRED_BEFORE(error_mu_);
  absl::Mutex error_mu_;
  absl::Status error_ ABSL_GUARDED_BY(error_mu_);
  // A reset of a peer that had ended its direction before: what it has sent is
  // whole, what it was sent is lost.
  absl::Status error_after_end_ ABSL_GUARDED_BY(error_mu_);
  std::atomic<bool> aborted_{false};  // changes while `error_mu_` is held
  // The outbound direction has ended in good order.
  bool ended_ ABSL_GUARDED_BY(error_mu_) = false;
};

}  // namespace

std::unique_ptr<Flow> MakeSocketFlow(int fd, std::string name) {
  return std::make_unique<SocketFlow>(fd, std::move(name));
}

}  // namespace flow::internal
