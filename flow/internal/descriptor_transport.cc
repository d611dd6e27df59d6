// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/descriptor_transport.h"

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
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/descriptor.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fd_waiter.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gathering_transport.h"
#include "flow/internal/kernel_end.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/splice.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

// A pipe that is empty is waited for so long by a caller that holds descriptors
// meanwhile.
constexpr absl::Duration kFillPatience = absl::Milliseconds(100);

class DescriptorTransport final : public GatheringTransport, public KernelEnd {
 public:
  DescriptorTransport(int read_fd, int write_fd, std::string name)
      : name_(std::move(name)),
        is_one_(read_fd == write_fd),
        in_(read_fd, SHUT_RD),
        out_(write_fd, SHUT_WR) {}

  // If it is not Ok, the transport is not to be used.
  absl::Status status() const {
    return in_.status().ok() ? out_.status() : in_.status();
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (!BeginRead()) return absl::Cord();
    absl::StatusOr<absl::Cord> data = ReadBlock(max_bytes);
    EndRead();
    return data;
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    if (!BeginRead()) return size_t{0};
    absl::StatusOr<size_t> size = Fill(space);
    EndRead();
    return size;
  }

  // One of two descriptors can be closed alone, which tells its other end. That
  // looks like an end in good order, so a broken direction is not closed before
  // Free().
  absl::Status EndWrite(const absl::Status& outcome, absl::Time) override {
    watcher_.Stop();
    MutexLock lock(mu_);
    // It may still poll what is closed here.
    const auto is_unwatched = [this] {
      mu_.AssertReaderHeld();
      return !watched_;
    };
    mu_.Await(absl::Condition(&is_unwatched));
    if (is_one_ || aborted_ || !outcome.ok()) return absl::OkStatus();
    return out_.End();
  }

  void RefuseRead() override {
    reader_.Stop();
    MutexLock lock(mu_);
    refused_ = true;
    if (!reading_) CloseReadEnd();
  }

  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override {
    if (!out_.writable()) return NotWritable();
    if (!CanBeRefused()) return std::nullopt;
    int fd = -1;
    {
      MutexLock lock(mu_);
      watched_ = true;
      fd = out_.fd();
    }
    watcher_.SetDeadline(deadline);
    const absl::StatusOr<FdWaiter::Outcome> waited = watcher_.Wait(fd, 0);
    MutexLock lock(mu_);
    watched_ = false;
    if (!waited.ok()) return waited.status();
    if (*waited == FdWaiter::Outcome::kLate) {
      return absl::DeadlineExceededError("it still has a reader");
    }
    return HasNoReader();
  }

  bool CanBeRefused() const override {
    return out_.writable() && out_.tells_of_last_reader();
  }

  void Abort(const absl::Status&) override {
    {
      MutexLock lock(mu_);
      aborted_ = true;
    }
    reader_.Stop();
    writer_.Stop();
    watcher_.Stop();
  }

  absl::Status Free() override {
    MutexLock lock(mu_);
    if (is_one_) in_.Release();
    absl::Status status = out_.End();
    status.Update(in_.End());
    return status;
  }

  void FreeInChild() override {
    if (is_one_) in_.Release();
    out_.Close().IgnoreError();
    in_.Close().IgnoreError();
  }

  void SetReadDeadline(absl::Time deadline) override {
    reader_.SetDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    writer_.SetDeadline(deadline);
  }

  int64_t BytesInTransit() const override {
    MutexLock lock(mu_);
    return out_.BytesInTransit();
  }

  std::string Describe() const override { return name_; }

  // --- Inside the kernel

  KernelEnd* kernel_end() override { return this; }

  SpliceFile source() const override {
    return in_.readable() ? in_.splice_file() : SpliceFile();
  }
  SpliceFile sink() const override {
    return out_.writable() ? out_.splice_file() : SpliceFile();
  }
  std::unique_ptr<KernelPipe> MakePipe() const override {
    return MakeSplicePipe();
  }

  std::optional<size_t> FillPipe(int pipe, size_t max_bytes) override {
    return ReadBy([&] {
      return SpliceToPipe(in_.fd(), in_.splice_file(), pipe, max_bytes);
    });
  }

  std::optional<size_t> DrainPipe(int pipe, size_t size) override {
    size_t sent = 0;
    while (sent < size) {
      const absl::StatusOr<size_t> n = SendBy("splice", [&](bool) {
        return SpliceFromPipe(pipe, out_.fd(), out_.splice_file(), size - sent);
      });
      if (n.ok()) {
        sent += *n;
      } else if (sent > 0 || absl::IsDeadlineExceeded(n.status())) {
        break;
      } else {
        return std::nullopt;
      }
    }
    return sent;
  }

  std::optional<size_t> MoveTo(KernelEnd& sink, size_t max_bytes) override {
    const int sink_fd = sink.write_fd();
    if (sink_fd < 0) return 0;
    return ReadBy([&] {
      return MoveBetweenFiles(in_.fd(), sink_fd, sink.sink(), max_bytes);
    });
  }

  int write_fd() override { return writer_.stopped() ? -1 : out_.fd(); }

 private:
  // --- Reading

  // Reads by `call`, which is like a read(2) that does not wait, as KernelEnd
  // says.
  std::optional<size_t> ReadBy(absl::FunctionRef<ssize_t()> call) {
    // If packets may come, only Read() looks at each.
    if (!in_.is_stream() || !BeginRead()) return 0;
    const std::optional<size_t> size = ReadUnlessItTakesLong(call);
    EndRead();
    return size;
  }

