// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does is said where it matters; it was tried on Linux 6.18.

#include "flow/internal/socket_transport.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/close_fd.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/fd_waiters.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/flow_block.h"
#include "flow/internal/gathering_transport.h"
#include "flow/internal/kept_address.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/kernel_end.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/splice.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

// poll(2) does not tell a writer that waits on a full Unix socket that the peer
// refuses: it looks only for room (unix_poll() in the kernel). Our own peers
// make room when they refuse; for others, a writer tries again after this.
constexpr absl::Duration kWriterLooksAgain = absl::Seconds(1);

// Nor does poll(2) tell whoever waits for nothing else that the peer of a Unix
// socket has called shutdown(SHUT_RD). It is tried this often.
constexpr absl::Duration kWatcherLooksAgain = absl::Milliseconds(100);

// TCP tells nobody when the peer has acknowledged all, so Close() looks again
// after this.
constexpr absl::Duration kCloserLooksAgain = absl::Milliseconds(10);

// How long a peer that has been sent everything may go on sending what nobody
// reads, until it is told. It may be about to end by itself.
constexpr absl::Duration kRefusalGrace = absl::Milliseconds(200);

// More than is ever queued: a peer that has sent so much is still sending.
constexpr size_t kNotQueued = size_t{64} << 20;

// What Close() discards at a time, from a peer that has not taken all.
constexpr size_t kDiscardedAtOnce = size_t{1} << 20;

// A socket without data is waited for so long by a caller that holds
// descriptors meanwhile.
constexpr absl::Duration kFillPatience = absl::Milliseconds(100);

// How many pieces of a Cord a started write sends at once. A list for all that
// the kernel takes would be 16 KiB of a stack.
constexpr size_t kStartedPieces = 64;

// What a call of splice(2) returns that this socket cannot serve. Not -1, which
// may tell of an error of the connection.
constexpr ssize_t kCannotSplice = -2;

ssize_t UnlessImpossible(ssize_t n) {
  const bool is_impossible =
      n < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS ||
                errno == EPERM || errno == ENOMEM);
  return is_impossible ? kCannotSplice : n;
}

int DomainOf(int fd, const KernelAddress& remote) {
  int domain = AF_UNSPEC;
  socklen_t size = sizeof(domain);
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0
             ? domain
             : remote.storage.ss_family;
}

class SocketTransport : public GatheringTransport, public KernelEnd {
 public:
  SocketTransport(int fd, std::string name, const KernelAddress& remote)
      : fd_(fd),
        domain_(DomainOf(fd, remote)),
        name_(name.empty()
                  ? nullptr
                  : std::make_unique<const std::string>(std::move(name))),
        local_(LocalAddressOf(fd)),
        remote_(remote),
        is_tcp_(domain_ == AF_INET || domain_ == AF_INET6) {
    // Urgent data are data. Otherwise recv(2) passes over them, and a stream
    // that has lost a byte looks whole.
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    while (true) {
      const std::optional<absl::Span<char>> space =
          fill_buffer_.Space(max_bytes);
      if (!space.has_value()) return FillBuffer::NoMemory();
      const absl::StatusOr<ssize_t> n = ReadNow(*space);
      if (n.ok() && *n > 0) return fill_buffer_.Take(static_cast<size_t>(*n));
      // A reader that waits holds no block.
      fill_buffer_.Drop();
      if (!n.ok()) return n.status();
      if (*n == 0) return absl::Cord();
      if (absl::Status late = AwaitData(); !late.ok()) return late;
    }
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    while (true) {
      const absl::StatusOr<ssize_t> n = ReadNow(space);
      if (!n.ok()) return n.status();
      if (*n >= 0) return static_cast<size_t>(*n);
      fill_buffer_.Drop();  // of a Read() before
      if (absl::Status late = AwaitData(); !late.ok()) return late;
    }
  }

  // --- Started calls

