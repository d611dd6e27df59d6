// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/descriptor_flow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

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
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/descriptor.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gathering_flow.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

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
      if (in_.HoldsPackets()) {
        return absl::InvalidArgumentError(
            "it is a pipe of packets (O_DIRECT), no stream");
      }
      const std::optional<absl::Span<char>> space =
          fill_buffer_.Space(max_bytes);
      if (!space.has_value()) return FillBuffer::NoMemory();
      const ssize_t n = in_.Read(*space, ready);
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
    return out_.End();
  }

  void DoShutdownRead() override {
    reader_.Stop();
    absl::MutexLock lock(&mu_);
    refused_ = true;
    if (!reading_) CloseReadEnd();
  }

  void CloseReadEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!is_one_) in_.End().IgnoreError();  // What was read is whole.
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
    if (is_one_) in_.Release();
    absl::Status status = out_.End();
    status.Update(in_.End());
    return status;
  }

  void DoFreeInChild() override {
    if (is_one_) in_.Release();
    out_.Close().IgnoreError();
    in_.Close().IgnoreError();
  }

  void DoSetReadDeadline(absl::Time deadline) override {
    reader_.SetDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    writer_.SetDeadline(deadline);
  }

  int64_t DoBytesInTransit() const override {
    absl::MutexLock lock(&mu_);
    return out_.BytesInTransit();
  }

  std::string DoDescribe() const override { return name_; }

  const std::string name_;
  const bool is_one_;

  FillBuffer fill_buffer_;
  FdWaiter reader_;
  FdWaiter writer_;

  mutable absl::Mutex mu_;
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
