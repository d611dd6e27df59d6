// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/endpoint_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flowcat/endpoint.h"
#include "flowcat/explained_flow.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

// Returns an error such as "cannot read FILE: Input/output error".
absl::Status Failure(absl::string_view tried, absl::string_view name,
                     int error) {
  return Explained(absl::ErrnoToStatus(error, "system call"), tried, name);
}

// Whether opening it can wait: for the other end of a FIFO, or for the line of
// a terminal.
bool CanWait(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 &&
         (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode));
}

absl::StatusOr<int> OpenPath(const std::string& path, int flags, Stop* stop) {
  const auto open = [path, flags]() -> absl::StatusOr<int> {
    while (true) {
      const int fd =
          ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode_t{0666});
      if (fd >= 0) return fd;
      if (errno != EINTR) return Failure("open", path, errno);
    }
  };
  if (stop == nullptr || !CanWait(path)) return open();
  absl::StatusOr<int> fd = UnlessStopped<int>(*stop, open);
  if (fd.ok() || !absl::IsResourceExhausted(fd.status())) return fd;
  return Explained(fd.status(), "open", path);
}

// What a descriptor is for.
enum class Access { kRead, kWrite, kBoth };

// Who opened a descriptor: flowcat, for this access alone and at the beginning
// of the file, or its caller, in any way.
enum class Origin { kOwn, kInherited };

// Returns how `fd` is open (O_ACCMODE). Child processes do not get what is
// inherited, because they would keep it open.
int AccessMode(int fd, Access access, Origin origin) {
  if (origin == Origin::kOwn) {
    return access == Access::kWrite ? O_WRONLY : O_RDONLY;
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return ::fcntl(fd, F_GETFL) & O_ACCMODE;
}

// Makes an endpoint that owns `fd`, and `*info`, which is of what it refers to.
absl::StatusOr<Endpoint> MakeEndpoint(int fd, std::string name, Access access,
                                      Origin origin, struct stat* info) {
  const absl::string_view tried = access == Access::kWrite ? "write" : "read";
  if (::fstat(fd, info) != 0) return Failure("open", name, errno);
  const int mode = AccessMode(fd, access, origin);
  flow::FdFlowOptions options;
  options.name = name;
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
      flow::MakeFdFlow(fd, std::move(options));
  if (S_ISDIR(info->st_mode)) return Failure(tried, name, EISDIR);
  if (!flow.ok()) return Explained(flow.status(), "use", name);
  // As a flow it would have an empty direction.
  if ((access == Access::kRead && mode == O_WRONLY) ||
      (access == Access::kWrite && mode == O_RDONLY)) {
    return Failure(tried, name, EBADF);
  }
  Endpoint endpoint;
  endpoint.name = std::move(name);
  endpoint.two_way = mode == O_RDWR && S_ISSOCK(info->st_mode);
  endpoint.is_terminal = S_ISCHR(info->st_mode) && ::isatty(fd) == 1;
  if (S_ISREG(info->st_mode)) {
    endpoint.regular_file.emplace(info->st_dev, info->st_ino);
  }
  endpoint.flow =
      MakeExplainedFlow(*std::move(flow), endpoint.name, endpoint.name);
  return endpoint;
}

absl::StatusOr<Endpoint> MakeSource(int fd, std::string name, Origin origin) {
  struct stat info;
  absl::StatusOr<Endpoint> source =
      MakeEndpoint(fd, std::move(name), Access::kRead, origin, &info);
  // Files in /proc say that they have 0 bytes, and have more.
  if (!source.ok() || !S_ISREG(info.st_mode) || info.st_size == 0) {
    return source;
  }
  // Standard input may have been read from already.
  const off_t position =
      origin == Origin::kOwn ? 0 : std::max<off_t>(0, ::lseek(fd, 0, SEEK_CUR));
  source->size = std::max<int64_t>(0, info.st_size - position);
  return source;
}

absl::StatusOr<Endpoint> MakeSink(int fd, std::string name, Origin origin,
                                  const Endpoint& source) {
  struct stat info;
  absl::StatusOr<Endpoint> sink =
      MakeEndpoint(fd, std::move(name), Access::kWrite, origin, &info);
  if (!sink.ok() || !sink->regular_file.has_value()) return sink;
  if (sink->regular_file == source.regular_file) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, " and ", sink->name, " are the same file"));
  }
  if (origin == Origin::kInherited || info.st_size == 0) return sink;
  while (::ftruncate(fd, 0) != 0) {
    if (errno != EINTR) return Failure("empty", sink->name, errno);
  }
  return sink;
}

std::string NameOf(int fd) { return absl::StrCat("fd:", fd); }

// What messages are printed on must not be closed by a flow.
absl::StatusOr<int> NotStandardError(int fd) {
  if (fd != STDERR_FILENO) return fd;
  const int duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (duplicate < 0) return Failure("open", NameOf(fd), errno);
  return duplicate;
}

}  // namespace

absl::StatusOr<Endpoint> OpenFileSource(const std::string& path, Stop* stop) {
  const absl::StatusOr<int> fd = OpenPath(path, O_RDONLY, stop);
  if (!fd.ok()) return fd.status();
  return MakeSource(*fd, path, Origin::kOwn);
}

absl::StatusOr<Endpoint> OpenFileSink(const std::string& path,
                                      const Endpoint& source, Stop* stop) {
  // Not O_TRUNC: this may be the source.
  const absl::StatusOr<int> fd = OpenPath(path, O_WRONLY | O_CREAT, stop);
  if (!fd.ok()) return fd.status();
  return MakeSink(*fd, path, Origin::kOwn, source);
}

absl::StatusOr<Endpoint> OpenStandardInput() {
  return MakeSource(STDIN_FILENO, "standard input", Origin::kInherited);
}

absl::StatusOr<Endpoint> OpenStandardOutput(const Endpoint& source) {
  return MakeSink(STDOUT_FILENO, "standard output", Origin::kInherited, source);
}

absl::StatusOr<Endpoint> OpenStandardStreams() {
  constexpr char kInput[] = "standard input";
  constexpr char kOutput[] = "standard output";
  for (int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  Endpoint endpoint;
  endpoint.name = "standard input and output";
  endpoint.two_way = true;
  endpoint.is_terminal =
      ::isatty(STDIN_FILENO) == 1 || ::isatty(STDOUT_FILENO) == 1;
  flow::FdFlowOptions options;
  options.name = endpoint.name;
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
      flow::MakeFdPairFlow(STDIN_FILENO, STDOUT_FILENO, std::move(options));
  if (!flow.ok()) return Explained(flow.status(), "use", endpoint.name);
  endpoint.flow = MakeExplainedFlow(*std::move(flow), kInput, kOutput);
  return endpoint;
}

absl::StatusOr<Endpoint> OpenDescriptorSource(int fd) {
  const absl::StatusOr<int> own = NotStandardError(fd);
  if (!own.ok()) return own.status();
  return MakeSource(*own, NameOf(fd), Origin::kInherited);
}

absl::StatusOr<Endpoint> OpenDescriptorSink(int fd, const Endpoint& source) {
  const absl::StatusOr<int> own = NotStandardError(fd);
  if (!own.ok()) return own.status();
  return MakeSink(*own, NameOf(fd), Origin::kInherited, source);
}

absl::StatusOr<Endpoint> OpenDescriptor(int fd) {
  const absl::StatusOr<int> own = NotStandardError(fd);
  if (!own.ok()) return own.status();
  struct stat info;
  return MakeEndpoint(*own, NameOf(fd), Access::kBoth, Origin::kInherited,
                      &info);
}

}  // namespace flowcat