  std::optional<size_t> ReadUnlessItTakesLong(
      absl::FunctionRef<ssize_t()> call) {
    for (bool has_waited = false; !reader_.stopped();) {
      const ssize_t n = call();
      if (n >= 0) return static_cast<size_t>(n);
      const int error = errno;
      if (error == EINTR) continue;
      if (!WouldBlock(error)) return std::nullopt;
      if (std::exchange(has_waited, true)) break;
      if (!reader_.Wait(in_.fd(), POLLIN, kFillPatience).ok()) break;
    }
    return 0;
  }

  // Returns whether there is something to read from. The read end stays open
  // until EndRead().
  bool BeginRead() {
    if (!in_.readable()) return false;
    MutexLock lock(mu_);
    if (refused_) return false;
    reading_ = true;
    return true;
  }

  void EndRead() {
    MutexLock lock(mu_);
    reading_ = false;
    if (refused_) CloseReadEnd();
  }

  void CloseReadEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!is_one_) in_.End().IgnoreError();  // What was read is whole.
  }

  absl::StatusOr<absl::Cord> ReadBlock(size_t max_bytes) {
    bool ready = false;
    while (true) {
      const std::optional<absl::Span<char>> space =
          fill_buffer_.Space(max_bytes);
      if (!space.has_value()) return FillBuffer::NoMemory();
      const absl::StatusOr<ssize_t> n = ReadNow(*space, ready);
      if (n.ok() && *n > 0) return fill_buffer_.Take(static_cast<size_t>(*n));
      // A reader that waits holds no block.
      fill_buffer_.Drop();
      if (!n.ok()) return n.status();
      if (*n == 0) return absl::Cord();
      if (absl::Status late = AwaitData(); !late.ok()) return late;
      ready = true;
    }
  }

  absl::StatusOr<size_t> Fill(absl::Span<char> space) {
    bool ready = false;
    while (true) {
      const absl::StatusOr<ssize_t> n = ReadNow(space, ready);
      if (!n.ok()) return n.status();
      if (*n >= 0) return static_cast<size_t>(*n);
      fill_buffer_.Drop();  // of a Read() before
      if (absl::Status late = AwaitData(); !late.ok()) return late;
      ready = true;
    }
  }

  // Reads what is there; 0 bytes are the end, -1 means that nothing is there
  // yet. See Descriptor::Read() for `ready`.
  absl::StatusOr<ssize_t> ReadNow(absl::Span<char> space, bool ready) {
    while (!reader_.stopped()) {
      if (in_.HoldsPackets()) {
        return absl::InvalidArgumentError(
            "it is a pipe of packets (O_DIRECT), not a stream");
      }
      const ssize_t n = in_.Read(space, ready);
      if (n >= 0) return n;
      const int error = errno;
      if (error == EINTR) continue;
      if (WouldBlock(error)) return -1;
      return FdError(error, "read");
    }
    // The read was refused; or aborted, and then the Flow ignores this.
    return 0;
  }

  // Waits until there may be data, or an end.
  absl::Status AwaitData() {
    const absl::StatusOr<FdWaiter::Outcome> waited =
        reader_.Wait(in_.fd(), POLLIN);
    if (!waited.ok()) return waited.status();
    if (*waited != FdWaiter::Outcome::kLate) return absl::OkStatus();
    return absl::DeadlineExceededError("no data before the deadline");
  }

  // --- Writing

  absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) override {
    return SendBy("write", [&](bool ready) { return out_.Write(list, ready); });
  }

  // Sends at least one byte by `call`, which is like a write(2) that does not
  // wait. See Descriptor::Write() for `ready`.
  absl::StatusOr<size_t> SendBy(absl::string_view tried,
                                absl::FunctionRef<ssize_t(bool ready)> call) {
    if (!out_.writable()) return NotWritable();
    bool ready = false;
    while (!writer_.stopped()) {
      const ssize_t n = call(ready);
      if (n > 0) return static_cast<size_t>(n);
      const int error = n < 0 ? errno : EIO;
      if (error == EINTR) continue;
      if (error == EPIPE) return HasNoReader();
      if (!WouldBlock(error)) return FdError(error, tried);
      const auto waited = writer_.Wait(out_.fd(), POLLOUT);
      if (!waited.ok()) return waited.status();
      if (*waited == FdWaiter::Outcome::kLate) {
        return absl::DeadlineExceededError(
            "no more data was taken before the deadline");
      }
      ready = true;
    }
    return absl::AbortedError("aborted");
  }

  static absl::Status NotWritable() {
    return ClosedError("the descriptor is not open for writing");
  }

  static absl::Status HasNoReader() {
    return ClosedError("write: its reader has closed it");
  }

  const std::string name_;
  const bool is_one_;

  FillBuffer fill_buffer_;
  FdWaiter reader_;
  FdWaiter writer_;
  FdWaiter watcher_;  // for a refusal

  mutable absl::Mutex mu_;
  bool watched_ ABSL_GUARDED_BY(mu_) = false;
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
  bool aborted_ ABSL_GUARDED_BY(mu_) = false;

  // They belong to the reader and to the writer, until they are closed with
  // `mu_` held. If there is one descriptor, both have it.
  Descriptor in_;
  Descriptor out_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> MakeDescriptorTransport(
    int read_fd, int write_fd, std::string name) {
  if (read_fd == write_fd) {
    // What is open one way only has one direction, and closing is its end.
    const int flags = ::fcntl(read_fd, F_GETFL);
    if (flags < 0) return FdError(errno, "fcntl");
    const int mode = flags & O_ACCMODE;
    if (mode == O_RDONLY) write_fd = -1;
    if (mode == O_WRONLY) read_fd = -1;
  }
  auto transport =
      std::make_unique<DescriptorTransport>(read_fd, write_fd, std::move(name));
  if (absl::Status s = transport->status(); !s.ok()) return s;
  return transport;
}

}  // namespace flow::internal
