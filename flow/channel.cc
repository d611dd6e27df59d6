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
#include "flow/internal/attempts.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/compact.h"
#include "flow/internal/delimiter_search.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/operation.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {
namespace {

using internal::MonotonicDeadline;

absl::Status WriteWasLate() {
  return absl::AbortedError("the write deadline passed before all was flushed");
}

}  // namespace

// Only the read under way touches what is buffered for reading; only the write
// under way, and the end that follows it, what is buffered for writing.
class Channel::Buffers final : public ForwardingTransport {
 public:
  Buffers(std::unique_ptr<Transport> inner, const ChannelOptions& options)
      : ForwardingTransport(std::move(inner)),
        max_buffered_read_(std::max(options.max_buffered_read, size_t{1})),
        max_buffered_write_(options.max_buffered_write) {}

  // How a read waits: on its thread, or by saying when to try again, to nobody
  // if it is the last try.
  struct How {
    bool blocks = true;
    Retry* retry = nullptr;
  };

  // --- For reads of a channel

  // What one of them returns. Nullopt: a started one that is not over.
  using Outcome = std::optional<absl::StatusOr<absl::Cord>>;

  // The reads of a channel, for Flow::ReadWith() and its kin. `how` says what
  // they do where there is nothing to read.
  Outcome ReadExactly(size_t n, How how, bool* passes);
  Outcome Peek(size_t n, How how, bool* passes);
  // Reads the next bytes with the `delimiter` that ends them, or nothing at
  // end-of-file. The last bytes of the stream may lack it if `end_suffices`.
  // `name` is that of the delimiter in an error.
  Outcome ReadThrough(absl::string_view delimiter, size_t max_bytes,
                      bool end_suffices, absl::string_view name, How how,
                      bool* passes);

  // --- For writes of a channel

  // Buffers `buffer`, or hands it on with all that is buffered.
  absl::Status WriteBuffered(Buffer buffer, size_t* accepted);
  absl::Status FlushPending();

  internal::WriteAttempt& started_flush() { return started_flush_; }
  internal::WriteAttempt& started_write_buffered() {
    return started_write_buffered_;
  }

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

  bool CanStart() const override { return inner().CanStart(); }
  Outcome TryRead(size_t max_bytes, Retry* retry) override;
  std::optional<absl::Status> TryWrite(absl::Cord* rest, Retry* retry) override;
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override;
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override;

 private:
  class StartedFlush final : public internal::WriteAttempt {
   public:
    explicit StartedFlush(Buffers& buffers) : buffers_(buffers) {}
    std::optional<absl::Status> Try(absl::Cord* rest, Retry* retry) override {
      return buffers_.TryWrite(rest, retry);
    }

   private:
    Buffers& buffers_;
  };
  class StartedWriteBuffered final : public internal::WriteAttempt {
   public:
    explicit StartedWriteBuffered(Buffers& buffers) : buffers_(buffers) {}
    std::optional<absl::Status> Try(absl::Cord* rest, Retry* retry) override {
      return buffers_.TryWriteBuffered(rest, retry);
    }

   private:
    Buffers& buffers_;
  };

  // Reads more, so that up to `limit` bytes are buffered, or as many as may be
  // ahead. Returns whether there was more. An error passes, in `*passes`, if
  // something is buffered that comes before it.
  std::optional<absl::StatusOr<bool>> Fill(size_t limit, How how, bool* passes);
  // The same, given what was read.
  absl::StatusOr<bool> Append(absl::StatusOr<absl::Cord>&& data, bool* passes);

  // Removes the first `n` bytes from what is buffered and returns them.
  absl::Cord Take(size_t n);

