// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/endpoint_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "examples/endpoint.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/status.h"

namespace flowcat {
namespace {

// Returns an error such as "cannot read FILE: Input/output error".
absl::Status Failure(absl::string_view tried, absl::string_view name,
                     int error) {
  absl::Status status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot ", tried, " ", name));
  if (error == EPIPE) {
    status = flow::ClosedError(absl::StrCat("cannot ", tried, " ", name,
                                            ": its reader has closed it"));
  } else if (absl::IsDeadlineExceeded(status)) {
    // ETIMEDOUT is the file server's deadline, not one of this flow.
    status = absl::UnavailableError(status.message());
  }
  status.SetPayload(kCausePayload, absl::Cord(status.message()));
  return status;
}

// Returns whether to try again what has just failed with `errno`. A descriptor
// that we share with others may be non-blocking: waits for `events` then.
bool Retry(int fd, int events) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  struct pollfd ready = {fd, static_cast<int16_t>(events), 0};
  return ::poll(&ready, 1, -1) > 0 || errno == EINTR;
}

flow::Input ReadFrom(int fd, const std::string& name) {
  return flow::Input::Bytes(
      [fd, name](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
        while (true) {
          const ssize_t n = ::read(fd, buffer.data(), buffer.size());
          if (n >= 0) return static_cast<size_t>(n);
          if (!Retry(fd, POLLIN)) return Failure("read", name, errno);
        }
      });
}

flow::Output WriteTo(int fd, const std::string& name) {
  return flow::Output::Bytes(
      [fd, name](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        while (true) {
          const ssize_t n = ::write(fd, bytes.data(), bytes.size());
          if (n >= 0) return static_cast<size_t>(n);
          if (!Retry(fd, POLLOUT)) return Failure("write", name, errno);
        }
      });
}

flow::EndFunction CloseOf(int fd, const std::string& name) {
  return [fd, name]() -> absl::Status {
    // After EINTR the descriptor is gone on Linux, and must not be closed
    // again: https://man7.org/linux/man-pages/man2/close.2.html
    if (::close(fd) == 0 || errno == EINTR) return absl::OkStatus();
    return Failure("close", name, errno);
  };
}

int OpenRetrying(const std::string& path, int flags) {
  while (true) {
    const int fd =
        ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode_t{0666});
    if (fd >= 0 || errno != EINTR) return fd;
  }
}

// Makes an endpoint that owns `fd`, and `*info`, which is of what it refers to.
absl::StatusOr<Endpoint> MakeEndpoint(int fd, std::string name,
                                      flow::FunctionFlowOptions options,
                                      struct stat* info) {
  Endpoint endpoint;
  endpoint.name = std::move(name);
  options.name = endpoint.name;
  options.close = CloseOf(fd, endpoint.name);
  endpoint.flow = flow::MakeFunctionFlow(std::move(options));
  if (::fstat(fd, info) != 0) return Failure("open", endpoint.name, errno);
  if (S_ISREG(info->st_mode)) {
    endpoint.regular_file.emplace(info->st_dev, info->st_ino);
  }
  endpoint.is_terminal = ::isatty(fd) == 1;
  return endpoint;
}

absl::StatusOr<Endpoint> MakeSource(int fd, std::string name) {
  flow::FunctionFlowOptions options;
  options.input = ReadFrom(fd, name);
  struct stat info;
  absl::StatusOr<Endpoint> source =
      MakeEndpoint(fd, std::move(name), std::move(options), &info);
  if (!source.ok()) return source;
  if (S_ISDIR(info.st_mode)) return Failure("read", source->name, EISDIR);
  // Files in /proc say that they have 0 bytes, and have more.
  if (S_ISREG(info.st_mode) && info.st_size > 0) {
    // Standard input may have been read from already.
    const off_t position = std::max<off_t>(0, ::lseek(fd, 0, SEEK_CUR));
    source->size = std::max<int64_t>(0, info.st_size - position);
  }
  return source;
}

absl::StatusOr<Endpoint> MakeSink(int fd, std::string name, bool truncate,
                                  const Endpoint& source) {
  flow::FunctionFlowOptions options;
  options.output = WriteTo(fd, name);
  struct stat info;
  absl::StatusOr<Endpoint> sink =
      MakeEndpoint(fd, std::move(name), std::move(options), &info);
  if (!sink.ok() || !sink->regular_file.has_value()) return sink;
  if (sink->regular_file == source.regular_file) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.name, " and ", sink->name, " are the same file"));
  }
  if (truncate && ::ftruncate(fd, 0) != 0) {
    return Failure("empty", sink->name, errno);
  }
  return sink;
}

}  // namespace

absl::StatusOr<Endpoint> OpenFileSource(const std::string& path) {
  const int fd = OpenRetrying(path, O_RDONLY);
  if (fd < 0) return Failure("open", path, errno);
  return MakeSource(fd, path);
}

absl::StatusOr<Endpoint> OpenStandardInput() {
  return MakeSource(STDIN_FILENO, "standard input");
}

absl::StatusOr<Endpoint> OpenFileSink(const std::string& path,
                                      const Endpoint& source) {
  // Not O_TRUNC: this may be the source.
  const int fd = OpenRetrying(path, O_WRONLY | O_CREAT);
  if (fd < 0) return Failure("open", path, errno);
  return MakeSink(fd, path, /*truncate=*/true, source);
}

absl::StatusOr<Endpoint> OpenStandardOutput(const Endpoint& source) {
  return MakeSink(STDOUT_FILENO, "standard output", /*truncate=*/false, source);
}

}  // namespace flowcat
