// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/copy.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/byte_queue.h"

namespace flow {
namespace {

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

CopyResult Copy(Flow& source, Flow& sink, const CopyOptions& options) {
  CopyResult result;
  CopyStatistics& statistics = result.statistics;
  // Not the wall clock, which can be set while this runs.
  const auto start = std::chrono::steady_clock::now();
  const size_t max_read = std::max(options.max_read, size_t{1});
  const auto goes_on = [&options](const absl::Status& status) {
    return absl::IsDeadlineExceeded(status) && options.on_deadline != nullptr &&
           options.on_deadline();
  };
  if (options.exactly && options.max_bytes == CopyOptions().max_bytes) {
    result.status = absl::InvalidArgumentError(
        absl::StrCat(source.DebugString(),
                     ": Copy() of exactly max_bytes, which is not set"));
    return result;
  }
  while (statistics.bytes < options.max_bytes) {
    const auto remaining =
        static_cast<uint64_t>(options.max_bytes - statistics.bytes);
    absl::StatusOr<absl::Cord> data =
        source.Read(std::min<uint64_t>(max_read, remaining));
    if (!data.ok()) {
      if (goes_on(data.status())) continue;
      result.status = std::move(data).status();
      result.failed = CopyResult::Side::kSource;
      break;
    }
    if (data->empty()) {
      if (options.exactly) {
        result.status = absl::OutOfRangeError(absl::StrCat(
            source.DebugString(), ": the stream ended after ", statistics.bytes,
            " of ", options.max_bytes, " bytes to copy"));
        result.failed = CopyResult::Side::kSource;
      }
      break;
    }
    ++statistics.reads;
    absl::Status written;
    do {
      const size_t size = data->size();
      written = sink.WriteFrom(&*data);
      ++statistics.writes;
      const auto accepted = static_cast<int64_t>(size - data->size());
      statistics.bytes += accepted;
      if (options.on_write != nullptr && accepted > 0) {
        options.on_write(accepted);
      }
    } while (!written.ok() && goes_on(written));
    if (!written.ok()) {
      result.status = std::move(written);
      result.failed = CopyResult::Side::kSink;
      result.unwritten = *std::move(data);
      break;
    }
  }
  statistics.duration =
      absl::FromChrono(std::chrono::steady_clock::now() - start);
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