  // Whether `size` more bytes are to be handed on with what is buffered.
  bool IsMuch(size_t size) const {
    return size >= max_buffered_write_ ||
           pending_.size() >= max_buffered_write_ - size;
  }
  void AppendPending(Buffer buffer);
  std::optional<absl::Status> TryWriteBuffered(absl::Cord* rest, Retry* retry);
  std::optional<absl::Status> TryFlush(Retry* retry);
  // How a read ends that comes after the end of those underneath.
  absl::StatusOr<absl::Cord> ReadAtEnd() const;
  // Notes it if `data` is the end of those underneath.
  void LookForEnd(const absl::StatusOr<absl::Cord>& data);
  // Read() of the transport underneath, until that has ended. From then on
  // returns how: nothing, or the error.
  absl::StatusOr<absl::Cord> ReadInner(size_t max_bytes);
  Outcome TryReadInner(size_t max_bytes, Retry* retry);
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
  // What a started write hands on: `pending_`, and then its own bytes.
  std::optional<absl::Cord> handed_on_;
  std::atomic<size_t> pending_size_{0};

  absl::Mutex deadline_mu_;
  MonotonicDeadline write_deadline_ ABSL_GUARDED_BY(deadline_mu_);
  MonotonicDeadline end_deadline_ ABSL_GUARDED_BY(deadline_mu_);

  StartedFlush started_flush_{*this};
  StartedWriteBuffered started_write_buffered_{*this};
};

// --- Reading

absl::StatusOr<absl::Cord> Channel::Buffers::ReadInner(size_t max_bytes) {
  if (read_end_.has_value()) return ReadAtEnd();
  absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
  LookForEnd(data);
  return data;
}

Channel::Buffers::Outcome Channel::Buffers::TryReadInner(size_t max_bytes,
                                                         Retry* retry) {
  if (read_end_.has_value()) return ReadAtEnd();
  Outcome data = ForwardingTransport::TryRead(max_bytes, retry);
  if (data.has_value()) LookForEnd(*data);
  return data;
}

absl::StatusOr<absl::Cord> Channel::Buffers::ReadAtEnd() const {
  if (!read_end_->ok()) return *read_end_;
  return absl::Cord();
}