  bool CanStart() const override { return true; }

  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override {
    // Whatever comes afterwards makes the socket ready.
    if (is_drained_ && retry != nullptr &&
        !waiters_.stopped(FdWaiters::kReader)) {
      is_drained_ = false;
      fill_buffer_.Drop();
      retry->WhenReady(fd_, POLLIN | POLLRDHUP);
      return std::nullopt;
    }
    const std::optional<absl::Span<char>> space = fill_buffer_.Space(max_bytes);
    if (!space.has_value()) return FillBuffer::NoMemory();
    const short seen = retry == nullptr ? short{0} : retry->TakeSeen(fd_);
    const absl::StatusOr<ssize_t> n = ReadNow(*space);
    if (n.ok() && *n > 0) {
      is_drained_ =
          IsAllThatIsLeft(static_cast<size_t>(*n), space->size(), seen);
      return fill_buffer_.Take(static_cast<size_t>(*n));
    }
    fill_buffer_.Drop();
    if (!n.ok()) return n.status();
    if (*n == 0) return absl::Cord();
    if (retry != nullptr) retry->WhenReady(fd_, POLLIN | POLLRDHUP);
    return std::nullopt;
  }

  std::optional<absl::Status> TryWrite(absl::Cord* rest,
                                       Retry* retry) override {
    while (!rest->empty()) {
      if (waiters_.stopped(FdWaiters::kWriter)) {
        return absl::AbortedError("aborted");
      }
      const absl::StatusOr<ssize_t> n = SendSome(*rest);
      if (!n.ok()) return n.status();
      if (*n < 0) {
        AwaitRoom(retry);
        return std::nullopt;
      }
      rest->RemovePrefix(static_cast<size_t>(*n));
    }
    return absl::OkStatus();
  }

  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override {
    if (!waiters_.stopped(FdWaiters::kReader)) {
      const absl::StatusOr<bool> has_ended = HasEvent(POLLRDHUP);
      if (!has_ended.ok()) return has_ended.status();
      if (*has_ended) {
        inbound_is_over_.store(true);
        return absl::OkStatus();
      }
      if (retry != nullptr) retry->WhenReady(fd_, POLLRDHUP);
      return std::nullopt;
    }
    if (!is_tcp_ || aborted_.load() || lost_.load()) return absl::OkStatus();
    const absl::StatusOr<bool> is_over = IsEndOfRefused();
    if (!is_over.ok()) return is_over.status();
    if (*is_over) return absl::OkStatus();
    if (retry != nullptr) {
      if (has_grace()) retry->WhenReady(fd_, POLLIN | POLLRDHUP);
      // It may have stopped before it had discarded all.
      retry->After(has_grace() ? kRefusalGrace : kCloserLooksAgain);
    }
    return std::nullopt;
  }

  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override {
    if (is_tcp_) {
      const absl::StatusOr<bool> is_broken = HasEvent(0);
      if (!is_broken.ok()) return is_broken.status();
      if (*is_broken) return TakesNoMore();
      if (retry != nullptr) retry->WhenReady(fd_, 0);
    } else {
      if (PeerRefuses()) return TakesNoMore();
      if (retry != nullptr) retry->After(kWatcherLooksAgain);
    }
    return std::nullopt;
  }

