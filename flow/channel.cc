// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/channel.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/compact.h"
#include "flow/internal/delimiter_search.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::MonotonicDeadline;

}  // namespace

// Only the read under way touches what is buffered for reading; only the write
// under way, and the end that follows it, what is buffered for writing.
class Channel::Buffers final : public ForwardingTransport {
 public:
  Buffers(std::unique_ptr<Transport> inner, const ChannelOptions& options)
      : ForwardingTransport(std::move(inner)),
        max_buffered_read_(std::max(options.max_buffered_read, size_t{1})),
        max_buffered_write_(options.max_buffered_write) {}

  // --- For reads of a channel

  size_t max_buffered_read() const { return max_buffered_read_; }
  const internal::ByteQueue& buffered() const { return buffered_; }

  // Reads more, so that up to `limit` bytes are buffered, or as many as may be
  // ahead. Returns whether there was more. An error passes, in `*passes`, if
  // something is buffered that comes before it.
  absl::StatusOr<bool> Fill(size_t limit, bool* passes);

  // Returns the size of the shortest front of what is buffered that ends in the
  // delimiter, or 0 if that is more than `limit`. Looks at each byte once for
  // the same delimiter, in several reads, too.
  void SetDelimiter(absl::string_view delimiter) {
    search_.SetDelimiter(delimiter);
  }
  size_t FindDelimiter(size_t limit) {
    return search_.Find(buffered_.cord(), limit);
  }

  // Removes the first `n` bytes from what is buffered and returns them.
  absl::Cord Take(size_t n);

  // --- For writes of a channel

  // Buffers `buffer`, or hands it on with all that is buffered.
  absl::Status WriteBuffered(Buffer buffer, size_t* accepted);
  absl::Status FlushPending();

  // --- The transport

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override;
  absl::Status Write(Outgoing& data) override;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override;
  void RefuseRead() override;
  absl::Status AwaitRemoteEnd(absl::Time deadline) override;
  absl::Status Free() override;
  void SetWriteDeadline(absl::Time deadline) override;
  int64_t BytesInTransit() const override;
  std::string Describe() const override {
    return absl::StrCat("channel on ", ForwardingTransport::Describe());
  }

 private:
  // Read() of the transport underneath, until that has ended. From then on
  // returns how: nothing, or the error.
  absl::StatusOr<absl::Cord> ReadInner(size_t max_bytes);
  void NoteReadEnd(const absl::Status& end);

  void DropPending(size_t n);
  // Gives the transport underneath the earlier of both deadlines.
  void SetInnerDeadline() ABSL_LOCKS_EXCLUDED(deadline_mu_);
  MonotonicDeadline EarlierDeadline() ABSL_LOCKS_EXCLUDED(deadline_mu_) {
    internal::MutexLock lock(deadline_mu_);
    return std::min(write_deadline_, end_deadline_);
  }

  const size_t max_buffered_read_;
  const size_t max_buffered_write_;

  internal::ByteQueue buffered_;
  internal::DelimiterSearch search_;  // in it

  // How the inbound direction underneath has ended, which the Flow learns only
  // when what is buffered was read. Ok: end-of-file. Written once, before
  // `read_has_ended_`.
  std::optional<absl::Status> read_end_;
  std::atomic<bool> read_has_ended_{false};
  std::atomic<bool> end_is_awaited_{false};
  std::atomic<bool> refused_{false};

  // Accepted and not handed on.
  internal::ByteQueue pending_;
  std::atomic<size_t> pending_size_{0};

  absl::Mutex deadline_mu_;
  MonotonicDeadline write_deadline_ ABSL_GUARDED_BY(deadline_mu_);
  MonotonicDeadline end_deadline_ ABSL_GUARDED_BY(deadline_mu_);
};

// --- Reading

absl::StatusOr<absl::Cord> Channel::Buffers::ReadInner(size_t max_bytes) {
  if (read_end_.has_value()) {
    if (!read_end_->ok()) return *read_end_;
    return absl::Cord();
  }
  absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
  if (data.ok() ? data->empty() : !absl::IsDeadlineExceeded(data.status())) {
    NoteReadEnd(data.status());
  }
  return data;
}

void Channel::Buffers::NoteReadEnd(const absl::Status& end) {
  // After a refusal this is no end of the remote, which may be waited for.
  if (refused_) return;
  read_end_ = end;
  read_has_ended_ = true;
  // As the Flow would do it if it knew of the error.
  if (!end.ok() && end_is_awaited_) RefuseRead();
}

void Channel::Buffers::RefuseRead() {
  if (!refused_.exchange(true)) ForwardingTransport::RefuseRead();
}

absl::Status Channel::Buffers::AwaitRemoteEnd(absl::Time deadline) {
  end_is_awaited_ = true;
  if (read_has_ended_ && (!read_end_->ok() || !EndsEarly())) return *read_end_;
  return ForwardingTransport::AwaitRemoteEnd(deadline);
}