void Channel::Buffers::LookForEnd(const absl::StatusOr<absl::Cord>& data) {
  if (data.ok() ? data->empty() : !absl::IsDeadlineExceeded(data.status())) {
    NoteReadEnd(data.status());
  }
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

std::optional<absl::Status> Channel::Buffers::TryAwaitRemoteEnd(Retry* retry) {
  end_is_awaited_ = true;
  if (read_has_ended_ && (!read_end_->ok() || !EndsEarly())) return *read_end_;
  return ForwardingTransport::TryAwaitRemoteEnd(retry);
}

std::optional<absl::StatusOr<bool>> Channel::Buffers::Fill(size_t limit,
                                                           How how,
                                                           bool* passes) {
  const size_t size = std::max(limit, max_buffered_read_) - buffered_.size();
  if (how.blocks) return Append(ReadInner(size), passes);
  Outcome data = TryReadInner(size, how.retry);
  if (!data.has_value()) {
    if (how.retry != nullptr) return std::nullopt;
    data = absl::DeadlineExceededError("no data before the deadline");
  }
  return Append(*std::move(data), passes);
}

absl::StatusOr<bool> Channel::Buffers::Append(absl::StatusOr<absl::Cord>&& data,
                                              bool* passes) {
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

Channel::Buffers::Outcome Channel::Buffers::TryRead(size_t max_bytes,
                                                    Retry* retry) {
  if (buffered_.empty()) return TryReadInner(max_bytes, retry);
  return internal::Compact(Take(std::min(max_bytes, buffered_.size())));
}

Channel::Buffers::Outcome Channel::Buffers::ReadExactly(size_t n, How how,
                                                        bool* passes) {
  while (buffered_.size() < n) {
    const auto more = Fill(n, how, passes);
    if (!more.has_value()) return std::nullopt;
    if (!more->ok()) return more->status();
    if (**more) continue;
    if (buffered_.empty()) return absl::Cord();
    *passes = true;
    return absl::OutOfRangeError(absl::StrCat(
        "the stream ended after ", buffered_.size(), " of ", n, " bytes"));
  }
  return internal::Compact(Take(n));
}

Channel::Buffers::Outcome Channel::Buffers::ReadThrough(
    absl::string_view delimiter, size_t max_bytes, bool end_suffices,
    absl::string_view name, How how, bool* passes) {
  // It looks at each byte once for the same delimiter, in several reads, too.
  search_.SetDelimiter(delimiter);
  while (true) {
    const size_t size = buffered_.size();
    const size_t found = search_.Find(buffered_.cord(), max_bytes);
    if (found != 0) return Take(found);
    if (size >= max_bytes) {
      *passes = true;
      return absl::ResourceExhaustedError(
          absl::StrCat("no ", name, " in ", max_bytes, " bytes"));
    }
    const size_t step = std::min(max_buffered_read_, max_bytes - size);
    const auto more = Fill(size + step, how, passes);
    if (!more.has_value()) return std::nullopt;
    if (!more->ok()) return more->status();
    if (**more) continue;
    if (size == 0 || end_suffices) return Take(size);
    *passes = true;
    return absl::OutOfRangeError(
        absl::StrCat("the stream ended after ", size, " bytes without ", name));
  }
}

Channel::Buffers::Outcome Channel::Buffers::Peek(size_t n, How how,
                                                 bool* passes) {
  while (buffered_.size() < n) {
    const auto more = Fill(n, how, passes);
    if (!more.has_value()) return std::nullopt;
    if (!more->ok()) return more->status();
    if (!**more) break;
  }
  // Nothing is the end, and stays.
  *passes = !buffered_.empty();
  return internal::Compact(buffered_.cord().Subcord(0, n));
}

namespace {

constexpr absl::string_view kEndOfLine = "end of line";
constexpr absl::string_view kDelimiter = "delimiter";

// Whoever counts on `n` bytes must not be given none.
absl::StatusOr<absl::Cord> AllOf(const Flow& flow, size_t n,
                                 absl::StatusOr<absl::Cord> data) {
  if (!data.ok() || !data->empty()) return data;
  return absl::OutOfRangeError(
      absl::StrCat(flow.DebugString(),
                   ": the stream ended before the first of ", n, " bytes"));
}

absl::StatusOr<std::optional<std::string>> LineOf(
    absl::StatusOr<absl::Cord> bytes) {
  if (!bytes.ok()) return std::move(bytes).status();
  if (bytes->empty()) return std::nullopt;
  std::string line(*bytes);
  if (line.back() == '\n') {
    line.pop_back();
    if (!line.empty() && line.back() == '\r') line.pop_back();
  }
  return line;
}

absl::Status NoDelimiter(const Flow& flow) {
  return absl::InvalidArgumentError(
      absl::StrCat(flow.DebugString(), ": ReadUntil of an empty delimiter"));
}

absl::StatusOr<std::optional<absl::Cord>> PartOf(
    absl::StatusOr<absl::Cord> bytes, absl::string_view delimiter) {
  if (!bytes.ok()) return std::move(bytes).status();
  if (bytes->empty()) return std::nullopt;
  bytes->RemoveSuffix(delimiter.size());
  return internal::Compact(*std::move(bytes));
}

}  // namespace

absl::StatusOr<absl::Cord> Channel::ReadExactly(size_t n) {
  if (n == 0) return absl::Cord();
  return AllOf(*this, n, ReadWith(n, [&](bool* passes) {
    return *buffers_.ReadExactly(n, {}, passes);
  }));
}

absl::StatusOr<std::optional<std::string>> Channel::ReadLine(
    size_t max_bytes, LastLine last_line) {
  const bool end_suffices = last_line == LastLine::kNeedsNoNewline;
  return LineOf(ReadWith(max_bytes, [&](bool* passes) {
    return *buffers_.ReadThrough("\n", max_bytes, end_suffices, kEndOfLine, {},
                                 passes);
  }));
}

absl::StatusOr<std::optional<absl::Cord>> Channel::ReadUntil(
    absl::string_view delimiter, size_t max_bytes) {
  if (delimiter.empty()) return NoDelimiter(*this);
  return PartOf(ReadWith(max_bytes,
                         [&](bool* passes) {
                           return *buffers_.ReadThrough(delimiter, max_bytes,
                                                        /*end_suffices=*/false,
                                                        kDelimiter, {}, passes);
                         }),
                delimiter);
}

absl::StatusOr<absl::Cord> Channel::Peek(size_t n) {
  if (n == 0) return absl::Cord();
  return ReadWith(n,
                  [&](bool* passes) { return *buffers_.Peek(n, {}, passes); });
}

// --- Started reads

bool Channel::StartReadExactly(BytesOperation* operation, size_t n) {
  operation->removes_ = true;
  return StartBytes("StartReadExactly", *operation, n);
}

bool Channel::StartPeek(BytesOperation* operation, size_t n) {
  operation->removes_ = false;
  return StartBytes("StartPeek", *operation, n);
}

bool Channel::StartBytes(absl::string_view what, BytesOperation& operation,
                         size_t n) {
  absl::Status status = CanStart(what);
  if (!status.ok()) {
    operation.bytes = std::move(status);
    return true;
  }
  if (n == 0) {
    operation.bytes = absl::Cord();
    return true;
  }
  operation.channel_ = this;
  operation.size_ = n;
  return StartReadWith(n, operation);
}

std::optional<absl::StatusOr<absl::Cord>> Channel::BytesOperation::Try(
    Retry* retry, bool* passes) {
  Buffers& buffers = channel_->buffers_;
  const Buffers::How how = {/*blocks=*/false, retry};
  return removes_ ? buffers.ReadExactly(size_, how, passes)
                  : buffers.Peek(size_, how, passes);
}

void Channel::BytesOperation::Finish() {
  bytes = std::move(read);
  if (removes_) bytes = AllOf(*channel_, size_, std::move(bytes));
}

bool Channel::StartReadLine(LineOperation* operation, size_t max_bytes,
                            LastLine last_line) {
  if (absl::Status status = CanStart("StartReadLine"); !status.ok()) {
    operation->line = std::move(status);
    return true;
  }
  operation->channel_ = this;
  operation->max_bytes_ = max_bytes;
  operation->last_line_ = last_line;
  return StartReadWith(max_bytes, *operation);
}

std::optional<absl::StatusOr<absl::Cord>> Channel::LineOperation::Try(
    Retry* retry, bool* passes) {
  return channel_->buffers_.ReadThrough(
      "\n", max_bytes_, last_line_ == LastLine::kNeedsNoNewline, kEndOfLine,
      {/*blocks=*/false, retry}, passes);
}

void Channel::LineOperation::Finish() { line = LineOf(std::move(read)); }

bool Channel::StartReadUntil(PartOperation* operation,
                             absl::string_view delimiter, size_t max_bytes) {
  absl::Status status = CanStart("StartReadUntil");
  if (status.ok() && delimiter.empty()) status = NoDelimiter(*this);
  if (!status.ok()) {
    operation->part = std::move(status);
    return true;
  }
  operation->channel_ = this;
  operation->delimiter_.assign(delimiter.data(), delimiter.size());
  operation->max_bytes_ = max_bytes;
  return StartReadWith(max_bytes, *operation);
}

std::optional<absl::StatusOr<absl::Cord>> Channel::PartOperation::Try(
    Retry* retry, bool* passes) {
  return channel_->buffers_.ReadThrough(delimiter_, max_bytes_,
                                        /*end_suffices=*/false, kDelimiter,
                                        {/*blocks=*/false, retry}, passes);
}

void Channel::PartOperation::Finish() {
  part = PartOf(std::move(read), delimiter_);
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
  if (IsMuch(size)) {
    Outgoing data(buffer);
    absl::Status status = Write(data);
    *accepted = data.accepted();
    return status;
  }
  AppendPending(buffer);
  return absl::OkStatus();
}

void Channel::Buffers::AppendPending(Buffer buffer) {
  if (buffer.is_borrowed()) {
    pending_.Append(buffer.bytes());
  } else {
    pending_.Append(buffer.TakeCord());
  }
  pending_size_.store(pending_.size(), std::memory_order_relaxed);
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

// --- Started writes

bool Channel::StartWriteBuffered(WriteOperation* operation) {
  operation->status = CanStart("StartWriteBuffered");
  return !operation->status.ok() ||
         StartWriteWith(*operation, buffers_.started_write_buffered());
}

bool Channel::StartFlush(WriteOperation* operation) {
  operation->status = CanStart("StartFlush");
  return !operation->status.ok() ||
         StartWriteWith(*operation, buffers_.started_flush());
}

std::optional<absl::Status> Channel::Buffers::TryWriteBuffered(absl::Cord* rest,
                                                               Retry* retry) {
  // What it hands on already, it hands on whole.
  if (handed_on_.has_value() || IsMuch(rest->size())) {
    return TryWrite(rest, retry);
  }
  if (!rest->empty()) AppendPending(Buffer(*rest));
  rest->Clear();
  return absl::OkStatus();
}

std::optional<absl::Status> Channel::Buffers::TryWrite(absl::Cord* rest,
                                                       Retry* retry) {
  if (!handed_on_.has_value()) {
    handed_on_ = pending_.cord();
    handed_on_->Append(*rest);
  }
  const size_t size = pending_.size() + rest->size();
  if (size == 0) {
    handed_on_.reset();
    return absl::OkStatus();
  }
  std::optional<absl::Status> status =
      ForwardingTransport::TryWrite(&*handed_on_, retry);
  if (!status.has_value() && retry != nullptr) {
    // What was taken is in transit underneath.
    const size_t left = handed_on_->size();
    pending_size_.store(left - std::min(left, rest->size()),
                        std::memory_order_relaxed);
    return std::nullopt;
  }
  // One that is left with too much has broken the direction.
  const size_t taken = size - std::min(size, handed_on_->size());
  const size_t flushed = std::min(taken, pending_.size());
  DropPending(flushed);
  rest->RemovePrefix(taken - flushed);
  handed_on_.reset();
  return status;
}

std::optional<absl::Status> Channel::Buffers::TryFlush(Retry* retry) {
  absl::Cord nothing;
  return TryWrite(&nothing, retry);
}

// --- The end

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
      flushed = WriteWasLate();
    }
  }
  // What is left is not on its way any more.
  if (!flushed.ok()) DropPending(pending_.size());
  absl::Status ended = ForwardingTransport::EndWrite(flushed, deadline);
  return flushed.ok() ? ended : flushed;
}

std::optional<absl::Status> Channel::Buffers::TryEndWrite(
    const absl::Status& outcome, Retry* retry) {
  absl::Status flushed = outcome;
  if (outcome.ok()) {
    const MonotonicDeadline deadline = EarlierDeadline();
    std::optional<absl::Status> tried = TryFlush(retry);
    if (!tried.has_value() && deadline.has_passed()) tried = TryFlush(nullptr);
    if (tried.has_value()) {
      flushed = *std::move(tried);
    } else if (deadline.has_passed()) {
      flushed = WriteWasLate();
    } else {
      if (retry != nullptr && !deadline.is_never()) {
        retry->After(deadline.left());
      }
      return std::nullopt;
    }
  }
  if (!flushed.ok()) DropPending(pending_.size());
  const auto ended = ForwardingTransport::TryEndWrite(flushed, retry);
  if (!flushed.ok()) return flushed;
  return ended;
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