  absl::Status EndWrite(const absl::Status& outcome, absl::Time) override {
    waiters_.Stop(FdWaiters::kRefusal);
    if (outcome.ok()) {
      MutexLock lock(error_mu_);
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
    // If the write was Closed, the peer need not be told. Otherwise TCP can
    // reset the connection, and a Unix socket can say nothing.
    if (is_tcp_ && !IsClosed(outcome)) {
      MutexLock lock(error_mu_);
      // What has come before a reset by the peer is still there to be read, and
      // disconnecting would discard it.
      if (IsOver()) return absl::OkStatus();
      if (error_.ok()) error_ = outcome;
      Reset();
    }
    return absl::OkStatus();
  }

  void RefuseRead() override {
    inbound_is_over_.store(true);
    waiters_.Stop(FdWaiters::kReader);
    waiters_.Stop(FdWaiters::kCloser);
    // TCP cannot tell the peer, and after SHUT_RD we could not tell its end
    // from ours.
    if (is_tcp_) return;
    ::shutdown(fd_, SHUT_RD);
    // Nothing more comes. To discard what is there wakes the peer, too.
    Discard();
  }

  absl::Status AwaitRemoteEnd(absl::Time deadline) override {
    const MonotonicDeadline until(deadline);
    if (!waiters_.stopped(FdWaiters::kReader)) {
      waiters_.SetDeadline(FdWaiters::kCloser, until);
      const auto waited = waiters_.Wait(FdWaiters::kCloser, fd_, POLLRDHUP);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) return NotEnded();
      if (*waited == FdWaiter::Outcome::kReady) {
        // An error is for a reader, if there is one, who knows whether it came
        // before the end. Otherwise Free() reports it.
        inbound_is_over_.store(true);
        return absl::OkStatus();
      }
    }
    // Refused, or aborted.
    if (!is_tcp_ || aborted_.load()) return absl::OkStatus();
    return AwaitEndOfRefused(until);
  }

  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    waiters_.SetDeadline(FdWaiters::kRefusal, MonotonicDeadline(deadline));
    while (!waiters_.stopped(FdWaiters::kRefusal)) {
      if (!is_tcp_ && PeerRefuses()) return TakesNoMore();
      // Without events poll(2) reports errors and hang-ups, such as a reset.
      const auto waited = waiters_.Wait(
          FdWaiters::kRefusal, fd_, 0,
          is_tcp_ ? absl::InfiniteDuration() : kWatcherLooksAgain);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError("the peer takes data");
      }
      if (is_tcp_ && *waited == FdWaiter::Outcome::kReady) return TakesNoMore();
    }
    return absl::AbortedError("this end has ended its writes");
  }

  // Over TCP the peer can only reset the connection, which a reader notices.
  bool CanBeRefused() const override { return !is_tcp_; }

  void Abort(const absl::Status&) override {
    bool drains = false;
    {
      MutexLock lock(error_mu_);
      aborted_.store(true);
      // What had ended in good order drains, whatever happens afterwards. A
      // reset would destroy what the peer has not acknowledged. Then we leave
      // it to the kernel, which resets when the peer sends something that
      // nobody will read. (If only the end is on its way, it comes before the
      // reset.)
      drains = is_tcp_ && ended_ && (Unacknowledged() > 1 || Unsent() > 0);
      if (is_tcp_ && !drains) Reset();
    }
    if (drains) {
      // After SHUT_RD the kernel tells no peer that has filled our buffer that
      // there is room again, and that peer would wait for a minute.
      Discard();
      ::shutdown(fd_, SHUT_RD);
    }
    waiters_.Stop(FdWaiters::kReader);
    waiters_.Stop(FdWaiters::kWriter);
    waiters_.Stop(FdWaiters::kRefusal);
    waiters_.Stop(FdWaiters::kCloser);
    waiters_.Stop(FdWaiters::kLingerer);
    if (is_tcp_) return;
    // If something was left unread, close(2) gives the peer an error. Otherwise
    // it can get nothing but an end, so let it have that now.
    int unread = 0;
    if (::ioctl(fd_, FIONREAD, &unread) == 0 && unread > 0) return;
    ::shutdown(fd_, SHUT_RDWR);
  }

  // If a read has failed, Close() is not to wait for the peer.
  void LoseRead() override {
    lost_.store(true);
    waiters_.Stop(FdWaiters::kLingerer);
  }

  absl::Status Free() override {
    // A read has failed, above or here, and left the direction open. The peer
    // must not take what it has sent for read.
    if ((lost_.load() || !inbound_is_over_.load()) && !aborted_.load()) {
      Abort(absl::AbortedError("a read has failed"));
    }
    // close(2) with something unread resets the connection, and the peer would
    // lose what it has not been sent yet. A Unix socket that was aborted tells
    // its peer by that.
    if (is_tcp_ || !aborted_.load()) Discard();
    absl::Status status;
    if (!aborted_.load()) {
      MutexLock lock(error_mu_);
      status = PendingError("close");
    }
    status.Update(CloseFd(fd_));
    return status;
  }

  void FreeInChild() override { CloseFd(fd_).IgnoreError(); }

  int64_t BytesInTransit() const override {
    // After a reset, the kernel's figure means nothing.
    return is_tcp_ && IsOver() ? 0 : Unacknowledged();
  }

  void SetReadDeadline(absl::Time deadline) override {
    waiters_.SetReadDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    waiters_.SetWriteDeadline(deadline);
  }

  std::string Describe() const override {
    return name_ != nullptr
               ? *name_
               : NameOfConnection(fd_, local_.Get(), remote_.Get());
  }

  std::string LocalAddress() const override { return local_.Get().ToString(); }
  std::string RemoteAddress() const override {
    return remote_.Get().ToString();
  }

  absl::StatusOr<PeerCredentials> Peer() const override {
    if (domain_ != AF_UNIX) return Transport::Peer();
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
      return FdError(errno, "getsockopt(SO_PEERCRED)");
    }
    return PeerCredentials{peer.pid, peer.uid, peer.gid};
  }

  // --- Inside the kernel

  KernelEnd* kernel_end() override { return this; }

  SpliceFile source() const override { return kSocket; }
  SpliceFile sink() const override { return kSocket; }
  std::unique_ptr<KernelPipe> MakePipe() const override {
    return MakeSplicePipe();
  }

  std::optional<size_t> FillPipe(int pipe, size_t max_bytes) override {
    for (bool has_waited = false;; has_waited = true) {
      const std::optional<size_t> size = TryFillPipe(pipe, max_bytes);
      if (size != size_t{0} || has_waited) return size;
      if (waiters_.stopped(FdWaiters::kReader)) return 0;
      if (!waiters_.Wait(FdWaiters::kReader, fd_, POLLIN, kFillPatience).ok()) {
        return 0;
      }
    }
  }

  bool IsDrained() const override { return is_drained_; }
  // An end leaves nothing to move, too.
  std::optional<size_t> TryFillPipe(int pipe, size_t max_bytes) override {
    is_drained_ = false;
    if (waiters_.stopped(FdWaiters::kReader)) return 0;
    const absl::StatusOr<ssize_t> n = ReceiveBy("splice", [&] {
      return UnlessImpossible(SpliceToPipe(fd_, kSocket, pipe, max_bytes));
    });
    if (!n.ok() || *n == kCannotSplice) return std::nullopt;
    return static_cast<size_t>(std::max(*n, ssize_t{0}));
  }

  std::optional<size_t> DrainPipe(int pipe, size_t size) override {
    size_t sent = 0;
    while (sent < size) {
      const absl::StatusOr<ssize_t> n = SendBy("splice", [&] {
        error_mu_.AssertHeld();
        return SpliceAndKeepError(pipe, size - sent);
      });
      if (n.ok() && *n > 0) {
        sent += static_cast<size_t>(*n);
      } else if (sent > 0 || absl::IsDeadlineExceeded(n.status())) {
        break;
      } else {
        return std::nullopt;
      }
    }
    return sent;
  }

  std::optional<size_t> TryDrainPipe(int pipe, size_t size,
                                     Retry* retry) override {
    // Why it takes no more is for TryWrite() to say.
    if (waiters_.stopped(FdWaiters::kWriter)) return std::nullopt;
    const absl::StatusOr<ssize_t> n = SendNow("splice", [&] {
      error_mu_.AssertHeld();
      return SpliceAndKeepError(pipe, size);
    });
    if (!n.ok() || *n == kCannotSplice) return std::nullopt;
    if (*n < 0) AwaitRoom(retry);
    return static_cast<size_t>(std::max(*n, ssize_t{0}));
  }

  std::optional<size_t> MoveTo(KernelEnd&, size_t) override {
    return std::nullopt;
  }
  int write_fd() override { return -1; }

 private:
  // --- Reading

  // Reads what is there; 0 bytes are the end, -1 means that nothing is there
  // yet.
  absl::StatusOr<ssize_t> ReadNow(absl::Span<char> space) {
    is_drained_ = false;
    // The read was refused; or aborted, and then the Flow ignores this.
    if (waiters_.stopped(FdWaiters::kReader)) return 0;
    const absl::StatusOr<ssize_t> n =
        Receive(space.data(), space.size(), /*flags=*/0);
    if (!n.ok() || *n != 0) return n;
    inbound_is_over_.store(true);
    // The kernel reports a reset once, to whoever asks first, and an end to all
    // who ask later. A writer may just have been told.
    MutexLock lock(error_mu_);
    if (!error_.ok()) return error_;
    return 0;
  }

  // Like a recv(2) that does not wait; -1 means that nothing is there.
  absl::StatusOr<ssize_t> Receive(char* space, size_t size, int flags) {
    return ReceiveBy(
        "recv", [&] { return ::recv(fd_, space, size, MSG_DONTWAIT | flags); });
  }

  // A read that finds nothing is a system call in vain. TCP returns fewer bytes
  // than there is space for if there are no more; but it also stops before
  // urgent data, and before an end. Either makes the socket ready as it comes.
  // So if the engine had seen neither when it said that there is something to
  // read, it will yet say so. (A peer that marks data as urgent after it has
  // sent them is not told of, and waits for what it sends next.)
  bool IsAllThatIsLeft(size_t size, size_t space, short seen) {
    if (!is_tcp_ || size >= space || (seen & ~POLLOUT) != POLLIN) return false;
    if (!tells_all_.has_value()) tells_all_ = IsBareTcp();
    return *tells_all_;
  }

  // SCTP has the same domain, and TLS in the kernel is on top of TCP. Both stop
  // after a record, and the next one makes nothing ready that it already was.
  bool IsBareTcp() const {
    int protocol = 0;
    socklen_t size = sizeof(protocol);
    if (::getsockopt(fd_, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 ||
        protocol != IPPROTO_TCP) {
      return false;
    }
    char layer[16];
    size = sizeof(layer);
    return ::getsockopt(fd_, IPPROTO_TCP, TCP_ULP, layer, &size) == 0 &&
           size == 0;
  }

  // The same by another call, which may also return kCannotSplice.
  absl::StatusOr<ssize_t> ReceiveBy(absl::string_view tried,
                                    absl::FunctionRef<ssize_t()> call) {
    MutexLock receiving(receive_mu_);
    while (true) {
      const ssize_t n = call();
      if (n != -1) return n;
      const int error = errno;
      if (error == EINTR) continue;
      if (WouldBlock(error)) return n;
      MutexLock lock(error_mu_);
      return KeepError(error, tried);
    }
  }

  // Waits until there may be data, or an end.
  absl::Status AwaitData() {
    const absl::StatusOr<FdWaiter::Outcome> waited =
        waiters_.Wait(FdWaiters::kReader, fd_, POLLIN);
    if (!waited.ok()) return waited.status();
    if (*waited != FdWaiter::Outcome::kLate) return absl::OkStatus();
    return absl::DeadlineExceededError("no data before the deadline");
  }

  // --- Writing

  absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) override {
    const absl::StatusOr<ssize_t> n =
        SendBy("send", [&] { return SendPieces(list); });
    if (!n.ok()) return n.status();
    return static_cast<size_t>(*n);
  }

  // One system call that sends from `list`, which is not empty.
  ssize_t SendPieces(absl::Span<const struct iovec> list) const {
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    // The kernel has less to do for one piece than for a list of it.
    if (list.size() == 1) {
      return ::send(fd_, list[0].iov_base, list[0].iov_len, kFlags);
    }
    struct msghdr message = {};
    message.msg_iov = const_cast<struct iovec*>(list.data());
    message.msg_iovlen = list.size();
    return ::sendmsg(fd_, &message, kFlags);
  }

  // Sends at least one byte by `call`, which is like a send(2) that does not
  // wait; or returns kCannotSplice if `call` does.
  absl::StatusOr<ssize_t> SendBy(absl::string_view tried,
                                 absl::FunctionRef<ssize_t()> call) {
    while (!waiters_.stopped(FdWaiters::kWriter)) {
      const absl::StatusOr<ssize_t> n = SendNow(tried, call);
      if (!n.ok() || *n != -1) return n;
      const auto waited =
          waiters_.Wait(FdWaiters::kWriter, fd_, POLLOUT,
                        is_tcp_ ? absl::InfiniteDuration() : kWriterLooksAgain);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError(
            "the peer took no more data before the deadline");
      }
    }
    return absl::AbortedError("aborted");
  }

  // Sends as much of `data`, which is not empty, as one call takes without
  // waiting; -1 means that there is no room.
  absl::StatusOr<ssize_t> SendSome(const absl::Cord& data) {
    struct iovec list[kStartedPieces];
    size_t size = 0;
    for (absl::string_view piece : data.Chunks()) {
      list[size] = {const_cast<char*>(piece.data()), piece.size()};
      if (++size == kStartedPieces) break;
    }
    return SendNow("send",
                   [&] { return SendPieces(absl::MakeConstSpan(list, size)); });
  }

  // For a started write; `retry` may be null.
  void AwaitRoom(Retry* retry) const {
    if (retry == nullptr) return;
    retry->WhenReady(fd_, POLLOUT);
    if (!is_tcp_) retry->After(kWriterLooksAgain);
  }

  // The same by another call: -1 means that there is no room.
  absl::StatusOr<ssize_t> SendNow(absl::string_view tried,
                                  absl::FunctionRef<ssize_t()> call) {
    while (true) {
      {
        MutexLock lock(error_mu_);
        const ssize_t n = call();
        if (n > 0 || n == kCannotSplice) return n;
        const int error = errno;
        if (n == 0 || WouldBlock(error)) return -1;
        if (error == EINTR) continue;
        if (error != EPIPE) return KeepError(error, tried);
      }
      return TakesNoMore();
    }
  }

  // splice(2) sends several times. If a later one is told of a reset, it
  // returns what the earlier ones have sent, and nobody is told any more.
  ssize_t SpliceAndKeepError(int pipe, size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(error_mu_) {
    // A reset after the end of the peer leaves what it has sent whole.
    struct pollfd peer = {fd_, POLLRDHUP, 0};
    const bool has_ended =
        is_tcp_ && ::poll(&peer, 1, 0) > 0 && (peer.revents & POLLRDHUP) != 0;
    const ssize_t n =
        UnlessImpossible(SpliceFromPipe(pipe, fd_, kSocket, size));
    if (n > 0 && static_cast<size_t>(n) < size && is_tcp_ && !has_ended &&
        !aborted_.load() && IsOver() && PendingError("splice").ok()) {
      KeepError(ECONNRESET, "splice").IgnoreError();
    }
    return n;
  }

  // EPIPE says that the stream takes no more. If there was an error before,
  // that is the reason; otherwise the peer has closed in good order, or
  // refuses. A reset that came after its end is for Close() to report.
  absl::Status TakesNoMore() {
    // A reader may have been told of the error and be about to keep it.
    MutexLock receiving(receive_mu_);
    MutexLock lock(error_mu_);
    PendingError("send").IgnoreError();
    if (!error_.ok()) return error_;
    return ClosedError("send: the peer takes no more data");
  }

  // Returns whether a Unix peer takes no more data. To send nothing fails if to
  // send something would. (It leaves the error of the connection to others. On
  // TCP it would not.)
  bool PeerRefuses() const {
    return ::send(fd_, nullptr, 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
           errno == EPIPE;
  }

  // --- Ends

  // Discards what comes until the peer has ended. We do not wait for a peer
  // that has been sent everything and goes on sending: close(2) then tells it
  // by a reset. The peer loses nothing by that. Its kernel has acknowledged our
  // data and their end, and Linux leaves what came before a reset to the
  // reader. Other systems may not, so the peer has had a while to read.
  //
  // As long as the peer has not taken everything, we wait without a limit of
  // our own, and it may send all that time. Discarding bit by bit keeps that
  // cheap.
  absl::Status AwaitEndOfRefused(MonotonicDeadline until) {
    waiters_.SetDeadline(FdWaiters::kLingerer, until);
    while (true) {
      BeginGrace();
      // POLLRDHUP is the peer's end. An end behind data for which there is no
      // room has not come yet, and nobody else makes room by reading.
      const auto waited = waiters_.Wait(
          FdWaiters::kLingerer, fd_, POLLIN | POLLRDHUP,
          has_grace() ? absl::InfiniteDuration() : kCloserLooksAgain);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) return NotEnded();
      if (*waited == FdWaiter::Outcome::kStopped) return absl::OkStatus();
      const size_t limit = has_grace() ? kNotQueued : kDiscardedAtOnce;
      if (Discard(limit)) return absl::OkStatus();
      if (!has_grace()) {
        absl::SleepFor(std::min(kCloserLooksAgain, until.left()));
      } else if (grace_.has_passed()) {
        return absl::OkStatus();  // and it still sends
      }
      // A peer that never stops sending is always ready.
      if (until.has_passed()) return NotEnded();
    }
  }

  bool has_grace() const { return !grace_.is_never(); }
  void BeginGrace() {
    if (!has_grace() && Unacknowledged() == 0) {
      grace_ = MonotonicDeadline::In(kRefusalGrace);
    }
  }

  // The same without waiting: returns whether nothing is waited for any more.
  absl::StatusOr<bool> IsEndOfRefused() {
    BeginGrace();
    const absl::StatusOr<bool> has_come = HasEvent(POLLIN | POLLRDHUP);
    if (!has_come.ok() || !*has_come) return has_come;
    return Discard(has_grace() ? kNotQueued : kDiscardedAtOnce) ||
           grace_.has_passed();
  }

  // Returns whether poll(2) reports one of `events`, or an error or hang-up.
  absl::StatusOr<bool> HasEvent(short events) const {
    while (true) {
      struct pollfd polled = {fd_, events, 0};
      const int n = ::poll(&polled, 1, 0);
      if (n >= 0) return n > 0;
      if (errno != EINTR) return PollError(errno);
    }
  }

  static absl::Status NotEnded() {
    return absl::DeadlineExceededError("the peer has not ended");
  }

  // --- The socket

  // Drops what has come. Returns whether that was all: the peer has ended, or
  // there is an error, which is kept. Stops after `limit` bytes, by default so
  // many that the peer must still be sending.
  bool Discard(size_t limit = kNotQueued) {
    for (size_t discarded = 0; discarded < limit;) {
      // On TCP, the bytes are not even copied.
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

  // Returns how many bytes the peer has not acknowledged (TCP; the end counts
  // as one) or not read (Unix sockets; the memory counts).
  int Unacknowledged() const {
    int bytes = 0;
    return ::ioctl(fd_, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
  }

  // Returns how many of them were not sent yet, because the peer has no room.
  int Unsent() const {
    int bytes = 0;
    return ::ioctl(fd_, SIOCOUTQNSD, &bytes) == 0 ? bytes : 0;
  }

  // Returns whether the peer cannot be told anything anymore: a TCP connection
  // that was reset, or has ended both ways, has no peer.
  bool IsOver() const {
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    return ::getpeername(fd_, reinterpret_cast<struct sockaddr*>(&peer),
                         &size) != 0 &&
           errno == ENOTCONN;
  }

  // Ends the connection so that the peer gets an error.
  void Reset() ABSL_EXCLUSIVE_LOCKS_REQUIRED(error_mu_) {
    // So that close(2) does it if connect(2) does not.
    const struct linger at_once = {1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    // On TCP this disconnects, by a reset. (The descriptor cannot be closed
    // while other calls use it.) ThreadSanitizer takes the C library's function
    // for one that makes a new descriptor, and so for a race with a Read.
    struct sockaddr nobody = {};
    nobody.sa_family = AF_UNSPEC;
    ::syscall(SYS_connect, fd_, &nobody, sizeof(nobody));
  }

  // Returns the error that the connection has had, or Ok. `tried` is the kind
  // of call that has found it.
  absl::Status PendingError(absl::string_view tried)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(error_mu_) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      return KeepError(errno, "getsockopt");
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

  static constexpr SpliceFile kSocket = {SpliceFile::Kind::kSocket, 0, 0};

  const int fd_;
  const int domain_;
  const std::unique_ptr<const std::string> name_;  // null: by the addresses
  // As of the beginning: the kernel forgets them after a reset.
  const KeptAddress local_;
  const KeptAddress remote_;

  FillBuffer fill_buffer_;
  FdWaiters waiters_;
  // How long a peer that was sent everything may go on; never, until that is
  // so. Only the closer uses it.
  MonotonicDeadline grace_;

  // The kernel tells the connection's error once. A call that may be told holds
  // one of these until it has kept the error: those that receive the first, so
  // that they do not hold up those that send, and all others the second.
  absl::Mutex receive_mu_ ABSL_ACQUIRED_BEFORE(error_mu_);
  absl::Mutex error_mu_;
  absl::Status error_ ABSL_GUARDED_BY(error_mu_);
  // The peer reset the connection after it had ended its direction: what it
  // sent is whole, what it was sent is lost.
  absl::Status error_after_end_ ABSL_GUARDED_BY(error_mu_);
  std::atomic<bool> aborted_{false};  // changes while `error_mu_` is held
  // The inbound direction has ended or was refused.
  std::atomic<bool> inbound_is_over_{false};
  // A read has failed while Close() waited.
  std::atomic<bool> lost_{false};
  // The outbound direction has ended in good order.
  bool ended_ ABSL_GUARDED_BY(error_mu_) = false;
  const bool is_tcp_;
  // For the reader that starts its calls: the last one has taken all, and what
  // comes makes the socket ready.
  bool is_drained_ = false;
  std::optional<bool> tells_all_;  // IsBareTcp(), from when it matters on
};

}  // namespace

std::unique_ptr<Flow> MakeSocketFlow(int fd, std::string name,
                                     const KernelAddress& remote,
                                     Engine* engine) {
  return FlowBlock<SocketTransport>::Make(engine, fd, std::move(name), remote);
}

}  // namespace flow::internal
