// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/internal/call_error.h"
#include "flow/internal/escaped.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/owned_fd.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::OwnedFd;

// Returns whether what has `path` is of the kind S_IF...
bool IsOfKind(const std::string& path, mode_t kind) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IFMT) == kind;
}

absl::Status IsAFolder() {
  return WithErrno(absl::InvalidArgumentError("it is a folder"), EISDIR);
}

// What `error` of open(2) means.
absl::Status OpenError(int error, const std::string& path) {
  switch (error) {
    case EISDIR:
      return IsAFolder();
    case ENOTDIR:
      return absl::NotFoundError("a part of the path is not a folder");
    case ENXIO:
      if (IsOfKind(path, S_IFIFO)) {
        return absl::UnavailableError("nobody reads the FIFO");
      }
      if (IsOfKind(path, S_IFSOCK)) {
        return absl::InvalidArgumentError(
            "it is a socket, which is for Dial()");
      }
      [[fallthrough]];
    default:
      return internal::FdError(error, "open");
  }
}

absl::StatusOr<OwnedFd> Open(absl::string_view path, int flags, mode_t mode) {
  if (path.empty()) return absl::InvalidArgumentError("the path is empty");
  if (absl::StrContains(path, '\0')) {
    return absl::InvalidArgumentError("the path has a byte of 0");
  }
  const std::string terminated(path);
  while (true) {
    // Without O_NONBLOCK, a FIFO would wait for its other end.
    OwnedFd fd(::open(terminated.c_str(),
                      flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode));
    if (fd.get() >= 0) return fd;
    const int error = errno;
    if (error != EINTR) return WithErrno(OpenError(error, terminated), error);
  }
}

absl::StatusOr<std::unique_ptr<Flow>> MakeFlowOf(OwnedFd fd,
                                                 absl::string_view path,
                                                 int64_t* size) {
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return internal::FdError(errno, "fstat");
  if (S_ISDIR(info.st_mode)) return IsAFolder();
  if (size != nullptr) *size = S_ISREG(info.st_mode) ? info.st_size : -1;
  FdFlowOptions options;
  options.name = absl::StrCat("file ", internal::Escaped(path));
  return MakeFdFlow(fd.Release(), std::move(options));
}

// Ends only when the disk holds what was written to `fd`, which is that of
// `inner`.
class SyncedTransport final : public ForwardingTransport {
 public:
  SyncedTransport(std::unique_ptr<Transport> inner, int fd)
      : ForwardingTransport(std::move(inner)), fd_(fd) {}

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    while (outcome.ok() && ::fsync(fd_) != 0) {
      if (errno == EINTR) continue;
      // What has no disk, such as a FIFO, holds nothing back.
      if (errno == EINVAL) break;
      return internal::FdError(errno, "fsync");
    }
    return ForwardingTransport::EndWrite(outcome, deadline);
  }

  internal::KernelEnd* kernel_end() override { return inner().kernel_end(); }

 private:
  const int fd_;
};

absl::StatusOr<std::unique_ptr<Flow>> OpenAt(absl::string_view path,
                                             const OpenFileOptions& options,
                                             int64_t* size) {
  if (options.offset < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("offset is ", options.offset, "; it must be at least 0"));
  }
  absl::StatusOr<OwnedFd> fd = Open(path, O_RDONLY, 0);
  if (!fd.ok()) return fd.status();
  if (options.offset > 0 && ::lseek(fd->get(), options.offset, SEEK_SET) < 0) {
    return internal::FdErrorAs(
        absl::StatusCode::kInvalidArgument, errno,
        absl::StrCat("offset is ", options.offset,
                     ", and there is no such place: lseek"));
  }
  return MakeFlowOf(*std::move(fd), path, size);
}

absl::StatusOr<std::unique_ptr<Flow>> Create(absl::string_view path,
                                             const CreateFileOptions& options) {
  constexpr mode_t kAll = 0777;
  if (options.mode > kAll) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "mode is %#o; it must be 0 to %#o", options.mode, kAll));
  }
  absl::StatusOr<OwnedFd> fd =
      Open(path,
           O_WRONLY | O_CREAT | (options.append ? O_APPEND : O_TRUNC) |
               (options.exclusive ? O_EXCL : 0),
           options.mode);
  if (!fd.ok()) return fd.status();
  const int number = fd->get();
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      MakeFlowOf(*std::move(fd), path, /*size=*/nullptr);
  if (!flow.ok() || !options.sync) return flow;
  return DecorateFlow(
      *std::move(flow), [number](std::unique_ptr<Transport> inner) {
        return std::make_unique<SyncedTransport>(std::move(inner), number);
      });
}

absl::StatusOr<std::unique_ptr<Flow>> InContext(
    absl::string_view function, absl::string_view path,
    absl::StatusOr<std::unique_ptr<Flow>> flow) {
  if (flow.ok()) return flow;
  return internal::CallError(function, path, flow.status());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Flow>> OpenFile(absl::string_view path,
                                               const OpenFileOptions& options,
                                               int64_t* size) {
  return InContext("OpenFile", path, OpenAt(path, options, size));
}

absl::StatusOr<std::unique_ptr<Flow>> CreateFile(
    absl::string_view path, const CreateFileOptions& options) {
  return InContext("CreateFile", path, Create(path, options));
}

}  // namespace flow
