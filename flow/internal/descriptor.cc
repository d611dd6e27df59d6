// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does is said where it matters; it was tried on Linux 6.18.

#include "flow/internal/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "flow/internal/blocked_signal.h"
#include "flow/internal/close_fd.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/packet_pipe.h"
#include "flow/internal/splice.h"

namespace flow::internal {
namespace {

// RWF_NOSIGNAL: a write raises no SIGPIPE. Since Linux 6.18, so that headers
// may not have it yet.
constexpr int kNoSignal = 0x100;

// How many bytes there is room for if poll(2) says that there is some. A pipe
// has a free page then. A terminal has 256 bytes, and may make eight of one
// (tabs).
constexpr size_t kRoomInPipe = PIPE_BUF;
constexpr size_t kRoomInTerminal = 32;

// Returns whether a call has failed because the kernel does not know its flags
// for this descriptor.
bool IsUnknown() {
  return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
}

// Fails like a call that would have to wait.
ssize_t WouldWait() {
  errno = EAGAIN;
  return -1;
}

// poll(2) of one descriptor. A signal interrupts it even if it need not wait.
int PollAtOnce(struct pollfd& polled) {
  int ready;
  do {
    ready = ::poll(&polled, 1, 0);
  } while (ready < 0 && errno == EINTR);
  return ready;
}

// Returns the terminal that `fd` refers to; 0 if it does not say. (/dev/tty and
// its like are not the same one for everybody.)
unsigned int TerminalOf(int fd) {
  unsigned int device = 0;
  return ::ioctl(fd, TIOCGDEV, &device) == 0 ? device : 0;
}

}  // namespace

Descriptor::Kind Descriptor::KindOf(int fd, const struct stat& info) {
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFBLK: {
      // poll(2) says that a real file is ready for everything, although calls
      // wait for the disk. Some files in /proc and /sys wait as devices do.
      constexpr short kEverything = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
      struct pollfd polled = {fd, kEverything, 0};
      const bool knows = PollAtOnce(polled) >= 0;
      return knows && (polled.revents & kEverything) != kEverything
                 ? Kind::kOther
                 : Kind::kFile;
    }
    case S_IFIFO:
      return Kind::kPipe;
    case S_IFSOCK:
      return Kind::kSocket;
    case S_IFCHR:
      if (info.st_rdev == makedev(5, 2)) return Kind::kMaster;
      return ::isatty(fd) == 1 ? Kind::kTerminal : Kind::kOther;
    default:
      return Kind::kOther;
  }
}

Descriptor::Descriptor(int fd, int how) : fd_(fd), how_(how) {
  if (fd < 0) return;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) {
    status_ = FdError(errno, "fcntl");
    return;
  }
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    status_ = FdError(errno, "fstat");
    return;
  }
  kind_ = KindOf(fd, info);
  readable_ = (flags & O_ACCMODE) != O_WRONLY;
  writable_ = (flags & O_ACCMODE) != O_RDONLY;
  nowait_ = kind_ != Kind::kFile;
  is_stream_ = kind_ != Kind::kPipe;
  const SpliceFile file = SpliceFileOf(fd);
  if (kind_ == Kind::kFile || kind_ == Kind::kPipe ||
      file.kind == SpliceFile::Kind::kNull) {
    splice_file_ = file;
  }
  if (kind_ == Kind::kSocket) {
    // Urgent data are data. Out of band they would be lost.
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
  }
}

// --- Reading

bool Descriptor::HoldsPackets() {
  if (is_stream_) return false;
  const PipeKind kind = KindOfPipe(fd_);
  is_stream_ = kind == PipeKind::kStream;
  return kind == PipeKind::kPackets;
}

ssize_t Descriptor::Read(absl::Span<char> space, bool ready) {
  if (kind_ == Kind::kFile) return ::read(fd_, space.data(), space.size());
  if (kind_ == Kind::kSocket) {
    return ::recv(fd_, space.data(), space.size(), MSG_DONTWAIT);
  }
  // What comes first might be a packet.
  if (!is_stream_ && !ready) return WouldWait();
  if (nowait_) {
    const struct iovec list = {space.data(), space.size()};
    const ssize_t n = ::preadv2(fd_, &list, 1, -1, RWF_NOWAIT);
    if (n == 0 && !IsAtEnd()) return WouldWait();
    if (n >= 0 || !IsUnknown()) return n;
    nowait_ = false;
    OpenAgain(O_RDONLY);
  }
  // A terminal is polled first nevertheless: a read in the background stops the
  // process, even if there is nothing to read.
  const bool waits = again_ < 0 || kind_ != Kind::kPipe;
  if (waits && !ready && Poll(POLLIN) == 0) return WouldWait();
  const ssize_t n =
      ::read(again_ >= 0 ? again_ : fd_, space.data(), space.size());
  if (n < 0 && errno == EIO && kind_ == Kind::kMaster) {
    struct pollfd polled = {fd_, 0, 0};
    // The wait that follows says why poll(2) has failed, if it still does.
    if (PollAtOnce(polled) < 0) return WouldWait();
    // The other side has closed it.
    if ((polled.revents & POLLHUP) != 0) return 0;
    errno = EIO;
  }
  return n == 0 && !IsAtEnd() ? WouldWait() : n;
}

