// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/channel_writes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/status.h"
#include "fuzz/channel_reads.h"
#include "fuzz/pattern.h"
#include "fuzz/planned_output.h"

namespace flow::fuzz {
namespace {

absl::Status WriteAnyInteger(Channel& channel, LengthPrefix format,
                             uint64_t value) {
  switch (format) {
    case LengthPrefix::k8Bit:
      return WriteBigEndian<uint8_t>(channel, value);
    case LengthPrefix::kBigEndian16:
      return WriteBigEndian<uint16_t>(channel, value);
    case LengthPrefix::kBigEndian32:
      return WriteBigEndian<uint32_t>(channel, value);
    case LengthPrefix::kBigEndian64:
      return WriteBigEndian<uint64_t>(channel, value);
    case LengthPrefix::kLittleEndian16:
      return WriteLittleEndian<uint16_t>(channel, value);
    case LengthPrefix::kLittleEndian32:
      return WriteLittleEndian<uint32_t>(channel, value);
    case LengthPrefix::kLittleEndian64:
      return WriteLittleEndian<uint64_t>(channel, value);
  }
  return absl::OkStatus();
}

uint64_t MaxOf(LengthPrefix format) {
  return ~uint64_t{0} >> (64 - 8 * SizeOf(format));
}

}  // namespace

absl::string_view ChannelWrites::NextBytes(size_t size) {
  const absl::string_view bytes = Pattern(offset_, budget_.Take(size));
  offset_ += bytes.size();
  return bytes;
}

void ChannelWrites::Check(absl::string_view bytes, When when,
                          absl::FunctionRef<absl::Status()> write,
                          bool flushes) {
  const bool hands_on =
      bytes.empty() ? flushes && !pending_.empty()
                    : when == When::kNow ||
                          pending_.size() + bytes.size() >= max_buffered_;
  const std::string all = absl::StrCat(pending_, bytes);
  output_.Begin(all);
  const int64_t count_before = channel_.bytes_written();
  const int calls_before = output_.calls();
  const absl::Status status = write();
  const size_t count =
      static_cast<size_t>(channel_.bytes_written() - count_before);
  const bool was_called = output_.calls() > calls_before;
  if (!broken_.ok() || ended_) {
    ABSL_CHECK_EQ(status.code(),
                  broken_.ok() ? ClosedError("").code() : broken_.code())
        << status;
    ABSL_CHECK_EQ(IsClosed(status), broken_.ok() || IsClosed(broken_));
    ABSL_CHECK_EQ(count, 0u);
    ABSL_CHECK(!was_called);
  } else if (!hands_on) {
    ABSL_CHECK_OK(status);
    ABSL_CHECK_EQ(count, bytes.size());
    ABSL_CHECK(!was_called);
    pending_ += bytes;
  } else {
    ABSL_CHECK(was_called);
    const size_t taken = all.size() - output_.rest().size();
    const size_t flushed = std::min(taken, pending_.size());
    ABSL_CHECK_EQ(count, taken - flushed);
    ABSL_CHECK_EQ(status.ok(), output_.rest().empty()) << status;
    ABSL_CHECK_EQ(status.code(), output_.outcome().code()) << status;
    ABSL_CHECK_EQ(IsClosed(status), IsClosed(output_.outcome())) << status;
    pending_.erase(0, flushed);
    if (!status.ok() && !absl::IsDeadlineExceeded(status)) {
      broken_ = status;
      pending_.clear();
    }
  }
  ABSL_CHECK_EQ(static_cast<size_t>(channel_.bytes_in_transit()),
                pending_.size());
}

void ChannelWrites::WriteBuffered(Kind kind, size_t size) {
  const absl::string_view bytes = NextBytes(size);
  Check(bytes, When::kBuffered, [&] {
    switch (kind) {
      case Kind::kMoved:
        return channel_.WriteBuffered(std::string(bytes));
      case Kind::kCord:
        return channel_.WriteBuffered(absl::Cord(bytes));
      default: {
        // Memory that is gone at once.
        const std::string lent(bytes);
        return channel_.WriteBuffered(lent);
      }
    }
  });
}

void ChannelWrites::Write(Kind kind, size_t size) {
  const absl::string_view bytes = NextBytes(size);
  absl::Cord source(bytes);
  Check(bytes, When::kNow, [&] {
    switch (kind) {
      case Kind::kView: {
        const std::string lent(bytes);
        return channel_.Write(lent);
      }
      case Kind::kMoved:
        return channel_.Write(std::string(bytes));
      case Kind::kCord:
        return channel_.Write(absl::Cord(bytes));
      case Kind::kList: {
        const std::string lent(bytes.substr(0, bytes.size() / 3));
        const absl::Cord cord(bytes.substr(lent.size(), lent.size()));
        return channel_.Writev({lent, cord, bytes.substr(2 * lent.size())});
      }
      case Kind::kFrom:
        return channel_.WriteFrom(&source);
    }
    return absl::OkStatus();
  });
  if (kind == Kind::kFrom && broken_.ok() && !ended_) {
    const size_t left = std::min(output_.rest().size(), bytes.size());
    ABSL_CHECK(source == bytes.substr(bytes.size() - left)) << "not the rest";
  }
}

void ChannelWrites::WriteBlock(LengthPrefix format, size_t size,
                               size_t max_bytes) {
  const absl::string_view bytes = NextBytes(size);
  const BlockFormat block(max_bytes, format);
  if (bytes.size() > std::min<uint64_t>(max_bytes, MaxOf(format))) {
    const int64_t before = channel_.bytes_written();
    const int calls = output_.calls();
    const absl::Status status = flow::WriteBlock(channel_, block, bytes);
    ABSL_CHECK(absl::IsResourceExhausted(status)) << status;
    ABSL_CHECK_EQ(channel_.bytes_written(), before);
    ABSL_CHECK_EQ(output_.calls(), calls);
    return;
  }
  Check(absl::StrCat(Encode(format, bytes.size()), bytes), When::kNow, [&] {
    return flow::WriteBlock(
        channel_, block,
        {bytes.substr(0, 1), bytes.substr(std::min(bytes.size(), size_t{1}))});
  });
}

void ChannelWrites::WriteInteger(LengthPrefix format, bool fits) {
  const uint64_t max = MaxOf(format);
  if (!fits && max != ~uint64_t{0}) {
    const int64_t before = channel_.bytes_written();
    const absl::Status status = WriteAnyInteger(channel_, format, max + 1);
    ABSL_CHECK(absl::IsInvalidArgument(status)) << status;
    ABSL_CHECK_EQ(channel_.bytes_written(), before);
    return;
  }
  // 0x0102... for the order of the bytes.
  const uint64_t value = 0x0102030405060708 >> (64 - 8 * SizeOf(format));
  Check(Encode(format, value), When::kBuffered,
        [&] { return WriteAnyInteger(channel_, format, value); });
}

void ChannelWrites::Flush() {
  Check("", When::kNow, [&] { return channel_.Flush(); }, /*flushes=*/true);
}

void ChannelWrites::CheckEnd(absl::FunctionRef<absl::Status()> end,
                             const absl::Status& otherwise) {
  const int calls_before = output_.calls();
  output_.Begin(pending_);
  const absl::Status status = end();
  if (!broken_.ok()) {
    ABSL_CHECK_EQ(status.code(), broken_.code()) << status;
    ABSL_CHECK_EQ(output_.calls(), calls_before);
  } else if (ended_) {
    ABSL_CHECK_EQ(status.code(), otherwise.code()) << status;
    ABSL_CHECK_EQ(output_.calls(), calls_before);
  } else {
    ended_ = true;
    pending_.clear();
    ABSL_CHECK_EQ(output_.ends(), output_.rest().empty() ? 1 : 0);
    absl::Status expected = output_.outcome();
    // The write deadline of a flush, and that of an end function, are not that
    // of this call.
    if (absl::IsDeadlineExceeded(expected)) expected = absl::AbortedError("");
    ABSL_CHECK_EQ(status.code(),
                  expected.ok() ? otherwise.code() : expected.code())
        << status;
    if (!expected.ok()) broken_ = status;
  }
  ABSL_CHECK_EQ(channel_.bytes_in_transit(), 0);
}

void ChannelWrites::Shutdown() {
  CheckEnd([&] { return channel_.Shutdown(ShutdownMode::kWrite); },
           absl::OkStatus());
}

void ChannelWrites::Close(const absl::Status& read_outcome) {
  CheckEnd([&] { return channel_.Close(); }, read_outcome);
}

}  // namespace flow::fuzz
