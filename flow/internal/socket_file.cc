// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/socket_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/internal/bind_error.h"
#include "flow/internal/escaped.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"

namespace flow::internal {
namespace {

// So that the file is found after chdir(2), too. The path stays relative if the
// directory is gone, and then there is nothing to find.
std::string Absolute(const std::string& path) {
  if (absl::StartsWith(path, "/")) return path;
  char* const folder = ::getcwd(nullptr, 0);
  if (folder == nullptr) return path;
  std::string absolute = absl::StrCat(folder, "/", path);
  std::free(folder);
  return absolute;
}

bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Keeps out others who take the same file over. To find that it is left over
// and to replace it are several steps. One that finds it so and removes it a
// moment later would remove the file of another that was faster.
//
// It is a lock on a file beside the socket's, since such a lock ends with its
// holder. That file is there only meanwhile. (The folder itself could be locked
// instead, but that needs the right to read it, and others lock folders for
// reasons of their own, as tmpfiles.d(5) tells them to.)
class TakeOverLock {
 public:
  static absl::StatusOr<TakeOverLock> Acquire(const std::string& socket_path) {
    // Holders are done at once, unless one was stopped (SIGSTOP).
    const auto deadline = MonotonicDeadline::In(absl::Seconds(10));
    TakeOverLock lock;
    lock.path_ = absl::StrCat(socket_path, ".take-over");
    while (true) {
      OwnedFd fd(::open(lock.path_.c_str(),
                        O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                        S_IRUSR | S_IWUSR));
      if (fd.get() < 0) {
        if (errno == EINTR) continue;
        return Failed(errno, "open a lock beside it");
      }
      while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (!WouldBlock(errno) && errno != EINTR) {
          return Failed(errno, "flock");
        }
        if (deadline.has_passed()) {
          return absl::UnavailableError(
              absl::StrCat("somebody else is taking the file over and holds ",
                           Escaped(lock.path_)));
        }
        absl::SleepFor(absl::Milliseconds(1));
      }
      // If its last holder has removed the file, the lock keeps nobody out.
      struct stat locked;
      struct stat there;
      if (::fstat(fd.get(), &locked) != 0) return Failed(errno, "fstat");
      if (!S_ISREG(locked.st_mode) || locked.st_size != 0) {
        return absl::AlreadyExistsError(
            absl::StrCat("a file was left there, and another file is in the "
                         "place of its lock, ",
                         Escaped(lock.path_)));
      }
      if (::lstat(lock.path_.c_str(), &there) == 0 &&
          IsSameFile(locked, there)) {
        lock.fd_ = std::move(fd);
        return lock;
      }
    }
  }

  TakeOverLock(TakeOverLock&&) = default;
  TakeOverLock& operator=(TakeOverLock&&) = delete;
  ~TakeOverLock() {
    if (fd_.get() < 0) return;
    ::unlink(path_.c_str());
    // A child that was forked meanwhile has the descriptor, too.
    ::flock(fd_.get(), LOCK_UN);
  }

 private:
  TakeOverLock() = default;

  static absl::Status Failed(int error, absl::string_view tried) {
    return FdError(
        error,
        absl::StrCat("a file was left there and cannot be unlinked: ", tried));
  }

  std::string path_;
  OwnedFd fd_;
};

// Returns Ok if `address` has a file that no socket has anymore; kNotFound if
// there is no file; kAlreadyExists if it belongs to somebody.
absl::Status CheckIsLeftOver(const KernelAddress& address) {
  struct stat file;
  if (::lstat(address.path().c_str(), &file) != 0) {
    return FdError(errno, "lstat");
  }
  if (!S_ISSOCK(file.st_mode)) {
    return absl::AlreadyExistsError("the file exists and is not a socket");
  }
  // A living socket refuses one of another type (EPROTOTYPE). Its owner does
  // not notice, and need not listen yet.
  OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return FdError(errno, "socket");
  int error;
  do {
    error = ::connect(fd.get(), address.get(), address.size) == 0 ? 0 : errno;
  } while (error == EINTR);
  switch (error) {
    case ECONNREFUSED:
      return absl::OkStatus();
    case 0:
    case EPROTOTYPE:
      return BindError(EADDRINUSE);
    default:
      return FdError(error,
                     "a file exists, and it is unknown whether anybody listens "
                     "on it: connect");
  }
}

// Removes the file of `address` if it is left over. Ok means that it is gone.
absl::Status RemoveLeftOver(const KernelAddress& address) {
  absl::Status status = CheckIsLeftOver(address);
  if (!status.ok()) return status;
  const absl::StatusOr<TakeOverLock> lock =
      TakeOverLock::Acquire(address.path());
  if (!lock.ok()) return lock.status();
  status = CheckIsLeftOver(address);
  if (!status.ok()) return status;
  if (::unlink(address.path().c_str()) == 0) return absl::OkStatus();
  return FdError(errno, "a file was left there and cannot be removed: unlink");
}

}  // namespace

SocketFile::SocketFile(const std::string& path)
    : path_(Absolute(path)), generation_(ForkGeneration()) {
  struct stat file;
  if (::lstat(path_.c_str(), &file) == 0) {
    device_ = file.st_dev;
    inode_ = file.st_ino;
  } else {
    path_.clear();
  }
}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(generation_, other.generation_);
  return *this;
}

void SocketFile::Remove() {
  const std::string path = std::exchange(path_, "");
  struct stat now;
  if (path.empty() || generation_ != ForkGeneration() ||
      ::lstat(path.c_str(), &now) != 0) {
    return;
  }
  if (now.st_dev == device_ && now.st_ino == inode_) ::unlink(path.c_str());
}

absl::StatusOr<SocketFile> BindUnix(int fd, const KernelAddress& address) {
  const std::string path = address.path();
  while (true) {
    if (::bind(fd, address.get(), address.size) == 0) {
      return path.empty() ? SocketFile() : SocketFile(path);
    }
    if (errno != EADDRINUSE || path.empty()) return BindError(errno);
    absl::Status removed = RemoveLeftOver(address);
    // It is gone, and whoever binds first has it.
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
}

}  // namespace flow::internal