absl::StatusOr<bool> Channel::Buffers::Fill(size_t limit, bool* passes) {
  absl::StatusOr<absl::Cord> data =
      ReadInner(std::max(limit, max_buffered_read_) - buffered_.size());
  if (!data.ok()) {
    // Its turn comes after what is buffered.
    *passes = !buffered_.empty();
    return std::move(data).status();
  }
  if (data->empty()) return false;
  buffered_.Append(*std::move(data));
  return true;
}

absl::Cord Channel::Buffers::Take(size_t n) {
  search_.RemovePrefix(n);
  return buffered_.Take(n);
}

absl::StatusOr<absl::Cord> Channel::Buffers::Read(size_t max_bytes) {
  if (buffered_.empty()) return ReadInner(max_bytes);
  return internal::Compact(Take(std::min(max_bytes, buffered_.size())));
}

absl::StatusOr<absl::Cord> Channel::ReadExactly(size_t n) {
  if (n == 0) return absl::Cord();
  absl::StatusOr<absl::Cord> data =
      ReadWith(n, [&](bool* passes) -> absl::StatusOr<absl::Cord> {
        while (buffers_.buffered().size() < n) {
          absl::StatusOr<bool> more = buffers_.Fill(n, passes);
          if (!more.ok()) return std::move(more).status();
          if (*more) continue;
          const size_t size = buffers_.buffered().size();
          if (size == 0) return absl::Cord();
          *passes = true;
          return absl::OutOfRangeError(absl::StrCat("the stream ended after ",
                                                    size, " of ", n, " bytes"));
        }
        return internal::Compact(buffers_.Take(n));
      });
  // Whoever counts on `n` bytes must not be given none.
  if (data.ok() && data->empty()) {
    return absl::OutOfRangeError(absl::StrCat(
        DebugString(), ": the stream ended before the first of ", n, " bytes"));
  }
  return data;
}

absl::StatusOr<absl::Cord> Channel::ReadThrough(absl::string_view delimiter,
                                                size_t max_bytes,
                                                bool end_suffices,
                                                absl::string_view name) {
  return ReadWith(max_bytes, [&](bool* passes) -> absl::StatusOr<absl::Cord> {
    buffers_.SetDelimiter(delimiter);
    while (true) {
      const size_t size = buffers_.buffered().size();
      const size_t found = buffers_.FindDelimiter(max_bytes);
      if (found != 0) return buffers_.Take(found);
      if (size >= max_bytes) {
        *passes = true;
        return absl::ResourceExhaustedError(
            absl::StrCat("no ", name, " in ", max_bytes, " bytes"));
      }
      const size_t step =
          std::min(buffers_.max_buffered_read(), max_bytes - size);
      absl::StatusOr<bool> more = buffers_.Fill(size + step, passes);
      if (!more.ok()) return std::move(more).status();
      if (*more) continue;
      if (size == 0 || end_suffices) return buffers_.Take(size);
      *passes = true;
      return absl::OutOfRangeError(absl::StrCat("the stream ended after ", size,
                                                " bytes without ", name));
    }
  });
}

absl::StatusOr<std::optional<std::string>> Channel::ReadLine(
    size_t max_bytes, LastLine last_line) {
  absl::StatusOr<absl::Cord> bytes = ReadThrough(
      "\n", max_bytes, last_line == LastLine::kNeedsNoNewline, "end of line");
  if (!bytes.ok()) return std::move(bytes).status();
  if (bytes->empty()) return std::nullopt;
  std::string line(*bytes);
  if (line.back() == '\n') {
    line.pop_back();
    if (!line.empty() && line.back() == '\r') line.pop_back();
  }
  return line;
}

absl::StatusOr<std::optional<absl::Cord>> Channel::ReadUntil(
    absl::string_view delimiter, size_t max_bytes) {
  if (delimiter.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(DebugString(), ": ReadUntil of an empty delimiter"));
  }
  absl::StatusOr<absl::Cord> bytes =
      ReadThrough(delimiter, max_bytes, /*end_suffices=*/false, "delimiter");
  if (!bytes.ok()) return std::move(bytes).status();
  if (bytes->empty()) return std::nullopt;
  bytes->RemoveSuffix(delimiter.size());
  return internal::Compact(*std::move(bytes));
}

absl::StatusOr<absl::Cord> Channel::Peek(size_t n) {
  if (n == 0) return absl::Cord();
  return ReadWith(n, [&](bool* passes) -> absl::StatusOr<absl::Cord> {
    while (buffers_.buffered().size() < n) {
      absl::StatusOr<bool> more = buffers_.Fill(n, passes);
      if (!more.ok()) return std::move(more).status();
      if (!*more) break;
    }
    const internal::ByteQueue& buffered = buffers_.buffered();
    // Nothing is the end, and stays.
    *passes = !buffered.empty();
    return internal::Compact(buffered.cord().Subcord(0, n));
  });
}

// --- Writing

