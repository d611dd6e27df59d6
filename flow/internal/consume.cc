// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/consume.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/call_function.h"
#include "flow/outgoing.h"
#include "flow/status.h"

namespace flow::internal {
namespace {

// Returns the error of an output that was shown `shown` bytes, and returned
// `taken`.
absl::Status ErrorOf(const absl::StatusOr<size_t>& taken, size_t shown) {
  if (!taken.ok()) return taken.status();
  if (*taken == 0) return ClosedError("the output takes no more");
  if (*taken <= shown) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the output function was shown ", shown,
                   " bytes and claims to have taken ", *taken));
}

// Consumes pieces by the byte.
class Gathering {
 public:
  Gathering(ConsumeFunction& consume, const std::atomic<bool>& aborted,
            Outgoing& data)
      : consume_(consume), aborted_(aborted), data_(data) {}

  // Consumes `piece` after all that was kept before, or keeps it.
  absl::Status Add(absl::string_view piece) {
    if (ABSL_PREDICT_FALSE(piece.size() > kMaxCopied ||
                           piece.size() > sizeof(gathered_) - used_)) {
      if (absl::Status status = Flush(); !status.ok()) return status;
      if (piece.size() > kMaxCopied) {
        return ConsumeBytes(consume_, aborted_, piece, data_);
      }
    }
    if (piece.empty()) return absl::OkStatus();
    std::memcpy(gathered_ + used_, piece.data(), piece.size());
    used_ += piece.size();
    return absl::OkStatus();
  }

  // Consumes what was kept.
  absl::Status Flush() {
    return ConsumeBytes(
        consume_, aborted_,
        absl::string_view(gathered_, std::exchange(used_, size_t{0})), data_);
  }

 private:
  ConsumeFunction& consume_;
  const std::atomic<bool>& aborted_;
  Outgoing& data_;
  size_t used_ = 0;
  char gathered_[4096];
};

// Consumes lists of pieces.
class Listing {
 public:
  Listing(ConsumeListFunction& consume, const std::atomic<bool>& aborted,
          Outgoing& data)
      : consume_(consume), aborted_(aborted), data_(data) {}

  absl::Status ConsumeAll() {
    absl::Span<const absl::string_view> list = data_.views();
    absl::string_view one;
    if (data_.is_one() && data_.is_borrowed()) {
      one = data_.bytes();
      list = absl::MakeConstSpan(&one, 1);
    }
    if (list.empty() || list.size() > kMaxShown) return ConsumeBehind(0);
    const absl::StatusOr<size_t> taken = Show(list, data_.size());
    if (ABSL_PREDICT_FALSE(!taken.ok())) return taken.status();
    if (ABSL_PREDICT_TRUE(*taken == data_.size())) return absl::OkStatus();
    return ConsumeBehind(*taken);
  }

 private:
  // The longest list that is shown: Linux refuses a longer one (IOV_MAX).
  static constexpr size_t kMaxShown = 1024;
  static constexpr size_t kMaxGathered = 64;

  // Shows `list`, which has `size` bytes, once. Returns how many were taken, at
  // least one.
  absl::StatusOr<size_t> Show(absl::Span<const absl::string_view> list,
                              size_t size) {
    if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
      return absl::AbortedError("aborted");
    }
    absl::StatusOr<size_t> taken = CallFunction(consume_, list);
    if (ABSL_PREDICT_FALSE(!taken.ok() || *taken - 1 >= size)) {
      return ErrorOf(taken, size);
    }
    data_.Accept(*taken);
    return taken;
  }

  // Consumes what comes after the first `skipped` bytes. Apart, so that
  // ConsumeAll() has no array on its stack.
  ABSL_ATTRIBUTE_NOINLINE absl::Status ConsumeBehind(size_t skipped) {
    absl::string_view list[kMaxGathered];
    size_t count = 0;
    absl::Status status;
    const bool all = data_.ForEachPieceWhile([&](absl::string_view piece) {
      const size_t n = std::min(skipped, piece.size());
      skipped -= n;
      piece.remove_prefix(n);
      if (piece.empty()) return true;
      list[count++] = piece;
      if (count < kMaxGathered) return true;
      status = Consume(absl::MakeSpan(list, std::exchange(count, 0)));
      return status.ok();
    });
    return all ? Consume(absl::MakeSpan(list, count)) : status;
  }

  absl::Status Consume(absl::Span<absl::string_view> list) {
    size_t size = 0;
    for (absl::string_view piece : list) size += piece.size();
    while (size > 0) {
      const absl::StatusOr<size_t> taken = Show(list, size);
      if (!taken.ok()) return taken.status();
      size -= *taken;
      size_t left = *taken;
      while (left > 0 && left >= list.front().size()) {
        left -= list.front().size();
        list.remove_prefix(1);
      }
      if (left > 0) list.front().remove_prefix(left);
    }
    return absl::OkStatus();
  }

  ConsumeListFunction& consume_;
  const std::atomic<bool>& aborted_;
  Outgoing& data_;
};

}  // namespace

absl::Status ConsumeByParts(ConsumeFunction& consume,
                            const std::atomic<bool>& aborted,
                            absl::string_view bytes, Outgoing& data,
                            absl::StatusOr<size_t>& taken) {
  while (true) {
    if (absl::Status status = ErrorOf(taken, bytes.size()); !status.ok()) {
      return status;
    }
    data.Accept(*taken);
    bytes.remove_prefix(*taken);
    if (bytes.empty()) return absl::OkStatus();
    if (aborted.load(std::memory_order_relaxed)) {
      return absl::AbortedError("aborted");
    }
    taken =
        CallFunction(consume, absl::MakeConstSpan(bytes.data(), bytes.size()));
  }
}

absl::Status ConsumePieces(ConsumeFunction& consume,
                           const std::atomic<bool>& aborted, Outgoing& data) {
  Gathering gathering(consume, aborted, data);
  absl::Status status;
  const bool all = data.ForEachPieceWhile([&](absl::string_view piece) {
    status = gathering.Add(piece);
    return status.ok();
  });
  return all ? gathering.Flush() : status;
}

absl::Status ConsumeLists(ConsumeListFunction& consume,
                          const std::atomic<bool>& aborted, Outgoing& data) {
  return Listing(consume, aborted, data).ConsumeAll();
}

}  // namespace flow::internal
