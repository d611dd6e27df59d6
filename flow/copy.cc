// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/copy.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/byte_queue.h"
#include "flow/internal/copy_ends.h"
#include "flow/internal/kernel_copy.h"
#include "flow/internal/kernel_end.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow {
namespace {

using ::flow::internal::AbortSink;
using ::flow::internal::MonotonicDeadline;
using Side = CopyResult::Side;

std::string FormatRate(double bytes_per_second) {
  static constexpr const char* kUnits[] = {"B/s", "KiB/s", "MiB/s", "GiB/s",
                                           "TiB/s"};
  size_t unit = 0;
  for (; bytes_per_second >= 1024 && unit + 1 < std::size(kUnits); ++unit) {
    bytes_per_second /= 1024;
  }
  return absl::StrFormat("%.1f %s", bytes_per_second, kUnits[unit]);
}

std::string Count(int64_t n, absl::string_view noun) {
  return absl::StrFormat("%d %s%s", n, noun, n == 1 ? "" : "s");
}

// Does what `close_timeout` says, once the sinks have their results.
void EndSinks(absl::Span<Flow* const> sinks, const CopyOptions& options,
              absl::Span<CopyResult> results) {
  if (!options.close_timeout.has_value()) return;
  const auto deadline = MonotonicDeadline::In(*options.close_timeout);
  for (size_t i = 0; i < sinks.size(); ++i) {
    if (!results[i].status.ok()) AbortSink(*sinks[i], results[i].status);
  }
  // Every remote hears of its end before the wait for one begins.
  for (size_t i = 0; i < sinks.size() && sinks.size() > 1; ++i) {
    if (!results[i].status.ok()) continue;
    sinks[i]->SetWriteDeadline(deadline.ToTime());
    sinks[i]->Shutdown(ShutdownMode::kWrite).IgnoreError();
  }
  for (size_t i = 0; i < sinks.size(); ++i) {
    CopyResult& result = results[i];
    if (!result.status.ok()) continue;
    result.status = sinks[i]->Close(deadline.ToTime());
    if (!result.status.ok()) result.failed = Side::kSink;
  }
}

// One Copy().
class CopyRun {
 public:
  // `results` has one for each of `sinks`.
  CopyRun(Flow& source, absl::Span<Flow* const> sinks,
          const CopyOptions& options, absl::Span<CopyResult> results)
      : source_(source),
        sinks_(sinks),
        options_(options),
        results_(results),
        live_(sinks.size()) {
    const bool may_move = sinks.size() == 1 && !options.through_memory &&
                          options.max_read >= internal::kMinSplice;
    if (may_move && internal::KernelCopy::IsPossible(source, *sinks.front())) {
      in_kernel_.emplace(source, *sinks.front());
    }
  }

  // Returns the error of the source, or else of the first sink that failed.
  absl::Status Run() {
    if (options_.exactly && options_.max_bytes == CopyOptions().max_bytes) {
      return Stop(internal::NoMaxBytes(source_), Side::kNone);
    }
    if (options_.max_bytes <= 0) return absl::OkStatus();
    // Not the wall clock, which can be set while this runs.
    const auto start = std::chrono::steady_clock::now();
    absl::Status error = ReadAndWrite();
    if (BoundsReads()) source_.SetReadDeadline(absl::InfiniteFuture());
    if (BoundsWrites()) {
      for (Flow* sink : sinks_) sink->SetWriteDeadline(absl::InfiniteFuture());
    }
    const absl::Duration duration =
        absl::FromChrono(std::chrono::steady_clock::now() - start);
    for (CopyResult& result : results_) result.statistics.duration = duration;
    return error;
  }