absl::Status Channel::WriteBuffered(Buffer buffer) {
  return WriteWith(buffer.size(), [&](size_t* accepted) {
    return buffers_.WriteBuffered(buffer, accepted);
  });
}

absl::Status Channel::Flush() {
  return WriteWith(0, [&](size_t*) { return buffers_.FlushPending(); });
}

absl::Status Channel::Buffers::WriteBuffered(Buffer buffer, size_t* accepted) {
  const size_t size = buffer.size();
  if (size == 0) return absl::OkStatus();
  if (size >= max_buffered_write_ ||
      pending_.size() >= max_buffered_write_ - size) {
    Outgoing data(buffer);
    absl::Status status = Write(data);
    *accepted = data.accepted();
    return status;
  }
  if (buffer.is_borrowed()) {
    pending_.Append(buffer.bytes());
  } else {
    pending_.Append(buffer.TakeCord());
  }
  pending_size_.store(pending_.size(), std::memory_order_relaxed);
  return absl::OkStatus();
}

void Channel::Buffers::DropPending(size_t n) {
  pending_.Take(n);
  pending_size_.store(pending_.size(), std::memory_order_relaxed);
}

absl::Status Channel::Buffers::FlushPending() {
  if (pending_.empty()) return absl::OkStatus();
  Outgoing data{Buffer(pending_.cord())};
  absl::Status status = ForwardingTransport::Write(data);
  // A claim that is too large has broken the direction.
  DropPending(status.ok() ? data.size()
                          : std::min(data.accepted(), data.size()));
  return status;
}

absl::Status Channel::Buffers::Write(Outgoing& data) {
  if (pending_.empty()) return ForwardingTransport::Write(data);
  absl::InlinedVector<Buffer, 16> all;
  if (data.is_borrowed()) {
    for (absl::string_view piece : pending_.cord().Chunks()) {
      all.push_back(piece);
    }
  } else {
    all.push_back(pending_.cord());
  }
  for (size_t i = 0; i < data.count(); ++i) all.push_back(data[i]);
  Outgoing whole{absl::Span<const Buffer>(all)};
  absl::Status status = ForwardingTransport::Write(whole);
  const size_t taken = status.ok() ? whole.size() : whole.accepted();
  const size_t flushed = std::min(taken, pending_.size());
  DropPending(flushed);
  data.Accept(taken - flushed);
  return status;
}

absl::Status Channel::Buffers::EndWrite(const absl::Status& outcome,
                                        absl::Time deadline) {
  absl::Status flushed = outcome;
  if (outcome.ok() && !pending_.empty()) {
    {
      internal::MutexLock lock(deadline_mu_);
      end_deadline_ = MonotonicDeadline(deadline);
    }
    SetInnerDeadline();
    flushed = FlushPending();
    if (absl::IsDeadlineExceeded(flushed)) {
      internal::MutexLock lock(deadline_mu_);
      // Close() has no more time, or is patient and calls again.
      if (end_deadline_.has_passed()) return flushed;
      flushed = absl::AbortedError(
          "the write deadline passed before all was flushed");
    }
  }
  // What is left is not on its way any more.
  if (!flushed.ok()) DropPending(pending_.size());
  absl::Status ended = ForwardingTransport::EndWrite(flushed, deadline);
  return flushed.ok() ? ended : flushed;
}

void Channel::Buffers::SetWriteDeadline(absl::Time deadline) {
  {
    internal::MutexLock lock(deadline_mu_);
    write_deadline_ = MonotonicDeadline(deadline);
  }
  SetInnerDeadline();
}

void Channel::Buffers::SetInnerDeadline() {
  internal::TellLatest([this] { return EarlierDeadline(); },
                       [this](absl::Time deadline) {
                         ForwardingTransport::SetWriteDeadline(deadline);
                       });
}

int64_t Channel::Buffers::BytesInTransit() const {
  return static_cast<int64_t>(pending_size_.load(std::memory_order_relaxed)) +
         ForwardingTransport::BytesInTransit();
}

absl::Status Channel::Buffers::Free() {
  buffered_.TakeAll();
  DropPending(pending_.size());
  absl::Status status = ForwardingTransport::Free();
  // An error that no read has come to.
  if (status.ok() && read_end_.has_value()) status = *read_end_;
  return status;
}

// --- Making

Channel::Channel(std::unique_ptr<Flow> flow, TransportDecorator decorate,
                 Buffers* const* buffers)
    : Flow(std::move(flow), decorate), buffers_(**buffers) {}

Channel::~Channel() = default;

std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> flow,
                                     ChannelOptions options) {
  ABSL_CHECK(flow != nullptr) << "a channel on no flow";
  Channel::Buffers* buffers = nullptr;
  const auto decorate = [&](std::unique_ptr<Transport> underneath) {
    auto made =
        std::make_unique<Channel::Buffers>(std::move(underneath), options);
    buffers = made.get();
    return made;
  };
  return std::unique_ptr<Channel>(
      new Channel(std::move(flow), decorate, &buffers));
}

}  // namespace flow
