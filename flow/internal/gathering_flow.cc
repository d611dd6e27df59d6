// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/gathering_flow.h"

#include <limits.h>
#include <sys/uio.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"

namespace flow::internal {
namespace {

// The kernel refuses longer lists (EINVAL).
#ifdef IOV_MAX
constexpr size_t kMaxPieces = IOV_MAX;
#else
constexpr size_t kMaxPieces = 1024;
#endif

}  // namespace

// Collects pieces, which must outlive it, and sends them when the list is full.
class GatheringFlow::Pieces {
 public:
  Pieces(GatheringFlow& flow, size_t* accepted)
      : flow_(flow), accepted_(accepted) {}

  absl::Status Add(absl::string_view piece) {
    if (piece.empty()) return absl::OkStatus();
    if (size_ == kMaxPieces) {
      if (absl::Status status = Flush(); !status.ok()) return status;
    }
    list_[size_].iov_base = const_cast<char*>(piece.data());
    list_[size_].iov_len = piece.size();
    ++size_;
    return absl::OkStatus();
  }

  absl::Status Add(const absl::Cord& pieces) {
    for (absl::string_view piece : pieces.Chunks()) {
      if (absl::Status status = Add(piece); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Flush() {
    for (size_t first = 0; first < size_;) {
      const absl::StatusOr<size_t> sent =
          flow_.Send(absl::MakeConstSpan(list_ + first, size_ - first));
      if (!sent.ok()) return sent.status();
      *accepted_ += *sent;
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

 private:
  GatheringFlow& flow_;
  size_t* const accepted_;
  size_t size_ = 0;
  struct iovec list_[kMaxPieces];
};

template <typename Buffer>
absl::Status GatheringFlow::SendAll(absl::Span<const Buffer> buffers,
                                    size_t* accepted) {
  Pieces pieces(*this, accepted);
  for (const Buffer& buffer : buffers) {
    absl::Status status = pieces.Add(buffer);
    if (!status.ok()) return status;
  }
  return pieces.Flush();
}

absl::Status GatheringFlow::DoWrite(absl::Cord buffer, size_t* accepted) {
  return SendAll(absl::MakeConstSpan(&buffer, 1), accepted);
}

absl::Status GatheringFlow::DoWriteBorrowed(absl::string_view buffer,
                                            size_t* accepted) {
  return SendAll(absl::MakeConstSpan(&buffer, 1), accepted);
}

absl::Status GatheringFlow::DoWritev(absl::Span<const absl::Cord> buffers,
                                     size_t* accepted) {
  return SendAll(buffers, accepted);
}

absl::Status GatheringFlow::DoWritevBorrowed(
    absl::Span<const absl::string_view> buffers, size_t* accepted) {
  return SendAll(buffers, accepted);
}

}  // namespace flow::internal
