// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel does is said where it matters; it was tried on Linux 6.18.

#include "flow/internal/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/strings/cord.h"
#include "flow/internal/blocked_signal.h"
#include "flow/internal/kernel_end.h"
#include "flow/internal/owned_fd.h"

namespace flow::internal {
namespace {

// Enough that the calls cost little beside what they move. All pipes of a user
// together may have 64 MiB.
constexpr int kCapacity = 256 << 10;
constexpr int kMinCapacity = 64 << 10;

// SPLICE_F_NONBLOCK is about pipes only.
constexpr unsigned int kFlags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;

// Takes the next `size` bytes at the offset of a file; -1 if it has none.
loff_t TakeRange(int fd, size_t size) {
  const off_t end = ::lseek(fd, static_cast<off_t>(size), SEEK_CUR);
  return end < 0 ? loff_t{-1} : end - static_cast<off_t>(size);
}

void GiveBack(int fd, size_t size) {
  if (size == 0) return;
  const int error = errno;
  ::lseek(fd, -static_cast<off_t>(size), SEEK_CUR);
  errno = error;
}

// Calls `move(offset, n)` for the next `n` <= `max_bytes` bytes to read.
template <typename Move>
ssize_t MoveFromFile(int fd, size_t max_bytes, Move move) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return -1;
  // The kernel makes the text of a file in /proc again for each lseek(2).
  if (info.st_size == 0) return 0;
  loff_t offset = TakeRange(fd, max_bytes);
  if (offset < 0) return -1;
  const size_t size =
      info.st_size > offset
          ? std::min(max_bytes, static_cast<size_t>(info.st_size - offset))
          : 0;
  const ssize_t moved = size < kMinSplice ? 0 : move(&offset, size);
  GiveBack(fd, max_bytes - (moved > 0 ? static_cast<size_t>(moved) : 0));
  return moved;
}

// Returns what `call` does, which raises no `signal`. It may have moved some of
// `size` bytes before it came to what raises it.
template <typename Call>
ssize_t WithoutSignal(int signal, size_t size, Call call) {
  BlockedSignal blocked(signal);
  const ssize_t n = call();
  if (n < 0 || static_cast<size_t>(n) < size) blocked.Consume();
  return n;
}

// Calls `move(offset)` for the next `size` bytes to write.
template <typename Move>
ssize_t MoveToFile(int fd, size_t size, Move move) {
  loff_t offset = TakeRange(fd, size);
  if (offset < 0) return -1;
  // In case the file may not grow (RLIMIT_FSIZE).
  const ssize_t moved =
      WithoutSignal(SIGXFSZ, size, [&] { return move(&offset); });
  GiveBack(fd, size - (moved > 0 ? static_cast<size_t>(moved) : 0));
  return moved;
}

bool MayWait(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags < 0 || (flags & O_NONBLOCK) == 0;
}

ssize_t Impossible() {
  errno = EINVAL;
  return -1;
}

class SplicePipe final : public KernelPipe {
 public:
  SplicePipe(OwnedFd read_fd, OwnedFd write_fd, size_t capacity)
      : read_fd_(std::move(read_fd)),
        write_fd_(std::move(write_fd)),
        capacity_(capacity) {}

  int read_fd() const override { return read_fd_.get(); }
  int write_fd() const override { return write_fd_.get(); }
  size_t capacity() const override { return capacity_; }

  absl::Cord Take(size_t size) override {
    std::string bytes(size, '\0');
    for (size_t taken = 0; taken < size;) {
      const ssize_t n =
          ::read(read_fd_.get(), bytes.data() + taken, size - taken);
      if (n < 0 && errno == EINTR) continue;
      ABSL_CHECK_GT(n, 0) << "a pipe has lost bytes, errno " << errno;
      taken += static_cast<size_t>(n);
    }
    return absl::Cord(std::move(bytes));
  }

 private:
  const OwnedFd read_fd_;
  const OwnedFd write_fd_;
  const size_t capacity_;
};

}  // namespace

SpliceFile SpliceFileOf(int fd) {
  struct stat info = {};
  if (::fstat(fd, &info) != 0) return {};
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
      return {SpliceFile::Kind::kRegular, info.st_dev, info.st_ino};
    case S_IFIFO:
      return {SpliceFile::Kind::kPipe, info.st_dev, info.st_ino};
    case S_IFSOCK:
      return {SpliceFile::Kind::kSocket, info.st_dev, info.st_ino};
    case S_IFCHR:
      return {info.st_rdev == makedev(1, 3) ? SpliceFile::Kind::kNull
                                            : SpliceFile::Kind::kNone,
              info.st_dev, info.st_ino};
    default:
      return {};
  }
}

ssize_t SpliceToPipe(int fd, const SpliceFile& file, int pipe,
                     size_t max_bytes) {
  switch (file.kind) {
    case SpliceFile::Kind::kRegular:
      return MoveFromFile(fd, max_bytes, [&](loff_t* offset, size_t size) {
        return ::splice(fd, offset, pipe, nullptr, size, kFlags);
      });
    case SpliceFile::Kind::kSocket:
      if (MayWait(fd)) return Impossible();
      [[fallthrough]];
    case SpliceFile::Kind::kPipe:
      return ::splice(fd, nullptr, pipe, nullptr, max_bytes, kFlags);
    default:
      return Impossible();
  }
}

ssize_t SpliceFromPipe(int pipe, int fd, const SpliceFile& file,
                       size_t max_bytes) {
  switch (file.kind) {
    case SpliceFile::Kind::kRegular:
      return MoveToFile(fd, max_bytes, [&](loff_t* offset) {
        return ::splice(pipe, nullptr, fd, offset, max_bytes, kFlags);
      });
    case SpliceFile::Kind::kNull:
      return ::splice(pipe, nullptr, fd, nullptr, max_bytes, kFlags);
    case SpliceFile::Kind::kSocket:
      if (MayWait(fd)) return Impossible();
      [[fallthrough]];
    case SpliceFile::Kind::kPipe:
      return WithoutSignal(SIGPIPE, max_bytes, [&] {
        return ::splice(pipe, nullptr, fd, nullptr, max_bytes, kFlags);
      });
    default:
      return Impossible();
  }
}

ssize_t MoveBetweenFiles(int source_fd, int sink_fd, const SpliceFile& sink,
                         size_t max_bytes) {
  return MoveFromFile(
      source_fd, max_bytes, [&](loff_t* from, size_t size) -> ssize_t {
        if (sink.kind == SpliceFile::Kind::kNull) {
          off_t offset = *from;
          return ::sendfile(sink_fd, source_fd, &offset, size);
        }
        return MoveToFile(sink_fd, size, [&](loff_t* to) {
          return ::copy_file_range(source_fd, from, sink_fd, to, size, 0);
        });
      });
}

std::unique_ptr<KernelPipe> MakeSplicePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return nullptr;
  OwnedFd read_fd(fds[0]);
  OwnedFd write_fd(fds[1]);
  ::fcntl(fds[1], F_SETPIPE_SZ, kCapacity);
  const int capacity = ::fcntl(fds[1], F_GETPIPE_SZ);
  if (capacity < kMinCapacity) return nullptr;
  // What begins within a page of a file takes one page more.
  return std::make_unique<SplicePipe>(
      std::move(read_fd), std::move(write_fd),
      static_cast<size_t>(capacity - ::getpagesize()));
}

}  // namespace flow::internal
