// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A descriptor may be shared with other processes, so it is never made
// non-blocking: O_NONBLOCK is a flag of the open file, which all of them would
// see. Calls ask not to wait by themselves (RWF_NOWAIT) where the kernel has
// that, as for pipes; elsewhere poll(2) says before whether they would. That is
// not enough to write to a terminal, which says that there is room when there
// is some, so it is opened once more.

#include "flow/internal/descriptor_flow.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gathering_flow.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

// RWF_NOSIGNAL: a write raises no SIGPIPE. Since Linux 6.18, so that headers
// may not have it yet.
constexpr int kNoSignal = 0x100;

// Without that, keeps a write to a pipe without a reader from raising SIGPIPE,
// which would end the process. Unlike ignoring the signal, it changes nothing
// for others.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    was_blocked_ = sigismember(&before_, SIGPIPE) == 1;
    if (was_blocked_) {
      sigset_t pending;
      sigpending(&pending);
      was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    }
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    if (!was_blocked_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  // A write has failed with EPIPE: takes its signal away, and no other.
  void Consume() {
    if (was_pending_) return;
    const struct timespec at_once = {};
    while (sigtimedwait(&sigpipe_, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }

 private:
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_blocked_ = false;
  bool was_pending_ = false;
};

// One descriptor, and how to read from it or write to it without waiting.
class Descriptor {
 public:
  // `how` it is used: SHUT_RD to read, SHUT_WR to write, as shutdown(2) ends
  // it.
  Descriptor(int fd, int how) : fd_(fd), how_(how) {
    struct stat info = {};
    ::fstat(fd, &info);
    // They are always ready, says poll(2), and wait for the disk nevertheless.
    never_waits_ = S_ISREG(info.st_mode) || S_ISBLK(info.st_mode);
    is_socket_ = S_ISSOCK(info.st_mode);
    raises_sigpipe_ = is_socket_ || S_ISFIFO(info.st_mode);
    const int flags = ::fcntl(fd, F_GETFL);
    readable_ = flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
    writable_ = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
    // The master of a pseudo-terminal would be a new one.
    if (how == SHUT_WR && writable_ && ::isatty(fd) == 1 &&
        info.st_rdev != makedev(5, 2)) {
      again_ = ::open(absl::StrCat("/proc/self/fd/", fd).c_str(),
                      O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
  }

  // What to wait for with poll(2).
  int fd() const { return again_ >= 0 ? again_ : fd_; }
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }

  // As read(2) and writev(2), but they fail with EAGAIN rather than wait. If
  // `ready`, poll(2) has just said that they would not.
  ssize_t Read(absl::Span<char> space, bool ready) {
    if (never_waits_) return ::read(fd_, space.data(), space.size());
    if (nowait_) {
      const struct iovec list = {space.data(), space.size()};
      const ssize_t n = ::preadv2(fd_, &list, 1, -1, RWF_NOWAIT);
      if (n >= 0 || !IsUnknown(nowait_)) return n;
    }
    if (!ready && !Poll(POLLIN)) return -1;
    return ::read(fd_, space.data(), space.size());
  }

  ssize_t Write(absl::Span<const struct iovec> list, bool ready) {
    if (!raises_sigpipe_) return WriteRaw(list, ready);
    if (nowait_ && nosignal_) {
      const ssize_t n =
          ::pwritev2(fd_, list.data(), static_cast<int>(list.size()), -1,
                     RWF_NOWAIT | kNoSignal);
      if (n >= 0 || !IsUnknown(nosignal_)) return n;
    }
    NoSigpipe no_sigpipe;
    const ssize_t n = WriteRaw(list, ready);
    const int error = errno;
    if (n < 0 && error == EPIPE) no_sigpipe.Consume();
    errno = error;
    return n;
  }

  // Tells the other end that this one reads, or writes, no more.
  absl::Status Close() {
    if (fd_ < 0) return absl::OkStatus();
    if (again_ >= 0) ::close(std::exchange(again_, -1));
    // Somebody may have a duplicate of a socket.
    if (is_socket_) ::shutdown(fd_, how_);
    // EINTR: it is closed nevertheless (close(2), on Linux).
    const int result = ::close(std::exchange(fd_, -1));
    if (result == 0 || errno == EINTR) return absl::OkStatus();
    return FdError(errno, "close");
  }

 private:
  ssize_t WriteRaw(absl::Span<const struct iovec> list, bool ready) {
    const int count = static_cast<int>(list.size());
    if (never_waits_ || again_ >= 0) return ::writev(fd(), list.data(), count);
    if (nowait_) {
      const ssize_t n = ::pwritev2(fd_, list.data(), count, -1, RWF_NOWAIT);
      if (n >= 0 || !IsUnknown(nowait_)) return n;
    }
    if (!ready && !Poll(POLLOUT)) return -1;
    // That there is room means room for PIPE_BUF bytes; more could wait.
    const size_t size =
        std::min(list.front().iov_len, static_cast<size_t>(PIPE_BUF));
    return ::write(fd_, list.front().iov_base, size);
  }

  // Whether a call has just failed because the kernel does not know `flag` with
  // this descriptor. It is not asked for it again.
  static bool IsUnknown(bool& flag) {
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) flag = false;
    return !flag;
  }

  // Returns whether there is one of `events`; if not, `errno` says EAGAIN.
  bool Poll(short events) const {
    struct pollfd polled = {fd_, events, 0};
    if (::poll(&polled, 1, 0) > 0) return true;
    errno = EAGAIN;
    return false;
  }

  int fd_;
  int again_ = -1;  // the same file, opened once more, non-blocking
  const int how_;
  bool readable_;
  bool writable_;
  bool never_waits_;
  bool is_socket_;
  bool raises_sigpipe_;
  bool nowait_ = true;
  bool nosignal_ = true;
};

class DescriptorFlow final : public GatheringFlow {
 public:
  DescriptorFlow(int read_fd, int write_fd, std::string name)
      : name_(std::move(name)),
        is_one_(read_fd == write_fd),
        in_(read_fd, SHUT_RD),
        out_(write_fd, SHUT_WR) {}

  ~DescriptorFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (!in_.readable()) return absl::Cord();
    {
      absl::MutexLock lock(&mu_);
      if (refused_) return absl::Cord();
      reading_ = true;
    }
    absl::StatusOr<absl::Cord> data = ReadSome(max_bytes);
    absl::MutexLock lock(&mu_);
    reading_ = false;
    if (refused_) CloseReadEnd();
    return data;
  }

  absl::StatusOr<absl::Cord> ReadSome(size_t max_bytes) {
    bool ready = false;
    while (!reader_.stopped()) {
      const absl::Span<char> space = fill_buffer_.Space(max_bytes);
      const ssize_t n = in_.Read(space, ready);
      if (n > 0) return fill_buffer_.Take(static_cast<size_t>(n));
      const int error = errno;
      if (n < 0 && error == EINTR) continue;
      fill_buffer_.Drop();
      if (n == 0) return absl::Cord();
      if (!WouldBlock(error)) return FdError(error, "read");
      const auto waited = reader_.Wait(in_.fd(), POLLIN);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError("nothing came until the deadline");
      }
      ready = true;
    }
    // Refused, or aborted, and then the base does not look at this.
    return absl::Cord();
  }

  absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) override {
    if (!out_.writable()) return ClosedError("it is not open for writing");
    bool ready = false;
    while (!writer_.stopped()) {
      const ssize_t n = out_.Write(list, ready);
      if (n > 0) return static_cast<size_t>(n);
      const int error = n < 0 ? errno : EIO;
      if (error == EINTR) continue;
      if (error == EPIPE) return ClosedError("write: its reader has closed it");
      if (!WouldBlock(error)) return FdError(error, "write");
      const auto waited = writer_.Wait(out_.fd(), POLLOUT);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError(
            "no more was taken until the deadline");
      }
      ready = true;
    }
    return absl::AbortedError("aborted");
  }

  // One of two descriptors can be closed alone, which tells its other end. That
  // is an end in good order, so a broken direction does not get it before all
  // is over.
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    absl::MutexLock lock(&mu_);
    if (is_one_ || aborted_ || !outcome.ok()) return absl::OkStatus();
    return out_.Close();
  }

  void DoShutdownRead() override {
    reader_.Stop();
    absl::MutexLock lock(&mu_);
    refused_ = true;
    if (!reading_) CloseReadEnd();
  }

  void CloseReadEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!is_one_) in_.Close().IgnoreError();  // What was read is whole.
  }

  void DoAbort(const absl::Status&) override {
    {
      absl::MutexLock lock(&mu_);
      aborted_ = true;
    }
    reader_.Stop();
    writer_.Stop();
  }

  absl::Status DoFree() override {
    absl::MutexLock lock(&mu_);
    absl::Status status = out_.Close();
    if (!is_one_) status.Update(in_.Close());
    return status;
  }

  void DoSetReadDeadline(absl::Time deadline) override {
    reader_.SetDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    writer_.SetDeadline(deadline);
  }

  std::string DoDescribe() const override { return name_; }

  const std::string name_;
  const bool is_one_;

  FillBuffer fill_buffer_;
  FdWaiter reader_;
  FdWaiter writer_;

  absl::Mutex mu_;
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
  bool aborted_ ABSL_GUARDED_BY(mu_) = false;

  // Of the reader and of the writer, until they are closed while `mu_` is held.
  // Both have the same descriptor if there is one.
  Descriptor in_;
  Descriptor out_;
};

}  // namespace

std::unique_ptr<Flow> MakeDescriptorFlow(int read_fd, int write_fd,
                                         std::string name) {
  if (read_fd == write_fd) {
    // What is open one way only has one direction, whose end is its closing.
    const int mode = ::fcntl(read_fd, F_GETFL) & O_ACCMODE;
    if (mode == O_RDONLY) write_fd = -1;
    if (mode == O_WRONLY) read_fd = -1;
  }
  return std::make_unique<DescriptorFlow>(read_fd, write_fd, std::move(name));
}

}  // namespace flow::internal