 private:
  absl::Status ReadAndWrite() {
    const size_t max_read = std::max(options_.max_read, size_t{1});
    int64_t copied = 0;
    while (copied < options_.max_bytes) {
      const auto remaining = static_cast<uint64_t>(options_.max_bytes - copied);
      if (BoundsReads()) {
        source_.SetReadDeadline(
            MonotonicDeadline::In(options_.read_timeout).ToTime());
      }
      if (in_kernel_.has_value()) {
        const size_t moved = CopyInKernel(max_read, remaining);
        copied += static_cast<int64_t>(moved);
        if (live_ == 0) break;
        if (moved != 0) continue;
      }
      absl::StatusOr<absl::Cord> data =
          source_.Read(std::min<uint64_t>(max_read, remaining));
      if (!data.ok()) {
        if (GoesOn(data.status(), source_)) continue;
        return Stop(std::move(data).status(), Side::kSource);
      }
      if (data->empty()) {
        if (!options_.exactly) break;
        return Stop(internal::EndedEarly(source_, copied, options_.max_bytes),
                    Side::kSource);
      }
      copied += static_cast<int64_t>(data->size());
      if (in_kernel_.has_value()) in_kernel_->Tell(data->size());
      WriteToAll(*std::move(data));
      if (live_ == 0) break;
    }
    return sink_error_;
  }

  // Reads and writes inside the kernel. Returns how many bytes that has read; 0
  // if a Read() has to tell what comes.
  size_t CopyInKernel(size_t max_read, uint64_t remaining) {
    CopyResult& result = results_.front();
    if (const size_t moved = in_kernel_->Move(remaining); moved != 0) {
      ++result.statistics.reads;
      ++result.statistics.writes;
      Accept(moved, result);
      return moved;
    }
    const size_t read =
        in_kernel_->Fill(std::min<uint64_t>(max_read, remaining));
    if (read == 0) return 0;
    ++result.statistics.reads;
    BoundWrite(*sinks_.front());
    absl::Cord rest;
    absl::Status status = in_kernel_->Drain(&rest);
    ++result.statistics.writes;
    Accept(read - rest.size(), result);
    if (!status.ok() && GoesOn(status, *sinks_.front())) {
      status = Write(*sinks_.front(), &rest, result);
    }
    EndPiece(0, std::move(status), std::move(rest));
    return read;
  }

  void WriteToAll(absl::Cord data) {
    for (size_t i = 0; i < sinks_.size(); ++i) {
      CopyResult& result = results_[i];
      if (!result.status.ok()) continue;
      ++result.statistics.reads;
      const bool is_last = i + 1 == sinks_.size();
      absl::Cord rest = is_last ? std::move(data) : data;
      // Unless one before it has stopped the copy.
      absl::Status status =
          live_ == 0 ? absl::OkStatus() : Write(*sinks_[i], &rest, result);
      EndPiece(i, std::move(status), std::move(rest));
    }
    if (live_ != 0) return;
    // Those that had their turn before the one that has stopped the copy, and
    // those that did not have it.
    for (CopyResult& result : results_) {
      if (result.status.ok()) result.status = sink_error_;
    }
  }

  // Records what the write of a piece to a sink has returned and left.
  void EndPiece(size_t i, absl::Status status, absl::Cord rest) {
    CopyResult& result = results_[i];
    if (!status.ok()) {
      if (options_.close_timeout.has_value()) AbortSink(*sinks_[i], status);
      if (sink_error_.ok()) sink_error_ = status;
      result.status = std::move(status);
      result.failed = Side::kSink;
      live_ = options_.outlives_sinks ? live_ - 1 : 0;
    }
    result.unwritten = std::move(rest);
  }

  absl::Status Write(Flow& sink, absl::Cord* data, CopyResult& result) {
    while (true) {
      const size_t size = data->size();
      BoundWrite(sink);
      absl::Status status = sink.WriteFrom(data);
      ++result.statistics.writes;
      Accept(size - data->size(), result);
      if (status.ok() || !GoesOn(status, sink)) return status;
    }
  }

