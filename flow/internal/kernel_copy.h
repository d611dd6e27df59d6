// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/kernel_copy.h
//
// The steps of a Copy() or StartCopy() that move bytes inside the kernel. Not
// for users of the library.
//
// Thread safety: that of such a copy, which is the one reader of the source and
// the one writer of the sink.

#ifndef FLOW_INTERNAL_KERNEL_COPY_H_
#define FLOW_INTERNAL_KERNEL_COPY_H_

#include <chrono>  // NOLINT(build/c++11)
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/internal/attempts.h"
#include "flow/internal/kernel_end.h"
#include "flow/operation.h"
#include "flow/transport.h"

namespace flow::internal {

// KernelCopy
//
// From one file to another, Move() is a read of the source and a write of the
// sink at the same time. Otherwise Fill() is a read, whose bytes are then in a
// pipe of this copy, and Drain() is the write of these bytes.
//
// Each takes the gates of its flows, as Read() and Write() do, and counts what
// it moves. What it does not move, it leaves to a Read() or a Write(): an end,
// errors, deadlines, waiting for long, and small messages. For what is in the
// pipe, that Write() is part of Drain(), so that nothing comes between the two.
//
// A started copy calls TryFill() and StartDrain() instead, which do not wait.
class KernelCopy final : private WriteAttempt {
 public:
  static bool IsPossible(Flow& source, Flow& sink);

  // Precondition: IsPossible().
  KernelCopy(Flow& source, Flow& sink);

  // Returns how many bytes it has moved; 0 if none can be moved now.
  size_t Move(uint64_t max_bytes);

  // The same of what it has read into the pipe.
  size_t Fill(size_t max_bytes);
  // Writes that, as Flow::WriteFrom() does. `*rest` is what the sink has not
  // accepted.
  absl::Status Drain(absl::Cord* rest);

  size_t TryFill(size_t max_bytes);
  // As Flow::StartWrite(). When it is over, EndDrain() makes
  // `operation.rest` what the sink has not accepted.
  bool StartDrain(Flow::WriteOperation& operation);
  void EndDrain(Flow::WriteOperation& operation);

  // A Read() has returned `size` bytes. If these are many, more may come.
  void Tell(size_t size);

 private:
  // Of a piece, as of a block of an ordinary read.
  static constexpr size_t kMinPiece = size_t{64} << 10;

  // Returns whether there is nothing to fill a pipe with.
  bool IsDrained();
  template <typename FillPipe>
  size_t FillBy(size_t max_bytes, FillPipe fill);
  // Chooses the size of the next piece by how long this one has taken.
  void EndPiece();
  // Of a started write of what is in the pipe.
  std::optional<absl::Status> Try(absl::Cord* rest, Retry* retry) override;
  size_t Left(const absl::Cord& rest) const override {
    return filled_ + rest.size();
  }
  absl::Cord TakeRest();
  void GiveUpPipe();

  Flow& source_;
  Flow& sink_;
  bool moves_;    // whether Move() may work
  bool splices_;  // whether Fill() and Drain() may
  bool is_bulk_;  // whether it is worth a pipe now
  std::unique_ptr<KernelPipe> pipe_;
  size_t piece_ = kMinPiece;  // how much to fill it with at most
  size_t filled_ = 0;         // bytes in it
  std::chrono::steady_clock::time_point drain_start_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_KERNEL_COPY_H_