// Returns whether a read of 0 bytes means the end.
bool Descriptor::IsAtEnd() const {
  if (kind_ == Kind::kPipe) {
    // Otherwise no writer has come yet since it was first opened. If poll(2)
    // fails for lack of descriptors, it always will, and we cannot tell. After
    // any other error the wait that follows can.
    struct pollfd polled = {fd_, 0, 0};
    return PollAtOnce(polled) < 0 ? errno == EINVAL
                                  : (polled.revents & POLLHUP) != 0;
  }
  struct termios terminal;
  if (kind_ != Kind::kTerminal || ::tcgetattr(fd_, &terminal) != 0) return true;
  // A terminal can be set so that a read of 0 bytes means that there is no
  // data.
  return (terminal.c_lflag & ICANON) != 0 || terminal.c_cc[VMIN] > 0;
}

// --- Writing

ssize_t Descriptor::Write(absl::Span<const struct iovec> list, bool ready) {
  const int count = static_cast<int>(list.size());
  switch (kind_) {
    case Kind::kFile: {
      // In case the file may not grow (RLIMIT_FSIZE).
      BlockedSignal sigxfsz(SIGXFSZ);
      const ssize_t n = ::writev(fd_, list.data(), count);
      if (n < 0 && errno == EFBIG) sigxfsz.Consume();
      return n;
    }
    case Kind::kSocket: {
      struct msghdr message = {};
      message.msg_iov = const_cast<struct iovec*>(list.data());
      message.msg_iovlen = list.size();
      return ::sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    case Kind::kPipe:
      return WriteToPipe(list, ready);
    case Kind::kMaster:
      // The kernel takes what nobody will read, until it has no room.
      if ((Poll(POLLOUT) & POLLHUP) != 0) {
        errno = EPIPE;
        return -1;
      }
      return WriteUnlessItWaits(list, /*ready=*/false);
    default: {
      const ssize_t n = WriteUnlessItWaits(list, ready);
      // The other side of a pseudo-terminal has closed it, or a line is cut.
      if (n < 0 && errno == EIO && kind_ == Kind::kTerminal &&
          (Poll(POLLOUT) & POLLHUP) != 0) {
        errno = EPIPE;
      }
      return n;
    }
  }
}

// Raises no SIGPIPE.
ssize_t Descriptor::WriteToPipe(absl::Span<const struct iovec> list,
                                bool ready) {
  if (nosignal_ && (nowait_ || again_ >= 0)) {
    const int nowait = again_ >= 0 ? 0 : RWF_NOWAIT;
    const ssize_t n =
        ::pwritev2(again_ >= 0 ? again_ : fd_, list.data(),
                   static_cast<int>(list.size()), -1, nowait | kNoSignal);
    if (n >= 0 || !IsUnknown()) return n;
    // Of two flags, it may be the other one.
    if (again_ >= 0) nosignal_ = false;
  }
  BlockedSignal sigpipe(SIGPIPE);
  const ssize_t n = WriteUnlessItWaits(list, ready);
  if (n < 0 && errno == EPIPE) sigpipe.Consume();
  return n;
}

ssize_t Descriptor::WriteUnlessItWaits(absl::Span<const struct iovec> list,
                                       bool ready) {
  const int count = static_cast<int>(list.size());
  if (nowait_) {
    const ssize_t n = ::pwritev2(fd_, list.data(), count, -1, RWF_NOWAIT);
    if (n >= 0 || !IsUnknown()) {
      nosignal_ = false;
      return n;
    }
    nowait_ = false;
    OpenAgain(O_WRONLY);
  }
  if (again_ >= 0) return ::writev(again_, list.data(), count);
  if (!ready && Poll(POLLOUT) == 0) return WouldWait();
  const bool is_terminal = kind_ == Kind::kTerminal || kind_ == Kind::kMaster;
  const size_t size = std::min(list.front().iov_len,
                               is_terminal ? kRoomInTerminal : kRoomInPipe);
  return ::write(fd_, list.front().iov_base, size);
}

// --- The descriptor

// Leaves `again_` at -1 if that is not possible.
void Descriptor::OpenAgain(int access) {
  if (kind_ != Kind::kPipe && kind_ != Kind::kTerminal) return;
  // The thread's own: it need not share its descriptors with all others.
  const std::string path = absl::StrCat("/proc/thread-self/fd/", fd_);
  do {
    again_ = ::open(path.c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  } while (again_ < 0 && errno == EINTR);
  if (again_ >= 0 && kind_ == Kind::kTerminal &&
      TerminalOf(again_) != TerminalOf(fd_)) {
    ::close(std::exchange(again_, -1));
  }
}

// Returns what poll(2) says at once. If it fails, so will the wait that
// follows, which reports it.
short Descriptor::Poll(short events) const {
  struct pollfd polled = {fd_, events, 0};
  return PollAtOnce(polled) > 0 ? polled.revents : short{0};
}

int Descriptor::BytesInTransit() const {
  unsigned long request;  // NOLINT(runtime/int): as ioctl(2) wants it
  switch (kind_) {
    case Kind::kPipe:
      request = FIONREAD;
      break;
    case Kind::kTerminal:
    case Kind::kMaster:
    case Kind::kSocket:  // SIOCOUTQ is the same
      request = TIOCOUTQ;
      break;
    default:
      return 0;
  }
  int bytes = 0;
  return fd_ >= 0 && ::ioctl(fd_, request, &bytes) == 0 ? bytes : 0;
}

absl::Status Descriptor::End() {
  // Somebody may have a duplicate.
  if (kind_ == Kind::kSocket) ::shutdown(fd_, how_);
  return Close();
}

absl::Status Descriptor::Close() {
  const int fd = fd_;
  Release();
  return CloseFd(fd);
}

void Descriptor::Release() {
  if (again_ >= 0) ::close(std::exchange(again_, -1));
  fd_ = -1;
}

}  // namespace flow::internal
