// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/gathering_transport.h"

#include <limits.h>
#include <sys/uio.h>

#include <cstddef>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"

namespace flow::internal {
namespace {

// The kernel refuses longer lists (EINVAL).
#ifdef IOV_MAX
constexpr size_t kMaxPieces = IOV_MAX;
#else
constexpr size_t kMaxPieces = 1024;
#endif

// A list for that many is 16 KiB, and would cost each thread as much of its
// stack. So most writes have a small one.
constexpr size_t kFewPieces = 16;

bool HasFewPieces(const Outgoing& data) {
  size_t n = 0;
  return data.ForEachPieceWhile(
      [&n](absl::string_view) { return ++n <= kFewPieces; });
}

}  // namespace

// Collects pieces, which must outlive it, and sends them when the list is full.
template <size_t kSize>
class GatheringTransport::Pieces {
 public:
  // Not inlined, so that the list is on the stack only where it is needed.
  ABSL_ATTRIBUTE_NOINLINE static absl::Status SendAll(
      GatheringTransport& transport, Outgoing& data) {
    Pieces pieces(transport, data);
    absl::Status status;
    const bool all = data.ForEachPieceWhile([&](absl::string_view piece) {
      status = pieces.Add(piece);
      return status.ok();
    });
    return all ? pieces.Flush() : status;
  }

 private:
  Pieces(GatheringTransport& transport, Outgoing& data)
      : transport_(transport), data_(data) {}

  absl::Status Add(absl::string_view piece) {
    if (piece.empty()) return absl::OkStatus();
    if (size_ == kSize) {
      if (absl::Status status = Flush(); !status.ok()) return status;
    }
    list_[size_].iov_base = const_cast<char*>(piece.data());
    list_[size_].iov_len = piece.size();
    ++size_;
    return absl::OkStatus();
  }

  absl::Status Flush() {
    for (size_t first = 0; first < size_;) {
      const absl::StatusOr<size_t> sent =
          transport_.Send(absl::MakeConstSpan(list_ + first, size_ - first));
      if (!sent.ok()) return sent.status();
      data_.Accept(*sent);
      size_t left = *sent;
      for (; first < size_ && left >= list_[first].iov_len; ++first) {
        left -= list_[first].iov_len;
      }
      if (left > 0) {
        list_[first].iov_base =
            static_cast<char*>(list_[first].iov_base) + left;
        list_[first].iov_len -= left;
      }
    }
    size_ = 0;
    return absl::OkStatus();
  }

  GatheringTransport& transport_;
  Outgoing& data_;
  size_t size_ = 0;
  struct iovec list_[kSize];
};

absl::Status GatheringTransport::Write(Outgoing& data) {
  return HasFewPieces(data) ? Pieces<kFewPieces>::SendAll(*this, data)
                            : Pieces<kMaxPieces>::SendAll(*this, data);
}

}  // namespace flow::internal
