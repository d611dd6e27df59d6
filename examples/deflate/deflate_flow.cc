// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/deflate/deflate_flow.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"
#include "zlib.h"

namespace flow::examples {
namespace {

// What is read, decompressed or handed on at a time.
constexpr size_t kBlock = 16 << 10;

// More compressed bytes than can stand for nothing, unless a remote sends empty
// blocks on purpose.
constexpr size_t kFutile = 64 << 10;

// As much of `size` as one call of zlib can be told.
uInt Step(size_t size) {
  return static_cast<uInt>(
      std::min<size_t>(size, std::numeric_limits<uInt>::max()));
}

// zlib takes input that it does not change as a pointer to bytes that it may.
Bytef* Input(absl::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

struct EndDeflate {
  void operator()(z_stream* stream) const {
    deflateEnd(stream);
    delete stream;
  }
};
struct EndInflate {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};

// Only the read under way touches what is for reading; only the write under
// way, and the end that follows it, what is for writing; Free() comes last.
class DeflateTransport final : public ForwardingTransport {
 public:
  DeflateTransport(std::unique_ptr<Transport> inner,
                   const DeflateOptions& options)
      : ForwardingTransport(std::move(inner)),
        flush_(options.flush_each_write ? Z_SYNC_FLUSH : Z_NO_FLUSH) {
    ABSL_CHECK_EQ(deflateInit(deflate_.get(), options.level), Z_OK)
        << "level " << options.level;
    ABSL_CHECK_EQ(inflateInit(inflate_.get()), Z_OK);
  }

  // --- Reading

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    char block[kBlock];
    const absl::StatusOr<size_t> size =
        ReadInto(absl::MakeSpan(block, std::min(max_bytes, kBlock)));
    if (!size.ok()) return size.status();
    return absl::Cord(absl::string_view(block, *size));
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    size_t futile = 0;
    while (!read_end_.has_value()) {
      if (inflates_more_ || !compressed_.empty()) {
        futile += compressed_.size();
        // What came before an error is returned before it.
        if (const size_t size = Inflate(space); size > 0) return size;
        // While such bytes come, the transport underneath is never late.
        if (futile > kFutile && ReadIsLate()) {
          return absl::DeadlineExceededError("no data before the deadline");
        }
      } else if (absl::Status status = ReadCompressed(); !status.ok()) {
        return status;
      }
    }
    if (!read_end_->ok()) return *read_end_;
    return size_t{0};
  }

  void Abort(const absl::Status& reason) override {
    aborted_.store(true);
    ForwardingTransport::Abort(reason);
  }

  absl::Status Free() override {
    // The transport underneath knows neither that its data were corrupt nor
    // that some of what it has handed over was not read.
    if (!aborted_.load()) {
      if (!corruption_.ok()) inner().Abort(corruption_);
    } else if (inflates_more_ || !compressed_.empty()) {
      inner().LoseRead();
    }
    compressed_.Clear();
    inflate_.reset();
    deflate_.reset();
    return ForwardingTransport::Free();
  }

  // --- Writing

  absl::Status Write(Outgoing& data) override {
    // What a late write has left goes first. While that does not go, nothing
    // more is accepted, which is what holds a writer back.
    absl::Status status = HandOn();
    const int64_t handed_on = handed_on_;
    size_t taken = 0;
    char last = 0;
    const auto take = [&](absl::string_view piece) {
      if (!status.ok() || piece.empty()) return;
      last = piece.back();
      if (owed_.has_value()) {
        if (piece.front() != *owed_) {
          status = GaveUp();
          return;
        }
        owed_.reset();
        ++taken;
        piece.remove_prefix(1);
      }
      while (status.ok() && !piece.empty()) {
        const size_t n = Deflate(piece, Z_NO_FLUSH, &status);
        taken += n;
        piece.remove_prefix(n);
      }
    };
    for (size_t i = 0; i < data.count(); ++i) data[i].ForEachPiece(take);
    if (status.ok()) Deflate("", flush_, &status);
    if (status.ok()) status = HandOn();

    if (absl::IsDeadlineExceeded(status)) {
      // The compressor has taken all of it, but the remote would wait for what
      // is kept here if the writer had nothing left to write.
      if (taken == data.size()) {
        owed_ = last;
        --taken;
      }
    } else if (!status.ok() && handed_on_ == handed_on) {
      taken = 0;  // It was refused, and nothing of it is on its way.
    }
    data.Accept(taken);
    return status;
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    // A broken direction gets no trailer.
    if (!outcome.ok()) return ForwardingTransport::EndWrite(outcome, deadline);
    {
      const std::lock_guard<std::mutex> lock(deadline_mu_);
      end_deadline_ = deadline;
      SetInnerDeadline();
    }
    absl::Status status;
    if (owed_.has_value()) status = GaveUp();
    if (status.ok()) Deflate("", Z_FINISH, &status);
    if (status.ok()) status = HandOn();
    if (absl::IsDeadlineExceeded(status)) {
      const std::lock_guard<std::mutex> lock(deadline_mu_);
      // Close() has no more time, but may be patient and call again; unless
      // the time for writes was over first.
      if (end_deadline_ < write_deadline_) return status;
      status = absl::AbortedError(
          "the write deadline passed before the end of the compressed data "
          "was sent");
    }
    // Whoever refuses the data wants no trailer. Nobody can over TCP, where
    // Closed tells of a reset.
    if (IsClosed(status) && CanBeRefused()) status = absl::OkStatus();
    absl::Status ended = ForwardingTransport::EndWrite(status, deadline);
    return status.ok() ? ended : status;
  }

  void SetReadDeadline(absl::Time deadline) override {
    {
      const std::lock_guard<std::mutex> lock(deadline_mu_);
      read_deadline_ = deadline;
    }
    ForwardingTransport::SetReadDeadline(deadline);
  }

  void SetWriteDeadline(absl::Time deadline) override {
    const std::lock_guard<std::mutex> lock(deadline_mu_);
    write_deadline_ = deadline;
    SetInnerDeadline();
  }

  int64_t BytesInTransit() const override {
    return rest_size_.load() + ForwardingTransport::BytesInTransit();
  }

  std::string Describe() const override {
    return absl::StrCat("deflate on ", ForwardingTransport::Describe());
  }

 private:
  // Gets more to decompress, or the end. An error is that of a deadline.
  absl::Status ReadCompressed() {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(kBlock);
    if (absl::IsDeadlineExceeded(data.status())) return data.status();
    if (!data.ok()) {
      read_end_ = data.status();
    } else if (!data->empty() && is_whole_) {
      Corrupt("something follows their end");
    } else if (!data->empty()) {
      compressed_ = *std::move(data);
    } else if (!is_whole_) {
      Corrupt("they were cut off");
    } else {
      read_end_ = absl::OkStatus();
    }
    return absl::OkStatus();
  }

  // Decompresses into `space`, and returns how many bytes that has made.
  size_t Inflate(absl::Span<char> space) {
    const uInt room = Step(space.size());
    inflate_->next_out = reinterpret_cast<Bytef*>(space.data());
    inflate_->avail_out = room;
    int result;
    do {
      const absl::string_view chunk =
          compressed_.empty() ? "" : *compressed_.chunk_begin();
      inflate_->next_in = Input(chunk);
      inflate_->avail_in = Step(chunk.size());
      result = inflate(inflate_.get(), Z_NO_FLUSH);
      compressed_.RemovePrefix(Step(chunk.size()) - inflate_->avail_in);
    } while (result == Z_OK && inflate_->avail_out > 0 && !compressed_.empty());
    inflates_more_ = inflate_->avail_out == 0;
    switch (result) {
      case Z_OK:
      case Z_BUF_ERROR:  // it needs more
        break;
      case Z_STREAM_END:
        is_whole_ = true;
        inflates_more_ = false;
        if (!compressed_.empty()) Corrupt("something follows their end");
        break;
      case Z_MEM_ERROR:
        inflates_more_ = false;
        read_end_ = absl::ResourceExhaustedError("no memory to decompress");
        break;
      default:
        Corrupt(inflate_->msg == nullptr ? "they need a dictionary"
                                         : inflate_->msg);
    }
    return room - inflate_->avail_out;
  }

  void Corrupt(absl::string_view why) {
    corruption_ =
        absl::DataLossError(absl::StrCat("corrupt compressed data: ", why));
    read_end_ = corruption_;
    compressed_.Clear();
    inflates_more_ = false;
  }

  // Compresses the front of `bytes`, or does what `flush` says, and hands on as
  // much as does not fit into the block. Returns how many bytes were taken.
  size_t Deflate(absl::string_view bytes, int flush, absl::Status* status) {
    deflate_->next_in = Input(bytes);
    deflate_->avail_in = Step(bytes.size());
    do {
      if (rest_end_ == kBlock) *status = HandOn();
      if (!status->ok()) break;
      deflate_->next_out = reinterpret_cast<Bytef*>(&rest_[rest_end_]);
      deflate_->avail_out = static_cast<uInt>(kBlock - rest_end_);
      // Z_BUF_ERROR, there was nothing to do, is fine.
      ABSL_CHECK_NE(deflate(deflate_.get(), flush), Z_STREAM_ERROR);
      SetRest(rest_begin_, kBlock - deflate_->avail_out);
    } while (deflate_->avail_in > 0 || deflate_->avail_out == 0);
    return Step(bytes.size()) - deflate_->avail_in;
  }

  // Writes the compressed bytes to the transport underneath. What it does not
  // accept is kept.
  absl::Status HandOn() {
    if (rest_begin_ == rest_end_) return absl::OkStatus();
    // Borrowed, as those obey a capacity underneath.
    Outgoing rest(Buffer(absl::MakeConstSpan(rest_).subspan(
        rest_begin_, rest_end_ - rest_begin_)));
    absl::Status status = ForwardingTransport::Write(rest);
    const size_t accepted = status.ok() ? rest.size() : rest.accepted();
    handed_on_ += static_cast<int64_t>(accepted);
    if (status.ok()) {
      SetRest(0, 0);
    } else {
      SetRest(rest_begin_ + accepted, rest_end_);
    }
    return status;
  }

  // A clean end, or other bytes, would follow one that does not count.
  static absl::Status GaveUp() {
    return absl::AbortedError("a write was late, and its rest was not written");
  }

  void SetRest(size_t begin, size_t end) {
    rest_begin_ = begin;
    rest_end_ = end;
    rest_size_.store(static_cast<int64_t>(end - begin));
  }

  bool ReadIsLate() {
    const std::lock_guard<std::mutex> lock(deadline_mu_);
    return absl::Now() >= read_deadline_;
  }

  // The transport underneath gets the earlier one. Called with deadline_mu_.
  void SetInnerDeadline() {
    ForwardingTransport::SetWriteDeadline(
        std::min(write_deadline_, end_deadline_));
  }

  const int flush_;
  std::atomic<bool> aborted_{false};

  std::unique_ptr<z_stream, EndInflate> inflate_{new z_stream()};
  absl::Cord compressed_;       // was read, and is to be decompressed
  bool inflates_more_ = false;  // maybe, without being given more
  bool is_whole_ = false;       // the trailer has come, and fits the data
  std::optional<absl::Status> read_end_;  // Ok: end-of-file
  absl::Status corruption_;               // if that is why

  std::unique_ptr<z_stream, EndDeflate> deflate_{new z_stream()};
  // Compressed and not handed on: a part of the block.
  char rest_[kBlock];
  size_t rest_begin_ = 0;
  size_t rest_end_ = 0;
  std::atomic<int64_t> rest_size_{0};  // for any thread
  int64_t handed_on_ = 0;              // compressed bytes in all
  // The last byte of a late write, which the compressor has, but which was not
  // counted. The next write begins with it.
  std::optional<char> owed_;

  std::mutex deadline_mu_;  // guards these three
  absl::Time read_deadline_ = absl::InfiniteFuture();
  absl::Time write_deadline_ = absl::InfiniteFuture();
  absl::Time end_deadline_ = absl::InfiniteFuture();
};

}  // namespace

std::unique_ptr<Flow> MakeDeflateFlow(std::unique_ptr<Flow> inner,
                                      const DeflateOptions& options) {
  return DecorateFlow(std::move(inner),
                      [&](std::unique_ptr<Transport> underneath) {
                        return std::make_unique<DeflateTransport>(
                            std::move(underneath), options);
                      });
}

}  // namespace flow::examples
