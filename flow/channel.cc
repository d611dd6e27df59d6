// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/channel.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"
#include "flow/internal/compact.h"

namespace flow {
namespace {

// Where the first '\n' of `cord` between `from` and `to` is; `to` if there is
// none.
size_t FindNewline(const absl::Cord& cord, size_t from, size_t to) {
  absl::Cord::CharIterator at = cord.char_begin();
  absl::Cord::Advance(&at, from);
  while (from < to) {
    const absl::string_view chunk =
        absl::Cord::ChunkRemaining(at).substr(0, to - from);
    if (const void* found = std::memchr(chunk.data(), '\n', chunk.size())) {
      return from + static_cast<size_t>(static_cast<const char*>(found) -
                                        chunk.data());
    }
    from += chunk.size();
    absl::Cord::Advance(&at, chunk.size());
  }
  return to;
}

}  // namespace

Channel::Channel(std::unique_ptr<Flow> inner, const ChannelOptions& options)
    : ForwardingFlow(std::move(inner)),
      max_buffered_read_(std::max(options.max_buffered_read, size_t{1})),
      max_buffered_write_(options.max_buffered_write) {}

Channel::~Channel() { Destroy(); }

// --- Reading

absl::StatusOr<bool> Channel::Fill(size_t limit, bool* passes) {
  absl::StatusOr<absl::Cord> data =
      inner().Read(std::max(limit, max_buffered_read_) - buffered_.size());
  if (!data.ok()) {
    // The error of the inner flow stays there, until its turn has come.
    *passes = !buffered_.empty();
    return std::move(data).status();
  }
  if (data->empty()) return false;
  buffered_.Append(*std::move(data));
  return true;
}

absl::Cord Channel::Take(size_t n) {
  scanned_ -= std::min(scanned_, n);
  return buffered_.Take(n);
}

absl::StatusOr<absl::Cord> Channel::DoRead(size_t max_bytes) {
  if (buffered_.empty()) return ForwardingFlow::DoRead(max_bytes);
  return internal::Compact(Take(std::min(max_bytes, buffered_.size())));
}

absl::StatusOr<absl::Cord> Channel::ReadExactly(size_t n) {
  if (n == 0) return absl::Cord();
  absl::StatusOr<absl::Cord> data =
      ReadWith(n, [&](bool* passes) -> absl::StatusOr<absl::Cord> {
        while (buffered_.size() < n) {
          absl::StatusOr<bool> more = Fill(n, passes);
          if (!more.ok()) return std::move(more).status();
          if (*more) continue;
          if (buffered_.empty()) return absl::Cord();
          *passes = true;
          return absl::OutOfRangeError(absl::StrCat("the stream ended after ",
                                                    buffered_.size(), " of ", n,
                                                    " bytes"));
        }
        return internal::Compact(Take(n));
      });
  // Whoever counts on `n` bytes must not be given none.
  if (data.ok() && data->empty()) {
    return absl::OutOfRangeError(absl::StrCat(
        DebugString(), ": the stream ended before the first of ", n, " bytes"));
  }
  return data;
}

absl::StatusOr<std::string> Channel::ReadLine(size_t max_bytes) {
  absl::StatusOr<absl::Cord> line =
      ReadWith(max_bytes, [&](bool* passes) -> absl::StatusOr<absl::Cord> {
        while (true) {
          const size_t end = std::min(buffered_.size(), max_bytes);
          if (scanned_ < end) {
            scanned_ = FindNewline(buffered_.cord(), scanned_, end);
            if (scanned_ < end) return Take(scanned_ + 1);
          }
          if (scanned_ >= max_bytes) {
            *passes = true;
            return absl::ResourceExhaustedError(
                absl::StrCat("no end of line in ", max_bytes, " bytes"));
          }
          const size_t size = buffered_.size();
          const size_t step = std::min(max_buffered_read_, max_bytes - size);
          absl::StatusOr<bool> more = Fill(size + step, passes);
          if (!more.ok()) return std::move(more).status();
          if (!*more) return Take(size);
        }
      });
  if (!line.ok()) return std::move(line).status();
  return std::string(*line);
}

absl::StatusOr<absl::Cord> Channel::Peek(size_t n) {
  if (n == 0) return absl::Cord();
  return ReadWith(n, [&](bool* passes) -> absl::StatusOr<absl::Cord> {
    while (buffered_.size() < n) {
      absl::StatusOr<bool> more = Fill(n, passes);
      if (!more.ok()) return std::move(more).status();
      if (!*more) break;
    }
    // Nothing is the end, and stays.
    *passes = !buffered_.empty();
    return internal::Compact(buffered_.cord().Subcord(0, n));
  });
}

// --- Writing

bool Channel::Fits(size_t size) const {
  return size < max_buffered_write_ &&
         pending_.size() < max_buffered_write_ - size;
}

absl::Status Channel::WriteBuffered(absl::string_view buffer) {
  return WriteWith(buffer.size(), [&](size_t* accepted) {
    if (!Fits(buffer.size())) return DoForwardWrite(Outgoing(buffer), accepted);
    pending_.Append(buffer);
    return absl::OkStatus();
  });
}

absl::Status Channel::WriteBuffered(const absl::Cord& buffer) {
  return WriteWith(buffer.size(), [&](size_t* accepted) {
    if (!Fits(buffer.size())) return DoForwardWrite(Outgoing(buffer), accepted);
    pending_.Append(absl::Cord(buffer));
    return absl::OkStatus();
  });
}

absl::Status Channel::Flush() {
  return WriteWith(0, [&](size_t*) { return FlushPending(); });
}

absl::Status Channel::FlushPending() {
  if (pending_.empty()) return absl::OkStatus();
  size_t taken = 0;
  absl::Status status =
      ForwardingFlow::DoForwardWrite(Outgoing(pending_.cord()), &taken);
  pending_.Take(taken);
  return status;
}

absl::Status Channel::DoForwardWrite(const Outgoing& data, size_t* accepted) {
  if (pending_.empty()) return ForwardingFlow::DoForwardWrite(data, accepted);
  size_t taken = 0;
  absl::Status status;
  if (data.borrowed()) {
    std::vector<absl::string_view> views(pending_.cord().chunk_begin(),
                                         pending_.cord().chunk_end());
    data.AppendTo(&views);
    status = ForwardingFlow::DoForwardWrite(
        Outgoing(absl::MakeConstSpan(views)), &taken);
  } else {
    absl::Cord all = pending_.cord();
    data.AppendTo(&all);
    status = ForwardingFlow::DoForwardWrite(Outgoing(all), &taken);
  }
  const size_t flushed = std::min(taken, pending_.size());
  pending_.Take(flushed);
  *accepted = taken - flushed;
  return status;
}

absl::Status Channel::DoEndWrite(const absl::Status& outcome) {
  if (!outcome.ok() || pending_.empty()) {
    return ForwardingFlow::DoEndWrite(outcome);
  }
  absl::Status flushed;
  bool goes_on;
  do {
    LimitEndByClose();
    const size_t size = pending_.size();
    const int64_t in_transit = inner().bytes_in_transit();
    flushed = FlushPending();
    // A patient one, and bytes have arrived since.
    goes_on =
        absl::IsDeadlineExceeded(flushed) &&
        CloseIdleTimeout() < absl::InfiniteDuration() &&
        (pending_.size() < size || inner().bytes_in_transit() < in_transit);
  } while (goes_on);
  absl::Status ended = ForwardingFlow::DoEndWrite(flushed);
  return flushed.ok() ? ended : flushed;
}

absl::Status Channel::DoFree() {
  buffered_.TakeAll();
  pending_.TakeAll();
  return ForwardingFlow::DoFree();
}

std::string Channel::DoDescribe() const {
  // Not the inner flow's state, whose errors have it.
  return "channel";
}

std::unique_ptr<Channel> MakeChannel(std::unique_ptr<Flow> inner,
                                     ChannelOptions options) {
  return std::unique_ptr<Channel>(new Channel(std::move(inner), options));
}

}  // namespace flow