  void Accept(size_t size, CopyResult& result) {
    const auto accepted = static_cast<int64_t>(size);
    result.statistics.bytes += accepted;
    if (options_.on_write != nullptr && accepted > 0) {
      options_.on_write(accepted);
    }
  }

  bool GoesOn(const absl::Status& status, Flow& flow) const {
    return absl::IsDeadlineExceeded(status) &&
           options_.on_deadline != nullptr && options_.on_deadline(flow);
  }

  bool BoundsReads() const {
    return options_.read_timeout != absl::InfiniteDuration();
  }
  bool BoundsWrites() const {
    return options_.write_timeout != absl::InfiniteDuration();
  }
  void BoundWrite(Flow& sink) const {
    if (!BoundsWrites()) return;
    sink.SetWriteDeadline(
        MonotonicDeadline::In(options_.write_timeout).ToTime());
  }

  // Ends the copy for all sinks that have not failed.
  absl::Status Stop(absl::Status error, Side failed) {
    for (CopyResult& result : results_) {
      if (!result.status.ok()) continue;
      result.status = error;
      result.failed = failed;
    }
    return error;
  }

  Flow& source_;
  const absl::Span<Flow* const> sinks_;
  const CopyOptions& options_;
  const absl::Span<CopyResult> results_;
  std::optional<internal::KernelCopy> in_kernel_;
  size_t live_;              // how many sinks are still written to
  absl::Status sink_error_;  // the first
};

}  // namespace

double CopyStatistics::BytesPerSecond() const {
  const double seconds = absl::ToDoubleSeconds(duration);
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

std::string CopyStatistics::ToString() const {
  return absl::StrFormat(
      "%s in %s (%s), %s, %s", Count(bytes, "byte"),
      absl::FormatDuration(absl::Trunc(duration, absl::Microseconds(1))),
      FormatRate(BytesPerSecond()), Count(reads, "read"),
      Count(writes, "write"));
}

MultiCopyResult Copy(Flow& source, absl::Span<Flow* const> sinks,
                     const CopyOptions& options) {
  MultiCopyResult result;
  if (sinks.empty()) {
    result.status = absl::InvalidArgumentError(
        absl::StrCat(source.DebugString(), ": Copy() to no sinks"));
    return result;
  }
  result.sinks.resize(sinks.size());
  const absl::Span<CopyResult> results = absl::MakeSpan(result.sinks);
  result.status = CopyRun(source, sinks, options, results).Run();
  EndSinks(sinks, options, results);
  for (const CopyResult& sink : result.sinks) result.status.Update(sink.status);
  return result;
}

CopyResult Copy(Flow& source, Flow& sink, const CopyOptions& options) {
  Flow* const sinks[] = {&sink};
  CopyResult result;
  const absl::Span<CopyResult> results = absl::MakeSpan(&result, 1);
  CopyRun(source, sinks, options, results).Run().IgnoreError();
  EndSinks(sinks, options, results);
  return result;
}

absl::Status ReadAll(Flow& flow, size_t limit, absl::Cord* all) {
  internal::ByteQueue read;
  read.Append(std::exchange(*all, absl::Cord()));
  while (read.size() <= limit) {
    // At the limit it asks for one byte more, to see whether this is the end.
    absl::StatusOr<absl::Cord> data =
        flow.Read(std::max(limit - read.size(), size_t{1}));
    if (!data.ok() || data->empty()) {
      *all = read.TakeAll();
      return std::move(data).status();
    }
    read.Append(*std::move(data));
  }
  *all = read.TakeAll();
  return absl::ResourceExhaustedError(
      absl::StrCat(flow.DebugString(), ": ReadAll of more than the limit of ",
                   limit, " bytes"));
}

absl::StatusOr<absl::Cord> ReadAll(Flow& flow, size_t limit) {
  absl::Cord all;
  absl::Status status = ReadAll(flow, limit, &all);
  if (!status.ok()) return status;
  return all;
}

}  // namespace flow
